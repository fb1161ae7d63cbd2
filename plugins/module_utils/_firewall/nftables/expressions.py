# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a condition of ``nft -j`` hold for a packet that is only partly known: yes, no or None, cannot tell."""

from __future__ import annotations

import enum
import operator
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Optional, Union

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, merge_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import (
    Node,
    fields,
    items,
    read_addresses,
    single,
)


class Elements(list[Node]):
    """The elements of a named set, in which an address is found without a look at each of them.

    :ivar changing: whether packets and time change it: what is not in it now may be in it a moment later.
    """

    changing = False

    @cached_property
    def ranges(self) -> Optional[tuple[AddressRange, ...]]:
        """The merged addresses, when it has nothing else."""
        try:
            return merge_addresses(map(_addresses_of, self))
        except DbportsError:
            return None

    def has(self, value: AddressRange) -> bool:
        """Tell whether an address, or one of a range, is among :attr:`ranges`."""
        ranges = self.ranges or ()
        place = bisect_left(ranges, (value.family, value.last + 1)) - 1
        return place >= 0 and value.overlaps(ranges[place])


def _addresses_of(element: Node) -> AddressRange:
    kind, body = single(element)
    return _addresses_of(fields(body).get("val")) if kind == "elem" else read_addresses(element)


class Special(enum.Enum):
    """Values of a field that are no values of a packet."""

    UNKNOWN = "what is not known of a packet"
    NEVER = "a field of another protocol: nft compares it with nothing, the rule does not match"
    NOT_LOOPBACK = "an interface that is not lo; which one it is, is not known"


Plain = Union[Special, AddressRange, str, int, frozenset[str]]
Value = Union[Plain, list[Plain]]
"""A field of the packet; a list stands for a concatenation, a set of strings for flags."""

Known = Mapping[str, Plain]
Sets = Mapping[str, Optional[Sequence[Node]]]
"""Elements of named sets and maps by name; None for one that packets change."""

_LAYERS = {
    "meta l4proto": ("tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "udplite", "igmp", "esp", "ah", "comp"),
    "meta protocol": ("ip", "ip6", "arp"),
}
_SAME = {"ipv6-icmp": "icmpv6", "58": "icmpv6", "6": "tcp", "17": "udp", "1": "icmp"}
_ORDER = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}


def either(answers: Iterable[Optional[bool]]) -> Optional[bool]:
    """Return True when one is true, None when one may be, else False."""
    best: Optional[bool] = False
    for answer in answers:
        if answer:
            return True
        if answer is None:
            best = None
    return best


def both(answers: Iterable[Optional[bool]]) -> Optional[bool]:
    """Return False when one is false, None when one may be, else True."""
    return opposite(either(opposite(answer) for answer in answers))


def opposite(answer: Optional[bool]) -> Optional[bool]:
    """Return the other answer; not to know stays not to know."""
    return None if answer is None else not answer


def value_of(left: Node, known: Known) -> Value:
    """Return what the left side of a match or the key of a map is for the packet."""
    kind, body = single(left)
    if kind == "concat":
        values = [_field(part, known) for part in items(body)]
        return Special.NEVER if Special.NEVER in values else values
    return _field(left, known)


def _field(left: Node, known: Known) -> Plain:
    kind, body = single(left)
    names = fields(body)
    if kind == "&":
        return _masked(items(body), known)
    if kind == "payload" and set(names) == {"protocol", "field"}:
        for layer, protocols in _LAYERS.items():
            if names["protocol"] in protocols and names["protocol"] != known[layer]:
                return Special.NEVER
        return known.get(f"{names['protocol']} {names['field']}", Special.UNKNOWN)
    if kind in ("meta", "ct") and set(names) == {"key"}:
        return known.get(f"{kind} {names['key']}", Special.UNKNOWN)
    if kind == "exthdr":
        # No packet of a declared flow has such a header; one without a field asks whether it is there.
        return Special.NEVER if "field" in names else 0
    if kind == "fib":
        flags = " ".join(str(flag) for flag in items(names.get("flags")))
        return known.get(f"fib {names.get('result')} {flags}", Special.UNKNOWN)
    return Special.UNKNOWN


def _masked(operands: Sequence[Node], known: Known) -> Plain:
    value, mask = (_field(operands[0], known), _flags(operands[1])) if len(operands) == 2 else (None, None)
    if value is Special.NEVER:
        return Special.NEVER
    return value & mask if isinstance(value, frozenset) and mask is not None else Special.UNKNOWN


def holds(match: Mapping[str, Node], known: Known, sets: Sets) -> Optional[bool]:
    """Tell whether the body of a ``match`` is true for the packet."""
    value = value_of(match.get("left"), known)
    right, sign = match.get("right"), match.get("op")
    if value is Special.NEVER:
        return False
    if value is Special.UNKNOWN or not isinstance(sign, str):
        return None
    if sign in _ORDER:
        if not isinstance(value, int) or not isinstance(right, int):
            return None
        return bool(_ORDER[sign](value, right))
    if isinstance(value, frozenset) and sign in ("in", "!"):
        return _any_flag(value, right) if sign == "in" else opposite(_any_flag(value, right))
    if sign not in ("==", "!=", "in"):
        return None
    same = equal(value, right, sets)
    return opposite(same) if sign == "!=" else same


def _any_flag(value: frozenset[str], right: Node) -> Optional[bool]:
    wanted = _flags(right)
    return None if wanted is None else bool(value & wanted)


def equal(value: Value, right: Node, sets: Sets) -> Optional[bool]:
    """Tell whether a value is the right side of a match, or in it when that is a set, list, range or network."""
    if value is Special.UNKNOWN:
        return None
    if isinstance(value, frozenset):
        wanted = _flags(right)
        return None if wanted is None else value == wanted
    if isinstance(right, str) and right.startswith("@"):
        elements = sets.get(right[1:])
        return None if elements is None else _among(value, elements)
    if isinstance(right, list):
        return either(equal(value, item, sets) for item in right)
    kind, body = single(right)
    if kind == "set":
        return either(equal(value, item, sets) for item in items(body))
    if kind == "elem":
        return equal(value, fields(body).get("val"), sets)
    if isinstance(value, list):
        parts = items(body)
        if kind != "concat" or len(parts) != len(value):
            return None
        return both(equal(part, item, sets) for part, item in zip(value, parts))
    return _is_among(value, right) if isinstance(value, AddressRange) else _plain(value, right)


def _is_among(value: AddressRange, right: Node) -> Optional[bool]:
    try:
        return value.overlaps(read_addresses(right))
    except DbportsError:
        return None


def _among(value: Value, elements: Sequence[Node]) -> Optional[bool]:
    """Tell whether a value is in a named set."""
    if isinstance(value, AddressRange) and isinstance(elements, Elements) and elements.ranges is not None:
        found: Optional[bool] = elements.has(value)
    else:
        # No element of a set is the name of a set.
        found = either(equal(value, item, {}) for item in elements)
    return None if found is False and isinstance(elements, Elements) and elements.changing else found


def _plain(value: Plain, right: Node) -> Optional[bool]:
    kind, body = single(right)
    ends = items(body)
    if kind == "range" and isinstance(value, int) and len(ends) == 2:
        first, last = ends
        return first <= value <= last if isinstance(first, int) and isinstance(last, int) else None
    if not isinstance(right, (str, int)):
        return None
    if value is Special.NOT_LOOPBACK:
        return False if right == "lo" else None
    if isinstance(value, int):
        return value == right if isinstance(right, int) else None
    if isinstance(value, str):
        return value == _SAME.get(str(right), str(right))
    return None


def _flags(node: Node) -> Optional[frozenset[str]]:
    """Read ``"syn"``, ``["syn", "ack"]``, ``{"|": ["syn", "ack"]}`` or 0; None for anything else."""
    kind, body = single(node)
    flags = [flag for flag in items(body if kind == "|" else node) if flag != 0]
    return frozenset(map(str, flags)) if all(isinstance(flag, str) for flag in flags) else None
