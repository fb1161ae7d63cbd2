# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every engine there is: declarations are drawn from the engines' own options, so new engines are in."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.flows import flows_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import (
    GLOBAL_VARIABLES,
    HOST_VARIABLES,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import BROADCAST, Plan
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drawn import ENGINES, GROUPS, HOSTS, NETWORKS, SHARED, every_engine, inventories, plan_of, plannable

EXAMPLES = 15
"""So many inventories for each law and each ten flows of an engine; other engines come along in each."""


def permissions(plan: Plan) -> set[tuple[Any, ...]]:
    """Return what a plan permits, as packets see it: host, direction, protocol, ports, the peer and its addresses."""
    return {
        (name, key.direction, key.endpoint, key.flow, key.protocol, key.ports, peer.name, address, peer.source_ports)
        for name, host in plan.hosts.items()
        for key, peers in host.rules.items()
        for peer in peers.values()
        for address in peer.addresses
    }


def reference_lists(inventory: dict[str, Any], exceptions: bool = True) -> Iterator[list[Any]]:
    """Yield every list of hosts, groups and networks that somebody wrote, of any option.

    :param exceptions: also those of which a host gets another flow in place of one that all clients have.
    """
    for _host, values in sorted(inventory["hosts"].items()):
        for server in values.get("dbports_servers", []):
            engine = ENGINES[server["engine"]]
            names = {"clients", *(item.name for item in engine.options if item.type == "clients")}
            names -= set() if exceptions else {flow.except_for for flow in engine.flows}
            inner = {item.name for item in engine.instance_options if item.type == "clients"}
            yield from (server[name] for name in sorted(names & set(server)))
            for instance in server.get("instances", []):
                yield from (instance[name] for name in sorted(inner & set(instance)))


@every_engine
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_the_order_of_an_inventory_does_not_matter(engine: str, first: int, data: st.DataObject) -> None:
    inventory = data.draw(plannable(engine, first))
    shuffled = {
        "groups": {name: data.draw(st.permutations(inventory["groups"][name])) for name in reversed(GROUPS)},
        "hosts": {name: dict(reversed(inventory["hosts"][name].items())) for name in data.draw(st.permutations(HOSTS))},
    }
    for values in shuffled["hosts"].values():
        if "dbports_servers" in values:
            values["dbports_servers"] = [dict(reversed(server.items())) for server in values["dbports_servers"]]
    assert render_plan(plan_of(shuffled)) == render_plan(plan_of(inventory))


@every_engine
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_the_order_of_a_list_of_clients_changes_no_permission(engine: str, first: int, data: st.DataObject) -> None:
    inventory = data.draw(plannable(engine, first))
    other = copy.deepcopy(inventory)
    for listed in reference_lists(other):
        listed[:] = data.draw(st.permutations(listed))
    assert permissions(plan_of(other)) == permissions(plan_of(inventory))


@every_engine
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_to_remove_somebody_permits_nothing_new(engine: str, first: int, data: st.DataObject) -> None:
    """An entry of any list of hosts: but for the last one, whose absence may mean a default."""
    inventory = data.draw(plannable(engine, first))
    fewer = copy.deepcopy(inventory)
    lists = [listed for listed in reference_lists(fewer, exceptions=False) if len(listed) > 1]
    assume(lists)
    listed = data.draw(st.sampled_from(lists))
    del listed[data.draw(st.integers(0, len(listed) - 1))]
    try:
        plan = plan_of(fewer)
    except PlanError:
        return  # what needs two, such as a cluster: refused is not permitted
    assert permissions(plan) <= permissions(plan_of(inventory))


@every_engine
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_server_and_client_side_agree(engine: str, first: int, data: st.DataObject) -> None:
    """Each flow stands in the port sets of both its ends, with the same ports, or in that of the one that has one."""
    plan = plan_of(data.draw(plannable(engine, first)))
    sides: dict[str, dict[tuple[Any, ...], set[str]]] = {"in": {}, "out": {}}
    for name, host in plan.hosts.items():
        for key, peers in host.rules.items():
            for peer in peers.values():
                assert peer.name != name, "no host is its own peer"
                assert peer.name in plan.hosts or peer.name in HOSTS + NETWORKS or "." in peer.name or ":" in peer.name
                assert not set(peer.addresses) & set(host.addresses)
                assert peer.kind == ("host" if peer.name in HOSTS else "network")
                initiator, responder = (name, peer.name) if key.direction == "out" else (peer.name, name)
                meaning = (*key[1:-1], peer.source_ports, peer.declared)
                place = sides[key.direction].setdefault((initiator, responder, *meaning), set())
                place.update(peer.addresses)
    for flow, addresses in sides["in"].items():
        initiator, responder = flow[:2]
        assert initiator in plan.hosts or addresses == {AddressRange.parse(initiator)}
        if initiator in plan.hosts:
            assert flow in sides["out"], flow
            assert addresses == set(plan.hosts[initiator].addresses)
    for flow, addresses in sides["out"].items():
        _initiator, responder = flow[:2]
        if responder in plan.hosts:
            assert flow in sides["in"], flow
            assert addresses - {BROADCAST} - set(plan.hosts[responder].addresses) <= SHARED


@every_engine
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_the_union_of_all_port_sets_is_the_flows(engine: str, first: int, data: st.DataObject) -> None:
    plan = plan_of(data.draw(plannable(engine, first)))
    keys = ("initiator", "responder", "endpoint", "flow", "protocol", "ports", "source_ports", "declared")
    listed = Counter(tuple(flow[key] for key in keys) for flow in flows_of(plan))
    own: Counter[tuple[Any, ...]] = Counter()
    for name, host in plan.hosts.items():
        for key, peers in host.rules.items():
            for peer in peers.values():
                ends = (name, peer.name) if key.direction == "out" else (peer.name, name)
                named = (key.endpoint, key.flow, key.protocol, format_ports(key.ports))
                own[(*ends, *named, str(peer.source_ports or ""), str(peer.declared))] += 1
    assert set(own) == set(listed)
    # Who is no host has no port set: such a flow stands in one, every other in two.
    assert all(own[flow] == number * sum(end in plan.hosts for end in flow[:2]) for flow, number in listed.items())
    assert plan.flows == listed.total()


@every_engine
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_every_inbound_rule_belongs_to_what_its_host_said_or_is_named_in(
    engine: str, first: int, data: st.DataObject
) -> None:
    """A rule comes from a declaration that exists and is of the server its endpoint belongs to."""
    inventory = data.draw(plannable(engine, first))
    plan = plan_of(inventory)
    for host in plan.hosts.values():
        for peers in host.rules.values():
            for peer in peers.values():
                steps = re.findall(r"\w+", peer.declared.path)
                assert steps[0] == "dbports_servers"
                place: Any = inventory["hosts"][peer.declared.host]["dbports_servers"]
                for step in steps[1:]:
                    place = place[int(step)] if isinstance(place, list) else place[step]


junk = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(["h0", "apps", "192.0.2.0/24", "1-2", "dynamic", "2-1", "192.0.2.9-192.0.2.1", "all", ""]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(["name", "address", "tcp_port"]), st.text(max_size=4)), inner),
    ),
    max_leaves=4,
)


def places(inventory: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield every dictionary and key of an inventory's hosts, and those that a host could have besides."""
    for values in inventory["hosts"].values():
        yield from ((values, name) for name in HOST_VARIABLES)
        for server in values.get("dbports_servers", []):
            engine = ENGINES[server["engine"]]
            names = {"engine", "name", "clients", "forbidden_clients", "instances", "options", "no_such_option"}
            yield from ((server, name) for name in sorted(names | {option.name for option in engine.options}))
            for instance in server.get("instances", []):
                yield from ((instance, option.name) for option in engine.instance_options)


@every_engine
@settings(max_examples=4 * EXAMPLES)
@given(st.data())
def test_whatever_is_written_is_planned_or_refused_with_its_place(engine: str, first: int, data: st.DataObject) -> None:
    inventory = data.draw(inventories(engine, first))
    values, name = data.draw(st.sampled_from(list(places(inventory))))
    values[name] = data.draw(junk)
    try:
        plan = plan_of(inventory)
    except PlanError as refused:
        assert refused.errors
        assert all(error.path and error.host in HOSTS for error in refused.errors), str(refused)
    else:
        render_plan(plan)


@pytest.mark.parametrize("name", ["vars", "groups", "hosts"])
@settings(max_examples=4 * EXAMPLES)
@given(data=st.data())
def test_an_inventory_of_any_content_is_planned_or_refused(name: str, data: st.DataObject) -> None:
    """The form is the caller's duty; the content is anybody's."""
    inventory: dict[str, Any] = {
        "hosts": {"h0": {"dbports_servers": [{"engine": "mssql", "clients": ["h1", "apps"]}]}, "h1": {}},
        "groups": {"apps": ["h1"]},
        "vars": {"dbports_addresses": ["192.0.2.1"]},
    }
    if name == "groups":
        inventory["groups"]["apps"] = data.draw(st.lists(st.text(max_size=3), max_size=3))
    elif name == "vars":
        key = data.draw(st.sampled_from([*GLOBAL_VARIABLES, *HOST_VARIABLES]))
        inventory["vars"][key] = data.draw(junk)
    else:
        key = data.draw(st.sampled_from(HOST_VARIABLES))
        inventory["hosts"]["h0"][key] = data.draw(junk)
    try:
        render_plan(plan_of(inventory))
    except PlanError as refused:
        assert refused.errors
