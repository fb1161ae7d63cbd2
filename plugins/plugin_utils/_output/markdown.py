# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan for readers: Markdown, and the few lines that a run prints."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.module_utils._visible import counted, visible
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    Plan,
    PortSet,
    RuleKey,
    RulePeer,
    shown_ports,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Ports, Statement
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import (
    LINES,
    NAMES,
    capped,
    conflict_sentence,
    listed,
    sentences,
)

_MARKUP = re.compile(r"[\\`*_{}\[\]<>|#&~!]")


@lru_cache(maxsize=65536)
def escape(text: str) -> str:
    """Return text that Markdown shows as it is, in one line, also within a table."""
    plain = visible(text).strip()  # four spaces would begin a block of code
    return _MARKUP.sub(r"\\\g<0>", plain)


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return the lines of a Markdown table; cells are escaped here."""
    return [*_head(header), *("| " + " | ".join(map(escape, row)) + " |" for row in rows)]


def _head(header: tuple[str, ...]) -> tuple[str, str]:
    return "| " + " | ".join(header) + " |", "|" + "---|" * len(header)


def plan_markdown(plan: Plan, plan_id: str, inputs_id: str) -> str:
    """Return the whole plan as one Markdown document."""
    counts = plan.counts()
    lines = [
        "# Plan",
        "",
        f"plan_id `{plan_id}`, inputs_id `{inputs_id}`",
        "",
        ", ".join(counted(counts[f"{noun}s"], noun) for noun in ("server", "host", "flow", "warning", "conflict"))
        + ".",
        "",
    ]
    conflicts = list(map(conflict_sentence, plan.conflicts))
    for title, texts in (("Conflicts", conflicts), ("Warnings", sentences(plan.warnings))):
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
        f"Addresses: {', '.join(format_addresses(host.addresses))}. Policy: {host.settings.policy}.",
        "",
    ]
    rows = []
    for key, peers in host.ordered():
        names = sorted([named(peer.name, peer.addresses) for peer in peers.values()])
        rows.append(_row(key) % (", ".join(map(escape, names)) or "none"))
    if rows:
        lines += [*_head(("", "port", "peers", "need", "purpose", "source")), *rows, ""]
    if host.forbidden:
        lines += ["Must not reach:", ""]
        lines += [
            f"- {escape(f'{item.host} {shown_ports(item.protocol, item.ports)} ({item.endpoint})')}"
            for item in sorted(set(host.forbidden), key=lambda item: item[:5])
        ]
        lines.append("")
    return lines


@lru_cache(maxsize=4096)
def _row(key: RuleKey) -> str:
    """Return a rule's row with ``%s`` in the place of its peers."""
    need = key.need if key.guarded else f"{key.need}, not guarded"
    cells = (key.direction, shown_ports(key.protocol, key.ports), "", need, key.purpose, key.citation)
    first, ports, _peers, *rest = (escape(cell).replace("%", "%%") for cell in cells)
    return f"| {' | '.join((first, ports, '%s', *rest))} |"


def shown_peer(peer: RulePeer) -> str:
    """Return a peer with its addresses; a network has no other name."""
    return named(peer.name, peer.addresses)


@lru_cache(maxsize=65536)
def named(name: str, addresses: Ranges) -> str:
    """Return a name with addresses; a host is a peer in as many rules as it has flows."""
    texts = format_addresses(addresses)
    return name if name in texts else f"{name} ({', '.join(texts)})"


def _gateway_section(plan: GatewayPlan) -> list[str]:
    lines = [f"## Gateway {escape(plan.name)}", "", escape(gateway_about(plan)), ""]
    rows = list(map(statement_cells, plan.statements))
    return [*lines, *table(("permit", "", "protocol", "from", "to", "for", "reason"), rows), ""] if rows else lines


def gateway_about(plan: GatewayPlan) -> str:
    """Return what a gateway is, in one line."""
    state = "with connection tracking" if plan.stateful else "without connection tracking"
    kind = plan.kind if plan.note else f"{plan.kind}, {state}"
    return f"{kind}, between {' and '.join(plan.between)}. {plan.note}".strip()


def statement_cells(item: Statement) -> tuple[str, ...]:
    """Return a statement as the cells of a table: what, between, protocol, from, to, for which host and why."""
    return (
        item.kind,
        f"{item.origin} to {item.target}",
        _protocol(item),
        _end(item.source, item.source_ports),
        _end(item.destination, item.destination_ports),
        item.host,
        item.reason,
    )


def _protocol(item: Statement) -> str:
    if item.icmp_type is not None:
        code = "" if item.icmp_code is None else f"/{item.icmp_code}"
        return f"{'icmpv6' if item.family == 'ipv6' else 'icmp'} {item.icmp_type}{code}"
    return f"{item.protocol} established" if item.established else item.protocol


def _end(addresses: Ranges, ports: Ports) -> str:
    return f"{', '.join(map(str, addresses))} {f'port {format_ports(ports)}' if ports else ''}".strip()


def plan_summary(plan: Plan, plan_id: str) -> list[str]:
    """Return what a run prints: one line an inbound rule, or all hosts that have it, then what needs attention."""
    counts = plan.counts()
    lines = [f"Plan {plan_id}: " + ", ".join(counted(counts[f"{noun}s"], noun) for noun in ("server", "host", "flow"))]
    rows = [
        (name, shown_ports(key.protocol, key.ports), _names(peers.values()), key.purpose)
        for name in sorted(plan.hosts)
        for key, peers in plan.hosts[name].ordered()
        if key.direction == "in"
    ]
    if len(rows) > LINES:
        together: dict[tuple[str, str, str], list[str]] = {}
        for name, *rule in rows:
            together.setdefault((rule[0], rule[1], rule[2]), []).append(name)
        rows = [(listed(names, 1), *same) for same, names in together.items()]
    shown = rows[:LINES]
    widths = [max((len(row[column]) for row in shown), default=0) for column in range(3)]
    lines += ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0])).rstrip() for row in shown]
    if len(rows) > len(shown):
        lines.append(f"  and {counted(len(rows) - len(shown), 'more rule')}, see plan.md")
    for texts in (
        [f"gateway {item.name}: {counted(len(item.statements), 'statement')}" for item in plan.gateways],
        [f"CONFLICT {conflict_sentence(item)}" for item in plan.conflicts],
        [f"WARNING  {text}" for text in sentences(plan.warnings, NAMES)],
    ):
        lines += [f"  {text}" for text in capped(texts, "plan.md")]
    return [visible(line) for line in lines]


def _names(peers: Iterable[RulePeer]) -> str:
    names = sorted(peer.name for peer in peers)
    return f"from {listed(names)}" if names else "from no host"
