# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nft's own JSON, libnftables-json(5), read without trusting its shape: neither nft nor an admin can crash a reader."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, malformed
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import shown
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import (
    FAMILY,
    PLACED_CHAINS,
    TABLE,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, merge_ports

Node = object
"""A part of the JSON, of whatever type."""

Listing = list[tuple[str, Mapping[str, Node]]]
"""Kind and body of every object."""

_SHOWN = 8
"""Items of a list that people get to read."""


class UnknownError(Exception):
    """A part of the own table that is not written like this."""


@lru_cache(maxsize=1)
def read_listing(text: str) -> Listing:
    """Read what ``nft -j list`` printed; old versions print nothing where there is nothing.

    What a host carries is read where it is observed and again where it is judged, so the result must not be changed.

    :raises DbportsError: when it is not a list of objects.
    """
    if not text.strip():
        return []
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    objects = fields(found).get("nftables")
    if not isinstance(objects, list):
        raise malformed("nft -j printed no JSON of a ruleset", text)
    return listing_of(objects)


def listing_of(objects: Sequence[Node]) -> Listing:
    """Return kind and body of every object in the list under ``nftables``."""
    return [(kind, body) for item in objects for kind, body in fields(item).items() if isinstance(body, Mapping)]


def own_objects(listing: Listing) -> Iterator[tuple[str, Mapping[str, Node]]]:
    """Yield the objects of the own table."""
    for kind, body in listing:
        if is_own(kind, body):
            yield kind, body


def is_own(kind: str, body: Mapping[str, Node]) -> bool:
    """Tell whether an object is the own table, or in it."""
    return body.get("family") == FAMILY and body.get("name" if kind == "table" else "table") == TABLE


def is_placed(kind: str, body: Mapping[str, Node]) -> bool:
    """Tell whether an object is an own chain in a foreign table, by its name."""
    elsewhere = body.get("family") == FAMILY and body.get("table") != TABLE
    return kind == "chain" and elsewhere and body.get("name") in PLACED_CHAINS


def fields(node: Node) -> Mapping[str, Node]:
    """Return a mapping as it is, and anything else as an empty one."""
    return node if isinstance(node, Mapping) else {}


def items(node: Node) -> Sequence[Node]:
    """Return a list as it is, nothing for null, and anything else as a list of one.

    nft 1.1.4 prints a single flag without a list around it.
    """
    if isinstance(node, list):
        return node
    return [] if node is None else [node]


def single(node: Node) -> tuple[str, Node]:
    """Return kind and body of ``{kind: body}``; an empty kind for anything else."""
    if isinstance(node, Mapping) and len(node) == 1:
        ((kind, body),) = node.items()
        return kind, body
    return "", None


def read_addresses(node: Node) -> AddressRange:
    """Read an address, ``{"prefix": ..}`` or ``{"range": [..]}``.

    :raises DbportsError: for anything else.
    """
    kind, body = single(node)
    if kind == "prefix":
        return AddressRange.parse(f"{fields(body).get('addr')}/{fields(body).get('len')}")
    return AddressRange.parse("-".join(map(str, items(body))) if kind == "range" else node)


def read_ports(node: Node) -> tuple[PortRange, ...]:
    """Read the right side of a match with ports, merged: a port, a range or a set of them.

    :raises UnknownError: for anything else.
    """
    kind, body = single(node)
    try:
        ports = merge_ports(_port(item) for item in (items(body) if kind == "set" else [node]))
    except DbportsError:
        raise UnknownError from None
    if not ports:
        raise UnknownError
    return ports


def _port(node: Node) -> PortRange:
    kind, body = single(node)
    ends = items(body)
    if kind != "range":
        return PortRange.parse(node)
    if len(ends) != 2:
        raise UnknownError
    first, last = (PortRange.parse(end) for end in ends)
    return PortRange(first.first, last.last)


def rule_text(rule: Mapping[str, Node]) -> str:
    """Say a rule in a line near nft's own language, for people."""
    words = [_expression_text(item) for item in items(rule.get("expr"))]
    if rule.get("comment"):
        words.append(f'comment "{shown(str(rule["comment"]))}"')
    return " ".join(word for word in words if word)


def _expression_text(node: Node) -> str:
    kind, node_body = single(node)
    body = fields(node_body)
    if kind == "match":
        operator = "" if body.get("op") in ("==", "in") else f"{body.get('op')} "
        return f"{_value_text(body.get('left'))} {operator}{_value_text(body.get('right'))}"
    if kind == "vmap":
        return f"{_value_text(body.get('key'))} vmap {_value_text(body.get('data'))}"
    if kind in ("jump", "goto"):
        return f"{kind} {body.get('target')}"
    return kind or str(node)


def _value_text(node: Node) -> str:
    """Say the left or right side of a match; a long set is cut, since this is for people."""
    if isinstance(node, list):
        return _joined(", ", node[:_SHOWN]) + (", ..." if len(node) > _SHOWN else "")
    kind, node_body = single(node)
    body = fields(node_body)
    if kind == "payload":
        return f"{body.get('protocol')} {body.get('field')}"
    if kind in ("meta", "ct"):
        return f"{'ct ' if kind == 'ct' else ''}{body.get('key')}"
    if kind == "prefix":
        return f"{body.get('addr')}/{body.get('len')}"
    if kind == "set":
        return "{ " + _value_text(node_body) + " }"
    separators = {"range": "-", "concat": " . ", "&": " & ", "|": " | "}
    if kind in separators:
        return _joined(separators[kind], items(node_body))
    return kind or str(node)


def _joined(separator: str, nodes: Sequence[Node]) -> str:
    return separator.join(_value_text(node) for node in nodes)
