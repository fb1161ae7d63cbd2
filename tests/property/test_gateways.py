# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of filters against the plan's flows: equality is decided by an interval evaluator, not sampled.

What has to pass is computed here a second time, from the plan's flows and the addresses alone.
"""

from __future__ import annotations

import copy
import ipaddress
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.flows import flows_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import codec
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Statement
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from intervals import (
    ACK,
    ANY_FLAGS,
    ESTABLISHED,
    NO_FLAGS,
    RST,
    SYN,
    Box,
    Packet,
    addresses,
    admits,
    box_of,
    differences,
    ports,
)

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
UNANSWERED = {"search", "search_broadcast", "interrupt", "announcement"}
"""Observed on 602SQL 11.0.1: an announcement comes from a new port, a break gets no answer, an announcement neither."""

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


def planned(inventory: dict[str, Any]) -> Plan:
    """Plan an inventory, and pass over one that contradicts itself."""
    try:
        return build_plan(PlainInventory(inventory))
    except PlanError:
        assume(False)
        raise


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


CELLS = cells(NETWORKS)


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


def crossing(plan: Plan, between: list[str]) -> Iterator[tuple[dict[str, Any], Box]]:
    """Yield every flow that goes from one of these networks to another, as a box of its first packets."""
    for flow in flows_of(plan):
        for box in between_networks(flow, flow["initiator_addresses"], flow["responder_addresses"], between, CELLS):
            yield flow, box


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


def set_stateful(inventory: dict[str, Any], stateful: bool) -> dict[str, Any]:
    """Return the same inventory with another kind of filter."""
    other = copy.deepcopy(inventory)
    other["vars"]["dbports_gateways"][0]["stateful"] = stateful
    return other


@settings(max_examples=60)
@given(inventories())
def test_forward_a_stateless_filter_admits_exactly_the_flows(inventory: dict[str, Any]) -> None:
    plan = planned(set_stateful(inventory, False))
    between = inventory["vars"]["dbports_gateways"][0]["between"]
    wanted = [box for _flow, box in crossing(plan, between)]
    assert not list(differences(statements(plan, "request", "unrelated"), wanted))


@settings(max_examples=60)
@given(inventories())
def test_forward_a_stateful_filter_admits_the_flows_from_any_port(inventory: dict[str, Any]) -> None:
    """It needs no range of source ports; only an unrelated datagram keeps its own."""
    plan = planned(set_stateful(inventory, True))
    between = inventory["vars"]["dbports_gateways"][0]["between"]
    wanted = [
        box if flow["unsolicited"] or box.protocol == "icmp" else box._replace(sport=ports(""))
        for flow, box in crossing(plan, between)
    ]
    assert not list(differences(statements(plan, "request", "unrelated"), wanted))
    assert not statements(plan, "reply", "icmp_error", "relay")


@settings(max_examples=60)
@given(inventories())
def test_backwards_a_stateless_filter_admits_exactly_the_answers(inventory: dict[str, Any]) -> None:
    plan = planned(set_stateful(inventory, False))
    between = inventory["vars"]["dbports_gateways"][0]["between"]
    possible = [answer(box) for flow, box in crossing(plan, between) if flow["flow"] not in UNANSWERED]
    assert not list(differences(statements(plan, "reply"), possible))


@settings(max_examples=60)
@given(inventories())
def test_a_stateless_filter_admits_every_answer_of_the_stateful_one(inventory: dict[str, Any]) -> None:
    """Whatever a client sends within its own range through the stateful filter, its answer passes the stateless one."""
    stateful, stateless = planned(set_stateful(inventory, True)), planned(set_stateful(inventory, False))
    between = inventory["vars"]["dbports_gateways"][0]["between"]
    assert flows_of(stateful) == flows_of(stateless)
    sent = [box for flow, box in crossing(stateful, between) if flow["flow"] not in UNANSWERED]
    admitted = statements(stateful, "request")
    assert not [packet for packet, mine, _both in differences(sent, [*sent, *admitted]) if mine]
    every = statements(stateless, "request", "unrelated", "reply", "icmp_error")
    answers = [answer(box) for box in sent]
    assert not [packet for packet, mine, _both in differences([*answers, *every], every) if mine]


@settings(max_examples=40)
@given(inventories())
def test_icmp_errors_reach_both_ends_of_what_passes_and_nobody_else(inventory: dict[str, Any]) -> None:
    plan = planned(set_stateful(inventory, False))
    between = inventory["vars"]["dbports_gateways"][0]["between"]
    wanted = []
    for _flow, box in crossing(plan, between):
        if box.protocol != "icmp":
            kind, code = ((3, 3),) if box.family == 4 else ((2, 2),), ((4, 4),) if box.family == 4 else ((0, 255),)
            anyone = ((0, 2**32 - 1),) if box.family == 4 else ((0, 2**128 - 1),)
            for end in (box.source, box.destination):
                wanted.append(Box(box.family, "icmp", anyone, kind, end, code, NO_FLAGS))
    assert not list(differences(statements(plan, "icmp_error"), wanted))


@settings(max_examples=40)
@given(inventories(), st.data())
def test_a_filter_changes_no_flow_and_the_order_nothing(inventory: dict[str, Any], data: st.DataObject) -> None:
    plan = planned(inventory)
    without = {"hosts": inventory["hosts"]}
    assert flows_of(build_plan(PlainInventory(without))) == flows_of(plan)
    shuffled = {
        "hosts": {name: inventory["hosts"][name] for name in data.draw(st.permutations(list(HOSTS)))},
        "vars": {
            **inventory["vars"],
            "dbports_networks": {name: NETWORKS[name] for name in data.draw(st.permutations(list(NETWORKS)))},
        },
    }
    assert render_plan(build_plan(PlainInventory(shuffled))).files == render_plan(plan).files


TRANSLATED: dict[str, Any] = {
    "nat": {"kind": "nat", "inside": "office"},
    "published": {
        "kind": "nat",
        "inside": "dc",
        "mappings": [
            {"host": "d1", "protocol": "tcp", "port": 5002, "public_port": 7002},
            {"host": "d2", "protocol": "tcp", "port": "1-5001", "public_port": "10001-15001"},
        ],
    },
    "socks": {"kind": "socks", "engines": ["sql602"]},
}


@settings(max_examples=60)
@given(inventories(), st.sampled_from(sorted(TRANSLATED)), st.booleans())
def test_flows_are_counted_once_however_they_are_rewritten(
    inventory: dict[str, Any], kind: str, stateful: bool
) -> None:
    """Also: no host of a network knows an address that only exists on the other side."""
    own = {"name": "box", "between": ["office", "dc"], "addresses": {"office": "192.0.2.1", "dc": "198.51.100.1"}}
    fw = {"name": "fw", "kind": "filter", "between": ["office", "dc"], "stateful": stateful}
    inventory["vars"]["dbports_gateways"] = [fw, {**own, **TRANSLATED[kind]}, {**fw, "name": "fw2"}]
    plan = planned(inventory)
    flows = flows_of(plan)
    assert plan.flows == len(flows)
    seen = {"o1": AddressRange.parse("198.51.100.1"), "d2": AddressRange.parse("192.0.2.1")}
    for name, other in seen.items():
        for key, peers in plan.hosts[name].rules.items() if name in plan.hosts else ():
            assert other not in {address for peer in peers.values() for address in peer.addresses}, key
    assert {item.name for item in plan.gateways} == {"fw", "box", "fw2"}


REPLY: dict[str, Any] = {
    "family": "ipv4",
    "protocol": "tcp",
    "source": ["198.51.100.10"],
    "source_ports": "1433",
    "destination": ["192.0.2.0/28"],
    "destination_ports": "32768-60999",
    "established": True,
}


class TestTheEvaluator:
    """A list that is wrong must be noticed: by one address, one port or one flag."""

    def test_equal_lists_in_other_words(self) -> None:
        halves = [
            {**REPLY, "destination": ["192.0.2.0/29"]},
            {**REPLY, "destination": ["192.0.2.8/29"], "destination_ports": "32768-50000"},
            {**REPLY, "destination": ["192.0.2.8/29"], "destination_ports": "50001-60999"},
        ]
        assert not list(differences([box_of(REPLY)], [box_of(item) for item in halves]))

    @pytest.mark.parametrize(
        "change",
        [
            {"destination": ["192.0.2.0/29"]},
            {"destination": ["192.0.2.0/28", "192.0.2.16"]},
            {"source": ["198.51.100.10/31"]},
            {"source": ["198.51.100.9"]},
            {"source_ports": ""},
            {"source_ports": "1433-1434"},
            {"destination_ports": "32768-60998"},
            {"destination_ports": "32767-60999"},
            {"established": False},
            {"protocol": "udp", "established": False},
        ],
    )
    def test_another_list(self, change: dict[str, Any]) -> None:
        one, other = box_of(REPLY), box_of({**REPLY, **change})
        found = list(differences([one], [other]))
        assert found
        for packet, mine, theirs in found:
            assert (admits([one], packet), admits([other], packet)) == (mine, theirs)

    def test_established_is_two_flags_and_no_state(self) -> None:
        """ACK or RST (Dell N-Series User Guide); SYN with ACK passes, a packet with only SYN does not."""
        client, server = int(ipaddress.ip_address("192.0.2.1")), int(ipaddress.ip_address("198.51.100.10"))
        passed = {
            flags for flags in range(8) if admits([box_of(REPLY)], Packet(4, "tcp", server, 1433, client, 40000, flags))
        }
        assert passed == {ACK, RST, ACK | RST, SYN | ACK, SYN | RST, SYN | ACK | RST}
