# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ruleset does with the first packet of a flow, and which of its rules decides: pure, so it runs anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    AddressSet,
    merge_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction, Ruleset
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
    """The packets that rules tell apart by all but their addresses; ``ports`` is empty for icmp."""

    direction: Direction
    protocol: Protocol
    ports: tuple[PortRange, ...]

    def __str__(self) -> str:
        return " ".join(part for part in (self.direction, self.protocol, format_ports(self.ports)) if part)


class Evaluator:
    """Decides the flows of one ruleset.

    :param wanted: says which ports are to be closed to everyone else; elsewhere all is well that is not refused.
    """

    def __init__(self, ruleset: Ruleset, wanted: Ruleset) -> None:
        self._ruleset = ruleset
        self._wanted = wanted
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
            rules = [item for item in self._ruleset.accepts if (item.direction, item.protocol) == flow[:2]]
            guarded, wanted = (item.guarded(flow.direction, flow.protocol) for item in (self._ruleset, self._wanted))
            ranges = [*guarded, *wanted, *(ports for rule in rules for ports in rule.ports)]
            found = []
            parts: list[Optional[PortRange]] = [*_segments(flow.ports, ranges)]
            for part in parts or [None]:
                mine = [rule for rule in rules if part is None or _covered(part, rule.ports)]
                admitted = AddressSet(peer for rule in mine for peer in rule.peers)
                closed = part is not None and _covered(part, guarded)
                found.append(
                    _Part(
                        admitted,
                        "; ".join(dict.fromkeys(rule.comment for rule in mine)),
                        closed,
                        part is not None and _covered(part, wanted),
                    )
                )
            self._parts[flow] = found
        return self._parts[flow]


class _Part(NamedTuple):
    """Some ports of a flow: who is accepted, by which rules, and whether everyone else is, or is to be, refused."""

    admitted: AddressSet
    rules: str
    guarded: bool
    wanted: bool


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
