# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The own table, as ``nft -j`` lists it, read back as a ruleset; whatever the encoder does not write is unexpected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    merge_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import unquoted
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    Accept,
    Direction,
    Guard,
    Ruleset,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import (
    Listing,
    Node,
    UnknownError,
    fields,
    items,
    own_objects,
    read_addresses,
    read_ports,
    rule_text,
    single,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import (
    CHAINS,
    ICMP,
    IP,
    NFPROTO,
    PRIORITY,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import (
    OWNER,
    REFUSAL,
    PeerSet,
    answered_guards,
    everyone,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol

_Conditions = dict[str, Node]
"""The right sides of a rule's matches, by ``tcp dport`` or ``meta nfproto``."""

_AcceptKey = tuple[Direction, Protocol, tuple[PortRange, ...], str]

_PORT_PROTOCOLS: tuple[Protocol, ...] = ("tcp", "udp")
_SET_KEYS = {"family", "table", "name", "handle", "type", "flags", "elem"}
_SET_FAMILIES = {f"{word}_addr": family for family, word in NFPROTO.items()}


def decode(listing: Listing) -> Ruleset:
    """Read the own table out of a listing; without a table the ruleset is empty.

    Other tables in it are passed over.
    """
    return _Reader(listing).ruleset()


class _Reader:
    """Reads the objects of the own table; what it cannot place goes to ``unexpected``."""

    def __init__(self, listing: Listing) -> None:
        self.unexpected: list[str] = []
        self.sets: dict[str, PeerSet] = {}
        self.used: set[str] = set()
        self.owners: set[str] = set()
        self.chains: dict[str, list[Mapping[str, Node]]] = {}
        self.guards: list[Guard] = []
        self.accepts: dict[_AcceptKey, dict[int, tuple[AddressRange, ...]]] = {}
        found = False
        for kind, body in own_objects(listing):
            found = True
            if kind == "table":
                self._expect(not body.get("flags"), f"table flags {body.get('flags')}")
            elif kind == "set":
                self._add_set(body)
            elif kind == "chain":
                self._add_chain(body)
            elif kind == "rule":
                self.chains.setdefault(str(body.get("chain")), []).append(_spoken(body))
            else:
                self.unexpected.append(f"{kind} {body.get('name')}")
        self._expect(bool(self.chains) or not found, "a table without chains")

    def _expect(self, fine: bool, text: str) -> None:
        if not fine:
            self.unexpected.append(text)

    def _add_set(self, body: Mapping[str, Node]) -> None:
        name = str(body.get("name"))
        try:
            self.sets[name] = _peer_set(body)
        except (UnknownError, DbportsError):
            self.unexpected.append(f"set {name}")

    def _add_chain(self, body: Mapping[str, Node]) -> None:
        name = str(body.get("name"))
        self.chains.setdefault(name, [])
        wanted = [(chain.name, chain.hook, "filter", PRIORITY, "accept") for chain in CHAINS.values()]
        seen = (name, *(body.get(key) for key in ("hook", "type", "prio", "policy")))
        self._expect(seen in wanted, f"chain {name} hook {seen[1]} type {seen[2]} priority {seen[3]} policy {seen[4]}")

    def ruleset(self) -> Ruleset:
        """Turn everything that was read into one ruleset."""
        forwarded: list[Accept] = []
        for direction, chain in CHAINS.items():
            if chain.name in self.chains:
                rules = self._below_head(direction, self.chains[chain.name])
                if direction == "forward":
                    forwarded = self._read_forwarded(rules)
                else:
                    self._read_chain(direction, rules)
        for name in self.chains.keys() - {chain.name for chain in CHAINS.values()}:
            self.unexpected += [f"rule in chain {name}: {rule_text(rule)}" for rule in self.chains[name]]
        self.unexpected += [f"unused set {name}" for name in self.sets.keys() - self.used]
        accepts = [
            Accept(*key[:3], peers=merge_addresses(peer for part in families.values() for peer in part), comment=key[3])
            for key, families in self.accepts.items()
        ] + forwarded
        self._expect(len(self.owners) < 2, f"rules of {' and '.join(sorted(self.owners))}")
        owner = "" if len(self.owners) != 1 else next(iter(self.owners))
        return Ruleset(tuple(sorted(accepts)), tuple(sorted(self.guards)), tuple(sorted(self.unexpected)), owner)

    def _below_head(self, direction: Direction, rules: Sequence[Mapping[str, Node]]) -> Sequence[Mapping[str, Node]]:
        """Read the rules that every chain begins with, and return the others."""
        head = _head(direction, _refusals(direction, rules))
        places = _places(head, rules)
        whole = len(places) == len(head)
        self._expect(whole, f"the head of chain {direction}")
        comment = str(rules[places[0] if places else 0].get("comment") or "") if rules else ""
        if comment.startswith(OWNER):
            self.owners.add(comment[len(OWNER) :])
        left = [(number, rule) for number, rule in enumerate(rules) if number not in places]
        end = places[-1] if whole and places else 0
        among = [rule for number, rule in left if number < end]
        # Nothing of ours is asked before the head; where a part of the head is missing, all that is left is read.
        self.unexpected += [f"rule in chain {rule.get('chain')}: {rule_text(rule)}" for rule in among]
        return [rule for _number, rule in left[len(among) :]]

    def _read_forwarded(self, rules: Sequence[Mapping[str, Node]]) -> list[Accept]:
        # Only routers need it.
        from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.forward import read_forward

        accepts, guards, named = read_forward(rules, self.sets, self.unexpected)
        names = {pair: name for name, pair in self.sets.items()}
        self.used |= {names[pair] for pair in named}
        self.guards += guards
        return accepts

    def _read_chain(self, direction: Direction, rules: Sequence[Mapping[str, Node]]) -> None:
        """Sort the rules of one chain; their order counts: accepts, refusals."""
        for rule in rules:
            try:
                self._read_rule(direction, rule)
            except (UnknownError, DbportsError):
                self.unexpected.append(f"rule in chain {rule.get('chain')}: {rule_text(rule)}")

    def _read_rule(self, direction: Direction, rule: Mapping[str, Node]) -> None:
        """Read one rule below the head: an accept of one family or a refusal, after which no accept counts."""
        guard = _guard(direction, rule)
        family, item = (0, guard) if guard else self._accept(direction, rule)
        if any((old.direction, old.protocol) == (direction, item.protocol) for old in self.guards):
            raise UnknownError
        if isinstance(item, Guard):
            self.guards.append(item)
            return
        families = self.accepts.setdefault((direction, item.protocol, item.ports, item.comment), {})
        if family in families:
            raise UnknownError
        families[family] = item.peers

    def _accept(self, direction: Direction, rule: Mapping[str, Node]) -> tuple[int, Accept]:
        conditions = _conditions(rule, "accept")
        family, peers = self._peers(direction, conditions)
        protocol, ports = _ports(conditions)
        if protocol is None:
            family, protocol = _ping(conditions, family), "icmp"
        if conditions or not family:
            raise UnknownError
        return family, Accept(direction, protocol, ports, peers or (everyone(family),), str(rule.get("comment") or ""))

    def _peers(self, direction: Direction, conditions: _Conditions) -> tuple[int, tuple[AddressRange, ...]]:
        """Take the peer conditions; family 0 when no condition names one, no peers when every one is meant."""
        family = 0
        peers: tuple[AddressRange, ...] = ()
        for number, word in IP.items():
            reference = conditions.pop(f"{word} {CHAINS[direction].peer}", None)
            if reference is None:
                continue
            if not isinstance(reference, str) or not reference.startswith("@") or family:
                raise UnknownError
            self.used.add(reference[1:])
            family, peers = self.sets.get(reference[1:], (0, ()))
            if family != number or not peers:
                raise UnknownError
        only = conditions.pop("meta nfproto", None)
        if only is not None:
            named = [number for number, word in NFPROTO.items() if word == only]
            if not named or family not in (0, named[0]):
                raise UnknownError
            family = named[0]
        return family, peers


def _spoken(rule: Mapping[str, Node]) -> Mapping[str, Node]:
    """Return a rule with its comment as it was meant."""
    comment = rule.get("comment")
    return {**rule, "comment": unquoted(comment)} if isinstance(comment, str) else rule


def read_peer_set(body: Mapping[str, Node]) -> Optional[PeerSet]:
    """Read a set of networks, whoever made it; None for any other set."""
    try:
        return _peer_set(body)
    except (UnknownError, DbportsError):
        return None


def _peer_set(body: Mapping[str, Node]) -> PeerSet:
    kind = body.get("type")
    # nft prints {"typeof": ..} for the type of a set that was made with typeof.
    if set(body) - _SET_KEYS or not isinstance(kind, str) or kind not in _SET_FAMILIES:
        raise UnknownError
    if items(body.get("flags")) != ["interval"]:
        raise UnknownError
    ranges = merge_addresses(read_addresses(item) for item in items(body.get("elem")))
    if any(item.family != _SET_FAMILIES[kind] for item in ranges):
        raise UnknownError
    return _SET_FAMILIES[kind], ranges


def _refusals(direction: Direction, rules: Sequence[Mapping[str, Node]]) -> list[Guard]:
    """Return the refusals of a chain, sorted; none at all when one is not ours."""
    try:
        return sorted(guard for guard in (_guard(direction, rule) for rule in rules) if guard)
    except (UnknownError, DbportsError):
        return []


def _head(direction: Direction, refusals: Sequence[Guard]) -> list[list[Node]]:
    """Return the expressions of a chain's first rules as nft lists them."""
    accept = {"accept": None}
    reply = _equals({"ct": {"key": "direction"}}, "reply")
    untracked: list[Node] = [
        _match("in", {"ct": {"key": "state"}}, "untracked"),
        _match("in", {"payload": {"protocol": "tcp", "field": "flags"}}, ["ack", "rst"]),
    ]
    lines: list[list[Node]] = [[_equals({"meta": {"key": CHAINS[direction].interface}}, "lo"), accept]]
    if direction == "out":
        lines += [[reply, accept], [*untracked, accept]]
    for guard in answered_guards(refusals):
        ports: list[Node] = [{"range": [item.first, item.last]} for item in guard.ports]
        right = ports[0] if len(ports) == 1 else {"set": ports}
        port = _equals({"payload": {"protocol": guard.protocol, "field": "dport"}}, right)
        lines.append([reply, port, accept])
        lines += [[*untracked, port, accept]] if guard.protocol == "tcp" else []
    return lines


def _places(head: Sequence[Sequence[Node]], rules: Sequence[Mapping[str, Node]]) -> list[int]:
    """Return where the rules of a head stand in a chain, in its order, up to the first that is missing."""
    found: list[int] = []
    for number, rule in enumerate(rules):
        if len(found) < len(head) and _in_order(rule.get("expr")) == head[len(found)]:
            found.append(number)
    return found


def _in_order(expressions: Node) -> Node:
    """Return expressions with the flags of each match sorted: nft prints them in the order of its version."""
    found: list[Node] = []
    for node in items(expressions):
        match = fields(single(node)[1])
        right = match.get("right")
        flags = isinstance(right, list) and all(isinstance(flag, str) for flag in right)
        found.append({"match": {**match, "right": sorted(map(str, items(right)))}} if flags else node)
    return found


def _equals(left: Node, right: Node) -> Node:
    return _match("==", left, right)


def _match(operator: str, left: Node, right: Node) -> Node:
    return {"match": {"op": operator, "left": left, "right": right}}


def _guard(direction: Direction, rule: Mapping[str, Node]) -> Optional[Guard]:
    """Read a rule that drops as a refusal; None for a rule that does anything else."""
    if items(rule.get("expr"))[-1:] != [{"drop": None}]:
        return None
    conditions = _conditions(rule, "drop")
    protocol, ports = _ports(conditions)
    if conditions or protocol is None or rule.get("comment") != REFUSAL:
        raise UnknownError
    return Guard(direction, protocol, ports)


def _conditions(rule: Mapping[str, Node], verdict: str) -> _Conditions:
    """Read a rule that consists of equality matches, a counter and a verdict; return the right sides."""
    expressions = items(rule.get("expr"))
    kind, counted = single(expressions[-2]) if len(expressions) > 2 else ("", None)
    if expressions[-1:] != [{verdict: None}] or kind != "counter" or not fields(counted):
        raise UnknownError
    found: _Conditions = {}
    for node in expressions[:-2]:
        kind, body = single(node)
        match = fields(body)
        name = _left(match.get("left"))
        if kind != "match" or match.get("op") != "==" or match.get("right") is None or name in found:
            raise UnknownError
        found[name] = match["right"]
    return found


def _left(node: Node) -> str:
    kind, body = single(node)
    names = fields(body)
    if kind == "payload" and set(names) == {"protocol", "field"}:
        return f"{names['protocol']} {names['field']}"
    if kind == "meta" and set(names) == {"key"}:
        return f"meta {names['key']}"
    raise UnknownError


def _ports(conditions: _Conditions) -> tuple[Optional[Protocol], tuple[PortRange, ...]]:
    """Take the port condition: protocol and merged ports; no protocol when there is none."""
    for protocol in _PORT_PROTOCOLS:
        right = conditions.pop(f"{protocol} dport", None)
        if right is not None:
            return protocol, read_ports(right)
    return None, ()


def _ping(conditions: _Conditions, family: int) -> int:
    kinds = {number: conditions.pop(f"{word} type", None) for number, word in ICMP.items()}
    named = [number for number, kind in kinds.items() if kind is not None]
    if len(named) != 1 or kinds[named[0]] != "echo-request" or family not in (0, named[0]):
        raise UnknownError
    return named[0]
