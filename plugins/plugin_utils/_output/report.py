# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan and findings for people and programs: the table of a run, Markdown and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._visible import counted, visible
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import Index
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import failing
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import (
    Configured,
    Finding,
    Listening,
    Verdict,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.join import Shown, join
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import Verified, as_data
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import escape, table
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import (
    capped,
    conflict_sentence,
    listed,
    sentence,
    sentences,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.verdicts import finding_sentence

REPORT_SCHEMA = "dbports.report/2"
WAYS = ("configured", "listening", "reachable", "refused")
HEADER = ("server", "endpoint", "port", *WAYS)
_SEVERITY: tuple[Verdict, ...] = ("fail", "unknown", "warn", "ok")
_COUNTED: tuple[Verdict, ...] = ("ok", "fail", "warn", "unknown")
_SHOWN = 60


class Report:
    """What a plan and its findings say together.

    :param index: the plan's index.
    :param read: see :func:`read_findings`.
    :param run: this run. If nothing was verified in it, the latest one is compared with.
    :param fail_on: which findings fail a run, see :func:`failing`.
    :raises DbportsError: when that names neither verdicts nor codes.
    """

    def __init__(self, index: Index, read: Verified, run: str, fail_on: Sequence[str] = ("fail",)) -> None:
        self.index = index
        self.verified = verified = read.hosts
        self.unusable = read.unusable
        self.verified_now = any(item.run == run for item in verified.values())
        latest = max(verified.values(), key=lambda item: item.verified_at, default=None)
        self.run = latest.run if latest and not self.verified_now else run
        self.earlier = {host: item.verified_at for host, item in sorted(verified.items()) if item.run != self.run}
        self.unverified = sorted(host for host, _digest in index.hosts if host not in verified)
        self.findings = [
            finding for host in sorted(verified) for finding in join(verified[host].findings, self._shown(host))
        ]
        self.failing = set(failing(self.findings, fail_on))
        self.conflicts = [conflict_sentence(item) for item in index.conflicts]
        self.warnings = [sentence(item) for item in index.warnings]
        found = Counter(finding.verdict for finding in self.findings)
        self.counts = {verdict: found[verdict] for verdict in _SEVERITY}

    def _shown(self, host: str) -> Shown:
        """Return what other hosts showed in the run in which a host was verified."""
        run = self.verified[host].run

        def shown(server: str) -> Sequence[Finding]:
            found = self.verified.get(server)
            return found.findings if found and found.run == run else ()

        return shown

    def problems(self) -> list[Finding]:
        """Return all findings that are not ok, the worst first."""
        bad = [finding for finding in self.findings if finding.verdict != "ok"]
        return sorted(bad, key=lambda one: (_SEVERITY.index(one.verdict), one.server, one.endpoint, one.host))

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row an endpoint: server, endpoint, port and a word for each of the four ways."""
        groups: dict[tuple[str, str, str], dict[str, list[tuple[Finding, Verdict]]]] = {}
        for finding in self.findings:
            columns = (
                groups.setdefault((finding.server, finding.endpoint, finding.port), {}) if finding.endpoint else {}
            )
            for column, verdict in ways(finding).items():
                columns.setdefault(column, []).append((finding, verdict))
        return [
            (*key, *(self._word(columns.get(name, [])) for name in WAYS)) for key, columns in sorted(groups.items())
        ]

    def summary(self) -> str:
        """Return the last line of a run."""
        words = ", ".join(f"{self.counts[verdict]} {verdict}" for verdict in _COUNTED)
        text = f"{counted(len(self.findings), 'finding')}: {words}"
        old = sum(finding.host in self.earlier for finding in self.findings)
        text += f"; {old} of an earlier run" if old else ""
        text += "; nothing was verified in this run" if not self.verified_now else ""
        return text + (f"; {counted(len(self.unverified), 'host')} not verified" if self.unverified else "")

    def hosts_of_old(self) -> list[str]:
        """Return the hosts whose findings are of an earlier run, with its time."""
        return [f"{host} ({time})" for host, time in self.earlier.items()]

    def hosts_without(self) -> list[str]:
        """Return the hosts without findings, with the reason where there is one."""
        return [f"{host} ({self.unusable[host]})" if host in self.unusable else host for host in self.unverified]

    def said(self, finding: Finding) -> str:
        """Return what a finding says; one of an earlier run has its time."""
        time = self.earlier.get(finding.host)
        return finding_sentence(finding) + (f" (of an earlier run, {time})" if time else "")

    def _word(self, findings: list[tuple[Finding, Verdict]]) -> str:
        """Return how a way went for an endpoint, and how many of its findings are of an earlier run."""
        old = sum(finding.host in self.earlier for finding, _verdict in findings)
        word = _word([verdict for _finding, verdict in findings])
        return word + (f" ({old} old)" if old not in (0, len(findings)) else " (old)" if old else "")

    def lines(self) -> list[str]:
        """Return what a run prints: the table, the problems with their reasons, the summary."""
        rows = [HEADER, *self.rows()]
        shown = rows[: _SHOWN + 1]
        widths = [max(len(row[column]) for row in shown) for column in range(len(HEADER))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in shown]
        if len(rows) > len(shown):
            lines.append(f"and {len(rows) - len(shown)} more endpoints, see report.html")
        lines += capped(problem_lines(self.problems(), self.said), "report.html", _SHOWN)
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
            lines += ["## What is not ok", "", *self._table(problems), ""]
        for title, texts in (
            ("Hosts that were not verified", self.hosts_without()),
            ("Hosts whose findings are of an earlier run", self.hosts_of_old()),
            ("Conflicts of the plan", self.conflicts),
            ("Warnings of the plan", sentences(self.index.warnings)),
        ):
            if texts:
                lines += [f"## {title}", "", *(f"- {escape(text)}" for text in texts), ""]
        lines += ["## All findings", "", *self._table(self.findings)]
        return "\n".join(lines) + "\n"

    def _table(self, findings: Iterable[Finding]) -> list[str]:
        """Return findings as a table with what each says."""
        fields = ("verdict", "code", "host", "server", "endpoint", "port", "declared")
        rows = ((*(str(getattr(one, name)) for name in fields), self.said(one)) for one in findings)
        return table((*fields, "finding"), rows)

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
            "findings": [as_data(finding) for finding in self.findings],
        }


def ways(finding: Finding) -> dict[str, Verdict]:
    """Return how the ways went that a finding is about, by the names in :data:`WAYS`."""
    bad: Verdict = "warn" if finding.optional else "fail"
    if finding.reached:
        return {"reachable" if finding.intended == "accept" else "refused": finding.verdict}
    if not finding.intended:
        return {{"stranger": "refused", "port_moved": "listening"}.get(finding.code, "listening"): finding.verdict}
    found: dict[str, Verdict] = {}
    if finding.configured:
        found["configured"] = (
            _CONFIGURED.get(finding.configured, bad) if finding.intended == "accept" else finding.verdict
        )
    if finding.listening:
        found["listening"] = _LISTENING.get(finding.listening, bad)
    return found


_CONFIGURED: dict[Configured, Verdict] = {"accepts": "ok", "maybe": "ok", "unknown": "unknown"}
_LISTENING: dict[Listening, Verdict] = {"listens": "ok", "hidden": "unknown"}


def _word(verdicts: list[Verdict]) -> str:
    """Return how a way went for an endpoint: ok, or how many of how many, or the worst verdict."""
    if not verdicts:
        return "-"
    if len(verdicts) == 1:
        return verdicts[0]
    worst = next(verdict for verdict in _SEVERITY if verdict in verdicts)
    return f"{worst} {verdicts.count('ok')}/{len(verdicts)}"


def problem_lines(findings: Iterable[Finding], said: Callable[[Finding], str] = finding_sentence) -> list[str]:
    """Return a line for all hosts of which the same is to say: ``FAIL stopped 4 hosts (...) to db-1 ...``."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        shared = finding._replace(host="", peers=()) if finding.host != finding.server else finding
        groups.setdefault((finding.verdict, *shared.key, said(shared)), []).append(finding)
    return [visible(_problem(found, said)) for found in groups.values()]


def _problem(findings: Sequence[Finding], said: Callable[[Finding], str]) -> str:
    hosts = list(dict.fromkeys(finding.host for finding in findings))
    first = findings[0]._replace(peers=tuple(dict.fromkeys(peer for one in findings for peer in one.peers)))
    where = first.server
    if first.host != first.server:
        named = hosts[0] if len(hosts) == 1 else f"{len(hosts)} hosts ({listed(hosts)})"
        where = f"{named} to {first.server}"
    place = " ".join(part for part in (where, first.endpoint, first.port) if part)
    return f"{first.verdict.upper()} {first.code} {place}: {said(first)}"
