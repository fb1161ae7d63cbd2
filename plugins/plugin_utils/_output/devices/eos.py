# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access lists of Arista EOS, as the config of arista.eos.eos_acls.

The module asks the controller's /etc/services for the name of a source port that is a number (issue 431); a range of
one port is none. It reads hyphens in remarks back as underscores, and would write such a remark again in every run. It
takes a list for a standard one, or for one of IPv6, whose name says so.
"""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Family
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.acl import (
    APART,
    Data,
    Form,
    IcmpNames,
    Line,
    icmp_name,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.cisco import network
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import Limits

_NAMES: dict[Family, IcmpNames] = {
    "ipv4": {(8, None): "echo", (0, None): "echo_reply", (3, 4): "packet_too_big"},
    "ipv6": {
        (128, None): "echo_request",
        (129, None): "echo_reply",
        (2, None): "packet_too_big",
        (135, None): "neighbor_solicitation",
        (136, None): "neighbor_advertisement",
    },
}


def _aces(line: Line, family: Family, step: int) -> list[Data]:
    ace: Data = {"sequence": line.sequence + step, "grant": line.grant}
    item = line.meaning
    if item is None:
        protocol = "ip" if family == "ipv4" else "ipv6"
        ace.update(protocol=protocol, source={"any": True}, destination={"any": True})
    else:
        protocol = "icmpv6" if (item.protocol, family) == ("icmp", "ipv6") else item.protocol
        ace["protocol"] = protocol
        ace["source"] = network(item.source, "subnet_address")
        ace["destination"] = network(item.destination, "subnet_address")
        if item.source_ports:
            ace["source"]["port_protocol"] = {"range": f"{item.source_ports.first} {item.source_ports.last}"}
        if item.destination_ports:
            first, last = item.destination_ports
            ace["destination"]["port_protocol"] = {"eq": str(first)} if first == last else {"range": f"{first} {last}"}
        if item.established:
            ace["protocol_options"] = {"tcp": {"flags": {"established": True}}}
        elif item.protocol == "icmp":
            ace["protocol_options"] = {protocol: {icmp_name(_NAMES[family], item, "arista.eos.eos_acls"): True}}
    return [{"sequence": line.sequence, "remark": line.remark.replace("-", "_")}, ace]


EOS = Form(
    Limits(
        100,
        100,
        0,
        "Arista EOS User Manual, ACLs and Route Maps; what its module reads back of names",
        (
            r"(?!.*(?:standard|ipv6))[A-Za-z][A-Za-z0-9_.-]*",
            "letters, digits, hyphens, dots and underscores, a letter first, and neither standard nor ipv6 in it",
        ),
    ),
    _aces,
    APART,
    4294967295,
    False,
    lambda family: {},
)
