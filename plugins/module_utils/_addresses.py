# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv4 and IPv6 addresses and networks as intervals: the one reader of what users, hosts and programs write."""

from __future__ import annotations

import bisect
import ipaddress
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

BITS = {4: 32, 6: 128}
_MAPPED = 0xFFFF << 32
"""``::ffff:0:0/96``, whose addresses stand for those of IPv4."""


class AddressRange(NamedTuple):
    """The addresses ``first`` to ``last`` of one family, both included, as integers.

    ``family`` is 4 or 6.
    """

    family: int
    first: int
    last: int

    @classmethod
    def parse(cls, value: Any) -> AddressRange:
        """Read an address, a network in CIDR form or ``first-last``.

        An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) is the IPv4 address that it stands for: packets to it are
        IPv4. A network with bits set behind its mask is refused: it is more often a typing error than intended. So
        is a zone id: it means nothing on another host.

        :raises DbportsError: for anything else.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise DbportsError("not an IPv4 or IPv6 address or network", code="not_an_address", value=value)
        text = str(value).strip()
        try:
            return _parse(text)
        except ValueError:
            raise DbportsError(
                "not an IPv4 or IPv6 address or network", code="not_an_address", value=value, fix=_hint(text)
            ) from None

    @classmethod
    def address(cls, value: Any) -> AddressRange:
        """Read one address, as :meth:`parse` does.

        :raises DbportsError: for a network, a range and anything else.
        """
        found = cls.parse(value)
        if found.first != found.last or (isinstance(value, str) and "/" in value):
            raise DbportsError("expected one address, not a network or range", code="not_an_address", value=value)
        return found

    @classmethod
    def of_socket(cls, text: str) -> AddressRange:
        """Read the address of a socket of this host, where a zone id is no mistake and says nothing here.

        :raises DbportsError: when it is not an address.
        """
        return cls.address(text.split("%", 1)[0])

    def __str__(self) -> str:
        return _text(self)

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
        return _unmapped(first.version, int(first), int(last))
    if "/" not in text:
        address = ipaddress.ip_address(text)  # three times as fast as a network of one address, and most are one
        return _unmapped(address.version, int(address), int(address))
    net = ipaddress.ip_network(text)
    return _unmapped(net.version, int(net.network_address), int(net.broadcast_address))


def _unmapped(family: int, first: int, last: int) -> AddressRange:
    if family == 6 and first >= _MAPPED and last < _MAPPED + 2**32:
        return AddressRange(4, first - _MAPPED, last - _MAPPED)
    return AddressRange(family, first, last)


@lru_cache(maxsize=65536)
def _text(item: AddressRange) -> str:
    """Print a range; a plan writes the same address once a relation."""
    first = _address(item.family, item.first)
    if item.first == item.last:
        return str(first)
    size = item.last - item.first + 1
    if size & (size - 1) == 0 and item.first % size == 0:
        return f"{first}/{BITS[item.family] - size.bit_length() + 1}"
    return f"{first}-{_address(item.family, item.last)}"


def _address(family: int, number: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.IPv4Address(number) if family == 4 else ipaddress.IPv6Address(number)


def _hint(text: str) -> str | None:
    """Name what was probably meant, when only a zone id or host bits are wrong."""
    if "%" in text:
        return "Write an address without a zone id, which means nothing on another host, such as one of 2001:db8::/64"
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


def format_addresses(ranges: Iterable[AddressRange]) -> list[str]:
    """Print ranges the way ``AddressRange.parse`` reads them."""
    return [str(item) for item in ranges]


class AddressSet:
    """Merged ranges that answer in logarithmic time whether they hold an address of another range."""

    def __init__(self, ranges: Iterable[AddressRange]) -> None:
        self.ranges = merge_addresses(ranges)
        self._starts = [(item.family, item.first) for item in self.ranges]

    def overlaps(self, other: AddressRange) -> bool:
        """Tell whether an address is in both."""
        index = bisect.bisect_right(self._starts, (other.family, other.last)) - 1
        return index >= 0 and self.ranges[index].overlaps(other)

    def holds(self, other: AddressRange) -> bool:
        """Tell whether all addresses of another range are here."""
        index = bisect.bisect_right(self._starts, (other.family, other.first)) - 1
        return index >= 0 and self.ranges[index].family == other.family and other.last <= self.ranges[index].last
