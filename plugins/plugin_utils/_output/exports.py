# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for other programs: JSON, JUnit for continuous integration, CSV for the people who run the network."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from xml.etree import ElementTree

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.overview import Overview
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.verdicts import finding_sentence

_FORMULA = re.compile(r"((?:^|[;\t])\s*)(?=[=+\-@|%\uff1d\uff0b\uff0d\uff20])")
"""A spreadsheet calculates a cell that begins so, whatever the quotes; some of them part cells at semicolons."""


class FlowRecord(NamedTuple):
    """A flow as plain data.

    :param action: ``permit``, or ``deny`` for what must be refused.
    :param source_ports: the range they are taken from; empty where it is not known or the protocol has none.
    :param state: one of ``states.STATES``.
    """

    action: str
    source: str
    source_addresses: list[str]
    source_ports: str
    destination: str
    destination_addresses: list[str]
    protocol: str
    destination_ports: str
    gateways: list[str]
    engine: str
    endpoint: str
    need: str
    state: str
    purpose: str
    declared: str
    citation: str


def flow_records(overview: Overview) -> Iterator[FlowRecord]:
    """Yield all flows of a plan."""
    for flow in overview.flows:
        yield FlowRecord(
            "permit" if flow.allowed else "deny",
            flow.source.name,
            format_addresses(flow.source.addresses),
            str(flow.source_ports or ""),
            flow.target.name,
            format_addresses(flow.target.addresses),
            flow.protocol,
            format_ports(flow.ports),
            list(flow.gateways),
            flow.engine,
            flow.endpoint,
            flow.need,
            overview.states.of_flow(flow),
            flow.purpose,
            str(flow.declared),
            flow.citation,
        )


def json_of(overview: Overview) -> str:
    """Return the report as JSON; docs/schema/report.schema.json says what is in it."""
    data = {**overview.report.as_dict(), "flows": [record._asdict() for record in flow_records(overview)]}
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def csv_of(overview: Overview) -> str:
    """Return all flows, a line each, and those that must be refused; lists are parted by blanks."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(FlowRecord._fields)
    for record in flow_records(overview):
        writer.writerow(cell(" ".join(value) if isinstance(value, list) else value) for value in record)
    return stream.getvalue()


def cell(text: str) -> str:
    """Return text as a cell that a spreadsheet shows and does not calculate."""
    return _FORMULA.sub(r"\1'", visible(text))


def junit_of(overview: Overview) -> str:
    """Return the findings as JUnit: a suite for each host, a case for each finding, the engine as its class.

    It fails when the run does: only what fails that is a failure, or an error where it could not be told. Skipped are
    what could not be told otherwise, failures of an earlier run, and hosts that were not verified.
    """
    report = overview.report
    suites = ElementTree.Element("testsuites", name=f"dbports.firewall {report.index.plan_id}")
    by_host: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_host.setdefault(finding.host, []).append(finding)
    for host, _digest in report.index.hosts:
        verified, findings = report.verified.get(host), by_host.get(host, [])
        suite = ElementTree.SubElement(suites, "testsuite", name=visible(host))
        if verified is None:
            case = ElementTree.SubElement(suite, "testcase", name="verified", classname="dbports", time="0")
            reason = report.unusable.get(host, "this host was not verified")
            ElementTree.SubElement(case, "skipped", message=visible(reason))
            counts = {"tests": 1, "failures": 0, "errors": 0, "skipped": 1}
        else:
            suite.set("timestamp", verified.verified_at[:19])
            tags = Counter(_cases(suite, findings, overview))
            counts = {"tests": len(findings), "failures": tags["failure"], "errors": tags["error"]}
            counts["skipped"] = tags["skipped"]
        for name, count in counts.items():
            suite.set(name, str(count))
        suite.set("time", "0")
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suites, encoding="unicode")}\n'


def _cases(suite: ElementTree.Element, findings: Iterable[Finding], overview: Overview) -> Iterator[str]:
    """Add a case for each finding, and yield what it is tagged with, empty where there is nothing to say."""
    for finding in findings:
        server = finding.endpoint.partition("/")[0]
        engine = overview.engines.get((finding.server, server)) or overview.engines.get((finding.host, server))
        serves = "reach" if finding.reached else "serve"
        what = {"accept": serves, "refuse": "refuse"}.get(finding.intended, finding.code)
        name = " ".join(part for part in (what, finding.server, finding.endpoint, finding.port) if part)
        case = ElementTree.SubElement(suite, "testcase", name=visible(name), classname=engine or "dbports", time="0")
        bad, unknown = finding in overview.report.failing, finding.verdict == "unknown"
        time = overview.report.earlier.get(finding.host, "")
        fails, skips = bad and not time, bad or unknown
        tag = ("error" if unknown else "failure") if fails else "skipped" if skips else "system-out"
        if finding.verdict == "ok" and not bad:
            yield ""
            continue
        told = ElementTree.SubElement(case, tag)
        old = f"of an earlier run ({time}): " if time else ""
        told.text = visible(f"{old}{finding_sentence(finding)}")
        if tag != "system-out":
            told.set("message", told.text)
        if fails:
            told.set("type", finding.code)
        yield tag
