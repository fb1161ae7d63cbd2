# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access lists of network devices: numbered lines with remarks, a block in an existing list, or a list of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Family, GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import (
    PREFIX,
    Entry,
    Meaning,
    entries_of,
    remark,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import (
    Limits,
    check_choice,
    check_count,
    check_name,
)

Grant = Literal["permit", "deny"]
Data = dict[str, Any]
IcmpNames = dict[tuple[int, Optional[int]], str]
"""A device's names of ICMP messages by type and code; None for the code of a message of which all codes are meant."""

MODES = ("entries", "whole")
ENDS = ("permit", "deny")
FIRST, STEP = 50000, 10
"""Where the reserved block begins, and how far its lines are apart: room for lines that a person adds in a hurry."""

_ANYONE = {"ipv4": AddressRange.parse("0.0.0.0/0"), "ipv6": AddressRange.parse("::/0")}
_NEIGHBOURS = (135, 136)
"""ICMPv6 neighbor solicitation and advertisement (RFC 4861): without them an interface has no neighbours."""


class Line(NamedTuple):
    """One line of a list, with the remark that stands before it.

    :param meaning: None for all packets of the family.
    """

    sequence: int
    remark: str
    grant: Grant
    meaning: Meaning | None


APART: dict[Family, int] = {"ipv4": 2, "ipv6": 2}
"""A remark has a sequence number of its own."""


class Form(NamedTuple):
    """What a platform's lists look like.

    :param aces: a line as the module's entries: its remark and itself, together or one after the other.
    :param numbers: so many sequence numbers a line takes with its remark, in a list of each family.
    :param last: the highest sequence number.
    :param keys: what else a list of a family says of itself.
    :param lets_neighbours: the end of an IPv6 list that is not written lets neighbor discovery pass.
    """

    limits: Limits
    aces: Callable[[Line, Family, int], list[Data]]
    numbers: dict[Family, int]
    last: int
    lets_neighbours: bool
    keys: Callable[[Family], Data]


def acl_filter(form: Form) -> Callable[..., list[Data]]:
    """Return a platform's translator."""

    def translate(
        plan: GatewayPlan,
        name: str,
        ipv6_name: str | None = None,
        origin: str = "",
        target: str = "",
        mode: str = "entries",
        first: int = FIRST,
        step: int = STEP,
        end: str | None = None,
    ) -> list[Data]:
        names = names_of(form.limits, name, ipv6_name)
        check_mode(mode, end)
        start = number(first, "first", form.last)
        pace = number(step, "step", form.last)
        found: dict[Family, list[Data]] = {}
        for family, entries in by_family(entries_of(plan, origin, target)).items():
            lines = lines_of(form, family, entries, end)
            taken = form.numbers[family] * pace
            last = start + len(lines) * taken - pace
            check_count(form.last, last, "is the last sequence number", "first", "Choose a lower first or step")
            aces = []
            for at, line in enumerate(lines):
                aces += form.aces(line._replace(sequence=start + at * taken), family, pace)
            found[family] = [{"name": names[family], **form.keys(family), "aces": aces}]
        return [{"afi": family, "acls": acls} for family, acls in found.items()]

    return translate


def names_of(limits: Limits, name: Any, ipv6_name: Any) -> dict[Family, str]:
    """Return the names of a gateway's lists; on most devices a name stands for one list, whatever its family.

    :raises DbportsError: for a name that the device does not take.
    """
    ipv4 = check_name(limits, name, "name")
    other = f"{ipv4}-v6" if ipv6_name is None else ipv6_name
    ipv6 = check_name(limits, other, "name" if ipv6_name is None else "ipv6_name")
    if ipv4 == ipv6:
        raise DbportsError(
            "IPv4 and IPv6 need a list each, and a name stands for one",
            code="duplicate",
            path="ipv6_name",
            value=ipv6,
            fix=f"Leave it out to call it {ipv4}-v6",
        )
    return {"ipv4": ipv4, "ipv6": ipv6}


def check_mode(mode: Any, end: Any) -> None:
    """Refuse what does not say whose list it is, or how a whole list ends.

    :raises DbportsError: for another mode or end, a whole list without an end and a block of entries with one.
    """
    check_choice(mode, "mode", MODES)
    if end is not None:
        check_choice(end, "end", ENDS)
    if (mode == "whole") != (end is not None):
        wrong = "a list of its own has to say how it ends" if mode == "whole" else "the end of the list is its owner's"
        fix = "Write end: permit or end: deny" if mode == "whole" else "Leave out end, or write mode: whole"
        raise DbportsError(wrong, code="contradiction", path="end", value=end, fix=fix)


def number(value: Any, path: str, last: int) -> int:
    """Return a whole number from 1, also from the digits that a template gives.

    :raises DbportsError: for anything else.
    """
    digits = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not (digits.isascii() and digits.isdigit() and 1 <= int(digits) <= last):
        raise DbportsError(f"expected a number from 1 to {last}", code="not_a_number", path=path, value=value)
    return int(digits)


def by_family(entries: tuple[Entry, ...]) -> dict[Family, list[Entry]]:
    """Return the entries of each family that has some, IPv4 first."""
    found: dict[Family, list[Entry]] = {}
    for entry in sorted(entries, key=lambda item: item.meaning.family):
        found.setdefault(entry.meaning.family, []).append(entry)
    return found


def lines_of(form: Form, family: Family, entries: list[Entry], end: str | None) -> list[Line]:
    """Return the lines of a list without their numbers.

    A list that ends in deny says so, and lets neighbor discovery pass before; where the device does both at the end of
    an IPv6 list of its own accord, nothing is written, because a written deny would come before what the device adds.
    """
    lines = [Line(0, remark(entry.statement, form.limits.remark), "permit", entry.meaning) for entry in entries]
    if end == "permit":
        lines.append(Line(0, f"{PREFIX} end: everything else passes", "permit", None))
    elif end == "deny" and not (family == "ipv6" and form.lets_neighbours):
        if family == "ipv6":
            anyone = _ANYONE[family]
            lines += [
                Line(
                    0,
                    f"{PREFIX} neighbor discovery: RFC 4861",
                    "permit",
                    Meaning("ipv6", "icmp", anyone, None, anyone, None, False, kind, None),
                )
                for kind in _NEIGHBOURS
            ]
        lines.append(Line(0, f"{PREFIX} end: everything else is refused", "deny", None))
    check_count(form.limits.entries, len(lines), "entries", "entries")
    return lines


def is_end(item: Meaning | None) -> bool:
    """Tell whether a line is of the end of a whole list: all packets of the family, or neighbor discovery."""
    return item is None or (item.family == "ipv6" and item.icmp_type in _NEIGHBOURS)


def cannot_write(what: str, why: str, fix: str) -> DbportsError:
    """Return the error of an entry that a module cannot write as it is meant."""
    return DbportsError(f"{what}: {why}", code="cannot_encode", fix=fix)


def icmp_name(names: IcmpNames, meaning: Meaning, module: str) -> str:
    """Return a message's name on a device.

    :raises DbportsError: for a message that the module has no name for.
    """
    kind, code = meaning.icmp_type or 0, meaning.icmp_code
    found = names.get((kind, code)) or (names.get((kind, None)) if not code else None)
    if found is None:
        shown = f"{'ICMPv6' if meaning.family == 'ipv6' else 'ICMP'} type {kind}" + (f" code {code}" if code else "")
        raise cannot_write(shown, f"{module} has no name for it", "Declare the server with ping: false")
    return found
