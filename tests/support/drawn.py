# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declarations of any engine, drawn from the engines' own options, so that new engines and options are in."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import parse_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, FlowSpec, Option
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import builtin_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from hypothesis import assume
from hypothesis import strategies as st

ENGINES = builtin_engines()
HOSTS = [f"h{number}" for number in range(5)]
GROUPS = ["apps", "everyone"]
NETWORKS = ["203.0.113.0/28", "203.0.113.77", "198.51.100.4-198.51.100.9", "2001:db8:1::/64"]
SHARED_ADDRESSES = ["192.0.2.100", "2001:db8::100"]
"""Addresses of no host, as those of clusters and listeners are."""

MULTICAST = "239.192.0.11"
SHARED = set(parse_addresses([*SHARED_ADDRESSES, MULTICAST]))

every_engine = pytest.mark.parametrize(
    ("engine", "first"), [(name, first) for name in ENGINES for first in range(0, len(ENGINES[name].flows), 10)]
)
"""Every engine, ten of its flows at a time."""

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
        "address": st.one_of(bound, st.just(MULTICAST)),
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


def server_of(inventory: dict[str, Any], declared: str) -> dict[str, Any]:
    """Return the server that declared a flow."""
    found = re.match(r"(\w+): dbports_servers\[(\d+)]", declared)
    assert found, declared
    server: dict[str, Any] = inventory["hosts"][found[1]]["dbports_servers"][int(found[2])]
    return server


def spec_of(inventory: dict[str, Any], declared: str, flow: str) -> tuple[str, FlowSpec]:
    """Return the engine of the server that declared a flow, and which of the engine's flows it is."""
    name = server_of(inventory, declared)["engine"]
    return name, next(spec for spec in ENGINES[name].flows if spec.name == flow)


def plan_of(inventory: dict[str, Any]) -> Plan:
    """Plan an inventory that can be planned."""
    return build_plan(PlainInventory(inventory))


def planned(inventory: dict[str, Any]) -> Plan:
    """Plan an inventory, and pass over one that contradicts itself."""
    try:
        return build_plan(PlainInventory(inventory))
    except PlanError:
        assume(False)
        raise
