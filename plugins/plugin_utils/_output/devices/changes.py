# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device shows against what a list has to hold: compared by number and meaning, never by text.

All entries of a block permit, so their order means nothing: what is there stays where it is, and new entries take free
numbers. Only what stands under a remark of ours is removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Family
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.acl import (
    FIRST,
    STEP,
    Data,
    Form,
    is_end,
    names_of,
    number,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.decode import Key, key_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import PREFIX


class Dialect(NamedTuple):
    """How a platform's config module takes an entry away.

    :param heads: the line that opens a list of each family, before its name.
    :param remove: what stands before a sequence number.
    """

    form: Form
    heads: dict[Family, str]
    remove: dict[Family, str]


class Unit(NamedTuple):
    """An entry with its remark.

    :param key: what it does; None for what is no longer what was written.
    """

    aces: tuple[Data, ...]
    key: Key | None
    ours: bool

    @property
    def numbers(self) -> list[int]:
        """The sequence numbers that it takes."""
        return sorted({ace["sequence"] for ace in self.aces})


def changes(
    dialect: Dialect,
    config: Any,
    current: Any,
    name: str,
    ipv6_name: str | None = None,
    mode: str = "entries",
    first: int = FIRST,
    step: int = STEP,
) -> Data:
    """Return what has to be done to the lists of a gateway.

    :param config: what the platform's filter returned.
    :param current: the lists as the vendor's module gathered or parsed them; others than ours are not looked at.
    :returns: ``changed``; ``add``, config to merge; ``remove``, the parents and lines of a config module; ``replace``,
        config of whole lists. ``kept`` entries are there already.
    :raises DbportsError: for a foreign entry in the reserved block.
    """
    names = names_of(dialect.form.limits, name, ipv6_name)
    start, pace = number(first, "first", dialect.form.last), number(step, "step", dialect.form.last)
    found: Data = {"changed": False, "add": [], "remove": [], "replace": [], "kept": 0}
    for family in names:
        wanted = list(_units(family, _aces(config, "config", family, names[family])))
        there = _aces(current, "current", family, names[family])
        if mode == "whole":
            units = list(_units(family, there))
            if wanted and [unit.key for unit in wanted] != [unit.key for unit in units]:
                found["replace"].append(
                    _list(dialect, family, names[family], [ace for unit in wanted for ace in unit.aces])
                )
            elif not wanted:
                found["remove"] += _removal(dialect, family, names[family], _emptied(units, names[family]))
            continue
        block = list(_units(family, [ace for ace in there if ace.get("sequence", 0) >= start], pace))
        _check_foreign(block, names[family])
        block += _moved(family, [ace for ace in there if ace.get("sequence", 0) < start])
        old, new, kept = _difference(block, wanted)
        found["kept"] += kept
        found["remove"] += _removal(dialect, family, names[family], old)
        if new:
            taken = {ace.get("sequence", 0) for ace in there}
            aces = list(_numbered(new, taken, start, pace, dialect.form.last))
            found["add"].append(_list(dialect, family, names[family], aces))
    found["changed"] = bool(found["add"] or found["remove"] or found["replace"])
    return found


def _removal(dialect: Dialect, family: Family, name: str, old: list[Unit]) -> list[Data]:
    lines = [f"{dialect.remove[family]} {taken}" for unit in old for taken in unit.numbers]
    return [{"parents": f"{dialect.heads[family]} {name}", "lines": lines}] if lines else []


def _emptied(units: list[Unit], name: str) -> list[Unit]:
    """Return what goes from a whole list for which nothing is planned any more: all of ours but the end.

    :raises DbportsError: for a list whose end is not written: devices let everything pass a list without entries.
    """
    keys = [unit.key.meaning for unit in units if unit.key]
    old = [unit for unit in units if unit.ours and not (unit.key and is_end(unit.key.meaning))]
    if old and None not in keys:
        raise DbportsError(
            f"nothing is planned for {name} any more, and without its entries it would let everything pass",
            code="contradiction",
            path="config",
            value=name,
            fix="Take the list from its interfaces, or write an end of its own, and remove its entries by hand",
        )
    return old


def _list(dialect: Dialect, family: Family, name: str, aces: list[Data]) -> Data:
    return {"afi": family, "acls": [{"name": name, **dialect.form.keys(family), "aces": aces}]}


def _aces(config: Any, path: str, family: Family, name: str) -> list[Data]:
    """Return the entries of one list, in the order of their numbers."""
    try:
        lists = [acl for item in config or [] if item["afi"] == family for acl in item.get("acls") or []]
        aces = [dict(ace) for acl in lists if str(acl["name"]) == name for ace in acl.get("aces") or []]
        return sorted(aces, key=lambda ace: int(ace.get("sequence", 0)))
    except (TypeError, KeyError, ValueError, AttributeError):
        raise DbportsError(
            "not the lists that an acls module takes or gathers", code="wrong_type", path=path, value=config
        ) from None


def _moved(family: Family, aces: list[Data]) -> Iterator[Unit]:
    """Yield our units that were renumbered to before the block: by ``resequence``, or by a reload of old releases."""
    for unit in _units(family, aces, ours_only=True):
        if unit.ours and (unit.key or "grant" not in unit.aces[-1]):
            yield unit


def _units(family: Family, aces: list[Data], step: int = 0, ours_only: bool = False) -> Iterator[Unit]:
    """Yield entries with the remark that stands at or before them; a remark without its entry is alone.

    :param step: an entry is this far from its remark; another one between them is not ours. 0 for any distance.
    :param ours_only: what other entries do is not looked at; they may have names that are not known.
    """
    said: Data | None = None
    for ace in aces:
        if "grant" not in ace:
            if said:
                yield _alone(said)
            said = ace
            continue
        near = said is not None and step in (0, ace.get("sequence", 0) - said.get("sequence", 0))
        if said and not near:
            yield _alone(said)
        remark = _text(ace) or (_text(said) if said and near else "")
        ours = remark.startswith(PREFIX)
        key = key_of(ace, family) if ours or not ours_only else None
        yield Unit((said, ace) if said and near else (ace,), key, ours)
        said = None
    if said:
        yield _alone(said)


def _alone(ace: Data) -> Unit:
    return Unit((ace,), None, _text(ace).startswith(PREFIX))


def _text(ace: Data) -> str:
    return str(ace.get("remark") or " ".join(ace.get("remarks") or []))


def _check_foreign(block: list[Unit], name: str) -> None:
    foreign = [taken for unit in block if not unit.ours for taken in unit.numbers]
    if foreign:
        raise DbportsError(
            f"{name} has entries in the reserved block that are not from here",
            code="not_ours",
            path="first",
            value=foreign[:5],
            fix="Move them below the block, or reserve another one with first",
        )


def _difference(block: list[Unit], wanted: list[Unit]) -> tuple[list[Unit], list[Unit], int]:
    """Return what is too much, what is missing, and how many entries are there already."""
    missing = Counter(unit.key for unit in wanted)
    old: list[Unit] = []
    for unit in block:
        if unit.key is not None and missing[unit.key] > 0:
            missing[unit.key] -= 1
        else:
            old.append(unit)
    new = []
    for unit in wanted:
        if missing[unit.key] > 0:
            missing[unit.key] -= 1
            new.append(unit)
    return old, new, len(wanted) - len(new)


def _numbered(units: list[Unit], taken: set[int], first: int, step: int, last: int) -> Iterator[Data]:
    """Yield entries with numbers that nothing has, so that they can be added before others are removed."""
    at = first
    for unit in units:
        size = len(unit.numbers)
        while any(at + more * step in taken for more in range(size)):
            at += step
        if at + (size - 1) * step > last:
            raise DbportsError(
                "no sequence number is left", code="over_limit", path="first", value=first, fix="Choose a lower first"
            )
        base = unit.numbers
        for ace in unit.aces:
            yield {**ace, "sequence": at + base.index(ace["sequence"]) * step}
        at += size * step
