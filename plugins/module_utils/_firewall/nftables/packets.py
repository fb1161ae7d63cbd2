# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets of a flow that are led through foreign chains, as few as those chains can tell apart."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Direction
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.expressions import (
    Known,
    Plain,
    Special,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import (
    Listing,
    Node,
    fields,
    single,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange

HOOKS: dict[tuple[Direction, bool], tuple[str, ...]] = {
    ("in", False): ("ingress", "prerouting", "input"),
    ("out", False): ("output", "postrouting", "egress"),
    ("forward", False): ("forward", "postrouting"),
    ("in", True): ("output", "postrouting", "egress"),
    ("out", True): ("ingress", "prerouting", "input"),
    ("forward", True): ("forward", "postrouting"),
}
"""The hooks that a packet of each direction, and the answer to it, passes on its host; what is forwarded may have
another destination before these."""

_DYNAMIC = 50000
"""A port that clients send from: it is in the dynamic ranges of Linux and of Windows."""

_FEW = 16
"""A range of up to so many addresses is taken to be hosts; in a longer one, a network, the first and the last address
belong to no host."""

_MOST, _LEAST = 256, 2
"""Packets that are taken for one accept, and where rules and accepts are very many."""

_WORK = 100_000
"""Rules that packets meet before fewer packets are taken; a host takes about a second for them."""

_PORTS = 0
"""Stands for ports where 4 and 6 stand for the addresses of a family."""

_DIGITS = frozenset("0123456789abcdefABCDEF:")

Key = tuple[object, ...]


@dataclass(frozen=True)
class Packet:
    """The first packet of a flow that ``accept`` lets pass, as far as it is known.

    :ivar target: where it goes to when it is forwarded, if that is known.
    :ivar answer: it is the first answer to that packet, on its way back.
    :ivar tracked: whether connection tracking surely knows it.
    """

    accept: Accept
    port: Optional[int]
    peer: AddressRange
    target: Optional[AddressRange] = None
    answer: bool = False
    tracked: bool = True

    @property
    def title(self) -> str:
        """Say which packet this is: ``tcp 1433 from 192.0.2.21``."""
        port = "" if self.port is None else f" {self.port}"
        word = "to" if self.accept.direction == "out" else "from"
        way = f" to {self.target}" if self.target else ""
        return f"{'the answer to ' if self.answer else ''}{self.accept.protocol}{port} {word} {self.peer}{way}"

    def known(self) -> Known:
        """Return what is known of the packet, by nft's names; all else is not known."""
        four = self.peer.family == 4
        protocol = "icmpv6" if self.accept.protocol == "icmp" and not four else str(self.accept.protocol)
        name = "ip" if four else "ip6"
        known: dict[str, Plain] = {
            "meta pkttype": "host",
            "meta l4proto": protocol,
            "meta nfproto": "ipv4" if four else "ipv6",
            "meta protocol": name,
            f"{name} {'protocol' if four else 'nexthdr'}": protocol,
        }
        if self.tracked:
            known["ct state"] = "established" if self.answer else "new"
            known["ct direction"] = "reply" if self.answer else "original"
        if self.port is None:
            known[f"{protocol} type"] = "echo-request"
        if protocol == "tcp":
            known["tcp flags"] = frozenset(["syn", "ack"] if self.answer else ["syn"])
        if self.accept.forward:
            return {**known, **self._on_its_way(name, protocol)}
        return {**known, **self._of_this_host(name, protocol)}

    def _of_this_host(self, name: str, protocol: str) -> Known:
        """Return what is known of a packet for or from a port of this host itself: nothing of it is translated."""
        inward = (self.accept.direction == "in") != self.answer
        status = frozenset(["seen-reply", "confirmed"]) if self.answer else frozenset()
        known: dict[str, Plain] = {f"{name} {'saddr' if inward else 'daddr'}": self.peer, "ct status": status}
        for key in ("iif", "iifname") if inward else ("oif", "oifname"):
            known[f"meta {key}"] = Special.NOT_LOOPBACK
        if inward:
            known["fib type daddr"] = "local"
        if self.port is not None:
            there, back = ("sport", "dport") if self.answer else ("dport", "sport")
            known[f"{protocol} {there}"] = known[f"th {there}"] = self.port
            if self.answer:
                known[f"{protocol} {back}"] = known[f"th {back}"] = _DYNAMIC
        return known

    def _on_its_way(self, name: str, protocol: str) -> Known:
        """Return what is known of a packet between others; what came to a published port goes to whatever port."""
        known: dict[str, Plain] = {f"meta {key}": Special.NOT_LOOPBACK for key in ("iif", "iifname", "oif", "oifname")}
        there, back = ("saddr", "daddr") if self.answer else ("daddr", "saddr")
        known[f"{name} {back}"] = self.peer
        if self.target is None:
            known["ct status"] = frozenset(["dnat"])
            return known
        known[f"{name} {there}"] = self.target
        if self.port is not None:
            side = "sport" if self.answer else "dport"
            known[f"{protocol} {side}"] = known[f"th {side}"] = self.port
        if self.answer and self.accept.forward:
            ports = self.accept.forward.source_ports
            known[f"{protocol} dport"] = known["th dport"] = ports[0].first if ports else _DYNAMIC
        return known


class Cells:
    """How the rules and sets of a listing cut addresses and ports: whatever is in one cell is the same to all of them.

    So a flow of thousands of clients needs no more packets than the listing has cells for them.
    """

    def __init__(self, listing: Listing) -> None:
        marks: dict[int, set[int]] = {_PORTS: set(), 4: set(), 6: set()}
        for _kind, body in listing:
            for kind, first, last in _named([body.get("expr"), body.get("elem")]):
                marks[kind].update((first, last + 1))
        self._marks = {kind: sorted(found) for kind, found in marks.items()}
        self._hosts: dict[tuple[AddressRange, ...], list[AddressRange]] = {}

    def ports(self, ports: Sequence[PortRange]) -> list[int]:
        """Return one port of each cell that the ranges have a port in."""
        marks = self._marks[_PORTS]
        found: dict[int, int] = {}
        for item in ports:
            inside = marks[bisect_right(marks, item.first) : bisect_right(marks, item.last)]
            for port in (item.first, *inside):
                found.setdefault(self._cell(_PORTS, port), port)
        return list(found.values())

    def addresses(self, ranges: tuple[AddressRange, ...]) -> list[AddressRange]:
        """Return one host of each cell that the ranges have hosts in, as far as they are known to be hosts."""
        if ranges not in self._hosts:
            self._hosts[ranges] = self._hosts_of(ranges)
        return self._hosts[ranges]

    def _hosts_of(self, ranges: tuple[AddressRange, ...]) -> list[AddressRange]:
        found: dict[tuple[int, int], AddressRange] = {}
        for family, first, last in ranges:
            inside = range(first + 1, last + 1) if last - first < _FEW else (first + 1, last - 1)
            for number in (*inside, first) if last - first < _FEW else inside:
                found.setdefault((family, self._cell(family, number)), AddressRange(family, number, number))
        return sorted(found.values(), key=lambda item: item.family)

    def key(self, packet: Packet) -> Key:
        """Return what is the same for packets that no rule can tell apart."""
        accept, answer = packet.accept, packet.answer
        ends = [item and self._cell(item.family, item.first) for item in (packet.peer, packet.target)]
        port = None if packet.port is None else self._cell(_PORTS, packet.port)
        source_ports = accept.forward.source_ports if accept.forward and answer else ()
        way = (accept.direction, accept.protocol, answer, packet.target is None, source_ports)
        return (*way, packet.peer.family, port, *ends)

    def _cell(self, kind: int, number: int) -> int:
        return bisect_right(self._marks[kind], number)


def _named(nodes: Sequence[Node]) -> Iterator[tuple[int, int, int]]:
    """Yield the numbers, such as ports, and the addresses that parts of nft's JSON name: kind, first and last."""
    left = list(nodes)
    while left:
        node = left.pop()
        if single(node)[0] == "prefix":
            prefix = fields(single(node)[1])
            node = f"{prefix.get('addr')}/{prefix.get('len')}"
        if isinstance(node, int):
            yield _PORTS, node, node
        elif isinstance(node, str):
            yield from _addresses(node)
        else:
            left += node if isinstance(node, list) else fields(node).values()


def _addresses(text: str) -> Sequence[AddressRange]:
    if text[:1] not in _DIGITS or not ("." in text or ":" in text):
        return ()
    try:
        return (AddressRange.parse(text),)
    except DbportsError:
        return ()


def most_packets(rules: int, accepts: int) -> int:
    """Return how many packets are taken for each accept where each meets so many rules."""
    return max(_LEAST, min(_MOST, _WORK // max(1, rules * accepts)))


def samples(accept: Accept, cells: Cells, tracked: bool, most: int = _MOST) -> list[Packet]:
    """Return a packet for each port and address of an accept that the cells tell apart, and the answers to them.

    :param tracked: whether no packet passes by connection tracking; else that is not known of what has to be tracked.
    :param most: how many packets to take at most; of more, they are taken evenly.
    """
    ports: list[Optional[int]] = [*cells.ports(accept.ports)]
    forward = accept.forward
    targets: list[Optional[AddressRange]] = [*cells.addresses(forward.targets)] if forward else []
    peers = cells.addresses(accept.peers)
    ends = product(ports or [None], peers, targets or [None])
    step = -(-len(peers) * (len(ports) or 1) * (len(targets) or 1) // most)
    found = [
        Packet(accept, port, peer, target, tracked=tracked or not forward)
        for port, peer, target in islice(ends, 0, None, max(1, step))
    ]
    answered = accept.ports and not (forward and (forward.unanswered or not targets))
    return found + [replace(packet, answer=True, tracked=tracked) for packet in found if answered]
