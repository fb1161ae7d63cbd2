# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named networks: which one an address lies in, the longest prefix first, each list of addresses looked at once."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice, takewhile
from typing import Any, Literal, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    format_addresses,
    merge_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorList

try:
    from netaddr import IPAddress, IPNetwork, IPSet, iprange_to_cidrs
except ImportError:  # a controller on which nobody has installed the requirements yet
    HAS_NETADDR = False
else:
    HAS_NETADDR = True

VARIABLE = "dbports_networks"
Ranges = tuple[AddressRange, ...]
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,30}")
_NAME_FIX = "Use 1 to 31 letters, digits, hyphens, dots and underscores, a letter first"
_EXAMPLE = "Write for example {office: [192.0.2.0/24], dc: [198.51.100.0/24, 2001:db8::/32]}"


_UNREACHABLE = tuple(
    AddressRange.parse(text)
    for text in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255", "::", "::1", "ff00::/8")
)
"""Unspecified, loopback, multicast and broadcast addresses, under which no other host sends or is reached."""


def check_reachable(addresses: AddressRange, path: str, value: Any, fix: str) -> AddressRange:
    """Return addresses that a host can have on a network.

    :raises DbportsError: for those under which no other host is reached.
    """
    for item in _UNREACHABLE:
        if item.family == addresses.family and item.first <= addresses.first and addresses.last <= item.last:
            raise DbportsError(
                "no other host can reach this address: it is unspecified, loopback, multicast or broadcast",
                code="unreachable_address",
                path=path,
                value=value,
                fix=fix,
            )
    return addresses


class _Segment(NamedTuple):
    """Addresses that belong to one network; sorted segments never overlap."""

    family: int
    first: int
    last: int
    name: str


class Networks:
    """The networks that gateways stand between.

    netaddr cuts them into disjoint segments once. Who owns an address is then looked up by bisection: a plan asks for
    every pair of peers, and a bisection over thousands of segments costs a microsecond, the algebra of sets a hundred.

    :param named: CIDR networks by name; one inside another is the other's no longer.
    :raises DbportsError: where netaddr is missing.
    """

    def __init__(self, named: Mapping[str, Ranges]) -> None:
        if not HAS_NETADDR:
            raise DbportsError(
                "the Python package netaddr is missing on the controller",
                code="program_missing",
                fix="Install the collection's requirements.txt with the pip of the Python that runs Ansible",
            )
        self.names = tuple(named)
        self._segments = sorted(_segments([(item, name) for name, ranges in named.items() for item in ranges]))
        self._starts = [(item.family, item.first) for item in self._segments]
        self._known: dict[Ranges, dict[str, Ranges]] = {}

    def parts(self, addresses: Ranges) -> dict[str, Ranges]:
        """Return the addresses by the network that they lie in; those in none are under the empty name.

        A peer that is a network itself may span several, and is split at their borders.
        """
        found = self._known.get(addresses)
        if found is None:
            pieces: dict[str, list[AddressRange]] = {}
            for item in addresses:
                for name, piece in self._pieces(item):
                    pieces.setdefault(name, []).append(piece)
            found = self._known[addresses] = {name: merge_addresses(items) for name, items in pieces.items()}
        return found

    def _pieces(self, wanted: AddressRange) -> Iterator[tuple[str, AddressRange]]:
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


def _segments(items: list[tuple[AddressRange, str]]) -> Iterator[_Segment]:
    """Cut nested networks into segments, each owned by the smallest network around it."""
    ordered = sorted(items, key=lambda item: (item[0].family, item[0].first, -item[0].last))
    for number, (network, name) in enumerate(ordered):
        later = (other for other, _name in islice(ordered, number + 1, None))
        inside = takewhile(network.overlaps, later)  # CIDR networks overlap only where one holds the other
        own = IPSet(_networks(network)) - IPSet(part for other in inside for part in _networks(other))
        for piece in own.iter_ipranges():
            yield _Segment(network.family, piece.first, piece.last, name)


def _networks(item: AddressRange) -> list[IPNetwork]:
    """Return the fewest networks that hold exactly the addresses of a range."""
    version: Literal[4, 6] = 4 if item.family == 4 else 6
    return iprange_to_cidrs(IPAddress(item.first, version), IPAddress(item.last, version))


def read_networks(raw: Any, keep: Callable[[DbportsError], None]) -> dict[str, Ranges]:
    """Read ``dbports_networks``; every error goes to ``keep``, and what has one is left out."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        keep(
            DbportsError("expected a dictionary of networks", code="wrong_type", path=VARIABLE, value=raw, fix=_EXAMPLE)
        )
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
        raise DbportsError(
            "not a name for a network or gateway", code="not_a_name", path=path, value=value, fix=_NAME_FIX
        )
    return str(value)


def _read_network(name: Any, listed: Any, owners: dict[AddressRange, str]) -> Ranges:
    path = f"{VARIABLE}.{name}"
    read_label(name, path)
    if isinstance(listed, str):
        listed = [listed]
    if not isinstance(listed, (list, tuple)) or not listed:
        raise DbportsError("expected a list of networks", code="wrong_type", path=path, value=listed, fix=_EXAMPLE)
    errors = ErrorList()
    read = set()
    for index, text in enumerate(listed):
        here = f"{path}[{index}]"
        network = errors.collecting_errors(None, _cidr, text, here)
        if network is None:
            continue
        other = owners.setdefault(network, name)
        if other != name:
            fix = "Give it to one of the two"
            errors.keep(DbportsError(f"this is also network {other}", code="duplicate", path=here, value=text, fix=fix))
        read.add(network)
    errors.raise_all()
    return tuple(sorted(read))


def _cidr(text: Any, path: str) -> AddressRange:
    try:
        network = AddressRange.parse(text)
    except DbportsError as error:
        raise error.at(path=path, fix="Write for example 192.0.2.0/24 or 2001:db8::/64") from None
    if "-" in str(text):
        raise DbportsError(
            "a named network is written with its prefix, not as a range",
            code="not_an_address",
            path=path,
            value=text,
            fix=f"Write {', '.join(cidrs((network,))[:4])}",
        )
    return check_reachable(network, path, text, "Write a network that has hosts, such as 192.0.2.0/24")


def cidrs(ranges: Iterable[AddressRange]) -> list[str]:
    """Return ranges as addresses and networks in CIDR form; see :func:`as_networks`."""
    return format_addresses(as_networks(ranges))


def as_networks(ranges: Iterable[AddressRange]) -> Ranges:
    """Return for every range, in their order, the fewest networks that make it up."""
    return tuple(network for item in ranges for network in _split(item))


@lru_cache(maxsize=65536)
def _split(item: AddressRange) -> Ranges:
    size = item.last - item.first + 1
    if size & (size - 1) == 0 and item.first % size == 0:
        return (item,)
    return tuple(AddressRange(item.family, network.first, network.last) for network in _networks(item))


class Masks(NamedTuple):
    """A network in the words of devices; ``wildcard`` has the bits set that do not matter."""

    address: str
    netmask: str
    wildcard: str


@lru_cache(maxsize=65536)
def masks(network: AddressRange) -> Masks:
    """Return an IPv4 network as address and masks."""
    found = IPNetwork(str(network))
    return Masks(str(found.network), str(found.netmask), str(found.hostmask))


def without(ranges: Iterable[AddressRange], others: Iterable[AddressRange]) -> Ranges:
    """Return the addresses of ``ranges`` that are not in ``others``, as the fewest networks."""
    left = IPSet(network for item in ranges for network in _networks(item))
    for item in others:
        for network in _networks(item):
            left.remove(network)
    return tuple(AddressRange(item.version, item.first, item.last) for item in left.iter_cidrs())
