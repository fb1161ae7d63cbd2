# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new ruleset takes away from an old one that looks more like an accident than a wish: pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    merge_addresses,
    of_family,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.forwarding import Views
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    DIRECTIONS,
    Accept,
    Direction,
    Ruleset,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import (
    PortRange,
    Protocol,
    format_ports,
    merge_ports,
)


def losses(old: Ruleset, new: Ruleset, *, directions: Iterable[Direction] = DIRECTIONS) -> list[str]:
    """List what ``new`` would take away from ``old`` that looks more like an accident than a wish.

    That is a guarded port that disappears altogether, and a port that is still guarded but loses
    more than half of its peers' addresses of one family: the marks of a plan made from half an
    inventory. Such a plan adds nothing: a port for whose peers a new one is there has moved.

    :returns: one sentence part a loss, sorted; empty when there is none.
    """
    protocols: tuple[Protocol, ...] = ("tcp", "udp")
    found = []
    for direction in directions:
        sides = [((), (old, new))] if direction != "forward" else Views(old, new).all
        for targets, (before, after) in sides:
            where = f" to {', '.join(map(str, targets))}" if targets else ""
            found += [
                lost + where for protocol in protocols for lost in _lost_ports(before, after, direction, protocol)
            ]
    return found


def _lost_ports(old: Ruleset, new: Ruleset, direction: Direction, protocol: Protocol) -> list[str]:
    parts = _segments(old, new, direction, protocol)
    carried, wanted = (_peers(ruleset, direction, protocol, parts) for ruleset in (old, new))
    # With the policy open nothing is guarded, not even a port without peers.
    opened = new.accepts and not new.guards
    gone = [part for part, peers in carried.items() if part not in wanted and (peers or not opened)]
    thinned: dict[str, list[PortRange]] = {}
    for part in parts:
        if part not in carried or part not in wanted:
            continue
        for family in (4, 6):
            before, after = (_count(of_family(peers[part], family)) for peers in (carried, wanted))
            if 2 * after < before:
                text = f"{before - after} of {before} IPv{family} peer addresses"
                thinned.setdefault(text, []).append(part)
    for admitted in [wanted[part] for part in parts if part in wanted and part not in carried]:
        moved = next((part for part in gone if _serves(carried[part], admitted)), None)
        if moved:
            gone.remove(moved)
    title = f"{direction} {protocol}"
    found = [f"{title} {format_ports(merge_ports(gone))} altogether"] if gone else []
    return found + [f"{text} of {title} {format_ports(merge_ports(parts))}" for text, parts in thinned.items()]


def _segments(old: Ruleset, new: Ruleset, direction: Direction, protocol: Protocol) -> list[PortRange]:
    """Cut the ports of both rulesets into ranges inside which nothing changes."""
    ranges = [
        port
        for item in old.parts + new.parts
        if (item.direction, item.protocol) == (direction, protocol)
        for port in item.ports
    ]
    cuts = sorted({port.first for port in ranges} | {port.last + 1 for port in ranges})
    return [PortRange(first, after - 1) for first, after in zip(cuts, cuts[1:])]


def _peers(
    ruleset: Ruleset, direction: Direction, protocol: Protocol, parts: Sequence[PortRange]
) -> dict[PortRange, tuple[AddressRange, ...]]:
    """Return who may use the ports of each part, merged; what the ruleset neither accepts nor guards is left out."""
    firsts = [part.first for part in parts]
    found: dict[PortRange, list[AddressRange]] = {}
    for item in ruleset.parts:
        if (item.direction, item.protocol) != (direction, protocol):
            continue
        for port in item.ports:
            for part in parts[bisect_left(firsts, port.first) : bisect_right(firsts, port.last)]:
                found.setdefault(part, []).extend(item.peers if isinstance(item, Accept) else ())
    return {part: merge_addresses(peers) for part, peers in sorted(found.items())}


def _count(peers: Iterable[AddressRange]) -> int:
    return sum(peer.last - peer.first + 1 for peer in peers)


def _serves(before: Sequence[AddressRange], after: Sequence[AddressRange]) -> bool:
    """Tell whether a port serves the peers of another: half of each family, or nobody where that one served nobody."""
    if not before or not after:
        return not before and not after
    for family in (4, 6):
        old, new = list(of_family(before, family)), list(of_family(after, family))
        kept = _count(old) + _count(new) - _count(merge_addresses([*old, *new]))
        if 2 * kept < _count(old):
            return False
    return True
