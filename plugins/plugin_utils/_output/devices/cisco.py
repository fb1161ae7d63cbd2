# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access lists of Cisco IOS, NX-OS and IOS XR, as the config of their acls modules.

Where a module writes something else than it was told, another form is used, and where there is none it is an error:

- cisco.ios before 11.5.1 writes a destination ``eq 5001`` as ``onep-plain``, which devices read as 15001 (and 5002 as
  15002; its changelog, issue 1312), and names of TCP for UDP too (514 as cmd). It writes a range as it is. A remark
  of an IPv6 list has a sequence of its own; before 11.4.2 its keyword was missing (issue 1336).
- cisco.nxos takes 12, 13 and 14 for exec, login and cmd, which are 512, 513 and 514, and writes names of TCP for UDP
  too, in ranges as well (config/acls/acls.py, convert_values).
"""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import masks
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Family
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.acl import (
    APART,
    Data,
    Form,
    IcmpNames,
    Line,
    cannot_write,
    icmp_name,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import Meaning
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import Limits

_ICMP: IcmpNames = {(8, None): "echo", (0, None): "echo_reply", (3, 4): "packet_too_big"}
_IOS_NAMES: dict[Family, IcmpNames] = {"ipv4": _ICMP, "ipv6": {(129, None): "echo_reply", (2, None): "packet_too_big"}}
_XR_NAMES: dict[Family, IcmpNames] = {
    "ipv4": _ICMP,
    "ipv6": {(128, None): "echo", (129, None): "echo_reply", (2, None): "packet_too_big"},
}
_NX_NAMES: dict[Family, IcmpNames] = {
    "ipv4": _ICMP,
    "ipv6": {(128, None): "echo_request", (129, None): "echo_reply", (2, None): "packet_too_big"},
}
_NX_WRONG = frozenset({12, 13, 14})
_NX_ONLY_TCP = frozenset(
    {19, 20, 21, 23, 25, 43, 70, 79, 80, 101, 109, 110, 113, 119, 179, 194, 515, 540, 543, 544, 3949}
)
"""Ports that cisco.nxos names as TCP does, which NX-OS does not take for UDP."""


def network(item: AddressRange, ipv6_key: str) -> Data:
    """Return a network as the modules name it: any, one host, address and wildcard or, for IPv6, a prefix."""
    text = str(item)
    if text in ("0.0.0.0/0", "::/0"):
        return {"any": True}
    if item.first == item.last:
        return {"host": text}
    if item.family == 6:
        return {ipv6_key: text}
    found = masks(item)
    return {"address": found.address, "wildcard_bits": found.wildcard}


def _all(family: Family) -> str:
    return "ip" if family == "ipv4" else "ipv6"


def _ios_end(item: AddressRange, ports: PortRange | None) -> Data:
    found = network(item, "address")
    if ports:
        found["port_protocol"] = {"range": {"start": ports.first, "end": ports.last}}
    return found


def _ios(line: Line, family: Family, step: int) -> list[Data]:
    said = {"sequence": line.sequence, "remarks": [line.remark]}
    if family == "ipv4":
        return [{**said, "grant": line.grant, **_ios_ace(line.meaning, family)}]
    return [said, {"sequence": line.sequence + step, "grant": line.grant, **_ios_ace(line.meaning, family)}]


def _ios_ace(item: Meaning | None, family: Family) -> Data:
    if item is None:
        return {"protocol": _all(family), "source": {"any": True}, "destination": {"any": True}}
    ace: Data = {
        "protocol": item.protocol,
        "source": _ios_end(item.source, item.source_ports),
        "destination": _ios_end(item.destination, item.destination_ports),
    }
    if item.established:
        ace["protocol_options"] = {"tcp": {"established": True}}
    elif item.protocol == "icmp":
        ace["protocol_options"] = {"icmp": {icmp_name(_IOS_NAMES[family], item, "cisco.ios.ios_acls"): True}}
    return ace


def ports_as_text(ports: PortRange) -> Data:
    """Return ports as NX-OS and IOS XR take them."""
    if ports.first == ports.last:
        return {"eq": str(ports.first)}
    return {"range": {"start": str(ports.first), "end": str(ports.last)}}


def _nx_ports(item: Meaning, ports: PortRange) -> Data:
    for end in ports:
        if end in _NX_WRONG or (item.protocol == "udp" and end in _NX_ONLY_TCP):
            raise cannot_write(
                f"{item.protocol.upper()} port {end}",
                "cisco.nxos.nxos_acls writes the name of another port for it",
                "Use another port, or write this entry by hand and leave the server out of this gateway's plan",
            )
    return ports_as_text(ports)


def _nx_end(item: Meaning, side: AddressRange, ports: PortRange | None) -> Data:
    found = network(side, "prefix")
    return {**found, "port_protocol": _nx_ports(item, ports)} if ports else found


def _nxos(line: Line, family: Family, step: int) -> list[Data]:
    ace: Data = {"sequence": line.sequence + step, "grant": line.grant}
    item = line.meaning
    if item is None:
        ace.update(protocol=_all(family), source={"any": True}, destination={"any": True})
    else:
        protocol = "icmpv6" if (item.protocol, family) == ("icmp", "ipv6") else item.protocol
        ace["protocol"] = protocol
        ace["source"] = _nx_end(item, item.source, item.source_ports)
        ace["destination"] = _nx_end(item, item.destination, item.destination_ports)
        if item.established:
            ace["protocol_options"] = {"tcp": {"established": True}}
        elif item.protocol == "icmp":
            ace["protocol_options"] = {protocol: {icmp_name(_NX_NAMES[family], item, "cisco.nxos.nxos_acls"): True}}
    return [{"sequence": line.sequence, "remark": line.remark}, ace]


def _xr_end(item: AddressRange, ports: PortRange | None) -> Data:
    found = network(item, "prefix")
    return {**found, "port_protocol": ports_as_text(ports)} if ports else found


def _iosxr(line: Line, family: Family, step: int) -> list[Data]:
    ace: Data = {"sequence": line.sequence + step, "grant": line.grant}
    item = line.meaning
    if item is None:
        ace.update(protocol=family, source={"any": True}, destination={"any": True})
    else:
        protocol = "icmpv6" if (item.protocol, family) == ("icmp", "ipv6") else item.protocol
        ace["protocol"] = protocol
        ace["source"] = _xr_end(item.source, item.source_ports)
        ace["destination"] = _xr_end(item.destination, item.destination_ports)
        if item.established:
            ace["protocol_options"] = {"tcp": {"established": True}}
        elif item.protocol == "icmp":
            ace["protocol_options"] = {protocol: {icmp_name(_XR_NAMES[family], item, "cisco.iosxr.iosxr_acls"): True}}
    return [{"sequence": line.sequence, "remark": line.remark}, ace]


IOS = Form(
    Limits(64, 100, 0, "Cisco IOS Security Configuration Guide: remarks up to 100 characters"),
    _ios,
    {"ipv4": 1, "ipv6": 2},
    2147483647,
    True,
    lambda family: {"acl_type": "extended"} if family == "ipv4" else {},
)
NXOS = Form(
    Limits(
        64, 100, 0, "Cisco Nexus 9000 NX-OS Security Configuration Guide: names up to 64, remarks up to 100 characters"
    ),
    _nxos,
    APART,
    4294967295,
    True,
    lambda family: {},
)
IOSXR = Form(
    Limits(64, 255, 0, "Cisco IOS XR IP Addresses and Services Command Reference: remarks up to 255 characters"),
    _iosxr,
    APART,
    2147483643,
    True,
    lambda family: {},
)
