# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ruleset does with the first packet of a flow, and which of its rules decides: pure, so it runs anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    AddressSet,
    merge_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.forwarding import Views
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction, Forward, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol, format_ports

NO_RULE = "no rule"


class Decision(NamedTuple):
    """What becomes of a packet.

    :param verdict: ``accepts``: it passes, and those of others do not; ``open``: it passes, as everyone's;
        ``refuses``: it does not pass.
    :param rule: the rule that decides it, for readers.
    """

    verdict: Literal["accepts", "open", "refuses"]
    rule: str


class FlowKey(NamedTuple):
    """The packets that rules tell apart by all but the peers' addresses; ``ports`` is empty for icmp.

    ``forward`` is there for that direction only.
    """

    direction: Direction
    protocol: Protocol
    ports: tuple[PortRange, ...]
    forward: Optional[Forward] = None

    def __str__(self) -> str:
        targets = ["to", ", ".join(map(str, self.forward.targets))] if self.forward and self.forward.targets else []
        return " ".join(part for part in (self.direction, self.protocol, format_ports(self.ports), *targets) if part)


class Evaluator:
    """Decides the flows of one ruleset.

    :param wanted: says which ports are to be closed to everyone else; elsewhere all is well that is not refused.
    """

    def __init__(self, ruleset: Ruleset, wanted: Ruleset) -> None:
        self._ruleset = ruleset
        self._wanted = wanted
        self._views = Views(ruleset, wanted)
        self._parts: dict[FlowKey, list[_Part]] = {}

    def decide(self, flow: FlowKey, peers: Sequence[AddressRange]) -> Decision:
        """Return what becomes of the packets of all these peers; where only some pass, they count as refused."""
        parts = self._cut(flow)
        if any(part.guarded and not all(part.admitted.holds(peer) for peer in peers) for part in parts):
            return Decision("refuses", f"refuse {flow}")
        names = dict.fromkeys(part.rules for part in parts if part.rules)
        rule = f"accept {flow} # {'; '.join(names)}" if names else NO_RULE
        if any(part.wanted and not part.guarded for part in parts):
            return Decision("open", rule)
        return Decision("accepts", rule if peers or not flow.ports else f"refuse {flow}")

    def strangers(self, flow: FlowKey, intended: Sequence[AddressRange]) -> tuple[AddressRange, ...]:
        """Return whom the rules let in on some of the ports beside those who are meant to get in."""
        admitted = merge_addresses(peer for part in self._cut(flow) for peer in part.admitted.ranges)
        return subtract(admitted, merge_addresses(intended))

    def _cut(self, flow: FlowKey) -> list[_Part]:
        """Return the ports of a flow in parts of which the same is true."""
        if flow not in self._parts:
            self._parts[flow] = [
                part for ruleset, wanted in self._rulesets(flow) for part in _cut(flow, ruleset, wanted)
            ]
        return self._parts[flow]

    def _rulesets(self, flow: FlowKey) -> list[tuple[Ruleset, ...]]:
        """Return the rules in force and the wanted ones that are for a flow, for each part of its targets."""
        if flow.forward is None:
            return [(self._ruleset, self._wanted)]
        return [view.rulesets for view in self._views.at(flow.forward.targets)]


class _Part(NamedTuple):
    """Some ports of a flow: who is accepted, by which rules, and whether everyone else is, or is to be, refused."""

    admitted: AddressSet
    rules: str
    guarded: bool
    wanted: bool


def _cut(flow: FlowKey, ruleset: Ruleset, wanted: Ruleset) -> Iterator[_Part]:
    """Yield the ports of a flow in parts of which the same is true."""
    rules = [
        item
        for item in ruleset.accepts
        if (item.direction, item.protocol) == (flow.direction, flow.protocol) and _from_all(item.forward, flow.forward)
    ]
    guarded, closed = (item.guarded(flow.direction, flow.protocol) for item in (ruleset, wanted))
    ranges = [*guarded, *closed, *(ports for rule in rules for ports in rule.ports)]
    parts: list[Optional[PortRange]] = [*_segments(flow.ports, ranges)]
    for part in parts or [None]:
        mine = [rule for rule in rules if part is None or _covered(part, rule.ports)]
        yield _Part(
            AddressSet(peer for rule in mine for peer in rule.peers),
            "; ".join(dict.fromkeys(rule.comment for rule in mine)),
            part is not None and _covered(part, guarded),
            part is not None and _covered(part, closed),
        )


def _from_all(rule: Optional[Forward], flow: Optional[Forward]) -> bool:
    """Tell whether a rule is for all source ports of a flow."""
    return not (rule and flow and rule.source_ports) or (
        bool(flow.source_ports) and all(_covered(port, rule.source_ports) for port in flow.source_ports)
    )


def _segments(ports: Sequence[PortRange], ranges: Sequence[PortRange]) -> list[PortRange]:
    """Cut ports where one of the ranges begins or ends."""
    cuts = sorted({item.first for item in ranges} | {item.last + 1 for item in ranges})
    found = []
    for item in ports:
        inside = [cut for cut in cuts if item.first < cut <= item.last]
        found += [PortRange(first, last - 1) for first, last in zip([item.first, *inside], [*inside, item.last + 1])]
    return found


def _covered(ports: PortRange, ranges: Sequence[PortRange]) -> bool:
    return any(item.first <= ports.first and ports.last <= item.last for item in ranges)


def subtract(ranges: Sequence[AddressRange], others: Sequence[AddressRange]) -> tuple[AddressRange, ...]:
    """Return the addresses of ``ranges`` that are in none of the others; both are merged."""
    left = []
    for family, first, last in ranges:
        start = first
        for other in others:
            if other.family == family and other.last >= start and other.first <= last:
                if other.first > start:
                    left.append(AddressRange(family, start, other.first - 1))
                start = other.last + 1
        if start <= last:
            left.append(AddressRange(family, start, last))
    return tuple(left)
