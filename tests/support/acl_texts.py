# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lines that go to a device permit, as boxes: a reader of each language, which refuses what it does not know.

It shares nothing with the code that writes the lines, and knows only the words that such lists need.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from intervals import ANY_FLAGS, ESTABLISHED, NO_FLAGS, Box, Intervals

EVERYTHING = ((0, 255),)
ICMP: dict[int, dict[str, tuple[Intervals, Intervals]]] = {
    4: {
        "echo": (((8, 8),), ((0, 0),)),
        "echo-reply": (((0, 0),), ((0, 0),)),
        "packet-too-big": (((3, 3),), ((4, 4),)),
    },
    6: {
        "echo": (((128, 128),), ((0, 0),)),
        "echo-request": (((128, 128),), ((0, 0),)),
        "echo-reply": (((129, 129),), ((0, 0),)),
        "packet-too-big": (((2, 2),), EVERYTHING),
        "neighbor-solicitation": (((135, 135),), EVERYTHING),
        "neighbor-advertisement": (((136, 136),), EVERYTHING),
    },
}
"""Echo has only the code 0 (RFC 792, RFC 4443); devices match it by type."""

NAMES = {"www": 80, "smtp": 25, "domain": 53, "ftp": 21, "telnet": 23, "sunrpc": 111, "msrpc": 135, "https": 443}


class Ace(NamedTuple):
    """A line: where it stands, whether it permits, and what."""

    list_name: str
    permits: bool
    boxes: tuple[Box, ...]


def all_of(family: int) -> Intervals:
    """Return all addresses of a family."""
    return ((0, 2 ** (32 if family == 4 else 128) - 1),)


def interval(network: str) -> Intervals:
    """Return the addresses of a network."""
    found = ipaddress.ip_network(network)
    return ((int(found.network_address), int(found.broadcast_address)),)


def port(word: str) -> int:
    """Return a port, which may be shown as a name."""
    return int(word) if word.isdigit() else NAMES[word]


class Words:
    """The words of a line, taken from the front."""

    def __init__(self, line: str) -> None:
        self.left = line.split()

    def take(self, *choices: str) -> str:
        """Return the next word when it is one of these, else nothing."""
        return self.left.pop(0) if self.left and self.left[0] in choices else ""

    def next(self) -> str:
        """Return the next word, whatever it is."""
        return self.left.pop(0)

    def address(self, family: int, inverted: bool) -> Intervals:
        """Return a network: any, a host, a prefix, or an IPv4 address with its wildcard or mask."""
        if self.take("any", f"any{family}"):
            return all_of(family)
        if self.take("host"):
            return interval(self.next())
        text = self.next()
        if "/" in text or family == 6:
            return interval(text)
        mask = int(ipaddress.ip_address(self.next()))
        bits = mask if inverted else 0xFFFFFFFF ^ mask
        first = int(ipaddress.ip_address(text))
        assert bits & (bits + 1) == 0, "the wildcard has holes"
        assert first & bits == 0, "the address has bits behind the mask"
        return ((first, first | bits),)

    def ports(self) -> Intervals:
        """Return ports; none are any."""
        if self.take("eq"):
            found = port(self.next())
            return ((found, found),)
        if self.take("range"):
            return ((port(self.next()), port(self.next())),)
        return ((0, 65535),)


def read_ace(words: Words, family: int, inverted: bool = True) -> tuple[bool, tuple[Box, ...]]:
    """Read what stands after the number of a line of Cisco's and Arista's lists."""
    permits = words.next() == "permit"
    protocol = words.next()
    source, sport = words.address(family, inverted), words.ports()
    destination, dport = words.address(family, inverted), words.ports()
    flags = ANY_FLAGS if protocol == "tcp" else NO_FLAGS
    if protocol in ("ip", "ipv4", "ipv6"):
        return permits, tuple(everything(family, source, destination))
    if protocol in ("icmp", "icmpv6", "icmp6"):
        protocol = "icmp"
        sport, dport = ICMP[family][words.next()]
    elif words.take("established"):
        assert protocol == "tcp"
        flags = ESTABLISHED
    assert not words.left, words.left
    assert protocol in ("tcp", "udp", "icmp"), protocol
    return permits, (Box(family, protocol, source, sport, destination, dport, flags),)


def everything(family: int, source: Intervals, destination: Intervals) -> Iterator[Box]:
    """Yield all packets between two networks."""
    for protocol in ("tcp", "udp", "icmp"):
        span = EVERYTHING if protocol == "icmp" else ((0, 65535),)
        yield Box(family, protocol, source, span, destination, span, ANY_FLAGS if protocol == "tcp" else NO_FLAGS)


def read_cli(lines: Iterable[str]) -> list[Ace]:
    """Read the lists of IOS, NX-OS, IOS XR and EOS."""
    found: list[Ace] = []
    name, family = "", 0
    for line in lines:
        words = Words(line)
        if words.left[0] in ("ip", "ipv4", "ipv6"):
            family = 6 if words.next() == "ipv6" else 4
            assert words.next() == "access-list"
            words.take("extended")
            (name,) = words.left
            continue
        if words.left[0].isdigit():
            words.next()
        if words.take("remark"):
            continue
        if words.left[-2] == "sequence":
            words.left = words.left[:-2]
        permits, boxes = read_ace(words, family)
        found.append(Ace(name, permits, boxes))
    return found


def read_asa(lines: Iterable[str]) -> list[Ace]:
    """Read the lists of ASA."""
    found = []
    for line in lines:
        words = Words(line)
        assert words.next() == "access-list"
        name = words.next()
        if words.take("line"):
            words.next()
        if words.take("remark"):
            continue
        assert words.next() == "extended"
        families = (4, 6) if words.left[1] == "ip" else (6 if ":" in line or "any6" in line else 4,)
        for family in families:
            permits, boxes = read_ace(Words(" ".join(words.left)), family, inverted=False)
            found.append(Ace(name, permits, boxes))
    return found


def read_junos(lines: Iterable[str]) -> list[Ace]:
    """Read set commands of firewall filters; a term without a protocol would match other packets too."""
    terms: dict[tuple[str, str, str], list[list[str]]] = {}
    for line in lines:
        words = line.split()
        if words[0] == "insert":
            continue
        assert words[:3] == ["set", "firewall", "family"], line
        family, kind, name, kind_of_term, term, *rest = words[3:]
        assert (kind, kind_of_term) == ("filter", "term")
        terms.setdefault((family, name, term), []).append(rest)
    found = []
    for (family_name, name, _term), conditions in terms.items():
        family = 6 if family_name == "inet6" else 4
        (action,) = [words[1] for words in conditions if words[0] == "then"]
        asked: dict[str, list[str]] = {}
        for words in conditions:
            if words[0] == "from":
                asked.setdefault(words[1], []).extend(words[2:])
        found.append(Ace(name, action == "accept", tuple(_term_boxes(family, asked))))
    return found


def _term_boxes(family: int, asked: dict[str, list[str]]) -> Iterator[Box]:
    source = _together(interval(text) for text in asked.pop("source-address", [])) or all_of(family)
    destination = _together(interval(text) for text in asked.pop("destination-address", [])) or all_of(family)
    protocols = asked.pop("next-header" if family == 6 else "protocol", [])
    if not protocols:
        assert not asked, "a condition without its protocol"
        yield from everything(family, source, destination)
        return
    (protocol,) = protocols
    if protocol in ("icmp", "icmp6"):
        types = tuple((int(text), int(text)) for text in asked.pop("icmp-type"))
        codes = tuple((int(text), int(text)) for text in asked.pop("icmp-code", [])) or EVERYTHING
        yield Box(family, "icmp", source, types, destination, codes, NO_FLAGS)
    else:
        flags = ANY_FLAGS if protocol == "tcp" else NO_FLAGS
        if "tcp-established" in asked:
            asked.pop("tcp-established")
            assert protocol == "tcp"
            flags = ESTABLISHED
        sport, dport = (_ports(asked.pop(f"{side}-port", [])) for side in ("source", "destination"))
        yield Box(family, protocol, source, sport, destination, dport, flags)
    assert not asked, asked


def _together(parts: Iterable[Intervals]) -> Intervals:
    return tuple(item for part in parts for item in part)


def _ports(words: list[str]) -> Intervals:
    parts = [word.partition("-") for word in words]
    return tuple((int(first), int(last or first)) for first, _dash, last in parts) or ((0, 65535),)


READERS = {"ios": read_cli, "nxos": read_cli, "iosxr": read_cli, "eos": read_cli, "asa": read_asa, "junos": read_junos}
