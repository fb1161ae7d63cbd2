# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan and findings for people and programs: the table of a run, Markdown and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import Index
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import write_text
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import STAGES, Finding, Stage, Verdict
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import Verified
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import escape, table
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import (
    capped,
    conflict_sentence,
    listed,
    sentence,
    sentences,
)

REPORT_SCHEMA = "dbports.report/1"
HEADER = ("server", "endpoint", "port", "configured", "listening", "reachable", "forbidden")
_SEVERITY: tuple[Verdict, ...] = ("fail", "unknown", "warn", "ok")
_COUNTED: tuple[Verdict, ...] = ("ok", "fail", "warn", "unknown")
_SHOWN = 60

_Stages = dict[Stage, list[Finding]]


class Report:
    """What a plan and its findings say together.

    :param index: the plan's index.
    :param read: see :func:`read_findings`.
    :param run: this run. If nothing was verified in it, the latest one is compared with.
    """

    def __init__(self, index: Index, read: Verified, run: str) -> None:
        self.index = index
        self.verified = verified = read.hosts
        self.unusable = read.unusable
        self.verified_now = any(item.run == run for item in verified.values())
        latest = max(verified.values(), key=lambda item: item.verified_at, default=None)
        self.run = latest.run if latest and not self.verified_now else run
        self.earlier = {host: item.verified_at for host, item in sorted(verified.items()) if item.run != self.run}
        self.unverified = sorted(host for host, _digest in index.hosts if host not in verified)
        self.findings = [finding for host in sorted(verified) for finding in verified[host].findings]
        self.conflicts = [conflict_sentence(item) for item in index.conflicts]
        self.warnings = [sentence(item) for item in index.warnings]
        found = Counter(finding.verdict for finding in self.findings)
        self.counts = {verdict: found[verdict] for verdict in _SEVERITY}

    def problems(self) -> list[Finding]:
        """Return all findings that are not ok, the worst first; those of an earlier run have its time."""
        bad = [self._dated(finding) for finding in self.findings if finding.verdict != "ok"]
        return sorted(bad, key=lambda one: (_SEVERITY.index(one.verdict), one.server, one.endpoint, one.host))

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row an endpoint: server, endpoint, port and a word for each stage."""
        groups: dict[tuple[str, str, str], _Stages] = {}
        for finding in self.findings:
            key = (finding.server, finding.endpoint, finding.port)
            groups.setdefault(key, {}).setdefault(finding.stage, []).append(finding)
        return [
            (*key, *(self._word(stages.get(stage, [])) for stage in STAGES if stage != "connected"))
            for key, stages in ((key, _with_connections(groups[key])) for key in sorted(groups))
        ]

    def summary(self) -> str:
        """Return the last line of a run."""
        words = ", ".join(f"{self.counts[verdict]} {verdict}" for verdict in _COUNTED)
        text = f"{len(self.findings)} findings: {words}"
        old = sum(finding.host in self.earlier for finding in self.findings)
        text += f"; {old} of an earlier run" if old else ""
        text += "; nothing was verified in this run" if not self.verified_now else ""
        return text + (f"; {len(self.unverified)} hosts not verified" if self.unverified else "")

    def hosts_of_old(self) -> list[str]:
        """Return the hosts whose findings are of an earlier run, with its time."""
        return [f"{host} ({time})" for host, time in self.earlier.items()]

    def hosts_without(self) -> list[str]:
        """Return the hosts without findings, with the reason where there is one."""
        return [f"{host} ({self.unusable[host]})" if host in self.unusable else host for host in self.unverified]

    def _dated(self, finding: Finding) -> Finding:
        time = self.earlier.get(finding.host)
        return finding._replace(reason=f"{finding.reason} (of an earlier run, {time})") if time else finding

    def _word(self, findings: list[Finding]) -> str:
        """Return how a stage went for an endpoint, and how many of its findings are of an earlier run."""
        old = sum(finding.host in self.earlier for finding in findings)
        return _word(findings) + (f" ({old} old)" if old not in (0, len(findings)) else " (old)" if old else "")

    def lines(self) -> list[str]:
        """Return what a run prints: the table, the problems with their reasons, the summary."""
        rows = [HEADER, *self.rows()]
        shown = rows[: _SHOWN + 1]
        widths = [max(len(row[column]) for row in shown) for column in range(len(HEADER))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in shown]
        if len(rows) > len(shown):
            lines.append(f"and {len(rows) - len(shown)} more endpoints, see report.md")
        lines += capped(problem_lines(self.problems()), "report.md", _SHOWN)
        for title, hosts in (("of an earlier run", self.hosts_of_old()), ("not verified", self.hosts_without())):
            if hosts:
                lines.append(f"{title}: {listed(hosts)}")
        return [visible(line) for line in [*lines, self.summary()]]

    def markdown(self) -> str:
        """Return the report as Markdown."""
        times = sorted(escape(item.verified_at) for item in self.verified.values())
        span = f"Verified between {times[0]} and {times[-1]}." if times else "Nothing was verified."
        lines = [
            "# Report",
            "",
            f"Plan `{self.index.plan_id}` ([plan.md](plan.md)). {span}",
            "",
            f"{self.summary()}.",
            "",
        ]
        lines += ["## Endpoints", "", *table(HEADER, self.rows()), ""]
        problems = self.problems()
        if problems:
            fields = ["verdict", "stage", "host", "server", "endpoint", "port", "reason", "declared"]
            lines += ["## What is not ok", "", *_findings_table(problems, fields), ""]
        for title, texts in (
            ("Hosts that were not verified", self.hosts_without()),
            ("Hosts whose findings are of an earlier run", self.hosts_of_old()),
            ("Conflicts of the plan", self.conflicts),
            ("Warnings of the plan", sentences(self.index.warnings)),
        ):
            if texts:
                lines += [f"## {title}", "", *(f"- {escape(text)}" for text in texts), ""]
        fields = ["host", "stage", "server", "endpoint", "port", "verdict", "reason"]
        lines += ["## All findings", "", *_findings_table(map(self._dated, self.findings), fields)]
        return "\n".join(lines) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Return the report as data, with its schema."""
        return {
            "schema": REPORT_SCHEMA,
            "plan_id": self.index.plan_id,
            "inputs_id": self.index.inputs_id,
            "plan": dict(self.index.counts),
            "counts": self.counts,
            "conflicts": self.conflicts,
            "warnings": self.warnings,
            "unverified": self.unverified,
            "unusable": dict(self.unusable),
            "verified": {
                host: {"at": item.verified_at, "run": item.run, "earlier": host in self.earlier}
                for host, item in sorted(self.verified.items())
            },
            "findings": [finding._asdict() for finding in self.findings],
        }

    def write(self, directory: Path) -> None:
        """Write report.md and report.json next to the plan.

        :raises DbportsError: when the directory cannot be written.
        """
        try:
            write_text(directory / "report.md", self.markdown())
            write_text(directory / "report.json", json.dumps(self.as_dict(), indent=1, sort_keys=True) + "\n")
        except OSError as error:
            raise DbportsError(
                f"the report cannot be written: {error.strerror}",
                code="not_written",
                path="plan_dir",
                value=str(directory),
            ) from error


def _findings_table(findings: Iterable[Finding], fields: list[str]) -> list[str]:
    return table(tuple(fields), (tuple(str(getattr(one, name)) for name in fields) for one in findings))


def _with_connections(stages: _Stages) -> _Stages:
    """Count a connection of a stranger as a forbidden flow that succeeded."""
    connected = stages.pop("connected", [])
    if connected:
        stages["forbidden"] = stages.get("forbidden", []) + connected
    return stages


def _word(findings: list[Finding]) -> str:
    """Return how a stage went for an endpoint: ok, or how many of how many, or the worst verdict."""
    if not findings:
        return "-"
    good = sum(finding.verdict == "ok" for finding in findings)
    if len(findings) == 1:
        return findings[0].verdict
    worst = next(verdict for verdict in _SEVERITY if any(one.verdict == verdict for one in findings))
    return f"{worst} {good}/{len(findings)}"


def problem_lines(findings: Iterable[Finding]) -> list[str]:
    """Return a line for all hosts of which the same is to say: ``FAIL reachable 4 hosts (...) to db-1 ...``."""
    hosts: dict[Finding, list[str]] = {}
    for finding in findings:
        shared = "" if finding.host == finding.server else "from elsewhere"
        hosts.setdefault(finding._replace(host=shared, declared=""), []).append(finding.host)
    return [visible(_problem(finding, list(dict.fromkeys(names)))) for finding, names in hosts.items()]


def _problem(finding: Finding, hosts: list[str]) -> str:
    if not finding.host:
        where = finding.server
    elif len(hosts) == 1:
        where = f"{hosts[0]} to {finding.server}"
    else:
        where = f"{len(hosts)} hosts ({listed(hosts)}) to {finding.server}"
    return f"{finding.verdict.upper()} {finding.stage} {where} {finding.endpoint} {finding.port}: {finding.reason}"
