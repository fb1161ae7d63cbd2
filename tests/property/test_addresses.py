# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, ranges and networks against netaddr: what is merged, cut, printed and looked up holds the same addresses.

netaddr judges all of it with an algebra of its own, and reads what is printed.
"""

from __future__ import annotations

from collections.abc import Iterable

import netaddr
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    BITS,
    AddressRange,
    AddressSet,
    merge_addresses,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Networks, as_networks, cidrs
from hypothesis import given
from hypothesis import strategies as st

MAPPED = netaddr.IPNetwork("::ffff:0:0/96")


@st.composite
def ranges(draw: st.DrawFn) -> AddressRange:
    """Draw a range of either family, often small and near others."""
    family = draw(st.sampled_from([4, 6]))
    size = 2 ** BITS[family]
    near = st.sampled_from([0, size - 300, 0xC0000200 if family == 4 else 0x20010DB8 << 96])
    number = st.one_of(st.integers(0, size - 1), st.builds(lambda base, more: base + more, near, st.integers(0, 299)))
    first, last = sorted((draw(number), draw(number)))
    return AddressRange(family, first, last)


@st.composite
def networks(draw: st.DrawFn) -> AddressRange:
    """Draw a network, often inside or around others."""
    family = draw(st.sampled_from([4, 6]))
    base = draw(st.sampled_from([0xC0000200, 0xC6336400] if family == 4 else [0x20010DB8 << 96]))
    size = 1 << draw(st.integers(0, 12) if family == 4 else st.integers(60, 90))
    first = (base + draw(st.integers(0, 15)) * (size // 4)) // size * size
    return AddressRange(family, first, first + size - 1)


def ip_set(items: Iterable[AddressRange]) -> netaddr.IPSet:
    """Return the same addresses as netaddr has them."""
    found = netaddr.IPSet()
    for item in items:
        ends = (netaddr.IPAddress(number, item.family) for number in (item.first, item.last))
        found |= netaddr.IPSet(netaddr.IPRange(*ends))
    return found


def read(text: str) -> netaddr.IPSet:
    """Let netaddr read what was printed."""
    if "-" in text:
        return netaddr.IPSet(netaddr.IPRange(*text.split("-")))
    return netaddr.IPSet([text])


@given(st.lists(ranges(), max_size=8))
def test_merged_ranges_hold_the_same_addresses_and_are_the_fewest(items: list[AddressRange]) -> None:
    merged = merge_addresses(items)
    assert ip_set(merged) == ip_set(items)
    assert [(item.first, item.last) for item in merged] == [
        (part.first, part.last) for part in ip_set(items).iter_ipranges()
    ]


@given(ranges())
def test_what_is_printed_is_read_alike(item: AddressRange) -> None:
    assert read(str(item)) == ip_set([item])
    again = AddressRange.parse(str(item))
    inside = item.family == 6 and MAPPED.first <= item.first and item.last <= MAPPED.last
    expected = AddressRange(4, item.first - MAPPED.first, item.last - MAPPED.first) if inside else item
    assert again == expected


@given(st.lists(ranges(), max_size=6))
def test_cidrs_are_the_fewest_networks_of_each_range(items: list[AddressRange]) -> None:
    texts = cidrs(items)
    assert ip_set(as_networks(items)) == netaddr.IPSet(texts) == ip_set(items)
    assert len(texts) == sum(len(ip_set([item]).iter_cidrs()) for item in items)


@given(st.lists(ranges(), max_size=6), ranges())
def test_overlaps(items: list[AddressRange], other: AddressRange) -> None:
    shared = bool(ip_set(items) & ip_set([other]))
    assert AddressSet(items).overlaps(other) == shared == any(item.overlaps(other) for item in items)


@given(st.lists(networks(), unique=True, max_size=9), st.lists(st.one_of(ranges(), networks()), max_size=4))
def test_every_address_belongs_to_the_smallest_network_around_it(
    declared: list[AddressRange], asked: list[AddressRange]
) -> None:
    named = {f"n{number}": (network,) for number, network in enumerate(declared)}
    parts = Networks(named).parts(tuple(asked))
    left = ip_set(asked)
    smallest_first = sorted(named, key=lambda name: named[name][0].last - named[name][0].first)
    for name in smallest_first:
        own = left & ip_set(named[name])
        assert ip_set(parts.get(name, ())) == own
        left -= own
    assert ip_set(parts.get("", ())) == left
    assert set(parts) <= {*named, ""}
