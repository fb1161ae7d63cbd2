# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules in force on a host do with what passes through it: on Linux routers, and to published ports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import combined
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding, facts
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.rules import Outcome, RulesInForce
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import ForwardRule, PortSet, shown_ports

_NAMED = 3
"""Targets that the name of a way through a host has."""


def judge_forwarded(port_set: PortSet, rules: RulesInForce) -> Iterator[Finding]:
    """Yield a finding for all peers with whose packets to the same targets and ports the same happens."""
    ways: dict[tuple[object, ...], list[ForwardRule]] = {}
    for item in port_set.forwards:
        ways.setdefault((item.gateway, item.targets, item.protocol, item.ports), []).append(item)
    for items in ways.values():
        yield from _judge_way(port_set.host, items, rules)


def _judge_way(host: str, items: Sequence[ForwardRule], rules: RulesInForce) -> Iterator[Finding]:
    outcomes: dict[Outcome, dict[str, bool]] = {}
    for item in items:
        for peer in item.peers:
            needs = outcomes.setdefault(rules.passing(item, peer), {})
            needs[str(peer)] = needs.get(str(peer), False) or item.need == "required"
    first = items[0]
    ports = shown_ports(first.protocol, first.ports)
    place = Finding("not_probed", "unknown", host, host, _name(first), ports, intended="accept")
    for outcome, needs in outcomes.items():
        required = any(needs.values()) or outcome.configured == "open"
        peers = tuple(needs) if len(outcomes) > 1 else ()
        data = facts(count=str(len(needs)), rule=outcome.rule)
        yield combined(place._replace(peers=peers, optional=not required), outcome.configured, data=data)
    strangers = rules.strangers_passing(first)
    if strangers:
        yield combined(place._replace(peers=tuple(map(str, strangers)), intended="refuse"), "accepts")


def _name(item: ForwardRule) -> str:
    """Return what the way through a host is called in the place of an endpoint: ``edge to 198.51.100.10``."""
    if not item.targets:
        return "published"
    named = format_addresses(item.targets)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"{item.gateway} to {', '.join(named[:_NAMED])}{more}"
