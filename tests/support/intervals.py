# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what a list of statements admits, and whether two lists admit the same packets: all of them, not samples.

A statement is a box: intervals of source and destination addresses and ports, and a set of TCP flags. Two lists can
differ only where an interval begins or ends, so that one packet of every cell between two such places decides.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

ACK, RST, SYN = 1, 2, 4
FLAGS = range(8)
"""Every combination of the three; other flags mean nothing to a filter."""

ESTABLISHED = frozenset(flags for flags in FLAGS if flags & (ACK | RST))
ANY_FLAGS = frozenset(FLAGS)
NO_FLAGS = frozenset({0})

Intervals = tuple[tuple[int, int], ...]


class Packet(NamedTuple):
    """One packet; ``sport`` and ``dport`` are type and code where the protocol is icmp."""

    family: int
    protocol: str
    source: int
    sport: int
    destination: int
    dport: int
    flags: int


class Box(NamedTuple):
    """The packets that one statement admits."""

    family: int
    protocol: str
    source: Intervals
    sport: Intervals
    destination: Intervals
    dport: Intervals
    flags: frozenset[int]

    def holds(self, packet: Packet) -> bool:
        """Tell whether a packet is in the box."""
        return (
            (self.family, self.protocol) == (packet.family, packet.protocol)
            and all(_within(mine, value) for mine, value in zip(self[2:6], packet[2:6]))
            and packet.flags in self.flags
        )

    def mirrored(self) -> Box:
        """Return the packets that go the other way."""
        return self._replace(source=self.destination, destination=self.source, sport=self.dport, dport=self.sport)


def admits(boxes: Iterable[Box], packet: Packet) -> bool:
    """Tell whether a list admits a packet; what nothing permits is refused."""
    return any(box.holds(packet) for box in boxes)


def differences(one: Iterable[Box], other: Iterable[Box]) -> Iterator[tuple[Packet, bool, bool]]:
    """Yield a packet of every cell on which two lists disagree, with what each says; nothing when they are equal."""
    both = [list(one), list(other)]
    for family, protocol in sorted({box[:2] for boxes in both for box in boxes}):
        mine, theirs = ([box for box in boxes if box[:2] == (family, protocol)] for boxes in both)
        together = [*mine, *theirs]
        first = (1 << len(mine)) - 1
        axes = [_cells(together, axis) for axis in range(2, 6)]
        axes.append([(flags, _mask(flags in box.flags for box in together)) for flags in FLAGS])
        for cell in product(*axes):
            held = -1
            for _value, mask in cell:
                held &= mask
            said = bool(held & first), bool(held & ~first)
            if said[0] != said[1]:
                yield Packet(family, protocol, *(value for value, _mask in cell)), *said


def disagree(one: Iterable[Box], other: Iterable[Box]) -> list[tuple[Packet, bool, bool]]:
    """Return what :func:`differences` finds; lists of the same pieces are equal without looking at cells.

    A cell is looked at for each combination of borders, which is too many for lists of dozens of boxes.
    """
    mine, theirs = (list(boxes) for boxes in (one, other))
    return [] if _pieces(mine) == _pieces(theirs) else list(differences(mine, theirs))


def _pieces(boxes: Iterable[Box]) -> set[tuple[object, ...]]:
    """Return boxes as boxes of one interval in each direction."""
    return {(*box[:2], *piece, box.flags) for box in boxes for piece in product(*box[2:6])}


def _cells(boxes: list[Box], axis: int) -> list[tuple[int, int]]:
    """Return one value of every cell of an axis, and which boxes hold it; the cell below all of them included."""
    values = {0}
    for box in boxes:
        for first, last in box[axis]:
            values |= {first, last + 1}
    held = {value: _mask(_within(box[axis], value) for box in boxes) for value in sorted(values)}
    return list({mask: (value, mask) for value, mask in held.items()}.values())


def _mask(bits: Iterable[bool]) -> int:
    return sum(1 << number for number, bit in enumerate(bits) if bit)


def _within(intervals: Intervals, value: int) -> bool:
    return any(first <= value <= last for first, last in intervals)


def addresses(texts: Iterable[str]) -> dict[int, Intervals]:
    """Return addresses and networks as intervals by family."""
    found: dict[int, list[tuple[int, int]]] = {}
    for text in texts:
        network = ipaddress.ip_network(text)
        interval = int(network.network_address), int(network.broadcast_address)
        found.setdefault(network.version, []).append(interval)
    return {family: tuple(sorted(items)) for family, items in found.items()}


def ports(text: str) -> Intervals:
    """Return ports as intervals; an empty text is any."""
    parts = [part.partition("-") for part in text.split(",")] if text else [("0", "-", "65535")]
    return tuple((int(first), int(last or first)) for first, _dash, last in parts)


def box_of(statement: dict[str, Any]) -> Box:
    """Return a statement of the plan, in the shape of the gateway's file, as a box."""
    family = {"ipv4": 4, "ipv6": 6}[statement["family"]]
    protocol = statement["protocol"]
    if protocol == "icmp":
        kind, code = statement["icmp_type"], statement["icmp_code"]
        sport: Intervals = ((kind, kind),)
        dport: Intervals = ((0, 255),) if code is None else ((code, code),)
    else:
        sport, dport = ports(statement["source_ports"]), ports(statement["destination_ports"])
    flags = NO_FLAGS if protocol != "tcp" else ESTABLISHED if statement["established"] else ANY_FLAGS
    source, destination = (addresses(statement[key])[family] for key in ("source", "destination"))
    return Box(family, protocol, source, sport, destination, dport, flags)
