# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that others' packets pass through: Linux routers, and hosts that publish the ports of containers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import host_file
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import read_host, read_index
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import write_artifact
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.ruleset import ruleset_arguments
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.rules import wanted_ruleset
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import ForwardRule, Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).resolve().parents[5] / "docs" / "schema" / "plan-host.schema.json"
NETWORKS = "{office: [192.0.2.0/24], dc: [198.51.100.0/24]}"
ROUTER = "{name: fw, kind: filter, between: [office, dc], platform: linux, host: fw-1}"
STATELESS = ROUTER.replace("linux", "linux, stateful: false")
SQL602 = "[{engine: sql602, clients: [app]}]"


def plan_of(gateways: str = ROUTER, servers: str = SQL602, **router: Any) -> Plan:
    """Plan a server in the data centre with a client in the office and a router between them."""
    hosts = {
        "db": {"ansible_host": "198.51.100.10", "dbports_servers": yaml.safe_load(servers)},
        "app": {"ansible_host": "192.0.2.21", "dbports_os": "linux"},
        "fw-1": {"ansible_host": "192.0.2.1", **router},
    }
    settings = {"dbports_networks": yaml.safe_load(NETWORKS), "dbports_gateways": yaml.safe_load(f"[{gateways}]")}
    return build_plan(PlainInventory({"hosts": hosts, "vars": settings}))


def shown(item: ForwardRule) -> str:
    """Return a rule in short."""
    words = [name for name, true in (("stateless", not item.stateful), ("unanswered", not item.answered)) if true]
    ends = (",".join(format_addresses(item.peers)), ",".join(format_addresses(item.targets)) or "published")
    source, ports = format_ports(item.source_ports) or "*", format_ports(item.ports) or "*"
    return " ".join([f"{item.protocol} {ends[0]}:{source} -> {ends[1]}:{ports}", *words])


def test_a_router_guards_what_the_servers_behind_it_are_asked_for() -> None:
    """A 602SQL announcement is asked for by nobody that connection tracking knows of, and comes the other way."""
    assert sorted(map(shown, plan_of().hosts["fw-1"].forwards)) == [
        "tcp 192.0.2.21:* -> 198.51.100.10:5002",
        "udp 192.0.2.21:* -> 198.51.100.10:5001",
        "udp 192.0.2.21:* -> 198.51.100.10:5001",
        "udp 198.51.100.10:1024-65535 -> 192.0.2.21:5002 unanswered",
    ]


def test_without_tracking_source_ports_and_answers_count() -> None:
    """An announcement, and no answer, is what a search leads to."""
    assert sorted(map(shown, plan_of(STATELESS).hosts["fw-1"].forwards)) == [
        "tcp 192.0.2.21:32768-60999 -> 198.51.100.10:5002 stateless",
        "udp 192.0.2.21:32768-60999 -> 198.51.100.10:5001 stateless unanswered",
        "udp 192.0.2.21:32768-60999 -> 198.51.100.10:5001 stateless unanswered",
        "udp 198.51.100.10:1024-65535 -> 192.0.2.21:5002 stateless unanswered",
    ]


@pytest.mark.parametrize("gateway", [ROUTER, STATELESS])
@pytest.mark.parametrize("servers", [SQL602, "[{engine: mssql, clients: [app], published: true}]"])
def test_the_module_gets_what_verify_wants_and_the_file_keeps(gateway: str, servers: str, tmp_path: Path) -> None:
    """The port set is the same after it was written, as the schema says, and read."""
    plan = plan_of(gateway, servers)
    artifact = render_plan(plan)
    write_artifact(artifact, tmp_path)
    validator = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    for name, port_set in plan.hosts.items():
        validator.validate(json.loads(artifact.files[host_file(name)]))
        wanted = wanted_ruleset(port_set)
        assert DesiredState.from_arguments(ruleset_arguments(port_set)).ruleset == wanted
        assert wanted_ruleset(read_host(tmp_path, read_index(tmp_path, artifact.plan_id), name)) == wanted
    assert wanted_ruleset(plan.hosts["fw-1"]).guards


def test_ports_of_a_container_are_guarded_where_they_are_published() -> None:
    """Nothing of the host itself needs to listen there, and no program of the host is expected."""
    own = plan_of(servers="[{engine: mssql, clients: [app], published: true}]").hosts["db"]
    assert sorted(map(shown, own.forwards)) == ["tcp 192.0.2.21:* -> published:1433"]
    assert [(item.listening, item.process) for item in own.endpoints] == [("optional", ())]
    assert plan_of(servers="[{engine: mssql, clients: [app]}]").hosts["db"].forwards == []


def test_a_router_needs_an_address() -> None:
    """It gets a port set as every host."""
    with pytest.raises(PlanError) as caught:
        plan_of(ansible_host="fw.example.com")
    assert [(error.code, error.host) for error in caught.value.errors] == [("no_address", "fw-1")]
