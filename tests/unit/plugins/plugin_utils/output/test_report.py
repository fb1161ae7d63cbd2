# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: the table, the problems and what was not verified."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import Index
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import combined
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding, facts
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import read_observation
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import PlanWarning
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import (
    MAX_SIZE,
    HostFindings,
    as_data,
    findings_file,
    forget_findings,
    read_findings,
    returned,
    write_findings,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report import Report
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.verdicts import finding_sentence
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

WARNING = PlanWarning("engine", "db", "dbports_servers[0]", text="mind this")
INDEX = Index("p1", "i", {"hosts": 2}, (("app", "1"), ("db", "2")), (), (), (WARNING,))
NOW, LATER = "2026-01-02T03:04:05+00:00", "2026-01-02T04:04:05+00:00"
RUN = "this run"


PLACE = Finding("not_probed", "unknown", "app", "db", "mssql/X/tds", "tcp 1433", ("app",), "accept")
WORKS = combined(PLACE, reached="answers", data=facts(detail="answers: so it does"))
DROPPED = combined(PLACE, reached="filtered", data=facts(detail="filtered: bad"))
REFUSED = combined(PLACE._replace(intended="refuse"), reached="filtered", data=facts(detail="filtered: good"))
STOPPED = combined(PLACE._replace(host="db", peers=()), listening="nothing")
STRANGER = Finding("stranger", "fail", "db", "db", "mssql/X/tds", "tcp 1433", ("192.0.2.66",))


def report(tmp_path: Path, *findings: Finding) -> Report:
    """Return the report of what hosts found in this run."""
    hosts = {one.host for one in findings}
    for host in hosts:
        mine = tuple(one for one in findings if one.host == host)
        write_findings(tmp_path, host, "p1", HostFindings(NOW, RUN, mine))
    return Report(INDEX, read_findings(tmp_path, sorted(hosts), "p1"), RUN)


def test_findings_come_back_and_only_for_their_plan(tmp_path: Path) -> None:
    made = report(tmp_path, WORKS)
    assert made.findings == [WORKS]
    assert made.unverified == ["db"]
    assert read_findings(tmp_path, ["app"], "another plan") == ({}, {"app": "its findings are of another plan"})
    forget_findings(tmp_path, "app")
    assert read_findings(tmp_path, ["app"], "p1").hosts == {}


def test_one_row_an_endpoint_with_the_worst_verdict(tmp_path: Path) -> None:
    made = report(
        tmp_path,
        WORKS,
        DROPPED._replace(host="app2", peers=("app2",)),
        REFUSED,
        STRANGER,
    )
    assert made.rows() == [("db", "mssql/X/tds", "tcp 1433", "-", "-", "fail 1/2", "fail 1/2")]
    assert made.summary() == "4 findings: 2 ok, 2 fail, 0 warn, 0 unknown"


def test_hosts_without_findings_are_counted(tmp_path: Path) -> None:
    assert report(tmp_path, WORKS).summary() == "1 finding: 1 ok, 0 fail, 0 warn, 0 unknown; 1 host not verified"


def test_problems_come_worst_first_with_their_reasons(tmp_path: Path) -> None:
    partly = combined(PLACE, reached="partly", data=facts(address="192.0.2.10", others="2001:db8::1 is filtered"))
    made = report(tmp_path, partly, DROPPED, WORKS)
    lines = made.lines()
    assert lines[2] == (
        "FAIL unreachable_unseen app to db mssql/X/tds tcp 1433: no answer (filtered: bad), and db was not verified in "
        "this run: verify db as well, to see the cause"
    )
    assert lines[3].startswith("WARN partly_reachable app to db mssql/X/tds tcp 1433: answers at 192.0.2.10, but 2001")


def test_hosts_of_which_the_same_is_said_are_one_line(tmp_path: Path) -> None:
    made = report(tmp_path, *(DROPPED._replace(host=f"app{n}", peers=(f"app{n}",)) for n in range(8)))
    assert made.lines()[2].startswith(
        "FAIL unreachable_unseen 8 hosts (app0, app1, app2, app3, app4, app5 and 2 more) to db mssql/X/tds tcp 1433: no"
    )


def test_what_a_client_met_is_told_with_what_its_server_shows(tmp_path: Path) -> None:
    """One of two hosts knows that nothing comes back, and the other why."""
    seen = combined(PLACE._replace(host="db", peers=()), "accepts", "listens", data=facts(program="sqlservr", rule="r"))
    made = report(tmp_path, DROPPED, seen)
    assert [(one.host, one.code) for one in made.findings] == [("app", "dropped_between"), ("db", "ready")]
    assert "something between app and db drops it" in made.lines()[2]


def test_a_hostile_reason_neither_breaks_the_table_nor_commands_the_terminal(tmp_path: Path) -> None:
    made = report(tmp_path, DROPPED._replace(data=facts(detail="a|b\x1b[31m\n<script>")))
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
    assert HOSTILE in finding_sentence(found[0])
    made = report(tmp_path, *found)
    printed = ["\n".join(made.lines()), made.markdown(), json.dumps(returned(found), ensure_ascii=False)]
    for text in printed:
        assert not set(HOSTILE) & set(text)
    shown = "".join(f"<U+{ord(char):04X}>" for char in HOSTILE)
    assert f"evil{shown} listens on tcp 1433 instead of sqlservr: stop evil{shown}" in printed[0]


def test_hostile_names_from_the_inventory_are_shown_and_do_nothing(tmp_path: Path) -> None:
    warning = PlanWarning("engine", f"db{HOSTILE}", text=HOSTILE)
    index = Index("p1", "i", {"hosts": 1}, ((f"no{HOSTILE}", "1"),), (), (), (warning,))
    write_findings(
        tmp_path, "app", "p1", HostFindings(NOW, RUN, (WORKS._replace(server=f"db{HOSTILE}", declared=HOSTILE),))
    )
    made = Report(index, read_findings(tmp_path, ["app"], "p1"), RUN)
    for text in ("\n".join(made.lines()), made.markdown()):
        assert not set(HOSTILE) & set(text)


def test_the_plans_warnings_are_printed_as_sentences(tmp_path: Path) -> None:
    made = report(tmp_path, WORKS)
    assert "- db: dbports\\_servers\\[0\\]: mind this" in made.markdown()
    assert made.as_dict()["warnings"] == ["db: dbports_servers[0]: mind this"]


def test_a_directory_that_cannot_be_written_is_an_error_with_a_code(tmp_path: Path) -> None:
    (tmp_path / "findings").touch()
    for write in (
        lambda: write_findings(tmp_path, "app", "p1", HostFindings(NOW, RUN, ())),
        lambda: forget_findings(tmp_path, "app"),
    ):
        with pytest.raises(DbportsError) as caught:
            write()
        assert (caught.value.code, caught.value.path) == ("not_written", "plan_dir")


def test_a_long_table_says_what_it_leaves_out(tmp_path: Path) -> None:
    made = report(tmp_path, *(WORKS._replace(endpoint=f"e{number:03}") for number in range(100)))
    assert "and 40 more endpoints, see report.html" in made.lines()
    assert made.markdown().count("| e0") == 200


def test_findings_of_an_earlier_run_are_told_from_those_of_this_one(tmp_path: Path) -> None:
    write_findings(
        tmp_path,
        "db",
        "p1",
        HostFindings(NOW, "earlier", (STOPPED, WORKS._replace(host="db", server="db", peers=("db",)))),
    )
    write_findings(tmp_path, "app", "p1", HostFindings(LATER, RUN, (WORKS, REFUSED)))
    made = Report(INDEX, read_findings(tmp_path, ["app", "db"], "p1"), RUN)
    assert made.rows() == [("db", "mssql/X/tds", "tcp 1433", "-", "fail (old)", "ok 2/2 (1 old)", "ok")]
    assert made.lines()[2:] == [
        "FAIL stopped db mssql/X/tds tcp 1433: nothing listens on tcp 1433: start the server "
        f"(of an earlier run, {NOW})",
        f"of an earlier run: db ({NOW})",
        "4 findings: 3 ok, 1 fail, 0 warn, 0 unknown; 2 of an earlier run",
    ]
    text = made.markdown()
    assert "## Hosts whose findings are of an earlier run\n\n- db (2026" in text
    assert text.count("(of an earlier run, ") == 3
    assert made.as_dict()["verified"] == {
        "app": {"at": LATER, "run": RUN, "earlier": False},
        "db": {"at": NOW, "run": "earlier", "earlier": True},
    }


def test_a_report_made_afterwards_tells_the_latest_run_from_those_before(tmp_path: Path) -> None:
    write_findings(tmp_path, "db", "p1", HostFindings(NOW, "first", (WORKS._replace(host="db"),)))
    write_findings(tmp_path, "app", "p1", HostFindings(LATER, "second", (WORKS,)))
    made = Report(INDEX, read_findings(tmp_path, ["app", "db"], "p1"), RUN)
    assert made.earlier == {"db": NOW}
    assert made.summary().endswith("; 1 of an earlier run; nothing was verified in this run")


@pytest.mark.parametrize("stranger", [WORKS._replace(host="db"), STOPPED, STOPPED._replace(host="app")])
def test_hosts_that_were_not_verified_are_named_with_the_reason(tmp_path: Path, stranger: Finding) -> None:
    write_findings(tmp_path, "app", "p1", HostFindings(NOW, RUN, (WORKS, stranger)))
    made = Report(INDEX, read_findings(tmp_path, ["app", "db"], "p1"), RUN)
    assert made.lines()[-2] == "not verified: app (the file of its findings names other hosts), db"
    assert "- app (the file of its findings names other hosts)" in made.markdown()
    assert made.as_dict()["unusable"] == {"app": "the file of its findings names other hosts"}


def test_only_ordinary_files_are_read(tmp_path: Path) -> None:
    hosts = ["link", "pipe", "folder", "huge", "gone"]
    place = findings_file(tmp_path, "x").parent
    place.mkdir()
    write_findings(tmp_path, "real", "p1", HostFindings(NOW, RUN, ()))
    findings_file(tmp_path, "link").symlink_to(findings_file(tmp_path, "real"))
    os.mkfifo(findings_file(tmp_path, "pipe"))
    findings_file(tmp_path, "folder").mkdir()
    with findings_file(tmp_path, "huge").open("wb") as stream:
        stream.truncate(MAX_SIZE + 1)
    found, unusable = read_findings(tmp_path, hosts, "p1")
    assert not found
    odd = "the file of its findings is a link, or no ordinary file"
    large = "the file of its findings is larger than 16 MiB"
    assert unusable == {"link": odd, "pipe": odd, "folder": odd, "huge": large}


def test_a_folder_of_findings_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "findings").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DbportsError) as caught:
        read_findings(tmp_path / "plan", ["app"], "p1")
    assert caught.value.code == "not_ours"


DAMAGED = ({}, {"app": "the file of its findings is damaged, or of another release"})


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b'{"plan_id": "p1"}', b"[" * 99999, b"1" * 9999])
def test_a_damaged_findings_file_counts_as_not_verified(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "findings").mkdir()
    (tmp_path / "findings" / "app.json").write_bytes(text)
    assert read_findings(tmp_path, ["app"], "p1") == DAMAGED


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "dbports.findings/9"},
        {"host": ["app"]},
        {"run": None},
        {"run": 5},
        {"verified_at": None},
        {"verified_at": "yesterday"},
        {"verified_at": "2026-01-02T03:04:05"},
        {"verified_at": "9999-12-31T23:59:59-23:00"},
        {"findings": 5},
        {"findings": [{}]},
        {"findings": {"0": as_data(WORKS)}},
        {"findings": [{**as_data(WORKS), "code": "x"}]},
        {"findings": [{**as_data(WORKS), "host": ["app"]}]},
    ],
)
def test_so_does_one_with_something_else_in_it(tmp_path: Path, change: dict[str, Any]) -> None:
    write_findings(tmp_path, "app", "p1", HostFindings(NOW, RUN, (WORKS,)))
    path = findings_file(tmp_path, "app")
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    assert read_findings(tmp_path, ["app"], "p1") == DAMAGED
