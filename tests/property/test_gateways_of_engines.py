# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A filter without connection tracking between the hosts of any engine: it admits what both ends need, and no more.

What they need is worked out from the rules of the hosts and from the engines' own words: the initiator sends from the
port that the flow's protocol determines or, if it determines none, from the range of its operating system.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import FlowSpec
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import dynamic_range
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan, PortSet, RuleKey, RulePeer
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drawn import ENGINES, every_engine, plan_of, plannable, server_of, spec_of
from filtered import answer, between_networks, cells, statements
from intervals import Box, addresses, differences

NETWORKS = {
    "a": ["192.0.2.10/31", "2001:db8::10/127"],
    "b": ["192.0.2.0/24", "2001:db8::/64"],
    "c": ["198.51.100.0/24", "203.0.113.0/24", "2001:db8:1::/64"],
}
"""Two of the hosts, the others with the addresses that clusters share, and the clients that are no hosts."""

GATEWAY = {"name": "fw", "kind": "filter", "between": list(NETWORKS), "stateful": False}
OWNERS = cells(NETWORKS)


def sent_from(inventory: dict[str, Any], initiator: str, spec: FlowSpec, planned: str) -> str:
    """Return where an initiator sends from."""
    if not spec.port or (spec.source_port and not spec.source_port.isdecimal()):
        return planned
    return spec.source_port or str(dynamic_range(inventory["hosts"].get(initiator, {}).get("dbports_os")).ports)


def ends(plan: Plan, host: PortSet, key: RuleKey, peer: RulePeer, spec: FlowSpec) -> tuple[list[str], list[str]]:
    """Return the addresses of initiator and responder; a server's one address is in its endpoint."""
    own = next((item.address for item in host.endpoints if item.id == key.endpoint and item.address), None)
    here, there = format_addresses(host.addresses), format_addresses(peer.addresses)
    if key.direction == "in":
        return there, format_addresses([own]) if own and not spec.group else here
    if spec.group:
        there = format_addresses(plan.hosts[peer.name].addresses) if peer.name in plan.hosts else [peer.name]
    return here, there


def crossing(inventory: dict[str, Any], plan: Plan) -> Iterator[tuple[FlowSpec, Box]]:
    """Yield the first packets of everything that has to pass the filter."""
    for host in plan.hosts.values():
        for key, peers in host.rules.items():
            for peer in peers.values():
                _engine, spec = spec_of(inventory, str(peer.declared), key.flow)
                if spec.broadcast or spec.through.on_link or (key.direction == "in" and peer.kind == "host"):
                    continue
                initiator = peer.name if key.direction == "in" else host.host
                planned = str(peer.source_ports or "")
                flow = {
                    "protocol": key.protocol,
                    "ports": format_ports(key.ports),
                    "source_ports": sent_from(inventory, initiator, spec, planned),
                }
                group = server_of(inventory, str(peer.declared)).get(spec.group)
                for box in between_networks(flow, *ends(plan, host, key, peer, spec), list(NETWORKS), OWNERS):
                    # Packets to a multicast group go where its members are.
                    there = addresses([group]) if group else {box.family: box.destination}
                    if box.family in there:
                        yield spec, box._replace(destination=there[box.family])


@every_engine
@settings(max_examples=6)
@given(st.data())
def test_a_stateless_filter_admits_what_both_ends_need(engine: str, first: int, data: st.DataObject) -> None:
    inventory = data.draw(plannable(engine, first))
    inventory["vars"] = {"dbports_networks": NETWORKS, "dbports_gateways": [GATEWAY]}
    plan = plan_of(inventory)
    boxes = list(crossing(inventory, plan))
    assume(len(boxes) < 60)  # all cells of a hundred boxes take minutes
    assert not list(differences(statements(plan, "request", "unrelated"), [box for _spec, box in boxes]))
    answers = [answer(box) for spec, box in boxes if spec.through.answered and not spec.unsolicited]
    assert not list(differences(statements(plan, "reply"), answers))


def test_protocols_that_determine_where_they_are_sent_from_are_among_them() -> None:
    determined = {
        (spec.protocol, spec.port, spec.source_port)
        for engine in ENGINES.values()
        for spec in engine.flows
        if spec.source_port
    }
    assert {("udp", "500", "500"), ("udp", "4500", "4500"), ("udp", "137", "137")} <= determined
