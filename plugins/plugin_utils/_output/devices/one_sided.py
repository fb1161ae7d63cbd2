# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that name only the other end: what a group of a cloud permits to and from whatever it is attached to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    BITS,
    AddressRange,
    AddressSet,
    format_addresses,
    merge_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT, PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Family, GatewayPlan, Statement
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import entries_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import check_choice

Direction = Literal["ingress", "egress"]
DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")


class Rule(NamedTuple):
    """What is permitted to or from the members of a group.

    :param remote: the network or address at the other end.
    :param ports: of the destination; None for any, and where the protocol has none.
    """

    direction: Direction
    family: Family
    protocol: Protocol
    remote: AddressRange
    ports: PortRange | None
    icmp_type: int | None
    icmp_code: int | None


class Permit(NamedTuple):
    """A rule, whose it is, and the first statement that needs it.

    :param local: the addresses on the protected side that the plan permits this for.
    """

    rule: Rule
    local: AddressSet
    statement: Statement


def permits_of(plan: GatewayPlan, protects: str) -> tuple[Permit, ...]:
    """Return what passes to and from a network, without the source port and without established.

    :raises DbportsError: for a network that the gateway does not stand between.
    """
    if not protects:
        raise DbportsError(
            "the rules are those of one network", code="missing", path="protects", fix=f"Name {_or(plan.between)}"
        )
    found: dict[Rule, tuple[list[AddressRange], Statement]] = {}
    for direction in DIRECTIONS:
        inward = direction == "ingress"
        where = {"target" if inward else "origin": protects}
        for item, statement in entries_of(plan, **where):
            local, remote = (item.destination, item.source) if inward else (item.source, item.destination)
            ends = (remote, item.destination_ports, item.icmp_type, item.icmp_code)
            rule = Rule(direction, item.family, item.protocol, *ends)
            found.setdefault(rule, ([], statement))[0].append(local)
    return tuple(Permit(rule, AddressSet(local), first) for rule, (local, first) in found.items())


def permits_of_group(plan: GatewayPlan, protects: str, members: Any = None) -> tuple[Permit, ...]:
    """Return what a group permits to and from its members: what the plan permits them, but for the source port.

    :param members: their addresses; None for all that the plan has in the network. A group permits all its members the
        same, so the plan has to do so too.
    :raises DbportsError: for members that need different rules, and for one that nothing is permitted for.
    """
    found = permits_of(plan, protects)
    known = merge_addresses(part for item in found for part in item.local.ranges)
    wanted = known if members is None else _members(members, AddressSet(known))
    return tuple(item for item in found if _is_for(item, wanted))


def _members(members: Any, known: AddressSet) -> tuple[AddressRange, ...]:
    if not isinstance(members, (list, tuple)) or not members:
        fix = "Write the addresses of what the group is attached to, such as [192.0.2.10]"
        raise DbportsError("expected a list of addresses", code="wrong_type", path="members", value=members, fix=fix)
    found = []
    for index, text in enumerate(members):
        path = f"members[{index}]"
        try:
            item = AddressRange.parse(text)
        except DbportsError as error:
            raise error.at(path=path) from None
        if not known.holds(item):
            fix = f"Choose from {_or(format_addresses(known.ranges)[:4])}"
            raise DbportsError(
                "the plan permits nothing to or from this address", code="not_in_plan", path=path, value=text, fix=fix
            )
        found.append(item)
    return merge_addresses(found)


def _is_for(item: Permit, members: Iterable[AddressRange]) -> bool:
    """Tell whether a permit is for the members; one for a part of them would be wider in a group."""
    mine = [member for member in members if f"ipv{member.family}" == item.rule.family]
    if not any(map(item.local.overlaps, mine)):
        return False
    other = next((member for member in mine if not item.local.holds(member)), None)
    if other is not None:
        whose = ", ".join(format_addresses(item.local.ranges)[:4])
        raise DbportsError(
            f"a group permits all its members the same, and {item.statement.endpoint} is only for {whose}",
            code="cannot_encode",
            path="members",
            value=str(other),
            fix="Write a group for each set of hosts that need the same, and name its members",
        )
    return True


def no_icmp(permits: Iterable[Permit], why: str) -> None:
    """Refuse ICMP where a rule cannot name its types.

    :raises DbportsError: for the first rule of ICMP.
    """
    for item in permits:
        if item.rule.protocol == "icmp":
            raise DbportsError(
                f"ICMP type {item.rule.icmp_type}: {why}",
                code="cannot_encode",
                value=item.statement.host,
                fix="Declare the server with ping: false",
            )


def number(value: Any, path: str, first: int, last: int) -> int:
    """Return a whole number, also from the digits that a template gives.

    :raises DbportsError: for anything else.
    """
    digits = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not (digits.isascii() and digits.isdigit() and first <= int(digits) <= last):
        raise DbportsError(f"expected a number from {first} to {last}", code="not_a_number", path=path, value=value)
    return int(digits)


def is_whole(mode: Any) -> bool:
    """Tell whether what is not in the plan is removed.

    :raises DbportsError: for another mode.
    """
    check_choice(mode, "mode", ("entries", "whole"))
    return bool(mode == "whole")


def prefix(item: AddressRange) -> str:
    """Return a network or address with its prefix, which clouds show of addresses too."""
    text = str(item)
    return text if "/" in text else f"{text}/{BITS[item.family]}"


def port_ends(ports: PortRange | None) -> tuple[int, int]:
    """Return the first and the last port; None is any."""
    return (0, MAX_PORT) if ports is None else (ports.first, ports.last)


def _or(names: Iterable[str]) -> str:
    return ", ".join(names)
