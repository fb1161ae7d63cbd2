# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do other tables on the host still drop what the own table accepts?

An accept ends only its own base chain; a later base chain of the same hook may still drop, and a
drop is final (nft(8), verdict statement). So every foreign base chain is walked with a sample
packet of every accept, the first packet of a flow. What this walk does not understand is neither
true nor false: its verdict then is ``unknown`` rather than wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, of_family
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Direction, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.expressions import (
    Known,
    Plain,
    Special,
    equal,
    holds,
    value_of,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import (
    Listing,
    Node,
    fields,
    items,
    rule_text,
    single,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import (
    CHAINS,
    FAMILY,
    ICMP,
    IP,
    NFPROTO,
    TABLE,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import ForeignFinding
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import everyone, peers_by_family

HOOKS: dict[Direction, tuple[str, ...]] = {
    "in": ("ingress", "prerouting", "input"),
    "out": ("output", "postrouting", "egress"),
    "forward": ("forward", "postrouting"),
}
"""The hooks that a packet of each direction passes on its host; what is forwarded may have another destination before
these."""

_TABLES = {4: ("ip", "inet", "netdev"), 6: ("ip6", "inet", "netdev")}

_End = Literal["pass", "drop", "return", "next"]
"""What may become of a packet: accepted, dropped, out of this chain, on to the next rule."""

_VERDICTS: dict[str, set[_End]] = {
    "accept": {"pass"},
    "drop": {"drop"},
    "reject": {"drop"},
    "return": {"return"},
    "continue": {"next"},
    "queue": {"pass", "drop"},
    "synproxy": {"pass", "drop"},
}

_SILENT = {"counter", "log", "mangle", "notrack", "ct helper", "ct timeout", "flow", "dup", "last"}
"""Statements that neither match nor decide."""

_DYNAMIC = 50000
"""A port that clients send from: it is in the dynamic ranges of Linux and of Windows."""

_DEPTH = 16
"""How deep jumps go in the kernel (NFT_JUMP_STACK_SIZE)."""


@dataclass(frozen=True)
class Packet:
    """The first packet of a flow that ``accept`` lets pass, as far as it is known.

    :ivar target: where it goes to when it is forwarded, if that is known.
    :ivar answer: it is the first answer to that packet, which is forwarded back.
    """

    accept: Accept
    port: Optional[int]
    peer: AddressRange
    target: Optional[AddressRange] = None
    answer: bool = False

    @property
    def title(self) -> str:
        """Say which packet this is: ``tcp 1433 from 192.0.2.21``."""
        port = "" if self.port is None else f" {self.port}"
        word = "to" if self.accept.direction == "out" else "from"
        way = f" to {self.target}" if self.target else ""
        return f"{'the answer to ' if self.answer else ''}{self.accept.protocol}{port} {word} {self.peer}{way}"

    def known(self, *, tracked: bool = True) -> Known:
        """Return what is known of the packet, by nft's names; all else is not known.

        :param tracked: whether connection tracking surely knows it.
        """
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
        if tracked:
            known["ct state"] = "established" if self.answer else "new"
            known["ct direction"] = "reply" if self.answer else "original"
        if self.port is None:
            known[f"{protocol} type"] = "echo-request"
        if protocol == "tcp":
            known["tcp flags"] = frozenset(["syn", "ack"] if self.answer else ["syn"])
        if self.accept.forward:
            return {**known, **self._on_its_way(name, protocol)}
        if self.port is not None:
            known[f"{protocol} dport"] = known["th dport"] = self.port
        return {**known, **self._of_this_host(name)}

    def _of_this_host(self, name: str) -> Known:
        """Return what is known of a packet for or from a port of this host itself: nothing of it is translated."""
        inward = self.accept.direction == "in"
        known: dict[str, Plain] = {f"{name} {'saddr' if inward else 'daddr'}": self.peer, "ct status": frozenset()}
        for key in ("iif", "iifname") if inward else ("oif", "oifname"):
            known[f"meta {key}"] = Special.NOT_LOOPBACK
        if inward:
            known["fib type daddr"] = "local"
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


def samples(accept: Accept) -> list[Packet]:
    """Return one packet for each port range and address family of an accept, and the answer to what is forwarded."""
    ports: list[Optional[int]] = [item.first for item in accept.ports]
    targets = accept.forward.targets if accept.forward else ()
    target = next(_sample(targets), None)
    found = [Packet(accept, port, peer, target) for port in ports or [None] for peer in _sample(accept.peers)]
    answered = accept.forward and target and accept.ports and not accept.forward.unanswered
    return found + [replace(packet, answer=True) for packet in found if answered]


def _sample(addresses: Sequence[AddressRange]) -> Iterator[AddressRange]:
    for family in (4, 6):
        for item in of_family(addresses, family):
            # The first address of a network is nobody's; the next one can be a host's.
            number = item.first + 1 if item.last - item.first > 1 else item.first
            yield AddressRange(family, number, number)
            break


def judge_foreign(listing: Listing, ruleset: Ruleset) -> list[ForeignFinding]:
    """Walk every base chain of a listing's foreign tables with sample packets of every accept.

    :returns: the worst finding for each chain and accept of which a packet is or may be dropped; its place
        has ``family``, ``table``, ``chain``, ``hook`` and ``priority``.
    """
    tables = _read_tables(listing)
    untracked = any(table.hides_connections() for table in tables.values())
    flows = [
        [(packet, packet.known(tracked=not (untracked and accept.forward))) for packet in samples(accept)]
        for accept in ruleset.accepts
    ]
    found: list[ForeignFinding] = []
    for _key, table in sorted(tables.items()):
        for chain in table.base_chains():
            for packets in flows:
                judged = [found for packet, known in packets for found in table.judge(chain, packet, known)]
                worst = sorted(judged, key=lambda item: item.verdict != "drops")[:1]
                fixes = dict.fromkeys(item.fix for item in judged if item.verdict == worst[0].verdict)
                found += [replace(item, fix="; ".join(fixes)) for item in worst]
    return found


def _read_tables(listing: Listing) -> dict[tuple[str, str], _Table]:
    tables: dict[tuple[str, str], _Table] = {}
    for kind, body in listing:
        key = (str(body.get("family")), str(body.get("table")))
        if kind in ("chain", "rule", "set", "map") and key != (FAMILY, TABLE):
            tables.setdefault(key, _Table(*key)).add(kind, body)
    return tables


class _Table:
    def __init__(self, family: str, name: str) -> None:
        self.family = family
        self.name = name
        self.chains: dict[str, Mapping[str, Node]] = {}
        self.rules: dict[str, list[Mapping[str, Node]]] = {}
        self.sets: dict[str, Optional[Sequence[Node]]] = {}

    def add(self, kind: str, body: Mapping[str, Node]) -> None:
        """Take one object of nft's list."""
        if kind == "chain":
            self.chains[str(body.get("name"))] = body
        elif kind == "rule":
            self.rules.setdefault(str(body.get("chain")), []).append(body)
        else:
            # A set that packets fill is not the same a moment later; one that is too large was not read.
            flags = items(body.get("flags"))
            changing = "timeout" in flags or "dynamic" in flags or body.get("unread") is True
            self.sets[str(body.get("name"))] = None if changing else items(body.get("elem"))

    def base_chains(self) -> list[Mapping[str, Node]]:
        """Return the chains that the kernel calls and that may filter, by name."""
        return [body for _name, body in sorted(self.chains.items()) if body.get("type") in ("filter", "route")]

    def hides_connections(self) -> bool:
        """Tell whether packets may pass it that connection tracking then does not know."""
        return any(
            single(item)[0] == "notrack"
            for rules in self.rules.values()
            for rule in rules
            for item in items(rule.get("expr"))
        )

    def judge(self, chain: Mapping[str, Node], packet: Packet, known: Known) -> list[ForeignFinding]:
        """Tell what a base chain does to a packet; nothing when it passes or does not come through."""
        if chain.get("hook") not in HOOKS[packet.accept.direction] or self.family not in _TABLES[packet.peer.family]:
            return []
        walk = _Walk(self, known)
        ends = walk.base_chain(chain)
        if "drop" not in ends:
            return []
        # A chain of one device: whether the flow comes through that device is not known.
        certain = ends == {"drop"} and self.family != "netdev"
        name, hook, priority = str(chain.get("name")), str(chain.get("hook")), chain.get("prio")
        where, does = f"{self.family} {self.name} {name}", "drops" if certain else "may drop"
        found = ForeignFinding(
            place={
                "family": self.family,
                "table": self.name,
                "chain": name,
                "hook": hook,
                "priority": priority if isinstance(priority, int) else None,
            },
            accept=packet.accept,
            peer=packet.peer,
            verdict="drops" if certain else "unknown",
            text=f"{where} {does} {packet.title}: {walk.texts[0] if walk.texts else 'unknown'}",
            fix=_fix(packet, self.family, f"{self.family} {self.name} {name}"),
        )
        return [found]


def _fix(packet: Packet, family: str, chain: str) -> str:
    """Return the commands that let all peers of an accept pass a base chain, one for each family of its table.

    What is forwarded to a published port has none: where it goes to is not known.
    """
    accept = packet.accept
    if accept.forward and not accept.forward.targets:
        return ""
    return "; ".join(
        f"nft insert rule {chain} {match} accept"
        for number, peers in peers_by_family(accept)
        if family in _TABLES[number]
        for match in [_match(packet, number, peers)]
    )


def _match(packet: Packet, family: int, peers: Sequence[AddressRange]) -> str:
    accept = packet.accept
    targets = accept.forward.targets if accept.forward else ()
    sides = (CHAINS[accept.direction].peer, "daddr")
    ends = [
        f"{IP[family]} {side} {_one_of(addresses)}"
        for side, addresses in zip(sides, (targets, peers) if packet.answer else (peers, targets))
        if addresses and tuple(addresses) != (everyone(family),)
    ]
    if accept.protocol == "icmp":
        condition = f"{ICMP[family]} type echo-request"
    else:
        condition = f"{accept.protocol} {'sport' if packet.answer else 'dport'} {_one_of(accept.ports)}"
    return " ".join([*(ends or [f"meta nfproto {NFPROTO[family]}"]), condition])


def _one_of(values: Sequence[object]) -> str:
    return str(values[0]) if len(values) == 1 else "{ " + ", ".join(map(str, values)) + " }"


class _Walk:
    """The way of one packet through the chains of one table.

    :ivar texts: in words, what drops it.
    """

    def __init__(self, table: _Table, known: Known) -> None:
        self.texts: list[str] = []
        self._table = table
        self._known = known
        self._seen: dict[str, set[_End]] = {}

    def base_chain(self, body: Mapping[str, Node]) -> set[_End]:
        """Return the possible ends of a base chain."""
        ends = self._chain(str(body.get("name")))
        if "return" in ends:
            dropped = body.get("policy") == "drop"
            ends = (ends - {"return"}) | {"drop" if dropped else "pass"}
            self.texts += ["policy drop"] if dropped else []
        return ends

    def _chain(self, name: str, depth: int = 0) -> set[_End]:
        """Return how the packet may leave a chain; its end is a return."""
        if name not in self._table.chains:
            return {"pass", "drop", "return"}
        if name not in self._seen:
            # The kernel loads no circle of chains: whatever goes round here cannot be told.
            self._seen[name] = {"pass", "drop", "return"}
            self._seen[name] = self._ends(name, depth) if depth <= _DEPTH else self._seen[name]
        return self._seen[name]

    def _ends(self, name: str, depth: int) -> set[_End]:
        ends: set[_End] = set()
        for rule in self._table.rules.get(name, []):
            taken = self._rule(rule, depth)
            ends |= taken - {"next"}
            if "next" not in taken:
                return ends
        return ends | {"return"}

    def _rule(self, rule: Mapping[str, Node], depth: int) -> set[_End]:
        ends: set[_End] = set()
        for expression in items(rule.get("expr")):
            kind, body = single(expression)
            if kind == "match":
                answer = holds(fields(body), self._known, self._table.sets)
                if answer is False:
                    return ends | {"next"}
                ends |= set() if answer else {"next"}
            elif kind == "vmap":
                return ends | self._vmap(fields(body), depth, rule)
            elif kind in ("", "xt"):
                # iptables-nft: nft cannot say what the match or target does, and may write null.
                ends |= {"next", "pass", "drop"}
            elif kind not in _SILENT:
                taken = self._verdict(kind, body, depth, rule)
                if taken is not None:
                    return ends | taken
                # A limit, a quota or something newer: it may match or not.
                ends.add("next")
        return ends | {"next"}

    def _verdict(self, kind: str, body: Node, depth: int, rule: Mapping[str, Node]) -> Optional[set[_End]]:
        """Return what a verdict does; None when the statement is no verdict."""
        if kind in ("jump", "goto"):
            ends = self._chain(str(fields(body).get("target")), depth + 1)
            return {"next" if end == "return" and kind == "jump" else end for end in ends}
        if kind in ("drop", "reject"):
            self.texts.append(rule_text(rule))
        return _VERDICTS.get(kind)

    def _vmap(self, body: Mapping[str, Node], depth: int, rule: Mapping[str, Node]) -> set[_End]:
        value, data = value_of(body.get("key"), self._known), body.get("data")
        pairs = self._table.sets.get(data[1:]) if isinstance(data, str) else fields(data).get("set")
        if value is Special.NEVER:
            return {"next"}
        if not isinstance(pairs, list):
            return {"pass", "drop", "next"}
        ends: set[_End] = set()
        for pair in pairs:
            if not isinstance(pair, list) or len(pair) != 2:
                return {"pass", "drop", "next"}
            answer = equal(value, pair[0], self._table.sets)
            if answer is False:
                continue
            kind, target = single(pair[1])
            ends |= self._verdict(kind, target, depth, rule) or {"pass", "drop", "next"}
            if answer:
                return ends
        return ends | {"next"}
