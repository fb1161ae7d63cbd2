# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ruleset does with the first packet of a flow, and which of its rules decides: pure, so it runs anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

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
        self._admitted: dict[FlowKey, tuple[AddressSet, str]] = {}

    def decide(self, flow: FlowKey, peers: Sequence[AddressRange]) -> Decision:
        """Return what becomes of the packets of all these peers; what only some of them may counts as refused."""
        admitted, rule = self._lets_in(flow)
        refuses, guards = _refuses(self._ruleset, flow), _refuses(self._wanted, flow)
        if all(admitted.holds(peer) for peer in peers):
            return Decision("accepts" if refuses or not guards else "open", rule if peers else f"refuse {flow}")
        if refuses:
            return Decision("refuses", f"refuse {flow}")
        return Decision("open" if guards else "accepts", NO_RULE)

    def strangers(self, flow: FlowKey, intended: Sequence[AddressRange]) -> tuple[AddressRange, ...]:
        """Return whom the rules let in beside those who are meant to get in."""
        return subtract(self._lets_in(flow)[0].ranges, merge_addresses(intended))

    def _lets_in(self, flow: FlowKey) -> tuple[AddressSet, str]:
        """Return who is accepted on all ports of a flow, and the rules that do it."""
        if flow not in self._admitted:
            rules = [
                item
                for item in self._ruleset.accepts
                if (item.direction, item.protocol) == flow[:2]
                and all(_covered(ports, item.ports) for ports in flow.ports)
            ]
            names = "; ".join(item.comment for item in rules)
            peers = AddressSet(peer for item in rules for peer in item.peers)
            self._admitted[flow] = (peers, f"accept {flow} ({names})" if names else NO_RULE)
        return self._admitted[flow]


def _refuses(ruleset: Ruleset, flow: FlowKey) -> bool:
    """Tell whether everyone who is not accepted is refused on all ports of a flow; icmp is refused to no one."""
    guarded = ruleset.guarded(flow.direction, flow.protocol)
    return bool(flow.ports) and all(_covered(ports, guarded) for ports in flow.ports)


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
