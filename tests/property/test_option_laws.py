# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one option does, for every option of every engine: the plan with it and without it differ only by its flows.

A flow is explained by an option if its data name the option, or a value that ``normalize`` makes of it: conditions,
ports, both ends, address and spread. Which values those are is not written down but found: the server is read with the
option and without it, and what is not the same depends on it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    EngineWarning,
    FlowSpec,
    Option,
    Values,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.flows import flows_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.servers import read_server
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Server
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drawn import ENGINES, plan_of, plannable, spec_of, value_of

_MEANING = ("endpoint", "flow", "protocol", "ports", "source_ports", "need", "initiator", "responder")

every_option = pytest.mark.parametrize(
    ("engine", "option"),
    [
        pytest.param(name, option, id=f"{name} {where}{option.name}")
        for name, engine in ENGINES.items()
        for where, listed in (("", engine.options), ("instances.", engine.instance_options))
        for option in listed
        if option.name != "name"
    ],
)
Flow = tuple[str, ...]


def named_by(spec: FlowSpec) -> set[str]:
    """Return every option and value that a flow's data name."""
    ports = {expression.partition("+")[0] for expression in (spec.port, spec.source_port)}
    conditions = {item.lstrip("!").partition("=")[0] for item in spec.when}
    ends = {spec.initiator, spec.responder, spec.except_for, spec.address, spec.group, spec.spread}
    return (ports | conditions | ends) - {""}


def changed_values(with_it: Server, without: Server) -> set[str]:
    """Return the names of the values that are not the same in two readings of one server."""
    pairs: Iterator[tuple[Values, Values]] = zip(
        (with_it.values, *with_it.instances), (without.values, *without.instances)
    )
    return {name for one, other in pairs for name in {*one, *other} if one.get(name) != other.get(name)}


def flows(plan: Plan) -> dict[Flow, str]:
    """Return a plan's flows by what they permit, each with the place that declares it."""
    return {
        (*(flow[key] for key in _MEANING), *flow["initiator_addresses"], *flow["responder_addresses"]): flow["declared"]
        for flow in flows_of(plan)
    }


def reading(inventory: dict[str, Any]) -> Server:
    """Read the first server of an inventory."""
    values = inventory["hosts"]["h0"]
    return read_server(values["dbports_servers"][0], "dbports_servers[0]", ENGINES, (), values.get("dbports_os"))


@st.composite
def two_inventories(draw: st.DrawFn, engine: str, option: Option) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw an inventory whose first server, or an instance of it, has an option, and the same one without it."""
    specs = ENGINES[engine].flows
    near = [number for number, spec in enumerate(specs) if option.name in named_by(spec)] or range(len(specs))
    inventory = draw(plannable(engine, draw(st.sampled_from(near)) // 10 * 10))
    assume("dbports_servers" in inventory["hosts"]["h0"])
    with_it, without = copy.deepcopy(inventory), copy.deepcopy(inventory)
    for other in (with_it, without):
        server = other["hosts"]["h0"]["dbports_servers"][0]
        outer = option in ENGINES[engine].options
        place = server if outer else server.setdefault("instances", [{"name": ENGINES[engine].default_instance}])[-1]
        if other is without:
            place.pop(option.name, None)
        elif option.name not in place:
            place[option.name] = draw(value_of(option, inventory["hosts"]["h0"]["dbports_addresses"]))
    assume(with_it != without)
    return with_it, without


def explained_by(spec: FlowSpec, server: Server) -> set[str]:
    """Return every value that a flow of a server depends on; where it is dynamic, also the operating system."""
    names = named_by(spec)
    values = [item.get(name, name) for item in (server.values, *server.instances) for name in names]
    return names | ({"host_os"} if spec.responder_os or "dynamic" in str(values) else set())


@every_option
@settings(max_examples=8)
@given(st.data())
def test_an_option_changes_only_flows_that_it_explains(engine: str, option: Option, data: st.DataObject) -> None:
    with_it, without = data.draw(two_inventories(engine, option))
    try:
        plans = [plan_of(with_it), plan_of(without)]
    except PlanError:
        return
    readings = reading(with_it), reading(without)
    changed = changed_values(*readings)
    one, other = map(flows, plans)
    for flow, declared in {**one, **other}.items():
        if flow not in one or flow not in other:
            name, spec = spec_of(with_it, declared, flow[_MEANING.index("flow")])
            assert name == engine
            assert any(explained_by(spec, item) & changed for item in readings), (flow, changed)
    if any(needless(item, option) for item in readings[0].warnings):
        assert not set(one) - set(other)


def needless(warning: EngineWarning, option: Option) -> bool:
    """Tell whether a warning says that what an option stands for has no use here."""
    return warning.path.rpartition(".")[2] == option.name and "need not be open" in warning.text
