# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a host should be and what it shows to findings: verdicts with a code each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._ports import Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import combined, verdict_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding, Intended, facts
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.forwarded import judge_forwarded
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.instances import Instances
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import Observation
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.outside import judge_outside, listeners_outside
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.probes import judge_probes
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.rules import Outcome, RulesInForce, by_outcome
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.sockets import (
    UNSEEN,
    Listener,
    judge_strangers,
    listeners,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    Endpoint,
    PortSet,
    RuleKey,
    RulePeer,
    shown_ports,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Ports

_Rules = list[tuple[RuleKey, Mapping[str, RulePeer]]]


class _Row(NamedTuple):
    """What of a server stands and falls together: an endpoint, the ports of rules for it, and these rules."""

    endpoint: str
    protocol: Protocol
    ports: Ports
    rules: _Rules


def judge(port_set: PortSet, observation: Observation, *, owner: str = "", applied: str = "") -> list[Finding]:
    """Compare a host's port set with what the host shows.

    :param owner: whose rules they are, where that is not the host's name in the inventory.
    :param applied: the digest of the ruleset that was applied last, if that is known.
    """
    rules = RulesInForce(port_set, observation.ruleset, owner)
    sockets = observation.sockets
    outside = listeners_outside(port_set, sockets or ())
    instances = Instances(observation.instances)
    found = list(rules.judge(port_set.host, applied))
    if observation.ruleset is not None or sockets is not None:
        seen = {} if sockets is None else listeners(port_set, sockets, outside, instances)
        found += _judge_endpoints(port_set, rules, seen)
    if observation.ruleset is not None:
        found += _judge_outbound(port_set, rules)
        found += judge_forwarded(port_set, rules)
    found += judge_outside(port_set, outside)
    found += judge_strangers(port_set, sockets or (), rules)
    found += instances.judge(port_set)
    return [*found, *judge_probes(port_set, observation.probes, sockets or (), rules)]


def _rows(port_set: PortSet) -> Iterator[_Row]:
    """Yield the host's own endpoints and what else is to be let in, such as answers that nobody asked for."""
    groups: dict[tuple[str, Protocol, Ports], _Rules] = {}
    for rule, peers in port_set.ordered():
        if rule.direction == "in":
            groups.setdefault((rule.endpoint, rule.protocol, rule.ports), []).append((rule, peers))
    for key, rules in groups.items():
        yield _Row(*key, rules)
    ruled = {endpoint for endpoint, _protocol, _ports in groups}
    for endpoint in port_set.endpoints:
        if endpoint.id not in ruled and endpoint.ports and endpoint.process:
            yield _Row(endpoint.id, endpoint.protocol, endpoint.ports, [])


def _judge_endpoints(port_set: PortSet, rules: RulesInForce, seen: Mapping[str, Listener]) -> Iterator[Finding]:
    """Yield a finding for all peers of an endpoint with whose packets the same happens."""
    endpoints = {item.id: item for item in port_set.endpoints}
    for row in _rows(port_set):
        listener, endpoint = seen.get(row.endpoint, UNSEEN), endpoints.get(row.endpoint)
        outcomes = _outcomes(rules, row)
        for outcome, needs in outcomes.items():
            peers = tuple(needs) if len(outcomes) > 1 else ()
            place = _place(port_set, row, peers, "accept")
            place = place._replace(optional=not _required(endpoint, listener, outcome, needs))
            data = facts(count=str(len(needs)), rule=outcome.rule, **dict(listener.data))
            yield combined(place, outcome.configured, listener.listening, data=data)
        yield from _too_many(port_set, rules, row)


def _outcomes(rules: RulesInForce, row: _Row) -> dict[Outcome, dict[str, bool]]:
    """Return what becomes of the packets of a row's peers, and for whom, with whether that is required."""
    found: dict[Outcome, dict[str, bool]] = {}
    for rule, peers in row.rules:
        for outcome, names in by_outcome(rules, rule, peers).items():
            needs = found.setdefault(outcome, {})
            for name in names:
                needs[name] = needs.get(name, False) or rule.need == "required"
    named = {outcome: needs for outcome, needs in found.items() if needs}
    return named or dict(list(found.items())[:1]) or {Outcome(""): {}}


def _required(endpoint: Endpoint | None, listener: Listener, outcome: Outcome, needs: Mapping[str, bool]) -> bool:
    """Tell whether what is wrong is a failure: a listener that must be there, or a flow that must work."""
    listens = listener.listening in ("listens", "hidden", "")
    passes = outcome.configured not in ("refuses", "blocked", "open")
    by_listener = endpoint is not None and endpoint.listening == "required"
    by_flow = any(needs.values()) or not needs or outcome.configured == "open"
    return (by_listener and not listens) or (by_flow and not passes) or (listens and passes)


def _too_many(port_set: PortSet, rules: RulesInForce, row: _Row) -> Iterator[Finding]:
    """Yield a finding where the rules let in others than the planned peers."""
    if not row.rules or not row.ports:
        return
    intended = (item for rule, peers in _at(port_set, row) for peer in peers.values() for item in peer.addresses)
    strangers = rules.strangers(row.rules[0][0], intended)
    if strangers:
        place = _place(port_set, row, tuple(map(str, strangers)), "refuse")
        yield combined(place, "accepts")


def _at(port_set: PortSet, row: _Row) -> _Rules:
    """Return all inbound rules at the ports of a row, which may be those of several endpoints."""
    return [
        (rule, peers)
        for rule, peers in port_set.rules.items()
        if rule.direction == "in"
        and rule.protocol == row.protocol
        and any(mine.overlaps(other) for mine in row.ports for other in rule.ports)
    ]


def _place(port_set: PortSet, row: _Row, peers: tuple[str, ...], intended: Intended) -> Finding:
    """Return a finding that says where, and nothing yet of what is there."""
    ports = shown_ports(row.protocol, row.ports)
    host = port_set.host
    return Finding("not_probed", "unknown", host, host, row.endpoint, ports, peers, intended)


def _judge_outbound(port_set: PortSet, rules: RulesInForce) -> Iterator[Finding]:
    """Yield a finding for everyone to whom a host's rules must let out what no probe shows.

    Where the host does not filter what it sends, there is only something to say of foreign rules that do.
    """
    for rule, peers in port_set.ordered():
        if rule.direction == "in" or rule.probe:
            continue
        for name, peer in sorted(peers.items()):
            found = rules.outcome(rule, peer)
            place = Finding(
                "configured",
                verdict_of("configured"),
                port_set.host,
                name,
                rule.endpoint,
                shown_ports(rule.protocol, rule.ports),
                (port_set.host,),
                "accept",
                optional=rule.need != "required",
            )
            held = found.configured in ("refuses", "blocked")
            if not held and not port_set.settings.filter_outbound:
                continue
            yield combined(place, "held" if held else found.configured, data=facts(rule=found.rule, count="1"))
