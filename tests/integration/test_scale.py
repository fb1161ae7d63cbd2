# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan grows with its hosts and flows and no faster: operations are counted, so that no machine is too slow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible import constants
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import write_artifact
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import current_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan import builder

from counting import assert_linear, steps


def declarations(clients: int) -> dict[str, Any]:
    """Return servers with ten clients each, every client of several servers, in a group a server."""
    names = [f"c{number}" for number in range(clients)]
    hosts: dict[str, Any] = {
        name: {"ansible_host": f"10.0.{number >> 8}.{number & 255}", "dbports_os": "linux"}
        for number, name in enumerate(names)
    }
    groups = {}
    for number in range(clients // 4):
        groups[f"g{number}"] = [names[(5 * number + 7 * step) % clients] for step in range(10)]
        hosts[f"s{number}"] = {
            "ansible_host": f"10.1.{number >> 8}.{number & 255}",
            "dbports_servers": [{"engine": "mssql", "clients": [f"g{number}"]}],
        }
    return {"hosts": hosts, "groups": groups}


def hostvars_of(data: dict[str, Any], place: Path) -> HostVars:
    """Load the same declarations with Ansible."""
    groups = {name: {"hosts": dict.fromkeys(members)} for name, members in data["groups"].items()}
    source = place / "inventory.json"
    source.write_text(json.dumps({"all": {"hosts": data["hosts"], "children": groups}}), encoding="utf-8")
    loader = DataLoader()
    loader.set_basedir(str(place))
    manager = InventoryManager(loader=loader, sources=[str(source)])
    return HostVars(manager, VariableManager(loader=loader, inventory=manager), loader)


class CountingInventory(PlainInventory):
    """Counts what is asked of it."""

    def __init__(self, data: dict[str, Any]) -> None:
        super().__init__(data)
        self.asked: dict[str, int] = {}

    def host(self, name: str) -> dict[str, Any] | None:
        """Count and answer."""
        self.asked[name] = self.asked.get(name, 0) + 1
        return super().host(name)


def test_a_host_is_read_once_and_a_flow_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = builder.RulePeer
    monkeypatch.setattr(builder, "RulePeer", lambda *values: made.append(1) or real(*values))
    data = declarations(400)
    inventory = CountingInventory(data)
    plan = builder.build_plan(inventory)
    assert plan.flows == 1000
    assert len(made) == plan.flows + 2 * len(data["groups"]), "one a client, and those that a server's clients share"
    assert sum(inventory.asked[name] for name in data["hosts"]) == len(plan.hosts) == 500


def test_planning_and_writing_grow_with_the_flows(tmp_path: Path) -> None:
    def whole(data: dict[str, Any], place: Path) -> None:
        write_artifact(render_plan(builder.build_plan(PlainInventory(data))), place)

    whole(declarations(40), tmp_path / "first")  # what is made once in a process does not count
    assert_linear(steps(lambda size=size: whole(declarations(size), tmp_path / str(size))) for size in (400, 800, 1600))


def test_a_run_adds_to_the_inventory_what_grows_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for size in (40, 400, 800, 1600):
        place = tmp_path / str(size)
        place.mkdir()
        monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(place))
        hostvars = hostvars_of(declarations(size), place)
        counts.append(steps(lambda hostvars=hostvars: current_plan(hostvars)))
    assert_linear(counts[1:])


def test_a_fork_reads_its_own_host_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host's share costs as many steps in a plan of many hosts as in one of few."""
    counts = []
    for size in (40, 400, 1600):
        place = tmp_path / str(size)
        place.mkdir()
        monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(place))
        plan = current_plan(hostvars_of(declarations(size), place))
        name = f"s{size // 4 - 1}"
        assert plan.host(name).host == name
        counts.append(steps(lambda plan=plan, name=name: plan.host(name)))
    assert counts[2] <= counts[1] + 100, "some comparisons more, and not 1,600"
