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
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, of_family
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.codec import FAMILY, TABLE, rule_text
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.expressions import (
    NEVER,
    NOT_LOOPBACK,
    UNKNOWN,
    equal,
    holds,
    value_of,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports

HOOKS = {"in": ("ingress", "prerouting", "input"), "out": ("output", "postrouting", "egress")}
"""The hooks that a packet of each direction passes on its host."""

_TABLES = {4: ("ip", "inet", "netdev"), 6: ("ip6", "inet", "netdev")}

_PASS, _DROP, _RETURN, _NEXT = "pass", "drop", "return", "next"
"""What may become of a packet: accepted, dropped, out of this chain, on to the next rule."""

_SILENT = {"counter", "log", "mangle", "notrack", "ct helper", "ct timeout", "flow", "dup", "last"}
"""Statements that neither match nor decide."""

_DEPTH = 16
"""How deep jumps go in the kernel (NFT_JUMP_STACK_SIZE)."""


@dataclass(frozen=True)
class Packet:
    """The first packet of a flow that ``accept`` lets pass, as far as it is known."""

    accept: Accept
    port: Optional[int]
    peer: AddressRange

    @property
    def title(self) -> str:
        """Say which packet this is: ``tcp 1433 from 192.0.2.21``."""
        port = "" if self.port is None else f" {self.port}"
        word = "from" if self.accept.direction == "in" else "to"
        return f"{self.accept.protocol}{port} {word} {self.peer}"

    def known(self) -> dict[str, Any]:
        """Return what is known of the packet, by nft's names; all else is not known."""
        four, inward = self.peer.family == 4, self.accept.direction == "in"
        protocol = self.accept.protocol
        if protocol == "icmp" and not four:
            protocol = "icmpv6"
        name = "ip" if four else "ip6"
        known: dict[str, Any] = {
            "ct state": "new",
            "ct direction": "original",
            "meta l4proto": protocol,
            "meta nfproto": "ipv4" if four else "ipv6",
            "meta protocol": name,
            f"{name} {'protocol' if four else 'nexthdr'}": protocol,
            f"{name} {'saddr' if inward else 'daddr'}": self.peer,
        }
        for key in ("iif", "iifname") if inward else ("oif", "oifname"):
            known[f"meta {key}"] = NOT_LOOPBACK
        if inward:
            known["fib type daddr"] = "local"
        if self.port is None:
            known[f"{protocol} type"] = "echo-request"
        else:
            known[f"{protocol} dport"] = known["th dport"] = self.port
        if protocol == "tcp":
            known["tcp flags"] = frozenset(["syn"])
        return known


def samples(accept: Accept) -> list[Packet]:
    """Return one packet for each port range and address family of an accept."""
    ports: list[Optional[int]] = [item.first for item in accept.ports]
    return [Packet(accept, port, peer) for port in ports or [None] for peer in _sample_peers(accept)]


def _sample_peers(accept: Accept) -> Iterator[AddressRange]:
    for family in (4, 6):
        for item in of_family(accept.peers, family):
            # The first address of a network is nobody's; the next one can be a host's.
            number = item.first + 1 if item.last - item.first > 1 else item.first
            yield AddressRange(family, number, number)
            break


def judge(objects: Sequence[Mapping[str, Any]], ruleset: Ruleset) -> list[dict[str, Any]]:
    """Walk every foreign base chain with sample packets of every accept.

    :param objects: the objects of ``nft -j list ruleset``; nothing is changed.
    :returns: a mapping for each chain and accept of which a packet is or may be dropped: ``family``,
        ``table``, ``chain``, ``hook``, ``priority``; ``direction``, ``protocol`` and ``ports`` of the
        accept, its ``purpose``, whether it is ``required``; ``peer``, the sample; ``verdict``
        (``drops``, or ``unknown`` when it depends on what cannot be told from here); ``text``, a sentence.
    """
    tables = _read_tables(objects)
    flows = [[(packet, packet.known()) for packet in samples(accept)] for accept in ruleset.accepts]
    found: list[dict[str, Any]] = []
    for (family, _name), table in sorted(tables.items()):
        for body in table.base_chains():
            for packets in flows:
                seen = [(packet, known) for packet, known in packets if _passes(packet, body, family)]
                judged = [_finding(table, body, packet, known) for packet, known in seen]
                bad = sorted((item for item in judged if item), key=_severity)
                found += bad[:1]
    return found


def _severity(finding: Mapping[str, Any]) -> int:
    return 0 if finding["verdict"] == "drops" else 1


def _passes(packet: Packet, body: Mapping[str, Any], family: str) -> bool:
    """Tell whether a packet comes through a base chain."""
    return body.get("hook") in HOOKS[packet.accept.direction] and family in _TABLES[packet.peer.family]


def _finding(
    table: _Table, body: Mapping[str, Any], packet: Packet, known: Mapping[str, Any]
) -> Optional[dict[str, Any]]:
    ends, texts = table.walk(body, known)
    if _DROP not in ends:
        return None
    # A chain of one device: whether the flow comes through that device is not known.
    certain = ends == {_DROP} and body["family"] != "netdev"
    place = {key: body[key] for key in ("family", "table")}
    word = "drops" if certain else "may drop"
    return {
        **place,
        "chain": body["name"],
        "hook": body.get("hook"),
        "priority": body.get("prio"),
        "direction": packet.accept.direction,
        "protocol": packet.accept.protocol,
        "ports": format_ports(packet.accept.ports),
        "purpose": packet.accept.comment,
        "required": packet.accept.required,
        "peer": str(packet.peer),
        "verdict": "drops" if certain else "unknown",
        "text": f"{' '.join(place.values())} {body['name']} {word} {packet.title}: {texts[0] if texts else 'unknown'}",
    }


def _read_tables(objects: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], _Table]:
    tables: dict[tuple[str, str], _Table] = {}
    for item in objects:
        for kind, body in item.items():
            if kind not in ("chain", "rule", "set", "map") or not isinstance(body, Mapping):
                continue
            key = (str(body.get("family")), str(body.get("table")))
            if key != (FAMILY, TABLE):
                tables.setdefault(key, _Table()).add(kind, body)
    return tables


def _kind(expression: Any) -> tuple[str, Any]:
    """Return the kind and body of an expression; nft writes null for one that it cannot say."""
    if not isinstance(expression, Mapping) or not expression:
        return "xt", None
    kind, body = next(iter(expression.items()))
    return str(kind), body


class _Table:
    """A foreign table's chains, rules and sets, and a walk through them."""

    def __init__(self) -> None:
        self._chains: dict[str, Mapping[str, Any]] = {}
        self._rules: dict[str, list[Mapping[str, Any]]] = {}
        self._sets: dict[str, Optional[Sequence[Any]]] = {}

    def add(self, kind: str, body: Mapping[str, Any]) -> None:
        """Take one object of nft's list."""
        if kind == "chain":
            self._chains[str(body.get("name"))] = body
        elif kind == "rule":
            self._rules.setdefault(str(body.get("chain")), []).append(body)
        else:
            # A set that packets fill is not the same a moment later.
            flags = body.get("flags") or []
            changing = "timeout" in flags or "dynamic" in flags
            self._sets[str(body.get("name"))] = None if changing else body.get("elem", [])

    def base_chains(self) -> list[Mapping[str, Any]]:
        """Return the chains that the kernel calls and that may filter, by name."""
        return [body for _name, body in sorted(self._chains.items()) if body.get("type") in ("filter", "route")]

    def walk(self, body: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[set[str], list[str]]:
        """Return the possible ends of a base chain for a packet and, in words, what drops it there."""
        texts: list[str] = []
        ends = self._chain(str(body["name"]), known, texts, 0)
        if _RETURN in ends:
            dropped = body.get("policy") == "drop"
            ends = (ends - {_RETURN}) | {_DROP if dropped else _PASS}
            texts += ["policy drop"] if dropped else []
        return ends, texts

    def _chain(self, name: str, known: Mapping[str, Any], texts: list[str], depth: int) -> set[str]:
        """Return how a packet may leave a chain; its end is a return."""
        if depth > _DEPTH:
            return {_PASS, _DROP, _RETURN}
        ends: set[str] = set()
        for rule in self._rules.get(name, []):
            taken = self._rule(rule, known, texts, depth)
            ends |= taken - {_NEXT}
            if _NEXT not in taken:
                return ends
        return ends | {_RETURN}

    def _rule(self, rule: Mapping[str, Any], known: Mapping[str, Any], texts: list[str], depth: int) -> set[str]:
        """Return what may become of a packet in one rule."""
        ends: set[str] = set()
        for expression in rule.get("expr") or []:
            kind, body = _kind(expression)
            if kind == "match":
                answer = holds(body, known, self._sets)
                if answer is False:
                    return ends | {_NEXT}
                ends |= set() if answer else {_NEXT}
            elif kind == "vmap":
                return ends | self._vmap(body, known, texts, depth, rule)
            elif kind == "xt":
                # iptables-nft: nft cannot say what the match or target does.
                ends |= {_NEXT, _PASS, _DROP}
            elif kind not in _SILENT:
                taken = self._verdict(kind, body, known, texts, depth, rule)
                if taken is not None:
                    return ends | taken
                # A limit, a quota or something newer: it may match or not.
                ends.add(_NEXT)
        return ends | {_NEXT}

    def _verdict(
        self,
        kind: str,
        body: Any,
        known: Mapping[str, Any],
        texts: list[str],
        depth: int,
        rule: Mapping[str, Any],
    ) -> Optional[set[str]]:
        """Return what a verdict does; None when the statement is no verdict."""
        if kind in ("drop", "reject"):
            texts.append(rule_text(rule))
            return {_DROP}
        if kind in ("jump", "goto"):
            ends = self._chain(str(body.get("target")), known, texts, depth + 1)
            return {_NEXT if end == _RETURN and kind == "jump" else end for end in ends}
        if kind in ("queue", "synproxy"):
            return {_PASS, _DROP}
        return {"accept": {_PASS}, "return": {_RETURN}, "continue": {_NEXT}}.get(kind)

    def _vmap(
        self,
        body: Mapping[str, Any],
        known: Mapping[str, Any],
        texts: list[str],
        depth: int,
        rule: Mapping[str, Any],
    ) -> set[str]:
        """Return what a verdict map does with the packet."""
        value, data = value_of(body.get("key"), known), body.get("data")
        pairs = self._sets.get(data[1:]) if isinstance(data, str) else (data or {}).get("set")
        if value is NEVER:
            return {_NEXT}
        if not isinstance(pairs, list):
            return {_PASS, _DROP, _NEXT}
        ends: set[str] = set()
        for key, verdict in pairs:
            answer = None if value is UNKNOWN else equal(value, key, self._sets)
            if answer is False:
                continue
            kind, target = next(iter(verdict.items()))
            ends |= self._verdict(kind, target, known, texts, depth, rule) or {_NEXT}
            if answer:
                return ends
        return ends | {_NEXT}
