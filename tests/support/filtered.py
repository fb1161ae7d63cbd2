# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories whose only gateway is a filter, and what has to pass it, worked out a second time and the slow way."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Any

from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import codec
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Statement
from hypothesis import strategies as st

from intervals import ANY_FLAGS, ESTABLISHED, NO_FLAGS, Box, addresses, box_of, ports

NETWORKS = {
    "office": ["192.0.2.0/25"],
    "lab": ["192.0.2.64/27"],
    "dc": ["198.51.100.0/24", "2001:db8:d::/48"],
    "six": ["2001:db8::/32"],
}
"""lab lies inside office and dc's IPv6 inside six: the longest prefix owns an address."""

HOSTS = {
    "o1": ["192.0.2.10"],
    "o2": ["192.0.2.11", "2001:db8::11"],
    "lab1": ["192.0.2.70"],
    "d1": ["198.51.100.10", "2001:db8:d::10"],
    "d2": ["198.51.100.11"],
    "both": ["192.0.2.12", "198.51.100.12"],
    "nowhere": ["203.0.113.9"],
}
CLIENTS = [*HOSTS, "192.0.2.60-192.0.2.66", "192.0.2.0/24", "2001:db8::/31"]
systems = st.sampled_from([None, "linux", "windows", "windows_2003"])
clients = st.lists(st.sampled_from(CLIENTS), min_size=1, max_size=3, unique=True)
servers = st.one_of(
    st.fixed_dictionaries(
        {"engine": st.just("sql602"), "clients": clients},
        optional={"port_base": st.sampled_from([5001, 6001]), "ping": st.booleans(), "http_tunnel_port": st.just(80)},
    ),
    st.fixed_dictionaries(
        {"engine": st.just("mssql"), "clients": clients},
        optional={
            "instances": st.sampled_from(
                [
                    [{"name": "SALES", "tcp_port": 14330}],
                    [{"name": "PAY"}],
                    [{"tcp_port": [1433, 1500, 1501]}],
                ]
            ),
            "os": st.sampled_from(["windows", "windows_2003"]),
        },
    ),
)


@st.composite
def inventories(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an inventory whose only gateway is a filter between all networks."""
    hosts: dict[str, Any] = {}
    for name, own in HOSTS.items():
        hosts[name] = {"dbports_addresses": own, "dbports_os": draw(systems)}
    for name in draw(st.lists(st.sampled_from(list(HOSTS)), min_size=1, max_size=2, unique=True)):
        hosts[name]["dbports_servers"] = [draw(servers)]
    between = draw(st.permutations(list(NETWORKS)))[: draw(st.integers(2, 4))]
    gateway = {"name": "fw", "kind": "filter", "between": between, "stateful": draw(st.booleans())}
    return {"hosts": hosts, "vars": {"dbports_networks": NETWORKS, "dbports_gateways": [gateway]}}


Cells = list[tuple[str, int, int, int]]


def cells(networks: dict[str, list[str]]) -> Cells:
    """Cut all addresses at the borders of the networks: (owner, family, first, last), worked out the slow way."""
    named = [(ipaddress.ip_network(text), name) for name, listed in networks.items() for text in listed]
    found = []
    for family, top in ((4, 2**32), (6, 2**128)):
        mine = [(net, name) for net, name in named if net.version == family]
        borders = {0, top}
        for net, _name in mine:
            borders |= {int(net.network_address), int(net.broadcast_address) + 1}
        cuts = sorted(borders)
        for first, after in zip(cuts, cuts[1:]):
            around = [
                (net.prefixlen, name)
                for net, name in mine
                if int(net.network_address) <= first <= int(net.broadcast_address)
            ]
            found.append((max(around)[1] if around else "", family, first, after - 1))
    return found


def split(texts: list[str], owners: Cells) -> Iterator[tuple[str, int, tuple[int, int]]]:
    """Yield the pieces of addresses with the network and family of each."""
    for text in texts:
        if "-" in text:
            low, high = map(ipaddress.ip_address, text.split("-"))
            family, interval = low.version, (int(low), int(high))
        else:
            ((family, (interval,)),) = addresses([text]).items()
        for owner, other, first, last in owners:
            piece = max(first, interval[0]), min(last, interval[1])
            if other == family and piece[0] <= piece[1]:
                yield owner, family, piece


def between_networks(
    flow: dict[str, Any], initiators: list[str], responders: list[str], between: list[str], owners: Cells
) -> Iterator[Box]:
    """Yield the first packets of a flow's parts that go from one of these networks to another."""
    icmp = flow["protocol"] == "icmp"
    for origin, family, source in split(initiators, owners):
        echo = 8 if family == 4 else 128
        for target, other, destination in split(responders, owners):
            if family == other and origin != target and {origin, target} <= set(between):
                yield Box(
                    family,
                    flow["protocol"],
                    (source,),
                    ((echo, echo),) if icmp else ports(flow["source_ports"]),
                    (destination,),
                    ((0, 0),) if icmp else ports(flow["ports"]),
                    ANY_FLAGS if flow["protocol"] == "tcp" else NO_FLAGS,
                )


def answer(box: Box) -> Box:
    """Return what comes back for a flow: established, and an echo reply for an echo request."""
    if box.protocol == "icmp":
        reply = 0 if box.family == 4 else 129
        return box.mirrored()._replace(sport=((reply, reply),), dport=box.dport)
    return box.mirrored()._replace(flags=ESTABLISHED if box.protocol == "tcp" else NO_FLAGS)


def statements(plan: Plan, *kinds: str) -> list[Box]:
    """Return the boxes of the filter's statements of some kinds."""
    return [
        box_of(json.loads(codec(Statement).write(item))) for item in plan.gateways[0].statements if item.kind in kinds
    ]
