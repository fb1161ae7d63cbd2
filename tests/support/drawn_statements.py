# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways' plans that no inventory would make, for everything that writes rules from them: hostile names in remarks,
both families, every protocol, ranges that are no networks, ports at the ends of what there is.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.platforms import FILTERS
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import codec
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Statement
from hypothesis import strategies as st

from intervals import Box, box_of

SPOKEN = [
    *(
        "access-list",
        "ip access-list x",
        "ipv6",
        "10 permit ip any any",
        "5 deny",
        "remark",
        "standard",
        "log",
        "!",
        "?",
    ),
    *('"', "matches (3)", "fragment-rules", "\n", "\r\nno access-list a", "; reload", "| include", "`id`", "$(id)"),
    *("{{ x }}", "é", "\u202e", "\x00", "any", "sequence 5", "host 192.0.2.1", "extended permit ip any any", "line 1"),
]
"""What means something to a console, or to what reads its lines."""

texts = st.lists(st.one_of(st.sampled_from(SPOKEN), st.text(max_size=8)), max_size=5).map(" ".join)
ports = st.builds(
    lambda first, more: PortRange(first, min(first + more, 65535)),
    st.sampled_from([1, 22, 53, 80, 135, 1024, 1433, 1434, 4022, 5001, 5002, 8082, 32768, 65534, 65535]),
    st.sampled_from([0, 0, 1, 300, 65535]),
)
some_ports = st.lists(ports, max_size=2, unique=True).map(tuple)
ADDRESSES = {
    "ipv4": ["0.0.0.0/0", "192.0.2.0/24", "192.0.2.7", "192.0.2.8/29", "198.51.100.1-198.51.100.6", "203.0.113.0/25"],
    "ipv6": ["::/0", "2001:db8:1::/48", "2001:db8::7", "2001:db8:2::10/127", "2001:db8:3::1-2001:db8:3::4"],
}
ICMP = {"ipv4": [(8, 0), (0, 0), (3, 4)], "ipv6": [(128, 0), (129, 0), (2, None)]}


@st.composite
def statements(draw: st.DrawFn, stateful: bool, echo: bool) -> Statement:
    """Draw one statement of a filter.

    :param echo: with echo requests of IPv6, which not every device's module can write.
    """
    family = draw(st.sampled_from(["ipv4", "ipv6"]))
    protocol = draw(st.sampled_from(["tcp", "udp", "icmp"]))
    kind = draw(st.sampled_from(["request", "unrelated"] if stateful else ["request", "reply", "unrelated"]))
    sides = [
        tuple(
            AddressRange.parse(text)
            for text in draw(st.lists(st.sampled_from(ADDRESSES[family]), min_size=1, max_size=2))
        )
        for _side in "sd"
    ]
    icmp: tuple[int | None, int | None] = (None, None)
    if protocol == "icmp":
        known = [item for item in ICMP[family] if echo or item != (128, 0)]
        icmp = draw(st.sampled_from([item for item in known if not (stateful and item == (3, 4))]))
    return Statement(
        "fw",
        *draw(st.sampled_from([("office", "dc"), ("dc", "office")])),
        kind,
        family,
        protocol,
        sides[0],
        () if protocol == "icmp" else draw(some_ports),
        sides[1],
        () if protocol == "icmp" else draw(some_ports),
        kind == "reply" and protocol == "tcp",
        *icmp,
        None,
        draw(texts),
        draw(texts),
        "required",
        draw(texts),
        "this test",
    )


@st.composite
def plans(draw: st.DrawFn, platform: str, echo: bool = True, most: int = 5) -> GatewayPlan:
    """Draw the plan of a filter that runs on a platform, with so many statements at most."""
    stateful = FILTERS[platform].tracks is not False
    drawn = draw(st.lists(statements(stateful, echo), min_size=1, max_size=most))
    return GatewayPlan("fw", "filter", platform, "", "", ("office", "dc"), stateful, (), "", tuple(drawn), ())


def boxes(plan: GatewayPlan, **where: Any) -> list[Box]:
    """Return what a plan's statements permit, worked out from the text of its file."""
    written = [json.loads(codec(Statement).write(item)) for item in plan.statements]
    found = []
    for item in written:
        if all(item[key] == value for key, value in where.items()):
            networks = {
                side: [text for part in item[side] for text in split(part)] for side in ("source", "destination")
            }
            found.append(box_of({**item, **networks}))
    return found


def split(text: str) -> list[str]:
    """Return a range of the file as networks."""
    first, dash, last = text.partition("-")
    if not dash:
        return [text]
    return list(map(str, ipaddress.summarize_address_range(ipaddress.ip_address(first), ipaddress.ip_address(last))))
