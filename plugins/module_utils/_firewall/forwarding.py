# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for what a host forwards, by where it goes to: pure, so it runs anywhere.

What :mod:`evaluate`, :mod:`losses` and :mod:`live.connections` say of ports and peers holds for one target. So targets
are cut into pieces that the same rules are for, and asked about piece by piece.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, merge_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Guard, Ruleset


class View(NamedTuple):
    """The forward rules of rulesets for some targets.

    :param targets: merged; empty for the ports that the host itself publishes.
    :param rulesets: of each ruleset, what is for these targets.
    """

    targets: tuple[AddressRange, ...]
    rulesets: tuple[Ruleset, ...]


class Views:
    """The forward rules of rulesets in views; linear in the rules unless many of them overlap."""

    def __init__(self, *rulesets: Ruleset) -> None:
        self._count = len(rulesets)
        items = [(number, item) for number, one in enumerate(rulesets) for item in one.parts if item.forward]
        nowhere = [pair for pair in items if pair[1].forward and not pair[1].forward.targets]
        self._published = View((), self._split(nowhere))
        self._starts: list[tuple[int, int]] = []
        self._pieces: list[tuple[AddressRange, View]] = []
        pieces: dict[frozenset[int], list[AddressRange]] = {}
        for piece, members in _cut([item for _number, item in items]):
            pieces.setdefault(members, []).append(piece)
        self.all = [
            View(merge_addresses(ranges), self._split([items[index] for index in sorted(members)]))
            for members, ranges in pieces.items()
        ]
        self._pieces = sorted((piece, view) for view in self.all for piece in view.targets)
        self._starts = [(piece.family, piece.first) for piece, _view in self._pieces]
        self.all += [self._published] if nowhere else []

    def at(self, targets: Sequence[AddressRange]) -> list[View]:
        """Return the views of these targets, an empty one where a part of them has no rules.

        Without targets, that of the ports that the host itself publishes.
        """
        if not targets:
            return [self._published]
        found: dict[tuple[AddressRange, ...], View] = {}
        for target in targets:
            index = max(bisect.bisect_right(self._starts, (target.family, target.first)) - 1, 0)
            seen = 0
            for piece, view in self._pieces[index:]:
                if (piece.family, piece.first) > (target.family, target.last):
                    break
                if piece.overlaps(target):
                    found[view.targets] = view
                    seen += min(piece.last, target.last) - max(piece.first, target.first) + 1
            if seen <= target.last - target.first:
                found.setdefault((), View((target,), self._split([])))
        return list(found.values())

    def _split(self, items: Sequence[tuple[int, Accept | Guard]]) -> tuple[Ruleset, ...]:
        return tuple(
            Ruleset(
                tuple(item for number, item in items if number == wanted and isinstance(item, Accept)),
                tuple(item for number, item in items if number == wanted and isinstance(item, Guard)),
            )
            for wanted in range(self._count)
        )


def _cut(items: Sequence[Accept | Guard]) -> list[tuple[AddressRange, frozenset[int]]]:
    """Cut the targets of items, and return each piece with the numbers of those that are for it."""
    borders: dict[tuple[int, int], tuple[set[int], set[int]]] = {}
    for index, item in enumerate(items):
        for family, first, last in item.forward.targets if item.forward else ():
            borders.setdefault((family, first), (set(), set()))[0].add(index)
            borders.setdefault((family, last + 1), (set(), set()))[1].add(index)
    found, active = [], frozenset[int]()
    ordered = sorted(borders)
    for (family, first), (_family, after) in zip(ordered, [*ordered[1:], (0, 0)]):
        begins, ends = borders[family, first]
        active = (active - ends) | begins
        if active:
            found.append((AddressRange(family, first, after - 1), active))
    return found
