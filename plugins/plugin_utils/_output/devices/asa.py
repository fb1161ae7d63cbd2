# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access lists of Cisco ASA, as the config of cisco.asa.asa_acls: one list for both families, lines and no sequences.

A line number is a place: what is there moves down, and so do all lines after it. ASA tracks connections, so that there
is no established. Networks have a mask, not a wildcard (Cisco ASA Series Command Reference, access-list extended).
"""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import masks
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Family, GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.acl import (
    Data,
    IcmpNames,
    Line,
    check_mode,
    icmp_name,
    number,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import (
    PREFIX,
    Meaning,
    entries_of,
    remark,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import (
    Limits,
    check_count,
    check_name,
)

LIMITS = Limits(
    241, 100, 0, "Cisco ASA Series Command Reference, access-list: names up to 241, remarks up to 100 characters"
)
_LAST = 2147483647
_ICMP: dict[Family, tuple[str, IcmpNames]] = {
    "ipv4": ("icmp", {(8, None): "echo", (0, None): "echo_reply"}),
    "ipv6": ("icmp6", {(128, None): "echo", (129, None): "echo_reply", (2, None): "packet_too_big"}),
}


def aces(
    plan: GatewayPlan,
    name: str,
    origin: str = "",
    target: str = "",
    mode: str = "entries",
    first: int = 1,
    end: str | None = None,
) -> Data:
    """Return the config of asa_acls: a block of lines that begins at a line, or a whole list."""
    check_name(LIMITS, name, "name")
    check_mode(mode, end)
    start = number(first, "first", _LAST)
    lines = [
        Line(0, remark(item.statement, LIMITS.remark), "permit", item.meaning)
        for item in entries_of(plan, origin, target)
    ]
    if end == "permit":
        lines.append(Line(0, f"{PREFIX} end: everything else passes", "permit", None))
    elif end == "deny":
        lines.append(Line(0, f"{PREFIX} end: everything else is refused", "deny", None))
    check_count(_LAST, start + 2 * len(lines) - 1, "is the last line", "first", "Choose a lower first")
    found: list[Data] = []
    for at, line in enumerate(lines):
        found.append({"line": start + 2 * at, "remark": line.remark})
        found.append({"line": start + 2 * at + 1, "grant": line.grant, **ace_of(line.meaning)})
    return {"acls": [{"name": name, "acl_type": "extended", "aces": found}]}


def ace_of(item: Meaning | None) -> Data:
    """Return what an entry permits or refuses, without its line; None is everything of both families."""
    if item is None:
        return {"protocol": "ip", "source": {"any": True}, "destination": {"any": True}}
    source, destination = _end(item.source, item.source_ports), _end(item.destination, item.destination_ports)
    if item.protocol == "icmp":
        protocol, names = _ICMP[item.family]
        message = {icmp_name(names, item, "cisco.asa.asa_acls"): True}
        return {
            "protocol": protocol,
            "protocol_options": {protocol: message},
            "source": source,
            "destination": destination,
        }
    return {"protocol": item.protocol, "source": source, "destination": destination}


def _end(item: AddressRange, ports: PortRange | None) -> Data:
    text = str(item)
    found: Data
    if text in ("0.0.0.0/0", "::/0"):
        found = {f"any{item.family}": True}
    elif item.first == item.last:
        found = {"host": text}
    elif item.family == 6:
        found = {"address": text}
    else:
        words = masks(item)
        found = {"address": words.address, "netmask": words.netmask}
    if ports and ports.first == ports.last:
        found["port_protocol"] = {"eq": str(ports.first)}
    elif ports:
        found["port_protocol"] = {"range": {"start": ports.first, "end": ports.last}}
    return found
