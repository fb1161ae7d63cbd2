# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in real runs: from an inventory, from a plan that only lies on disk, and with names that mean harm."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._visible import is_seen
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import (
    HostFindings,
    findings_file,
    write_findings,
)

INVENTORY: dict[str, Any] = {
    "all": {
        "vars": {"ansible_connection": "local"},
        "hosts": {
            "erp-db": {
                "ansible_host": "192.0.2.10",
                "dbports_servers": [{"engine": "mssql", "clients": ["web_farm"], "forbidden_clients": ["intruder"]}],
            },
            "intruder": {"ansible_host": "192.0.2.66"},
        },
        "children": {"web_farm": {"hosts": {"app-01": {"ansible_host": "192.0.2.21"}}}},
    },
}
EMPTY = {"all": {"hosts": {"auditor": {"ansible_connection": "local"}}}}
FILES = {"report.html", "report.md", "report.json", "report.junit.xml", "report.csv"}
PLAN = """
- hosts: all
  gather_facts: false
  tasks:
    - name: plan
      dbports.firewall.plan:
        plan_dir: out
"""
REPORT = """
- hosts: all
  gather_facts: false
  tasks:
    - name: report
      dbports.firewall.report:
        plan_dir: out
      run_once: true
"""
CONCLUDE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: conclude
      dbports.firewall.verify:
        plan_dir: out
        conclude: true
"""
HOSTILE = "no\u202esuch\x9b\u2066\u200f\u061c\u2028\x1b[31m\U000e0041\u200b\ufff9"


def test_the_page_knows_the_inventorys_groups(run_playbook: Callable[..., Any]) -> None:
    result = run_playbook(REPORT, INVENTORY)
    assert result.rc == 0, result.text
    folder = run_playbook.place / "out"
    assert {path.name for path in folder.glob("report.*")} == FILES
    (task,) = result.of("report")
    assert task["report"] == str(folder / "report.html")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "web_farm" in page
    assert "This is the plan. Nothing was verified yet." in page


def test_a_plan_on_disk_is_enough_and_is_left_as_it_is(run_playbook: Callable[..., Any]) -> None:
    assert run_playbook(PLAN, INVENTORY).rc == 0
    folder = run_playbook.place / "out"
    before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    checked = run_playbook(REPORT, EMPTY, "--check")
    assert checked.rc == 0, checked.text
    assert not set(folder.glob("report.*"))
    result = run_playbook(REPORT, EMPTY)
    assert result.rc == 0, result.text
    assert f"this is about the plan in {folder}" in result.text
    assert "the plan has no server" not in result.text
    after = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == FILES
    data = json.loads(after["report.json"])
    assert (data["unverified"], len(data["flows"])) == (["app-01", "erp-db", "intruder"], 2)


def test_nothing_is_concluded_from_findings_that_are_not_of_this_run(run_playbook: Callable[..., Any]) -> None:
    """Never verified, damaged, and replaced by another run with the same directory."""
    plan_id = run_playbook(PLAN, INVENTORY).of("plan")[0]["plan_id"]
    folder = run_playbook.place / "out"
    other = HostFindings("2026-01-02T03:04:05+00:00", "another run", ())
    write_findings(folder, "app-01", plan_id, other)
    findings_file(folder, "intruder").write_text("{", encoding="utf-8")
    result = run_playbook(CONCLUDE, INVENTORY)
    said = "\n".join(sorted(task["msg"] for task in result.of("conclude")))
    assert said.count("no findings of this run: ") == 3, said
    for reason in ("there are none", "another run has replaced them", "the file of its findings"):
        assert said.count(f"no findings of this run: {reason}") == 1, said


def test_without_any_plan_the_empty_one_is_reported(run_playbook: Callable[..., Any]) -> None:
    result = run_playbook(REPORT, EMPTY)
    assert result.rc == 0, result.text
    assert "The plan has no flow." in (run_playbook.place / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("where", ["name", "key", "address", "path", "several"])
def test_nothing_of_a_hostile_name_reaches_the_terminal(run_playbook: Callable[..., Any], where: str) -> None:
    data = copy.deepcopy(INVENTORY)
    host = data["all"]["hosts"]["erp-db"]
    server = host["dbports_servers"][0]
    if where == "address":
        host["ansible_host"] = HOSTILE
    elif where == "path":
        host["dbports_addresses"] = [{HOSTILE: 1}]
    elif where == "several":
        server["clients"] = [HOSTILE, "other"]
    else:
        server.update({HOSTILE: 1} if where == "key" else {where: HOSTILE})
    result = run_playbook(PLAN, data, "-vvv")
    assert result.rc != 0
    assert "202e" in result.text.lower(), "as a code point, or as Python writes a value"
    left = {char for char in result.text if not is_seen(char)}
    assert left <= {"\n", "\t"}, left
