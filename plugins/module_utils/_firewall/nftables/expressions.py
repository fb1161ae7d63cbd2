# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a condition of ``nft -j`` hold for a packet that is only partly known: yes, no or None, cannot tell."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

UNKNOWN = object()
"""The value of what is not known of a packet."""

NEVER = object()
"""The value of a field of another protocol: nft compares it with nothing, the rule does not match."""

NOT_LOOPBACK = object()
"""The value of an interface that is not ``lo``; which one it is, is not known."""

_LAYERS = {
    "meta l4proto": {"tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "udplite", "igmp", "esp", "ah", "comp"},
    "meta protocol": {"ip", "ip6", "arp"},
}
_SAME = {"ipv6-icmp": "icmpv6", "58": "icmpv6", "6": "tcp", "17": "udp", "1": "icmp"}
_ORDER = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}

Known = Mapping[str, Any]
Sets = Mapping[str, Optional[Sequence[Any]]]
"""Elements of named sets and maps by name; None for one that packets change."""


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


def value_of(left: Any, known: Known) -> Any:
    """Return what the left side of a match or the key of a map is for the packet.

    A list stands for a concatenation, a set of strings for flags.
    """
    if not isinstance(left, Mapping) or len(left) != 1:
        return UNKNOWN
    ((kind, body),) = left.items()
    if kind == "concat":
        values = [value_of(part, known) for part in body]
        return NEVER if NEVER in values else values
    if kind == "&" and isinstance(body, list) and len(body) == 2:
        value = value_of(body[0], known)
        return value & _flags(body[1]) if isinstance(value, frozenset) else value if value is NEVER else UNKNOWN
    if kind == "payload" and set(body) == {"protocol", "field"}:
        for name, layers in _LAYERS.items():
            if body["protocol"] in layers and body["protocol"] != known[name]:
                return NEVER
        return known.get(f"{body['protocol']} {body['field']}", UNKNOWN)
    if kind in ("meta", "ct") and set(body) == {"key"}:
        return known.get(f"{kind} {body['key']}", UNKNOWN)
    if kind == "fib":
        return known.get(f"fib {body.get('result')} {' '.join(body.get('flags', ()))}", UNKNOWN)
    return UNKNOWN


def holds(match: Mapping[str, Any], known: Known, sets: Sets) -> Optional[bool]:
    """Tell whether the body of a ``match`` is true for the packet."""
    value = value_of(match.get("left"), known)
    right, sign = match.get("right"), match.get("op")
    if value is NEVER:
        return False
    if value is UNKNOWN:
        return None
    if sign in _ORDER:
        if not isinstance(value, int) or not isinstance(right, int):
            return None
        return bool(_ORDER[sign](value, right))
    if isinstance(value, frozenset):
        wanted = _flags(right)
        answer = bool(value & wanted) if sign == "in" else value == wanted
        return not answer if sign == "!=" else answer
    same = equal(value, right, sets)
    return opposite(same) if sign == "!=" else same if sign in ("==", "in") else None


def equal(value: Any, right: Any, sets: Sets) -> Optional[bool]:
    """Tell whether a value is the right side of a match, or in it when that is a set, list, range or network."""
    if value is UNKNOWN:
        return None
    if isinstance(right, str) and right.startswith("@"):
        right = sets.get(right[1:])
        return None if right is None else either(equal(value, item, sets) for item in right)
    if isinstance(right, Mapping) and len(right) == 1:
        ((kind, body),) = right.items()
        if kind == "set":
            return either(equal(value, item, sets) for item in (body if isinstance(body, list) else [body]))
        if kind == "elem":
            return equal(value, body.get("val"), sets)
        if kind == "concat" and isinstance(value, list):
            return both(equal(part, item, sets) for part, item in zip(value, body))
        return _within(value, kind, body)
    if isinstance(right, list):
        return either(equal(value, item, sets) for item in right)
    return _plain(value, right)


def _within(value: Any, kind: str, body: Any) -> Optional[bool]:
    """Tell whether a value is in a network or a range."""
    if kind == "prefix" and isinstance(value, AddressRange):
        return _overlaps(value, f"{body.get('addr')}/{body.get('len')}")
    if kind == "range" and isinstance(value, AddressRange):
        return _overlaps(value, f"{body[0]}-{body[1]}")
    if kind == "range" and isinstance(value, int) and all(isinstance(end, int) for end in body):
        return bool(body[0] <= value <= body[1])
    return None


def _plain(value: Any, right: Any) -> Optional[bool]:
    if value is NOT_LOOPBACK:
        return False if right == "lo" else None
    if isinstance(value, AddressRange):
        return _overlaps(value, right)
    if isinstance(value, int):
        return value == right if isinstance(right, int) else None
    if isinstance(value, str):
        return value == _SAME.get(str(right), str(right))
    return None


def _overlaps(value: AddressRange, right: Any) -> Optional[bool]:
    try:
        return value.overlaps(AddressRange.parse(right))
    except DbportsError:
        return None


def _flags(right: Any) -> frozenset[str]:
    return frozenset(str(item) for item in (right if isinstance(right, list) else [right]) if item != 0)
