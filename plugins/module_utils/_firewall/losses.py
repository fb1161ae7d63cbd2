# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new ruleset takes away from an old one that looks more like an accident than a wish: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    merge_addresses,
    of_family,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.forwarding import Views
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import DIRECTIONS, Direction, Ruleset
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
    carried, wanted = old.ports(direction, protocol), new.ports(direction, protocol)
    gone: list[PortRange] = []
    fresh: list[PortRange] = []
    thinned: dict[str, list[PortRange]] = {}
    for part in _segments(old, new, direction, protocol):
        if not _covers(carried, part):
            fresh += [part] if _covers(wanted, part) else []
            continue
        if not _covers(wanted, part):
            # With the policy open nothing is guarded, also not what nobody may use.
            opened = new.accepts and not new.guards and not _peers(old, direction, protocol, part)
            gone += [] if opened else [part]
            continue
        for family in (4, 6):
            before = _count(of_family(_peers(old, direction, protocol, part), family))
            after = _count(of_family(_peers(new, direction, protocol, part), family))
            if 2 * after < before:
                text = f"{before - after} of {before} IPv{family} peer addresses"
                thinned.setdefault(text, []).append(part)
    for admitted in [_peers(new, direction, protocol, part) for part in fresh]:
        moved = next((part for part in gone if _serves(_peers(old, direction, protocol, part), admitted)), None)
        gone = [part for part in gone if part != moved]
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


def _covers(ranges: Iterable[PortRange], part: PortRange) -> bool:
    return any(item.first <= part.first and part.last <= item.last for item in ranges)


def _peers(ruleset: Ruleset, direction: Direction, protocol: Protocol, part: PortRange) -> tuple[AddressRange, ...]:
    """Return who may use the ports of ``part``, merged."""
    return merge_addresses(
        peer
        for item in ruleset.accepts
        if (item.direction, item.protocol) == (direction, protocol) and _covers(item.ports, part)
        for peer in item.peers
    )


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
