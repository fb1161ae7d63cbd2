# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan for readers: Markdown, and the few lines that a run prints."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.gateways import FILTER
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan, PortSet, RulePeer

_SHOWN = 6
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""What ends a line, commands a terminal, turns text around, cannot be seen or cannot be written as UTF-8."""


@lru_cache(maxsize=4096)
def escape(text: str) -> str:
    """Return text that Markdown shows as it is, in one line, also within a table."""
    plain = _UNSEEN.sub(" ", text).strip()  # four spaces would begin a block of code
    return re.sub(r"([\\`*_{}\[\]<>|#&~!])", r"\\\1", plain)


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return the lines of a Markdown table; cells are escaped here."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(escape(cell) for cell in row) + " |" for row in rows]


def plan_markdown(plan: Plan, plan_id: str, inputs_id: str) -> str:
    """Return the whole plan as one Markdown document."""
    counts = plan.counts()
    lines = [
        "# Plan",
        "",
        f"plan_id `{plan_id}`, inputs_id `{inputs_id}`",
        "",
        f"{counts['servers']} servers, {counts['hosts']} hosts, {counts['flows']} flows, "
        f"{counts['warnings']} warnings, {counts['conflicts']} conflicts.",
        "",
    ]
    for title, texts in (("Conflicts", plan.conflicts), ("Warnings", plan.warnings)):
        if texts:
            lines += [f"## {title}", "", *(f"- {escape(text)}" for text in texts), ""]
    for name in sorted(plan.hosts):
        lines += _host_section(plan.hosts[name])
    for gateway in plan.gateways:
        lines += _gateway_section(gateway)
    return "\n".join(lines).rstrip() + "\n"


def _host_section(host: PortSet) -> list[str]:
    lines = [
        f"## {escape(host.host)}",
        "",
        f"Addresses: {', '.join(host.addresses)}. Policy: {host.settings.policy}.",
        "",
    ]
    rows = []
    for head, peers in host.ordered():
        names = [
            f"{ref.name} ({', '.join(ref.addresses)})" if ref.name not in ref.addresses else ref.name
            for ref in peers.values()
        ]
        rows.append(
            (
                head.direction,
                f"{head.protocol} {head.ports}".strip(),
                ", ".join(sorted(names)) or "nobody",
                head.need,
                head.purpose,
                head.citation,
            )
        )
    if rows:
        lines += [*table(("", "port", "peers", "need", "purpose", "source"), rows), ""]
    if host.forbidden:
        lines += ["Must not reach:", ""]
        lines += [
            f"- {escape(f'{item.host} {item.protocol} {item.ports} ({item.endpoint})')}"
            for item in sorted(set(host.forbidden))
        ]
        lines.append("")
    return lines


def _gateway_section(plan: GatewayPlan) -> list[str]:
    gateway = plan.gateway
    state = "without connection tracking" if gateway.stateless else "with connection tracking"
    kind = f"{gateway.kind}, {state}" if gateway.kind == FILTER else gateway.kind
    note = plan.heading()["note"]
    about = escape(f"{kind}, between {' and '.join(gateway.between)}. {note}".strip())
    lines = [f"## Gateway {escape(gateway.name)}", "", about, ""]
    rows = [
        (
            item.kind,
            f"{item.origin} to {item.target}",
            item.protocol_text(),
            _ends(item.source, item.source_ports),
            _ends(item.destination, item.destination_ports),
            item.host,
            item.reason,
        )
        for item in plan.statements
    ]
    return [*lines, *table(("permit", "", "protocol", "from", "to", "for", "reason"), rows), ""] if rows else lines


def _ends(addresses: tuple[str, ...], ports: str) -> str:
    return f"{', '.join(addresses)} {f'port {ports}' if ports else ''}".strip()


def plan_summary(plan: Plan, plan_id: str) -> list[str]:
    """Return what a run prints: one line an inbound rule, then what needs attention."""
    counts = plan.counts()
    lines = [
        f"Plan {plan_id[:12]}: {counts['servers']} servers, {counts['hosts']} hosts, {counts['flows']} flows",
    ]
    rows = [
        (name, f"{head.protocol} {head.ports}".strip(), _names(peers.values()), head.purpose)
        for name in sorted(plan.hosts)
        for head, peers in plan.hosts[name].ordered()
        if head.direction == "in"
    ]
    shown = rows[:40]
    widths = [max((len(row[column]) for row in shown), default=0) for column in range(3)]
    lines += ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0])).rstrip() for row in shown]
    if len(rows) > len(shown):
        lines.append(f"  and {len(rows) - len(shown)} more rules, see plan.md")
    lines += [f"  gateway {item.gateway.name}: {len(item.statements)} statements" for item in plan.gateways]
    lines += [f"  CONFLICT {text}" for text in plan.conflicts]
    lines += [f"  WARNING  {text}" for text in plan.warnings]
    return [_UNSEEN.sub("?", line) for line in lines]


def _names(peers: Iterable[RulePeer]) -> str:
    names = sorted(ref.name for ref in peers)
    if not names:
        return "from nobody"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return "from " + ", ".join(names[:_SHOWN]) + more
