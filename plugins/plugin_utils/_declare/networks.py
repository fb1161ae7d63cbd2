# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named networks: which one an address lies in, the longest prefix first, each list of addresses looked at once."""

from __future__ import annotations

import bisect
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    merge_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

VARIABLE = "dbports_networks"
Ranges = tuple[AddressRange, ...]
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,30}")
_NAME_FIX = "Use 1 to 31 letters, digits, hyphens, dots and underscores, a letter first"
_EXAMPLE = "Write for example {office: [192.0.2.0/24], dc: [198.51.100.0/24, 2001:db8::/32]}"


class _Segment(NamedTuple):
    """Addresses that belong to one network; sorted segments never overlap."""

    family: int
    first: int
    last: int
    name: str


class Networks:
    """The networks that gateways stand between.

    :param named: CIDR networks by name; one inside another is the other's no longer.
    """

    def __init__(self, named: Mapping[str, Ranges]) -> None:
        self.names = tuple(named)
        self._segments = _flatten([(item, name) for name, ranges in named.items() for item in ranges])
        self._starts = [(item.family, item.first) for item in self._segments]
        self._known: dict[tuple[str, ...], dict[str, Ranges]] = {}

    def parts(self, addresses: tuple[str, ...]) -> dict[str, Ranges]:
        """Return the addresses by the network that they lie in; those in none are under the empty name.

        A peer that is a network itself may span several, and is split at their borders.
        """
        found = self._known.get(addresses)
        if found is None:
            pieces: dict[str, list[AddressRange]] = {}
            for text in addresses:
                for name, piece in self._pieces(AddressRange.parse(text)):
                    pieces.setdefault(name, []).append(piece)
            found = self._known[addresses] = {name: merge_addresses(items) for name, items in pieces.items()}
        return found

    def _pieces(self, wanted: AddressRange) -> Iterable[tuple[str, AddressRange]]:
        """Yield the pieces of a range with their networks, ascending."""
        start = wanted.first
        index = max(bisect.bisect_right(self._starts, (wanted.family, wanted.first)) - 1, 0)
        for number in range(index, len(self._segments)):
            family, first, last, name = self._segments[number]
            if (family, first) > (wanted.family, wanted.last):
                break
            if family != wanted.family or last < start:
                continue
            if start < first:
                yield "", AddressRange(family, start, first - 1)
            end = min(last, wanted.last)
            yield name, AddressRange(family, max(start, first), end)
            start = end + 1
        if start <= wanted.last:
            yield "", AddressRange(wanted.family, start, wanted.last)


def _flatten(items: list[tuple[AddressRange, str]]) -> list[_Segment]:
    """Cut nested networks into segments, each owned by the smallest network around it."""
    segments: list[_Segment] = []
    around: list[tuple[AddressRange, str]] = []
    cursor = 0

    def close(up_to: int) -> None:
        nonlocal cursor
        network, name = around[-1]
        if cursor <= up_to:
            segments.append(_Segment(network.family, cursor, up_to, name))
            cursor = up_to + 1

    def leave() -> None:
        close(around[-1][0].last)
        around.pop()

    for network, name in sorted(items, key=lambda item: (item[0].family, item[0].first, -item[0].last)):
        while around and (around[-1][0].family != network.family or around[-1][0].last < network.first):
            leave()
        if around:
            close(network.first - 1)
        cursor = network.first
        around.append((network, name))
    while around:
        leave()
    return segments


def read_networks(raw: Any, keep: Callable[[DbportsError], None]) -> dict[str, Ranges]:
    """Read ``dbports_networks``; every error goes to ``keep``, and what has one is left out."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        keep(DbportsError("not a dictionary of networks", path=VARIABLE, value=raw, fix=_EXAMPLE))
        return {}
    named: dict[str, Ranges] = {}
    owners: dict[AddressRange, str] = {}
    for name, listed in raw.items():
        try:
            named[name] = _read_network(name, listed, owners)
        except DbportsError as error:
            keep(error)
    return named


def read_label(value: Any, path: str) -> str:
    """Read the name of a network or gateway, short and plain enough for the names of every device's rules."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise DbportsError("not a name for a network or gateway", path=path, value=value, fix=_NAME_FIX)
    return str(value)


def _read_network(name: Any, listed: Any, owners: dict[AddressRange, str]) -> Ranges:
    path = f"{VARIABLE}.{name}"
    read_label(name, path)
    if isinstance(listed, str):
        listed = [listed]
    if not isinstance(listed, (list, tuple)) or not listed:
        raise DbportsError("not a list of networks", path=path, value=listed, fix=_EXAMPLE)
    read = []
    for index, text in enumerate(listed):
        here = f"{path}[{index}]"
        network = _cidr(text, here)
        other = owners.setdefault(network, name)
        if other != name:
            raise DbportsError(
                f"this is network {other} as well", path=here, value=text, fix="Give it to one of the two"
            )
        read.append(network)
    return merge_exactly(read)


def merge_exactly(ranges: Iterable[AddressRange]) -> Ranges:
    """Return ranges sorted and without repetition, but not merged: each stays a network of its own."""
    return tuple(sorted(set(ranges)))


def _cidr(text: Any, path: str) -> AddressRange:
    try:
        network = AddressRange.parse(text)
    except DbportsError as error:
        error.fix = error.fix or "Write for example 192.0.2.0/24 or 2001:db8::/64"
        raise error.at(path=path) from None
    if "-" in str(text):
        raise DbportsError(
            "a named network is written with its prefix, not as a range",
            path=path,
            value=text,
            fix=f"Write {', '.join(cidrs((network,))[:4])}",
        )
    return network


def cidrs(ranges: Iterable[AddressRange]) -> list[str]:
    """Return ranges as addresses and networks in CIDR form, the fewest there can be, in their order."""
    return [text for item in ranges for text in (_summarized(item) if "-" in str(item) else (str(item),))]


def _summarized(item: AddressRange) -> list[str]:
    """Return the networks that make up a range that is none."""
    if item.family == 4:
        four = ipaddress.summarize_address_range(ipaddress.IPv4Address(item.first), ipaddress.IPv4Address(item.last))
        return [str(network).removesuffix("/32") for network in four]
    six = ipaddress.summarize_address_range(ipaddress.IPv6Address(item.first), ipaddress.IPv6Address(item.last))
    return [str(network).removesuffix("/128") for network in six]
