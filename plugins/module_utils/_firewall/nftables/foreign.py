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

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.expressions import (
    Elements,
    Known,
    Special,
    equal,
    holds,
    value_of,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import (
    Listing,
    Node,
    fields,
    is_own,
    items,
    rule_text,
    single,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import (
    CHAINS,
    FIREWALLD,
    ICMP,
    IP,
    NFPROTO,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.packets import (
    HOOKS,
    Cells,
    Key,
    Packet,
    most_packets,
    samples,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import ForeignFinding
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import everyone, peers_by_family

_KINDS = ("chain", "rule", "set", "map")
_OTHER = {"saddr": "daddr", "daddr": "saddr"}
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

_DEPTH = 16
"""How deep jumps go in the kernel (NFT_JUMP_STACK_SIZE)."""


def judge_foreign(listing: Listing, ruleset: Ruleset) -> list[ForeignFinding]:
    """Walk every base chain of a listing's foreign tables with sample packets of every accept.

    :returns: the worst finding for each chain and accept of which a packet is or may be dropped; its place
        has ``family``, ``table``, ``chain``, ``hook`` and ``priority``.
    """
    theirs = [(kind, body) for kind, body in listing if kind in _KINDS and not is_own(kind, body)]
    tables = _read_tables(theirs)
    places = [(table, chain) for _key, table in sorted(tables.items()) for chain in table.base_chains()]
    if not places:
        return []
    cells = Cells(theirs)
    tracked = not any(table.hides_connections() for table in tables.values())
    most = most_packets(sum(kind == "rule" for kind, _body in theirs), len(ruleset.accepts))
    flows = [
        [(packet, cells.key(packet)) for packet in samples(accept, cells, tracked, most)] for accept in ruleset.accepts
    ]
    found: list[ForeignFinding] = []
    for table, chain in places:
        for packets in flows:
            judged = [found for packet, key in packets for found in table.judge(chain, packet, key)]
            worst = sorted(judged, key=lambda item: item.verdict != "drops")[:1]
            fixes = dict.fromkeys(item.fix for item in judged if item.verdict == worst[0].verdict)
            found += [replace(item, fix="; ".join(fixes)) for item in worst]
    return found


def _read_tables(theirs: Listing) -> dict[tuple[str, str], _Table]:
    tables: dict[tuple[str, str], _Table] = {}
    for kind, body in theirs:
        key = (str(body.get("family")), str(body.get("table")))
        tables.setdefault(key, _Table(*key)).add(kind, body)
    return tables


class _Table:
    def __init__(self, family: str, name: str) -> None:
        self.family = family
        self.name = name
        self.chains: dict[str, Mapping[str, Node]] = {}
        self.rules: dict[str, list[Mapping[str, Node]]] = {}
        self.sets: dict[str, Optional[Sequence[Node]]] = {}
        self._walks: dict[tuple[object, Key], tuple[set[_End], str]] = {}

    def add(self, kind: str, body: Mapping[str, Node]) -> None:
        """Take one object of nft's list."""
        if kind == "chain":
            self.chains[str(body.get("name"))] = body
        elif kind == "rule":
            self.rules.setdefault(str(body.get("chain")), []).append(body)
        else:
            # A set that packets fill is not the same a moment later; one that is too large was not read.
            flags, elements = items(body.get("flags")), Elements(items(body.get("elem")))
            elements.changing = "timeout" in flags or "dynamic" in flags
            unknown = body.get("unread") is True or (kind == "map" and elements.changing)
            self.sets[str(body.get("name"))] = None if unknown else elements

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

    def _leave(self, chain: Mapping[str, Node], packet: Packet, key: Key) -> tuple[set[_End], str]:
        """Return how a packet may leave a base chain and what drops it; packets of one key leave it alike."""
        place = (chain.get("name"), key)
        if place not in self._walks:
            walk = _Walk(self, packet.known())
            ends = walk.base_chain(chain)
            # What surely drops a packet comes last, behind what may.
            text = (walk.texts[-1] if ends == {"drop"} else walk.texts[0]) if walk.texts else "unknown"
            self._walks[place] = ends, text
        return self._walks[place]

    def judge(self, chain: Mapping[str, Node], packet: Packet, key: Key) -> list[ForeignFinding]:
        """Tell what a base chain does to a packet; nothing when it passes or does not come through.

        :param key: the same for packets that no rule can tell apart.
        """
        hooks = HOOKS[packet.accept.direction, packet.answer]
        if chain.get("hook") not in hooks or self.family not in _TABLES[packet.peer.family]:
            return []
        ends, why = self._leave(chain, packet, key)
        if "drop" not in ends:
            return []
        # A chain of one device: whether the flow comes through that device is not known.
        certain = ends == {"drop"} and self.family != "netdev"
        name, hook, priority = str(chain.get("name")), str(chain.get("hook")), chain.get("prio")
        where, does = f"{self.family} {self.name} {name}", "drops" if certain else "may drop"
        theirs = self.name in FIREWALLD
        if theirs:
            why += "; firewalld governs this host, so these rules belong into it"
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
            text=f"{where} {does} {packet.title}: {why}",
            fix="" if theirs else _fix(packet, self.family, where),
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
    accept, answer = packet.accept, packet.answer
    if accept.forward:
        targets = accept.forward.targets
        sides = {"saddr": targets if answer else peers, "daddr": peers if answer else targets}
    else:
        sides = {_OTHER[CHAINS[accept.direction].peer] if answer else CHAINS[accept.direction].peer: peers}
    ends = [
        f"{IP[family]} {side} {_one_of(addresses)}"
        for side, addresses in sides.items()
        if addresses and tuple(addresses) != (everyone(family),)
    ]
    if accept.protocol == "icmp":
        condition = f"{ICMP[family]} type echo-request"
    else:
        condition = f"{accept.protocol} {'sport' if answer else 'dport'} {_one_of(accept.ports)}"
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
