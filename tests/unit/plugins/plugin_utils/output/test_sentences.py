# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings and conflicts of many hosts: grouped, and cut with the count and where the rest is."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import CombinedError, DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import refuse_conflicts
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import PlanWarning
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import plan_markdown, plan_summary
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import sentences
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan


def fleet(*servers: dict[str, Any]) -> Plan:
    """Return the plan of 100 hosts with the same servers."""
    hosts: dict[str, Any] = {
        f"db-{n:03}": {"dbports_addresses": [f"192.0.2.{n}"], "dbports_servers": list(servers)} for n in range(100)
    }
    return build_plan(PlainInventory({"hosts": hosts}))


EVERYONE = {"engine": "postgresql", "clients": ["0.0.0.0/0"]}
"""What a warning is about."""

TWO = ({"engine": "mssql", "clients": ["198.51.100.7"]}, {"engine": "postgresql", "clients": [], "port": 1433})
"""Servers that want the same port."""


def test_equal_warnings_are_one_line() -> None:
    plan = fleet(EVERYONE)
    assert len(plan.warnings) >= 100
    lines = [line for line in plan_summary(plan, "p") if "WARNING" in line]
    assert len(lines) == len(plan.warnings) // 100
    assert lines[0].startswith("  WARNING  db-000, db-001, db-002, db-003, db-004, db-005 and 94 more: dbports_servers")
    page = plan_markdown(plan, "p", "i")
    (said,) = [line for line in page.splitlines() if line.startswith("- db-000, db-001")]
    assert "db-099: dbports" in said.replace("\\", ""), "the page names every host"


def test_a_host_is_named_once_and_other_texts_are_kept_apart() -> None:
    one = PlanWarning("engine", "db-1", "dbports_servers[0]", text="mind this")
    assert sentences([one, one, one._replace(host="db-2"), one._replace(text="mind that")]) == [
        "db-1, db-2: dbports_servers[0]: mind this",
        "db-1: dbports_servers[0]: mind that",
    ]


def test_rules_of_many_clients_do_not_hide_those_of_the_server() -> None:
    hosts: dict[str, Any] = {f"app-{n:02}": {"dbports_addresses": [f"192.0.2.{n + 1}"]} for n in range(50)}
    server = {"engine": "sql602", "clients": ["apps"]}
    hosts["erp"] = {"dbports_addresses": ["192.0.2.99"], "dbports_servers": [server]}
    plan = build_plan(PlainInventory({"hosts": hosts, "groups": {"apps": sorted(hosts)[:50]}}))
    lines = [line.split("  ") for line in plan_summary(plan, "p") if line.startswith("  ")]
    assert lines[0][1:4] == ["app-00 and 49 more", "udp 5002", "from erp"]
    assert {"tcp 5002", "udp 5001"} <= {cell.strip() for line in lines[1:] for cell in line}
    assert not any("more rule" in cell for line in lines for cell in line)


def test_conflicts_are_cut() -> None:
    plan = fleet(*TWO)
    assert len(plan.conflicts) == 100
    lines = [line for line in plan_summary(plan, "p") if "both need" in line or "more" in line]
    assert len([line for line in lines if "CONFLICT" in line]) == 40
    assert "  and 60 more, see plan.md" in lines
    assert plan_markdown(plan, "p", "i").count("both need tcp 1433") == 100


def test_a_refusal_of_many_conflicts_is_short() -> None:
    with pytest.raises(DbportsError) as caught:
        refuse_conflicts(fleet(*TWO).conflicts, [])
    text = str(caught.value)
    assert "and 94 more" in text
    assert "plan.md lists them" in text
    assert len(text) < 1500


def test_an_error_that_was_printed_is_named_in_short() -> None:
    error = DbportsError("x" * 100, host="db-1", path="dbports_servers[0].port", value=7, fix="Take another")
    assert error.short() == f"dbports_servers[0].port: {'x' * 57}... (see the error printed above, once for all hosts)"
    assert CombinedError([error]).short() == error.short()
    assert CombinedError([error, DbportsError("no")]).short() == "see the 2 errors printed above, once for all hosts"


def test_an_error_without_the_host_that_it_is_printed_for() -> None:
    error = CombinedError([DbportsError("bad", host=name, path="dbports_os") for name in ("db-1", "db-2", "db-1")])
    assert error.without("db-1") == "dbports_os: bad.\ndb-2: dbports_os: bad."


def test_one_is_singular() -> None:
    plan = build_plan(
        PlainInventory({"hosts": {"db": {"dbports_addresses": ["192.0.2.1"], "dbports_servers": [TWO[0]]}}})
    )
    assert plan_summary(plan, "p")[0] == "Plan p: 1 server, 1 host, 1 flow"
    assert "1 server, 1 host, 1 flow, 0 warnings, 0 conflicts." in plan_markdown(plan, "p", "i").splitlines()
