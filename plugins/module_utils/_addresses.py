# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv4 and IPv6 addresses and networks as merged intervals, with the standard library alone."""

from __future__ import annotations

import bisect
import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

BITS = {4: 32, 6: 128}


@dataclass(frozen=True, order=True)
class AddressRange:
    """The addresses ``first`` to ``last`` of one family, both included, as integers.

    ``family`` is 4 or 6.
    """

    family: int
    first: int
    last: int

    @classmethod
    def parse(cls, value: Any) -> AddressRange:
        """Read an address, a network in CIDR form or ``first-last``.

        A network with bits set behind its mask is refused: it is more often a typing error
        than a wish. Zone ids are refused: they mean nothing on another host.

        :raises DbportsError: for anything else.
        """
        if not isinstance(value, str):
            raise DbportsError("not an IPv4 or IPv6 address or network", value=value)
        text = str(value).strip()
        try:
            return _parse(text)
        except ValueError:
            raise DbportsError("not an IPv4 or IPv6 address or network", value=value, fix=_cidr_hint(text)) from None

    def __str__(self) -> str:
        first = _address(self.family, self.first)
        if self.first == self.last:
            return str(first)
        size = self.last - self.first + 1
        if size & (size - 1) == 0 and self.first % size == 0:
            return f"{first}/{BITS[self.family] - size.bit_length() + 1}"
        return f"{first}-{_address(self.family, self.last)}"

    def overlaps(self, other: AddressRange) -> bool:
        """Tell whether an address is in both."""
        return self.family == other.family and self.first <= other.last and other.first <= self.last


@lru_cache(maxsize=65536)
def _parse(text: str) -> AddressRange:
    """Read an address, network or range; a plan meets the same address once a relation."""
    if "%" in text:
        raise ValueError("zone id")
    if "-" in text:
        first, last = (ipaddress.ip_address(part.strip()) for part in text.split("-", 1))
        if first.version != last.version or int(first) > int(last):
            raise ValueError("range")
        return AddressRange(first.version, int(first), int(last))
    net = ipaddress.ip_network(text)
    return AddressRange(net.version, int(net.network_address), int(net.broadcast_address))


def _address(family: int, number: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.IPv4Address(number) if family == 4 else ipaddress.IPv6Address(number)


def _cidr_hint(text: str) -> str | None:
    """Name the network that was probably meant, when only its host bits are wrong."""
    if "%" in text:
        return None
    try:
        return f"Write {ipaddress.ip_network(text, strict=False)} for the network"
    except ValueError:
        return None


def merge_addresses(ranges: Iterable[AddressRange]) -> tuple[AddressRange, ...]:
    """Return the same addresses in the fewest ranges, IPv4 first, ascending."""
    merged: list[AddressRange] = []
    for item in sorted(ranges):
        last = merged[-1] if merged else None
        if last and last.family == item.family and item.first <= last.last + 1:
            merged[-1] = AddressRange(item.family, last.first, max(last.last, item.last))
        else:
            merged.append(item)
    return tuple(merged)


def parse_addresses(values: Iterable[Any]) -> tuple[AddressRange, ...]:
    """Read and merge addresses and networks; see :meth:`AddressRange.parse`."""
    return merge_addresses(AddressRange.parse(value) for value in values)


def of_family(ranges: Iterable[AddressRange], family: int) -> Iterator[AddressRange]:
    """Yield the ranges of one family, 4 or 6."""
    return (item for item in ranges if item.family == family)


def contains(ranges: Iterable[AddressRange], address: str) -> bool:
    """Tell whether ``address`` (text, a zone id is ignored, an IPv4-mapped one is IPv4) is in a range.

    :raises DbportsError: when the address cannot be read.
    """
    wanted = AddressRange.parse(unmapped(address))
    return any(wanted.overlaps(item) for item in ranges)


def unmapped(address: str) -> str:
    """Return an address without its zone id, and an IPv4-mapped IPv6 address as IPv4."""
    plain = address.split("%", 1)[0]
    if plain.lower().startswith("::ffff:") and "." in plain:
        return plain[7:]
    return plain


class AddressSet:
    """Merged ranges that answer in logarithmic time whether they hold an address of another range."""

    def __init__(self, ranges: Iterable[AddressRange]) -> None:
        self.ranges = merge_addresses(ranges)
        self._starts = [(item.family, item.first) for item in self.ranges]

    def overlaps(self, other: AddressRange) -> bool:
        """Tell whether an address is in both."""
        index = bisect.bisect_right(self._starts, (other.family, other.last)) - 1
        return index >= 0 and self.ranges[index].overlaps(other)
