# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to firewall filters of Junos, as set commands on both sides.

What junos_acls gathers says nothing of ``tcp-established``, so a term that lost it would look right. The configuration
itself, ``show configuration firewall | display set``, says everything.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import BITS, AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Family
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.acl import Data, names_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import PREFIX
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.junos import ENDS, FAMILY, LIMITS
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.port_names import JUNOS, port_number

_OURS = re.compile(rf"{PREFIX}-[a-z0-9-]+")
_NUMBERS: dict[str, dict[str, int]] = {
    "protocol": {"icmp": 1, "tcp": 6, "udp": 17, "icmp6": 58, "icmpv6": 58},
    "icmp-type inet": {"echo-reply": 0, "unreachable": 3, "echo-request": 8},
    "icmp-type inet6": {
        "packet-too-big": 2,
        "echo-request": 128,
        "echo-reply": 129,
        "neighbor-solicit": 135,
        "neighbor-advertisement": 136,
    },
    "icmp-code inet": {"fragmentation-needed": 4},
}
"""Names by the condition that has them, or by condition and family (match conditions for IPv4 and for IPv6 traffic)."""

_FIX = "Pass the lines of show configuration firewall | display set; what junos_acls gathers is not enough"


class Term(NamedTuple):
    """A term of a filter.

    :param conditions: and actions, each once and in no order, values as numbers and ranges.
    :param lines: the set commands that make it, and the ``insert`` that moves it before another term.
    """

    name: str
    conditions: frozenset[Any]
    lines: tuple[str, ...]
    before: str | None = None


def changes(config: Any, current: Any, name: str, ipv6_name: str | None = None, mode: str = "entries") -> Data:
    """Return what has to be done to the filters of a gateway; see :func:`..changes.changes`.

    :param config: what ``junos_terms`` returned.
    :param current: set commands, as a text or a list of lines; those of other filters are not looked at.
    :returns: ``add``, ``remove`` and ``replace`` are lines for one junos_config, which commits them at once.
    :raises DbportsError: for a filter or one of our terms that cannot be read.
    """
    names = names_of(LIMITS, name, ipv6_name)
    found: Data = {"changed": False, "add": [], "remove": [], "replace": [], "kept": 0}
    wish, shown = _split(config, "config"), _split(current, "current")
    _check_place(shown, names["ipv4"])
    for family in names:
        path = ("firewall", "family", FAMILY[family], "filter", names[family])
        wanted, there = _terms(wish, path, family, mode), _terms(shown, path, family, mode)
        if mode == "whole":
            if wanted and [term.conditions for term in wanted.values()] != [term.conditions for term in there.values()]:
                found["replace"] += [f"delete {' '.join(path)}"] if there else []
                found["replace"] += [line for term in wanted.values() for line in term.lines]
            if wanted:
                continue
        order = {term: place for place, term in enumerate(there)}
        for term in wanted.values():
            new = _missing(term, there.get(term.name), order, " ".join(path))
            found["add"] += new
            found["kept"] += not new
        kept = {*wanted, *ENDS} if mode == "whole" else wanted
        gone = [term for term in there if _OURS.fullmatch(term) and term not in kept]
        found["remove"] += [f"delete {' '.join(path)} term {term}" for term in gone]
    found["changed"] = bool(found["add"] or found["remove"] or found["replace"])
    return found


def _check_place(shown: list[list[str]], name: str) -> None:
    """Refuse a filter of IPv4 that stands outside ``family inet``, which is optional there and is always written here.

    Juniper, Guidelines for Configuring Firewall Filters.
    """
    if any(words[1:4] == ["firewall", "filter", name] for words in shown):
        raise DbportsError(
            f"the device has {name} as firewall filter {name}, outside family inet",
            code="contradiction",
            path="current",
            value=name,
            fix=f"Move it on the device to firewall family inet filter {name}",
        )


def _missing(term: Term, there: Term | None, order: dict[str, int], path: str) -> list[str]:
    """Return the commands that make a term what it has to be, none if it is."""
    if there is None:
        return list(term.lines)
    if there.conditions != term.conditions:
        return [f"delete {path} term {term.name}", *term.lines]
    if term.before in order and order[term.name] > order[term.before]:
        return [line for line in term.lines if line.startswith("insert ")]
    return []


def _split(lines: Any, path: str) -> list[list[str]]:
    """Return the commands about firewall filters as lists of words."""
    texts = lines.splitlines() if isinstance(lines, str) else [] if lines is None else lines
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise DbportsError("expected set commands", code="wrong_type", path=path, value=lines, fix=_FIX)
    found = []
    for text in texts:
        if not text.strip():
            continue
        if text.split()[0] not in ("set", "insert", "deactivate", "activate", "protect", "unprotect"):
            raise DbportsError("expected set commands", code="wrong_type", path=path, value=text, fix=_FIX)
        try:
            found.append(shlex.split(text))
        except ValueError:
            raise DbportsError("not a set command", code="wrong_type", path=path, value=text, fix=_FIX) from None
    return found


def _terms(commands: list[list[str]], path: tuple[str, ...], family: Family, mode: str) -> dict[str, Term]:
    """Return the terms of a filter in their order. Of terms that are not ours only the names are looked at.

    :raises DbportsError: for a filter that is not active.
    """
    said: dict[str, list[list[str]]] = {}
    before: dict[str, str] = {}
    for words in commands:
        verb, where = words[0], words[1 : len(path) + 1]
        if verb == "deactivate" and tuple(words[1:]) == path[: len(words) - 1]:
            raise DbportsError(
                "the filter is not active",
                code="contradiction",
                path="current",
                value=" ".join(words),
                fix="Activate it on the device",
            )
        rest = words[len(path) + 1 :]
        if tuple(where) != path or len(rest) < 2 or rest[0] != "term":
            continue
        term = rest[1]
        if verb == "insert":
            before[term] = rest[-1]
        elif verb in ("set", "deactivate"):
            said.setdefault(term, []).append([*(["inactive"] if verb == "deactivate" else []), *rest[2:]])
    return {
        term: Term(
            term,
            _conditions(parts, family) if mode == "whole" or _OURS.fullmatch(term) else frozenset(),
            _lines(path, term, parts, before.get(term)),
            before.get(term),
        )
        for term, parts in said.items()
    }


def _lines(path: tuple[str, ...], term: str, parts: Iterable[list[str]], before: str | None) -> tuple[str, ...]:
    start = f"{' '.join(path)} term {term}"
    moved = () if before is None else (f"insert {start} before term {before}",)
    return (*(f"set {start} {' '.join(part)}" for part in parts), *moved)


def _conditions(parts: Iterable[list[str]], family: Family) -> frozenset[Any]:
    """Return what a term asks and does; a protocol comes first, because it decides what a name means."""
    found = {_condition(part, family) for part in parts}
    return frozenset(item for item in found if item is not None)


def _condition(part: list[str], family: Family) -> Any:
    """Return a condition with its value as a number or range, None for one that everything meets.

    What no term from here has stays text, and is never equal to what a term from here says.
    """
    text = " ".join(part)
    if len(part) != 3 or part[0] != "from":
        return text
    kind, value = part[1:]
    try:
        if kind in ("source-address", "destination-address"):
            network = AddressRange.parse(value)
            return None if network.last - network.first + 1 == 2 ** BITS[network.family] else (kind, network)
        if kind in ("source-port", "destination-port"):
            first, last = _ends(value)
            return kind, PortRange(port_number(first, "tcp", JUNOS), port_number(last, "tcp", JUNOS))
        if kind == ("next-header" if family == "ipv6" else "protocol"):
            return "protocol", _number(value, "protocol")
        if kind in ("icmp-type", "icmp-code"):
            return kind, _number(value, f"{kind} {FAMILY[family]}")
    except DbportsError as error:
        if error.code == "unknown_name":
            raise
    return text


def _ends(value: str) -> tuple[str, str]:
    """Return both ends of a port or a range of ports; names have hyphens, too."""
    for place, letter in enumerate(value):
        ends = value[:place], value[place + 1 :]
        if letter == "-" and all(end.isdigit() or end in JUNOS["tcp"] for end in ends):
            return ends
    return value, value


def _number(value: str, names: str) -> int | str:
    return int(value) if value.isascii() and value.isdigit() else _NUMBERS.get(names, {}).get(value, value)
