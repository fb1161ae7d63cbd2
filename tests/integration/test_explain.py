# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about a plan in real runs: from the inventory and from an approved plan, whatever the names are."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

INVENTORY: dict[str, Any] = {
    "all": {
        "vars": {"ansible_connection": "local"},
        "hosts": {
            "erp-db": {
                "dbports_addresses": ["192.0.2.10"],
                "dbports_servers": [{"engine": "mssql", "clients": ["app-01"], "forbidden_clients": ["intruder"]}],
            },
            "app-01": {"ansible_host": "192.0.2.21"},
            "reports-01": {"ansible_host": "203.0.113.9"},
            "intruder": {"ansible_host": "192.0.2.66"},
        },
    },
}
REGISTER = """
- hosts: all
  gather_facts: false
  tasks:
    - name: answer
      dbports.firewall.explain:
        host: "%(host)s"
        port: 1433/tcp
        peer: "%(peer)s"
      register: answer
    - name: shown
      ansible.builtin.debug:
        var: answer.lines
      run_once: true
"""


def ask(runner: Any, *arguments: str, inventory: dict[str, Any] | None = None, **variables: str) -> Any:
    """Run the playbook dbports.firewall.explain."""
    (runner.place / "inventory.yml").write_text(yaml.safe_dump(inventory or INVENTORY), encoding="utf-8")
    extra = json.dumps({f"dbports_{key}": value for key, value in variables.items()})
    return runner.run("dbports.firewall.explain", "-i", "inventory.yml", "-e", extra, *arguments)


def answer_of(result: Any) -> dict[str, Any]:
    """Return the only answer of a run."""
    (answer,) = [item["result"] for item in result.tasks if "verdict" in item["result"]]
    return dict(answer)


def test_the_playbook_prints_rules_sources_and_declarations(run_playbook: Callable[..., Any]) -> None:
    result = ask(run_playbook, explain_host="erp-db", explain_port="1433/tcp")
    assert result.rc == 0, result.text
    assert "tcp 1433 on erp-db: open to 1 peer, refused to everyone else" in result.stdout
    assert "KB 287932" in result.stdout
    assert "app-01 (192.0.2.21), declared by erp-db: dbports_servers[0].clients[0]" in result.stdout
    assert result.stdout.count("tcp 1433 on erp-db: open") == 1, "told once, not by every host"


@pytest.mark.parametrize(
    ("peer", "code"), [("reports-01", "not_declared"), ("intruder", "forbidden"), ("nobody", "unknown_host")]
)
def test_why_somebody_cannot_reach_it(run_playbook: Callable[..., Any], peer: str, code: str) -> None:
    result = ask(run_playbook, explain_host="erp-db", explain_port="1433/tcp", explain_peer=peer)
    assert code in [reason["code"] for reason in answer_of(result)["reasons"]]
    assert [host["changed"] for host in result.stats.values()] == [0], "one host asks, nothing is changed"


def test_the_same_answer_with_a_limit(run_playbook: Callable[..., Any]) -> None:
    question = {"explain_host": "erp-db", "explain_port": "1433/tcp", "explain_peer": "reports-01"}
    everywhere = answer_of(ask(run_playbook, **question))
    assert answer_of(ask(run_playbook, "--limit", "app-01", **question)) == everywhere


def test_from_an_approved_plan_and_from_no_other(run_playbook: Callable[..., Any]) -> None:
    (run_playbook.place / "inventory.yml").write_text(yaml.safe_dump(INVENTORY), encoding="utf-8")
    planned = run_playbook.run("dbports.firewall.plan", "-i", "inventory.yml")
    (plan_id,) = {item["result"]["plan_id"] for item in planned.tasks if "plan_id" in item["result"]}
    question = {"explain_host": "erp-db", "explain_port": "1433/tcp", "explain_peer": "app-01", "plan_id": plan_id}
    answer = answer_of(ask(run_playbook, **question))
    assert (answer["plan_id"], answer["verdict"]) == (plan_id, "allowed")

    changed = copy.deepcopy(INVENTORY)
    changed["all"]["hosts"]["erp-db"]["dbports_servers"][0]["clients"] = ["reports-01"]
    stale = ask(run_playbook, inventory=changed, **question)
    assert stale.rc != 0
    assert "stale" in stale.text

    path = run_playbook.place / "dbports-plan" / "hosts" / "erp-db.json"
    path.write_text(path.read_text(encoding="utf-8").replace("192.0.2.21", "192.0.2.99"), encoding="utf-8")
    tampered = ask(run_playbook, **question)
    assert tampered.rc != 0
    assert "was changed after the plan was made" in tampered.text


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "missing required arguments: dbports_explain_host, dbports_explain_port"),
        ({"explain_host": "nowhere", "explain_port": "1433/tcp"}, "no such host in the plan or the inventory"),
        ({"explain_host": "erp-db", "explain_port": "ms-sql"}, "not a port with its protocol"),
    ],
)
def test_questions_that_nobody_can_answer(
    run_playbook: Callable[..., Any], variables: dict[str, str], message: str
) -> None:
    result = ask(run_playbook, **variables)
    assert result.rc != 0
    assert message in result.text


def test_names_are_neither_templates_nor_lines_of_their_own(run_playbook: Callable[..., Any]) -> None:
    """A host's name may hold anything that an inventory source lets through; it is shown and never run."""
    name = "app{{ 6 * 7 }}\x1bM\nfake"
    data = copy.deepcopy(INVENTORY)
    data["all"]["hosts"][name] = {"ansible_host": "192.0.2.77"}
    data["all"]["hosts"]["erp-db"]["dbports_servers"][0]["clients"] = ["apps"]
    data["all"]["children"] = {"apps": {"hosts": {name: {}}}}
    result = run_playbook(REGISTER % {"host": "erp-db", "peer": "192.0.2.77"}, data, "--limit", "erp-db")
    assert result.rc == 0, result.text
    (answer,) = result.of("answer")
    assert answer["verdict"] == "allowed"
    assert any("app{{ 6 * 7 }}<U+001B>M<U+000A>fake" in line for line in answer["lines"])
    assert "app42" not in result.text + json.dumps(result.tasks)
    assert "\x1b" not in result.stdout
