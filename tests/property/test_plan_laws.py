# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every engine there is: declarations are drawn from the engines' own options, so new engines are in."""

from __future__ import annotations

import copy
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, parse_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, FlowSpec, Option
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.flows import flows_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import builtin_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import (
    GLOBAL_VARIABLES,
    HOST_VARIABLES,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import BROADCAST, Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from hypothesis import assume, given, settings
from hypothesis import strategies as st

ENGINES = builtin_engines()
HOSTS = [f"h{number}" for number in range(5)]
GROUPS = ["apps", "everyone"]
NETWORKS = ["203.0.113.0/28", "203.0.113.77", "198.51.100.4-198.51.100.9", "2001:db8:1::/64"]
SHARED_ADDRESSES = ["192.0.2.100", "2001:db8::100"]
"""Addresses of no host, as those of clusters and listeners are."""

SHARED = set(parse_addresses(SHARED_ADDRESSES))

EXAMPLES = 15
"""So many inventories for each law and each ten flows of an engine; other engines come along in each."""

every_engine = pytest.mark.parametrize(
    ("engine", "first"), [(name, first) for name in ENGINES for first in range(0, len(ENGINES[name].flows), 10)]
)
INSTANCES = st.sampled_from([["MSSQLSERVER"], ["PAY"], ["MSSQLSERVER", "PAY"]])
SYSTEMS = st.sampled_from(["linux", "windows", "windows_2003", "aix"])
references = st.lists(st.sampled_from([*HOSTS, *GROUPS, *NETWORKS]), min_size=1, max_size=3, unique=True)
port_numbers = st.sampled_from([1, 80, 445, 1433, 1434, 5001, 5002, 5432, 9088, 40000, 65535])


def value_of(option: Option, addresses: list[str]) -> st.SearchStrategy[Any]:
    """Return what a user may write for an option, by its type; ``addresses`` are those of the server."""
    bound = st.sampled_from([*addresses, *SHARED_ADDRESSES])
    ports = st.one_of(
        port_numbers,
        st.lists(port_numbers, min_size=1, max_size=2),
        st.just("2000-2010"),
        *(st.just(word) for word in option.words),
    )
    if option.choices:
        return st.sampled_from(option.choices)
    by_type = {
        "bool": st.booleans(),
        "str": st.sampled_from(["ONE", "two"]),
        "int": st.integers(1, 9),
        "port": port_numbers,
        "ports": ports,
        "clients": references,
        "address": bound,
        "addresses": st.lists(bound, min_size=1, max_size=2, unique=True),
        "listen": st.lists(st.fixed_dictionaries({"address": bound, "tcp_port": ports}), min_size=1, max_size=2),
    }
    return by_type[option.type]


@st.composite
def options(draw: st.DrawFn, known: tuple[Option, ...], spec: FlowSpec, addresses: list[str]) -> dict[str, Any]:
    """Draw what a flow needs to be there, as far as it is an option, and a few others: more contradict each other."""
    chosen = draw(st.lists(st.sampled_from(known), max_size=3, unique=True)) if known else []
    drawn = {option.name: draw(value_of(option, addresses)) for option in chosen}
    for option in known:
        for condition in spec.when:
            name, equals, wanted = condition.partition("=")
            if name.lstrip("!") == option.name:
                drawn[option.name] = wanted if equals else draw(value_of(option, addresses))
                if option.type == "bool":
                    drawn[option.name] = not condition.startswith("!")
                elif condition.startswith("!"):
                    del drawn[option.name]
        if option.name in (spec.initiator, spec.responder, spec.port):
            drawn[option.name] = draw(value_of(option, addresses))
    return drawn


@st.composite
def declarations(draw: st.DrawFn, engine: Engine, flows: tuple[FlowSpec, ...], addresses: list[str]) -> dict[str, Any]:
    """Draw one server of an engine, with one of the flows in mind: each of them is to be met."""
    spec = draw(st.sampled_from(flows))
    server = {"engine": engine.name, **draw(options(engine.options, spec, addresses))}
    if not engine.outbound:
        server["clients"] = draw(references)
    if engine.instance_options and draw(st.booleans()):
        instance = options(engine.instance_options, spec, addresses)
        server["instances"] = [{**draw(instance), "name": name} for name in draw(INSTANCES)]
    return server


@st.composite
def inventories(draw: st.DrawFn, name: str, first: int) -> dict[str, Any]:
    """Draw an inventory in which ten flows of one engine are tried once or more, and others perhaps."""
    own = (ENGINES[name], ENGINES[name].flows[first : first + 10])
    any_engine = st.sampled_from([own, *((engine, engine.flows) for engine in ENGINES.values())])
    hosts: dict[str, Any] = {}
    for number, host in enumerate(HOSTS):
        addresses = [f"192.0.2.{number + 10}", f"2001:db8::{number + 10}"][: draw(st.integers(1, 2))]
        hosts[host] = {"dbports_addresses": addresses}
        if draw(st.booleans()):
            hosts[host]["dbports_os"] = draw(SYSTEMS)
        if number == 0 or draw(st.integers(0, 2)) == 0:
            wanted = [own] if number == 0 else draw(st.lists(any_engine, min_size=1, max_size=2))
            servers = [draw(declarations(engine, flows, addresses)) for engine, flows in wanted]
            hosts[host]["dbports_servers"] = servers
    groups = {group: draw(st.lists(st.sampled_from(HOSTS), min_size=1, max_size=4, unique=True)) for group in GROUPS}
    return {"hosts": hosts, "groups": groups}


@st.composite
def plannable(draw: st.DrawFn, name: str, first: int) -> dict[str, Any]:
    """Draw an inventory that can be planned: what its errors ask for is added, or else what they are about removed."""
    inventory = draw(inventories(name, first))
    for attempt in itertools.count():
        try:
            build_plan(PlainInventory(inventory))
        except PlanError as refused:
            error = refused.errors[0]
            values = inventory["hosts"][error.host]
            steps = [int(step) if step.isdecimal() else step for step in re.findall(r"\w+", error.path or "")]
            server = values["dbports_servers"][steps[1] if len(steps) > 1 else 0]
            if attempt < 20 and draw(st.integers(0, 9)) and follow(draw, values, server, steps, error.fix or ""):
                continue
            if not drop(server, steps[2:]):
                values["dbports_servers"].remove(server)
                if not values["dbports_servers"]:
                    del values["dbports_servers"]
            continue
        break
    return inventory


def follow(draw: st.DrawFn, values: dict[str, Any], server: dict[str, Any], steps: list[Any], fix: str) -> bool:
    """Do what an error says would help, where that is to add an option or to name an address; tell whether it was."""
    if fix.startswith("Write its address") and isinstance(steps[-1], int):
        place = values
        for step in steps[:-1]:
            place = place[step]
        place[steps[-1]] = "203.0.113.77"
        return True
    if "dbports_os" in fix:
        values["dbports_os"] = draw(SYSTEMS)
        server.pop("os", None)
        return True
    engine = ENGINES[server["engine"]]
    known = {option.name: option for option in (*engine.instance_options, *engine.options)}
    for name in re.findall(r"\w+", fix):
        inner = (
            steps[2:3] == ["instances"] and len(steps) > 3 and name in {item.name for item in engine.instance_options}
        )
        place = server["instances"][steps[3]] if inner and "instances" in server else server
        if name in known and name not in place and (inner or name in {item.name for item in engine.options}):
            place[name] = draw(value_of(known[name], values["dbports_addresses"]))
            return True
    return False


def drop(declared: Any, steps: list[Any]) -> bool:
    """Remove the option that a path leads to; tell whether there was one that may be absent."""
    for step in steps:
        if isinstance(declared, dict) and step in declared and step not in ("engine", "clients", "instances"):
            del declared[step]
            return True
        try:
            declared = declared[step]
        except (LookupError, TypeError):
            return False
    return False


def plan_of(inventory: dict[str, Any]) -> Plan:
    """Plan an inventory that can be planned."""
    return build_plan(PlainInventory(inventory))


def permissions(plan: Plan) -> set[tuple[Any, ...]]:
    """Return what a plan permits, as packets see it: host, direction, protocol, ports, the peer and its addresses."""
    return {
        (name, key.direction, key.endpoint, key.flow, key.protocol, key.ports, peer.name, address, peer.source_ports)
        for name, host in plan.hosts.items()
        for key, peers in host.rules.items()
        for peer in peers.values()
        for address in peer.addresses
    }


def reference_lists(inventory: dict[str, Any]) -> Iterator[list[Any]]:
    """Yield every list of hosts, groups and networks that somebody wrote, of any option."""
    for _host, values in sorted(inventory["hosts"].items()):
        for server in values.get("dbports_servers", []):
            engine = ENGINES[server["engine"]]
            names = {"clients", *(item.name for item in engine.options if item.type == "clients")}
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
    lists = [listed for listed in reference_lists(fewer) if len(listed) > 1]
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
