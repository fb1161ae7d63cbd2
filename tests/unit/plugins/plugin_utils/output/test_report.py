# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: the table, the problems and what was not verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._findings import Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report import (
    Report,
    forget_findings,
    read_findings,
    write_findings,
)

INDEX: dict[str, Any] = {
    "inputs_id": "i",
    "counts": {"hosts": 2},
    "conflicts": [],
    "warnings": ["db: mind this"],
    "hosts": [{"host": "db"}, {"host": "app"}],
}
NOW = "2026-01-02T03:04:05+00:00"


def finding(stage: str = "reachable", verdict: str = "ok", **other: str) -> Finding:
    return Finding(
        **{
            "stage": stage,
            "verdict": verdict,
            "host": "app",
            "server": "db",
            "endpoint": "mssql/X/tds",
            "port": "tcp 1433",
            "reason": "because",
            **other,
        }
    )


def report(tmp_path: Path, *findings: Finding) -> Report:
    write_findings(tmp_path, "app", "p1", NOW, findings)
    return Report(INDEX, "p1", read_findings(tmp_path, ["db", "app"], "p1"))


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


def test_a_long_table_says_what_it_leaves_out(tmp_path: Path) -> None:
    made = report(tmp_path, *(finding(endpoint=f"e{number:03}") for number in range(100)))
    assert "and 40 more endpoints, see report.md" in made.lines()
    assert made.markdown().count("| e0") == 200


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "other"}'])
def test_a_damaged_findings_file_counts_as_not_verified(tmp_path: Path, text: str) -> None:
    (tmp_path / "findings").mkdir()
    (tmp_path / "findings" / "app.json").write_text(text, encoding="utf-8")
    assert read_findings(tmp_path, ["app"], "p1") == {}
