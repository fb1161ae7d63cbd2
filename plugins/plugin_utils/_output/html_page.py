# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one HTML page that needs nothing else: no network, no other file.

All text comes in through one environment that escapes it and makes it visible. The page's policy allows only the style
and the script that are in it, by their digests, so that even text that was not escaped would do nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import VERSION
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding, Verdict
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import shown_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import PlanWarning
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.clusters import Cluster, Party, clusters_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.flows import Rule
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import (
    gateway_about,
    named,
    statement_cells,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.matrix import matrix_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.overview import Overview
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report import Report
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import sentences
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.states import (
    SIGNS,
    STATES,
    URGENT,
    State,
    state_of,
    worst,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.topology import picture_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.verdicts import finding_parts
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

_FOLDER = Path(__file__).with_name("page")
_IN_PICTURE, _IN_MATRIX, _COLUMNS = 16, 40, 24
"""So many boxes has a column of the picture, so many rows and columns the matrix, until hosts are put together."""


_BAD: dict[Verdict, str] = {
    "fail": "failed",
    "unknown": "could not be made",
    "warn": "passed, but not as planned",
}
"""What the first sentence says of checks with a verdict, the worst first."""


_WORDS: dict[State, str] = {**{state: sign.name for state, sign in SIGNS.items()}, "ok": "as planned"}
"""What states of hosts and findings are called; ``reached`` is only said of a flow."""


class _FindingRow(NamedTuple):
    """A finding, and all hosts that have the same one; ``old`` is its time if it is of an earlier run."""

    state: State
    code: str
    hosts: list[str]
    server: str
    endpoint: str
    port: str
    says: str
    fix: str
    declared: list[str]
    old: str


class _Headline(NamedTuple):
    state: State
    text: str


def page_of(overview: Overview) -> str:
    """Return the page."""
    return _template().render(
        **_summary(overview), **_findings(overview.report), **_pictures(overview), **_tables(overview)
    )


@cache
def _template() -> Template:
    """Return the page's template; it and what it includes lie beside this file."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    inline = {name: _digest(environment.get_template(f"report.{name}").render()) for name in ("css", "js")}
    environment.globals.update(
        signs=SIGNS, words=_WORDS, urgent=URGENT, barred=("refused", "forbidden"), digests=inline, version=VERSION
    )
    return environment.get_template("report.html.j2")


def _shown(value: Any) -> Any:
    """Return what the template is about to print, with every character visible; its own markup is left as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _digest(text: str) -> str:
    """Return what a content security policy calls a style or script of the page."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _summary(overview: Overview) -> dict[str, Any]:
    """Return what the head of the page says."""
    report = overview.report
    counts = Counter(overview.states.of_flow(flow) for flow in overview.flows)
    times = sorted(item.verified_at for item in report.verified.values())
    index = report.index
    words = ", ".join(_count(index.counts.get(f"{name}s", 0), name) for name in ("server", "host", "flow"))
    return {
        "plan_id": index.plan_id,
        "short_id": index.plan_id[:12],
        "inputs_id": index.inputs_id,
        "counts": words,
        "when": f"Verified {_span(times)}." if times else "Not verified yet.",
        "headline": _headline(report, counts),
        "tiles": [(state, counts[state]) for state in reversed(STATES) if counts[state]],
        "summary": report.summary(),
        "guarded": any(item.settings.policy == "guard" for item in overview.port_sets.values()),
    }


def _span(times: list[str]) -> str:
    first, last = _moment(times[0]), _moment(times[-1])
    return first if first == last else f"between {first} and {last}"


def _moment(time: str) -> str:
    """Return a time as it stands in findings, in UTC, for readers."""
    return f"{time[:19].replace('T', ' ')} UTC"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _headline(report: Report, counts: Counter[State]) -> _Headline:
    """Return the one sentence that everyone reads."""
    if not report.verified:
        return _Headline("planned", "This is the plan. Nothing was verified yet.")
    left = f" Not verified: {_count(len(report.unverified), 'host')}." if report.unverified else ""
    for verdict, text in _BAD.items():
        number = report.counts[verdict]
        if number:
            return _Headline(verdict, f"{_count(number, 'check')} {text}.{left}")
    kept_out = f", {_count(counts['refused'], 'attempt')} of others refused" if counts["refused"] else ""
    text = f"Everything that was verified is as planned: {_count(counts['ok'], 'flow')} reached{kept_out}.{left}"
    return _Headline("planned" if left else "ok", text)


def _findings(report: Report) -> dict[str, Any]:
    return {
        "verified": bool(report.verified),
        "problems": list(_rows(report, sorted(report.problems(), key=_urgency))),
        "findings": list(_rows(report, report.findings)),
        "notes": (
            ("Hosts that were not verified", report.hosts_without() if report.verified else []),
            ("Hosts whose findings are of an earlier run", report.hosts_of_old()),
            ("Conflicts of the plan", report.conflicts),
            ("Warnings of the plan", sentences(report.index.warnings)),
        ),
    }


def _urgency(finding: Finding) -> tuple[int, str, str, bool]:
    """Sort what a server shows itself before what its clients met of it."""
    return STATES.index(state_of(finding)), finding.server, finding.endpoint, finding.host != finding.server


def _rows(report: Report, findings: Iterable[Finding]) -> Iterator[_FindingRow]:
    """Yield a row for all hosts of which the same is found."""
    together: dict[tuple[Any, ...], list[Finding]] = {}
    for finding in findings:
        shared = finding if finding.host == finding.server else finding._replace(host="", peers=())
        key = (*shared.key, finding_parts(shared), finding.verdict, report.earlier.get(finding.host))
        together.setdefault(key, []).append(finding)
    for found in together.values():
        peers = dict.fromkeys(peer for one in found for peer in one.peers)
        first = found[0]._replace(peers=tuple(peers))
        yield _FindingRow(
            state_of(first),
            first.code.replace("_", " "),
            list(dict.fromkeys(one.host for one in found)),
            "" if first.host == first.server else first.server,
            first.endpoint,
            first.port,
            *finding_parts(first),
            sorted({one.declared for one in found if one.declared}),
            _moment(report.earlier[first.host]) if first.host in report.earlier else "",
        )


def _pictures(overview: Overview) -> dict[str, Any]:
    """Return the picture and the matrix, and the lists of hosts that the boxes of the picture lead to."""
    clusters = clusters_of(overview.parties, _IN_PICTURE)
    lost = {name: sum(len(item.flows) for item in found) for name, found in overview.lost.items()}
    passing = {item.name: (len(item.statements), lost.get(item.name, 0)) for item in overview.gateways}
    picture = picture_of(clusters, overview.flows, overview.states, passing)
    parties = {party.name: party for party in overview.parties}
    single, grouped = [], []
    for cluster in clusters:
        members = [_party(parties[name], overview) for name in cluster.members]
        if len(members) == 1:
            single.append({**members[0], "anchor": f"c{cluster.number}"})
        else:
            state = worst(item["state"] for item in members)
            grouped.append({**cluster._asdict(), "parties": members, "state": state})
    return {
        "picture": picture,
        "used": {edge.state for edge in picture.edges} | {box.state for box in picture.boxes},
        "matrix": matrix_of(_for_matrix(overview), overview.flows, overview.states),
        "single": single,
        "grouped": grouped,
    }


def _for_matrix(overview: Overview) -> list[Cluster]:
    """Return clusters so coarse that the matrix has no more columns than can be read."""
    most = _IN_MATRIX
    while True:
        clusters = clusters_of(overview.parties, most)
        where = {name: cluster.number for cluster in clusters for name in cluster.members}
        columns = {(where[flow.target.name], flow.shown) for flow in overview.flows}
        if len(columns) <= _COLUMNS or most <= 1:
            return clusters
        most //= 2


def _party(party: Party, overview: Overview) -> dict[str, Any]:
    report, port_set = overview.report, overview.port_sets.get(party.name)
    verified = report.verified.get(party.name)
    return {
        **party._asdict(),
        "anchor": "",
        "state": overview.states.of_host(party.name),
        "addresses": format_addresses(port_set.addresses) if port_set else [],
        "verified": _moment(verified.verified_at) if verified else report.unusable.get(party.name, ""),
    }


def _tables(overview: Overview) -> dict[str, Any]:
    return {
        "rules": list(map(_rule, overview.rules)),
        "gateways": [_gateway(item, overview.lost.get(item.name, ())) for item in overview.gateways],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    key, guarded = rule.key, rule.policy == "guard"
    return {
        **{name: getattr(key, name) for name in ("purpose", "endpoint", "need", "citation")},
        "hosts": rule.hosts,
        "ports": shown_ports(key.protocol, key.ports),
        "inbound": key.direction == "in",
        "peers": [named(peer.name, peer.addresses) for peer in rule.peers],
        "nobody": "none: refused to everyone" if guarded else "none",
        "declared": list(map(str, rule.declared)),
    }


def _gateway(plan: GatewayPlan, lost: Iterable[PlanWarning]) -> dict[str, Any]:
    rows = [statement_cells(item) for item in plan.statements]
    return {"name": plan.name, "about": gateway_about(plan), "rows": rows, "lost": sentences(lost)}
