# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: the table, the problems and what was not verified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import Index
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding, Stage, Verdict
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import read_observation
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import PlanWarning
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import (
    HostFindings,
    findings_file,
    forget_findings,
    read_findings,
    returned,
    write_findings,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report import Report
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

WARNING = PlanWarning("engine", "db", "dbports_servers[0]", text="mind this")
INDEX = Index("p1", "i", {"hosts": 2}, (("app", "1"), ("db", "2")), (), (), (WARNING,))
NOW = "2026-01-02T03:04:05+00:00"


def finding(stage: Stage = "reachable", verdict: Verdict = "ok", **other: str) -> Finding:
    return Finding(stage, verdict, "app", "db", "mssql/X/tds", "tcp 1433", "because")._replace(**other)


def report(tmp_path: Path, *findings: Finding) -> Report:
    write_findings(tmp_path, "app", "p1", HostFindings(NOW, findings))
    return Report(INDEX, read_findings(tmp_path, ["db", "app"], "p1"))


def test_findings_come_back_and_only_for_their_plan(tmp_path: Path) -> None:
    made = report(tmp_path, finding())
    assert made.findings == [finding()]
    assert made.unverified == ["db"]
    assert read_findings(tmp_path, ["app"], "another plan") == {}
    forget_findings(tmp_path, "app")
    assert read_findings(tmp_path, ["app"], "p1") == {}


def test_one_row_an_endpoint_with_the_worst_verdict(tmp_path: Path) -> None:
    made = report(
        tmp_path, finding(), finding(verdict="fail", host="app2"), finding("forbidden"), finding("connected", "fail")
    )
    assert made.rows() == [("db", "mssql/X/tds", "tcp 1433", "-", "-", "fail 1/2", "fail 1/2")]
    assert made.summary() == "4 findings: 2 ok, 2 fail, 0 warn, 0 unknown; 1 hosts not verified"


def test_problems_come_worst_first_with_their_reasons(tmp_path: Path) -> None:
    made = report(tmp_path, finding(verdict="warn", reason="odd"), finding(verdict="fail", reason="bad"), finding())
    lines = made.lines()
    assert lines[2:4] == [
        "FAIL reachable app to db mssql/X/tds tcp 1433: bad",
        "WARN reachable app to db mssql/X/tds tcp 1433: odd",
    ]


def test_a_hostile_reason_neither_breaks_the_table_nor_commands_the_terminal(tmp_path: Path) -> None:
    made = report(tmp_path, finding(verdict="fail", reason="a|b\x1b[31m\n<script>"))
    assert all("\x1b" not in line and "\n" not in line for line in made.lines())
    text = made.markdown()
    assert "<script>" not in text
    assert "\x1b" not in text


HOSTILE = "\x1b\x9b\u202e\u2066\u200f\u061c\u2028\x00\U000e0041"
"""An escape, CSI in one character, overrides and isolates of direction, marks, a line's end, a tag."""


def test_a_process_name_neither_commands_the_terminal_nor_turns_the_text_around(tmp_path: Path) -> None:
    inventory = {
        "db": {"ansible_host": "192.0.2.10", "dbports_servers": [{"engine": "mssql", "clients": ["192.0.2.21"]}]}
    }
    listener = {
        "protocol": "tcp",
        "family": "ipv4",
        "state": "LISTEN",
        "local_address": "0.0.0.0",
        "local_port": 1433,
        "process": f"evil{HOSTILE}",
    }
    planned = build_plan(PlainInventory({"hosts": inventory})).hosts["db"]
    found = judge(planned, read_observation({"sockets": [listener]}))
    assert HOSTILE in found[0].reason
    made = report(tmp_path, *found)
    printed = ["\n".join(made.lines()), made.markdown(), *(text for item in returned(found) for text in item.values())]
    for text in printed:
        assert not set(HOSTILE) & set(text)
    assert f"evil{'?' * len(HOSTILE)} listens instead of sqlservr" in printed[0]


def test_hostile_names_from_the_inventory_are_shown_and_do_nothing(tmp_path: Path) -> None:
    warning = PlanWarning("engine", f"db{HOSTILE}", text=HOSTILE)
    index = Index("p1", "i", {"hosts": 1}, ((f"no{HOSTILE}", "1"),), (), (), (warning,))
    write_findings(tmp_path, "app", "p1", HostFindings(NOW, (finding(server=f"db{HOSTILE}", declared=HOSTILE),)))
    made = Report(index, read_findings(tmp_path, ["app"], "p1"))
    for text in ("\n".join(made.lines()), made.markdown()):
        assert not set(HOSTILE) & set(text)


def test_the_plans_warnings_are_printed_as_sentences(tmp_path: Path) -> None:
    made = report(tmp_path, finding())
    assert "- db: dbports\\_servers\\[0\\]: mind this" in made.markdown()
    assert made.as_dict()["warnings"] == ["db: dbports_servers[0]: mind this"]


def test_a_directory_that_cannot_be_written_is_an_error_with_a_code(tmp_path: Path) -> None:
    (tmp_path / "findings").touch()
    (tmp_path / "report.json").mkdir()
    made = Report(INDEX, {})
    for write in (
        lambda: write_findings(tmp_path, "app", "p1", HostFindings(NOW, ())),
        lambda: forget_findings(tmp_path, "app"),
        lambda: made.write(tmp_path),
    ):
        with pytest.raises(DbportsError) as caught:
            write()
        assert (caught.value.code, caught.value.path) == ("not_written", "plan_dir")


def test_a_long_table_says_what_it_leaves_out(tmp_path: Path) -> None:
    made = report(tmp_path, *(finding(endpoint=f"e{number:03}") for number in range(100)))
    assert "and 40 more endpoints, see report.md" in made.lines()
    assert made.markdown().count("| e0") == 200


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "other"}'])
def test_a_damaged_findings_file_counts_as_not_verified(tmp_path: Path, text: str) -> None:
    (tmp_path / "findings").mkdir()
    (tmp_path / "findings" / "app.json").write_text(text, encoding="utf-8")
    assert read_findings(tmp_path, ["app"], "p1") == {}


@pytest.mark.parametrize(
    "change",
    [{"verified_at": None}, {"findings": 5}, {"findings": [{}]}, {"findings": [{**finding()._asdict(), "stage": "x"}]}],
)
def test_so_does_one_with_something_else_in_it(tmp_path: Path, change: dict[str, Any]) -> None:
    write_findings(tmp_path, "app", "p1", HostFindings(NOW, (finding(),)))
    path = findings_file(tmp_path, "app")
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    assert read_findings(tmp_path, ["app"], "p1") == {}
