# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for other programs, and the files that it is written to."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import (
    CODES,
    CONFIGURED,
    INTENDED,
    LISTENING,
    REACHED,
    VERDICTS,
    Finding,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.exports import (
    FlowRecord,
    cell,
    csv_of,
    json_of,
    junit_of,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import HostFindings, Verified
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.overview import Overview, overview_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report import Report
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report_files import FORMATS, write_report
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.states import STATES
from jsonschema import Draft202012Validator

from pages import RUN, THREE, fleet, overview, planned, sample_findings

ROOT = Path(__file__).resolve().parents[5]
SCHEMA = json.loads((ROOT / "docs" / "schema" / "report.schema.json").read_text(encoding="utf-8"))
FLEET = fleet(0.2)
CLEAN, MIXED, ONLY_PLANNED = (
    overview(THREE, sample_findings(THREE)),
    overview(FLEET, sample_findings(FLEET)),
    overview(THREE, {}),
)


@pytest.mark.parametrize("found", [CLEAN, MIXED, ONLY_PLANNED], ids=["clean", "mixed", "plan"])
def test_json_follows_its_schema(found: Overview) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(json.loads(json_of(found)))


def test_the_schema_names_every_field_and_no_other() -> None:
    data = json.loads(json_of(MIXED))
    for name in data:
        with pytest.raises(AssertionError):
            assert Draft202012Validator(SCHEMA).is_valid({key: data[key] for key in data if key != name})
    assert not Draft202012Validator(SCHEMA).is_valid({**data, "more": 1})
    flow = SCHEMA["$defs"]["flow"]
    assert flow["required"] == list(FlowRecord._fields) == list(flow["properties"])
    assert set(flow["properties"]["state"]["enum"]) == set(STATES)


def test_the_schema_knows_what_findings_have() -> None:
    fields = SCHEMA["$defs"]["finding"]["properties"]
    assert {*Finding._fields, "sentence"} == set(fields)
    words = {
        "code": CODES,
        "verdict": VERDICTS,
        "intended": INTENDED,
        "configured": CONFIGURED,
        "listening": LISTENING,
        "reached": REACHED,
    }
    for name, values in words.items():
        assert set(fields[name]["enum"]) == set(values) - {""}, name


def test_csv_has_a_line_for_each_flow_that_a_program_reads_back() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_of(CLEAN), newline="")))
    assert [(row["action"], row["source"], row["destination"], row["state"]) for row in rows] == [
        ("permit", "app-01", "erp-db", "ok"),
        ("deny", "guest-01", "erp-db", "refused"),
    ]
    first = rows[0]
    assert (first["source_addresses"], first["source_ports"]) == ("192.0.2.21", "32768-60999")
    assert (first["protocol"], first["destination_ports"], first["engine"]) == ("tcp", "1433", "mssql")
    assert first["declared"] == "erp-db: dbports_servers[0].clients[0]"
    assert first["citation"].startswith("KB 287932")
    assert csv_of(overview({"hosts": {}, "groups": {}}, {})).split() == [",".join(FlowRecord._fields)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("  =1+1", "  '=1+1"),
        ("+420", "'+420"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("|calc", "'|calc"),
        ("%0A", "'%0A"),
        ("\uff1d1", "'\uff1d1"),
        ("a;=cmd|' /C calc'!A1", "a;'=cmd|' /C calc'!A1"),
        ("\t=1", "<U+0009>=1"),
        ("\r=1", "<U+000D>=1"),
        ("1433-1434", "1433-1434"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("KB 287932; Configure", "KB 287932; Configure"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text: str, shown: str) -> None:
    assert cell(text) == shown


@pytest.mark.parametrize(
    ("fail_on", "failures", "errors"),
    [
        (["fail"], {"fail"}, set()),
        (["warn"], {"fail", "warn"}, set()),
        (["unknown", "warn"], {"fail", "warn"}, {"unknown"}),
        (["never"], set(), set()),
    ],
)
def test_junit_has_a_suite_for_each_host_and_fails_when_the_run_does(
    fail_on: list[str], failures: set[str], errors: set[str]
) -> None:
    shown = overview(FLEET, sample_findings(FLEET), fail_on=fail_on)
    suites = ElementTree.XML(junit_of(shown))
    by_name = {suite.get("name"): suite for suite in suites}
    assert set(by_name) == set(shown.port_sets)
    for name, suite in by_name.items():
        verdicts = [finding.verdict for finding in shown.report.findings if finding.host == name]
        old, bad = name in shown.report.earlier, [verdict for verdict in verdicts if verdict in failures | errors]
        expected = {
            "failure": 0 if old else sum(verdict in failures for verdict in bad),
            "error": 0 if old else sum(verdict in errors for verdict in bad),
            "skipped": len(bad) * old + (not errors) * verdicts.count("unknown") + (name not in shown.report.verified),
        }
        assert {tag: len(suite.findall(f"testcase/{tag}")) for tag in expected} == expected
        counts = {"failure": "failures", "error": "errors", "skipped": "skipped"}
        assert {tag: int(suite.get(counts[tag], "")) for tag in expected} == expected
        assert len(suite) == int(suite.get("tests", "")) == (len(verdicts) or 1)
    (case,) = by_name["archive-db-001"].findall("testcase[@classname='firebird']")[:1]
    assert "firebird/" in str(case.get("name"))
    failed = [message.get("message") for message in suites.iter("failure")]
    assert bool(failed) == bool(failures)
    assert all(failed)


def test_failures_of_an_earlier_run_are_skipped_with_their_time() -> None:
    """A run that is limited to other hosts does not fail because of them."""
    plan, index = planned(THREE)
    finding = Finding("stopped", "fail", "erp-db", "erp-db", "mssql/MSSQLSERVER/tds", port="tcp 1433")
    old = HostFindings("2026-01-01T00:00:00+00:00", "before", (finding,))
    new = HostFindings("2026-01-02T00:00:00+00:00", RUN, ())
    report = Report(index, Verified({"erp-db": old, "app-01": new}, {}), RUN)
    suites = ElementTree.XML(junit_of(overview_of(report, list(plan.hosts.values()))))
    assert list(suites.iter("failure")) == []
    (skipped,) = suites.findall("testsuite[@name='erp-db']/testcase/skipped")
    assert str(skipped.get("message")).startswith("of an earlier run (2026-01-01T00:00:00+00:00): ")
    alone = Report(index, Verified({"erp-db": old}, {}), RUN)
    suites = ElementTree.XML(junit_of(overview_of(alone, list(plan.hosts.values()))))
    assert len(list(suites.iter("failure"))) == 1, "nothing was verified since: the latest run counts"


def test_a_host_whose_findings_cannot_be_used_is_skipped_with_the_reason() -> None:
    plan, index = planned(THREE)
    report = Report(index, Verified({}, {"app-01": "damaged"}), RUN)
    suites = ElementTree.XML(junit_of(overview_of(report, list(plan.hosts.values()))))
    reasons = {suite.get("name"): suite.find("testcase/skipped").get("message") for suite in suites}
    assert reasons == {
        "app-01": "damaged",
        "erp-db": "this host was not verified",
        "guest-01": "this host was not verified",
    }


def test_every_format_is_written_beside_the_plan(tmp_path: Path) -> None:
    write_report(MIXED, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(FORMATS)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_directory_that_cannot_be_written_is_an_error_with_a_code(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(DbportsError) as caught:
        write_report(CLEAN, tmp_path)
    assert (caught.value.code, caught.value.path) == ("not_written", "plan_dir")
