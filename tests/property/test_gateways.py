# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of filters against the plan's flows: equality is decided by an interval evaluator, not sampled.

What has to pass is computed here a second time, from the plan's flows and the addresses alone.
"""

from __future__ import annotations

import copy
import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.flows import flows_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn import planned
from filtered import HOSTS, NETWORKS, answer, between_networks, cells, inventories, statements
from intervals import (
    ACK,
    NO_FLAGS,
    RST,
    SYN,
    Box,
    Packet,
    admits,
    box_of,
    differences,
    ports,
)

UNANSWERED = {"search", "search_broadcast", "interrupt", "announcement"}
"""Observed on 602SQL 11.0.1: an announcement comes from a new port, a break gets no answer, an announcement neither."""

CELLS = cells(NETWORKS)


def crossing(plan: Plan, between: list[str]) -> Iterator[tuple[dict[str, Any], Box]]:
    """Yield every flow that goes from one of these networks to another, as a box of its first packets."""
    for flow in flows_of(plan):
        for box in between_networks(flow, flow["initiator_addresses"], flow["responder_addresses"], between, CELLS):
            yield flow, box


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
