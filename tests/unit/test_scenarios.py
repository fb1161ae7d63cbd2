# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real deployments and the flows they need: every file of tests/scenarios, one test a scenario.

A scenario holds ``title``, ``source`` (who says so), ``inventory`` (hosts, groups, vars) and either ``flows``, the full
set, or ``error``. A flow is one line, ``app-01 -> erp-db tcp 1433 required tds``: initiator, responder, protocol, ports
(``-`` for ICMP), need and the flow's name. ``guarded`` are the ports that are guarded and to which nobody is admitted:
``erp-db udp 5001 search``. ``warnings`` and ``conflicts`` hold a part of each sentence, one for every
sentence there is; ``source_ports`` the source ports of the flows that begin with a text; ``statements`` all that
gateways have to permit, as far as a scenario is about it, but for ICMP errors.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.flows import flows_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import conflict_sentence, sentence
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

FOLDER = Path(__file__).resolve().parents[1] / "scenarios"
KEYS = {
    "title",
    "source",
    "inventory",
    "flows",
    "guarded",
    "error",
    "source_ports",
    "statements",
    "warnings",
    "conflicts",
}
FEWEST = 60
"""So many deployments are promised."""


def read_scenarios() -> list[tuple[str, dict[str, Any]]]:
    """Return all scenarios, each with the name of its file and its title as id."""
    return [
        (f"{path.stem}: {item['title']}", item)
        for path in sorted(FOLDER.glob("*.yml"))
        for item in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


SCENARIOS = read_scenarios()


def line(flow: dict[str, Any]) -> str:
    """Return a flow as a scenario writes it."""
    ends = f"{flow['initiator']} -> {flow['responder']}"
    return f"{ends} {flow['protocol']} {flow['ports'] or '-'} {flow['need']} {flow['flow']}"


def guarded(plan: Plan) -> list[str]:
    """Return the rules of a plan that admit nobody, as a scenario writes them."""
    return [
        f"{host} {key.protocol} {format_ports(key.ports)} {key.flow}"
        for host, port_set in plan.hosts.items()
        for key, peers in port_set.rules.items()
        if key.direction == "in" and key.ports and not peers
    ]


def statements(plan: Plan) -> list[str]:
    """Return what gateways have to permit, ``acl-1 request udp 192.0.2.21:500 -> 198.51.100.10:500``."""
    return [
        f"{item.gateway} {item.kind} {item.protocol} {side(item.source, item.source_ports)} -> "
        f"{side(item.destination, item.destination_ports)}"
        for gateway in plan.gateways
        for item in gateway.statements
        if item.kind != "icmp_error"
    ]


def side(addresses: Ranges, ports: Ports) -> str:
    """Return one side of a statement."""
    return f"{','.join(format_addresses(addresses))}:{format_ports(ports)}"


def differences(expected: list[str], planned: list[str]) -> str:
    """Return what an expected list lacks (+) and has too much (-), empty when both are the same."""
    changed = difflib.unified_diff(sorted(expected), sorted(planned), "scenario", "plan", n=0, lineterm="")
    return "\n".join(row for row in changed if not row.startswith("@@"))


def unmatched(parts: list[str], sentences: list[str]) -> str:
    """Return what is wrong between parts of sentences and sentences; every part belongs to a sentence of its own."""
    left = list(sentences)
    problems = []
    for part in parts:
        found = next((text for text in left if part in text), None)
        if found is None:
            problems.append(f"- nothing says: {part}")
        else:
            left.remove(found)
    return "\n".join(problems + [f"+ not in the scenario: {text}" for text in left])


def misfits(scenario: dict[str, Any]) -> str:
    """Plan a scenario and return everything in which the plan differs from it."""
    plan = build_plan(PlainInventory(scenario["inventory"]))
    flows = flows_of(plan)
    problems = [
        differences(scenario["flows"], [line(flow) for flow in flows]),
        differences(scenario.get("guarded", []), guarded(plan)),
        unmatched(scenario.get("warnings", []), [sentence(item) for item in plan.warnings]),
        unmatched(scenario.get("conflicts", []), [conflict_sentence(item) for item in plan.conflicts]),
    ]
    if "statements" in scenario:
        problems.append(differences(scenario["statements"], statements(plan)))
    for start, ports in scenario.get("source_ports", {}).items():
        seen = sorted({flow["source_ports"] for flow in flows if line(flow).startswith(f"{start} ")})
        if seen != [str(ports)]:
            problems.append(f"- {start} from {ports}\n+ from {', '.join(seen) or 'nowhere: there is no such flow'}")
    return "\n".join(problem for problem in problems if problem)


@pytest.mark.parametrize("scenario", [item for _id, item in SCENARIOS], ids=[name for name, _item in SCENARIOS])
def test_scenario(scenario: dict[str, Any]) -> None:
    assert not set(scenario) - KEYS, "unknown keys"
    assert scenario["source"].strip(), "every scenario says where it is written"
    if "error" in scenario:
        assert "flows" not in scenario, "a scenario has flows or an error"
        with pytest.raises(PlanError) as caught:
            build_plan(PlainInventory(scenario["inventory"]))
        (error,) = caught.value.errors
        expected = scenario["error"]
        assert (error.host, error.path) == (expected.get("host"), expected["path"])
        assert expected["reason"] in str(error)
        return
    problems = misfits(scenario)
    assert not problems, f"{scenario['title']} ({scenario['source']})\n{problems}"


def test_there_are_enough_and_each_is_another() -> None:
    names = [name for name, _item in SCENARIOS]
    assert len(names) >= FEWEST
    assert len(names) == len(set(names))
    inventories = [yaml.safe_dump(item["inventory"]) for _id, item in SCENARIOS]
    assert len(inventories) == len(set(inventories)), "two scenarios are the same deployment"


SMALL: dict[str, Any] = {
    "inventory": {
        "hosts": {
            "db": {
                "ansible_host": "192.0.2.10",
                "dbports_servers": [{"engine": "sql602", "minimum": True, "clients": ["app"]}],
            },
            "app": {"ansible_host": "192.0.2.21", "dbports_os": "linux"},
        }
    },
    "flows": ["app -> db tcp 5002 required connect"],
    "guarded": ["db udp 5001 unused_udp"],
    "source_ports": {"app -> db tcp 5002": "32768-60999"},
}


class TestTheTest:
    """A deployment that is wrong must be told."""

    def test_a_right_one(self) -> None:
        assert misfits(SMALL) == ""

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"flows": []}, "+app -> db tcp 5002 required connect"),
            ({"flows": ["app -> db tcp 5001 required connect"]}, "-app -> db tcp 5001 required connect"),
            ({"flows": ["db -> app tcp 5002 required connect"]}, "-db -> app tcp 5002"),
            ({"flows": ["app -> db tcp 5002 optional connect"]}, "-app -> db tcp 5002 optional"),
            ({"flows": ["app -> db tcp 5002 required connect"] * 2}, "-app -> db tcp 5002 required connect"),
            ({"source_ports": {"app -> db tcp 5002": "1024-65535"}}, "from 32768-60999"),
            ({"source_ports": {"app -> db tcp 500": "32768-60999"}}, "no such flow"),
            ({"guarded": []}, "+db udp 5001 unused_udp"),
            ({"statements": ["fw request tcp a:1 -> b:2"]}, "-fw request tcp a:1 -> b:2"),
            ({"warnings": ["beware"]}, "nothing says: beware"),
            ({"conflicts": ["both need"]}, "nothing says: both need"),
        ],
    )
    def test_a_wrong_one(self, change: dict[str, Any], told: str) -> None:
        assert told in misfits({**SMALL, **change})

    def test_one_sentence_is_not_two(self) -> None:
        assert "nothing says: port" in unmatched(["port", "port"], ["a port"])
        assert "not in the scenario: a port" in unmatched(["host"], ["a host", "a port"])
