# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ruleset as the nftables table ``inet dbports``, and that table read back as a ruleset.

Chains sit ten before the usual filter priority. In each, loopback passes, then come the accepts and
at last one refusal a protocol. Decisions are by address alone: a peer that is taken out of the
declaration is cut at once, and a host that tracks no connections does not begin to.

The exception is a guarded range that is wide enough to hold the source ports of the host's own
connections, such as an instance with a dynamic port has: answers to those connections pass there.
Only there, because `ct direction reply` is no proof: of a session older than the connection
tracking the kernel takes whoever speaks next for the one who opened it (nf_conntrack_tcp_loose),
so a server that speaks first would keep an undeclared client connected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    BITS,
    AddressRange,
    merge_addresses,
    of_family,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    DIRECTIONS,
    MAX_COMMENT,
    Accept,
    Guard,
    Ruleset,
    plain_comment,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, merge_ports

FAMILY = "inet"
TABLE = "dbports"
PRIORITY = -10
"""Ten before ``filter``, so that the counters see what a later chain drops."""

WIDE = 64
"""Ports in a row that are a host's dynamic range and no list of fixed ports.

Windows takes no dynamic range below 255 ports (Microsoft, "The default dynamic port range for TCP/IP
has changed"), Linux' default has 28,232; nobody writes a list of 64 adjacent fixed ports.
"""

REFUSAL = "dbports: everyone else"

DELETE = f"add table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n"
"""Removes the table whether or not it is there: nft before 1.0.7 has no ``destroy``."""

_CHAINS = {"in": ("inbound", "input", "iifname", "saddr"), "out": ("outbound", "output", "oifname", "daddr")}
_IP = {4: "ip", 6: "ip6"}
_NFPROTO = {4: "ipv4", 6: "ipv6"}
_ICMP = {4: "icmp", 6: "icmpv6"}

_Set = tuple[int, tuple[AddressRange, ...]]
_Item = Union[Accept, Guard]


def encode(ruleset: Ruleset) -> str:
    """Write the text that replaces the table by ``ruleset`` in one transaction, idempotent.

    :raises DbportsError: when a value could not stand in nftables' language; nothing is pasted.
    """
    if not ruleset:
        return DELETE
    if ruleset.unexpected:
        raise DbportsError("a ruleset with unexpected parts can be read but not written", value=ruleset.unexpected)
    names = _name_sets(ruleset)
    lines = [f"table {FAMILY} {TABLE} {{"]
    for (family, peers), name in names.items():
        lines += _encode_set(name, family, peers)
    for direction in DIRECTIONS:
        if any(item.direction == direction for item in ruleset.parts):
            lines += _encode_chain(ruleset, direction, names)
    return DELETE + "\n".join([*lines, "}", ""])


def _is_any(family: int, peers: Sequence[AddressRange]) -> bool:
    """Tell whether the peers are all addresses of their family: then no set is needed."""
    return len(peers) == 1 and peers[0].first == 0 and peers[0].last == 2 ** BITS[family] - 1


def _by_family(accept: Accept) -> Iterator[_Set]:
    for family in (4, 6):
        peers = tuple(of_family(accept.peers, family))
        if peers:
            yield family, peers


def _name_sets(ruleset: Ruleset) -> dict[_Set, str]:
    """Name each distinct peer set once, so that accepts with the same peers share it."""
    names: dict[_Set, str] = {}
    for accept in ruleset.accepts:
        for family, peers in _by_family(accept):
            if not _is_any(family, peers) and (family, peers) not in names:
                names[family, peers] = f"peers{len(names) + 1}_v{family}"
    return names


def _encode_set(name: str, family: int, peers: Sequence[AddressRange]) -> list[str]:
    elements = ",\n".join(f"\t\t\t{peer}" for peer in peers)
    return [
        f"\tset {name} {{",
        f"\t\ttype {_NFPROTO[family]}_addr",
        "\t\tflags interval",
        f"\t\telements = {{\n{elements}\n\t\t}}",
        "\t}",
    ]


def _encode_chain(ruleset: Ruleset, direction: str, names: Mapping[_Set, str]) -> list[str]:
    chain, hook, interface, _field = _CHAINS[direction]
    lines = [
        f"\tchain {chain} {{",
        f"\t\ttype filter hook {hook} priority {PRIORITY}; policy accept;",
        f'\t\t{interface} "lo" accept',
        *(f"\t\t{text}" for text in _encode_answers(ruleset, direction)),
    ]
    for accept in ruleset.accepts:
        if accept.direction == direction:
            tail = f'counter accept comment "{_comment(accept.comment)}"'
            for family, peers in _by_family(accept):
                lines.append(f"\t\t{_match(accept, family, names.get((family, peers)))} {tail}")
    for guard in ruleset.guards:
        if guard.direction == direction:
            lines.append(f'\t\t{_dport(guard)} counter drop comment "{REFUSAL}"')
    return [*lines, "\t}"]


def _encode_answers(ruleset: Ruleset, direction: str) -> list[str]:
    """Write what lets answers to the connections of the other direction pass."""
    if direction == "out":
        # A client of this host may have a refused destination port as its source port.
        return ["ct direction reply accept"]
    return [f"ct direction reply {_dport(guard)} accept" for guard in _answers(ruleset.guards)]


def _answers(guards: Sequence[Guard]) -> list[Guard]:
    """Return the wide ranges among inbound guards, which may hold source ports of the host's own connections."""
    found = []
    for guard in guards:
        wide = tuple(port for port in guard.ports if port.last - port.first >= WIDE - 1)
        if wide and guard.direction == "in":
            found.append(Guard(guard.direction, guard.protocol, wide))
    return found


def _match(accept: Accept, family: int, name: str | None) -> str:
    """Write the conditions of one accept and one family; ``name`` is its set, None for every peer."""
    if accept.protocol == "icmp":
        condition = f"{_ICMP[family]} type echo-request"
        only_family = ""
    else:
        condition = _dport(accept)
        only_family = f"meta nfproto {_NFPROTO[family]} "
    if name is None:
        return only_family + condition
    return f"{_IP[family]} {_CHAINS[accept.direction][3]} @{name} {condition}"


def _dport(item: _Item) -> str:
    if item.protocol not in ("tcp", "udp"):
        raise DbportsError("only tcp and udp have ports to guard", value=item.protocol)
    if len(item.ports) == 1:
        return f"{item.protocol} dport {item.ports[0]}"
    return f"{item.protocol} dport {{ {', '.join(str(port) for port in item.ports)} }}"


def _comment(text: str) -> str:
    """Return a comment that can stand between quotes, where nft knows no escapes.

    nft takes up to 128 bytes (NFTNL_UDATA_COMMENT_MAXLEN of libnftnl).
    """
    if not text or plain_comment(text) != text:
        raise DbportsError(f"not one printable line of at most {MAX_COMMENT} bytes without quotes", value=text)
    return text


def decode(objects: Sequence[Mapping[str, Any]]) -> Ruleset:
    """Read the own table out of the objects of ``nft -j list``; without a table the ruleset is empty.

    Whatever :func:`encode` would not have written lands in ``unexpected``.

    :param objects: the list under ``nftables``; other tables in it are passed over.
    """
    return _Reader(objects).ruleset()


class _UnknownError(Exception):
    """A part of the table that encode() does not write."""


class _Reader:
    """Reads the objects of the own table; what it cannot place goes to ``unexpected``."""

    def __init__(self, objects: Sequence[Mapping[str, Any]]) -> None:
        self.unexpected: list[str] = []
        self.sets: dict[str, _Set] = {}
        self.used: set[str] = set()
        self.chains: dict[str, list[Mapping[str, Any]]] = {}
        found = False
        for kind, body in own_objects(objects):
            found = True
            if kind == "table":
                self._expect(not body.get("flags"), f"table flags {body.get('flags')}")
            elif kind == "set":
                self._add_set(body)
            elif kind == "chain":
                self._add_chain(body)
            elif kind == "rule":
                self.chains.setdefault(str(body.get("chain")), []).append(body)
            else:
                self.unexpected.append(f"{kind} {body.get('name')}")
        self._expect(bool(self.chains) or not found, "a table without chains")

    def _expect(self, fine: bool, text: str) -> None:
        if not fine:
            self.unexpected.append(text)

    def _add_set(self, body: Mapping[str, Any]) -> None:
        name = str(body.get("name"))
        families = {f"{word}_addr": family for family, word in _NFPROTO.items()}
        try:
            if set(body) - {"family", "table", "name", "handle", "type", "flags", "elem"}:
                raise _UnknownError
            if body.get("type") not in families or body.get("flags") != ["interval"]:
                raise _UnknownError
            ranges = merge_addresses(_element(item) for item in body.get("elem", ()))
            if any(item.family != families[body["type"]] for item in ranges):
                raise _UnknownError
        except (_UnknownError, DbportsError):
            self.unexpected.append(f"set {name}")
            return
        self.sets[name] = (families[body["type"]], ranges)

    def _add_chain(self, body: Mapping[str, Any]) -> None:
        name = str(body.get("name"))
        self.chains.setdefault(name, [])
        wanted = [(chain, hook, "filter", PRIORITY, "accept") for chain, hook, _interface, _field in _CHAINS.values()]
        seen = (name, *(body.get(key) for key in ("hook", "type", "prio", "policy")))
        self._expect(seen in wanted, f"chain {name} hook {seen[1]} type {seen[2]} priority {seen[3]} policy {seen[4]}")

    def ruleset(self) -> Ruleset:
        """Turn everything that was read into one ruleset."""
        accepts: dict[tuple[str, str, tuple[PortRange, ...], str], dict[int, tuple[AddressRange, ...]]] = {}
        guards: list[Guard] = []
        for direction, (chain, *_rest) in _CHAINS.items():
            if chain in self.chains:
                self._read_chain(direction, self.chains[chain], accepts, guards)
        for chain in self.chains.keys() - {name for name, *_rest in _CHAINS.values()}:
            self.unexpected += [f"rule in chain {chain}: {rule_text(rule)}" for rule in self.chains[chain]]
        self.unexpected += [f"unused set {name}" for name in sorted(self.sets.keys() - self.used)]
        merged = [
            Accept(*key[:3], peers=merge_addresses(peer for part in families.values() for peer in part), comment=key[3])
            for key, families in accepts.items()
        ]
        return Ruleset(tuple(sorted(merged)), tuple(sorted(guards)), tuple(sorted(self.unexpected)))

    def _read_chain(
        self,
        direction: str,
        rules: Sequence[Mapping[str, Any]],
        accepts: dict[tuple[str, str, tuple[PortRange, ...], str], dict[int, tuple[AddressRange, ...]]],
        guards: list[Guard],
    ) -> None:
        """Sort the rules of one chain; their order counts: head, accepts, refusals."""
        try:
            refused = [self._rule(direction, rule)[0] for rule in rules if _last(rule) == "drop"]
            answers = _answers(sorted(item for item in refused if isinstance(item, Guard)))
        except (_UnknownError, DbportsError):
            answers = []
        head = _head(direction, answers)
        self._expect([rule.get("expr") for rule in rules[: len(head)]] == head, f"the head of chain {direction}")
        for rule in rules[len(head) :]:
            try:
                item, family = self._rule(direction, rule)
                if isinstance(item, Guard):
                    if any((old.direction, old.protocol) == (direction, item.protocol) for old in guards):
                        raise _UnknownError
                    guards.append(item)
                    continue
                key = (direction, item.protocol, item.ports, item.comment)
                after_refusal = any((old.direction, old.protocol) == (direction, item.protocol) for old in guards)
                if after_refusal or family in accepts.setdefault(key, {}):
                    raise _UnknownError
                accepts[key][family] = item.peers
            except (_UnknownError, DbportsError):
                self.unexpected.append(f"rule in chain {rule.get('chain')}: {rule_text(rule)}")

    def _rule(self, direction: str, rule: Mapping[str, Any]) -> tuple[_Item, int]:
        """Read one rule below the head as an accept with its family, or a guard with family 0."""
        expressions = rule.get("expr") or []
        conditions = _conditions(expressions[:-2])
        if len(expressions) < 3 or list(expressions[-2]) != ["counter"]:
            raise _UnknownError
        comment = str(rule.get("comment") or "")
        if expressions[-1] == {"drop": None}:
            protocol, ports = _ports(conditions)
            if conditions or not protocol or comment != REFUSAL:
                raise _UnknownError
            return Guard(direction, protocol, ports), 0
        if expressions[-1] != {"accept": None}:
            raise _UnknownError
        family, peers = self._peers(direction, conditions)
        protocol, ports = _ports(conditions)
        if not protocol:
            icmp = {number: conditions.pop(word + " type", None) for number, word in _ICMP.items()}
            named = [number for number, kind in icmp.items() if kind == "echo-request"]
            if len(named) != 1 or family not in (0, named[0]):
                raise _UnknownError
            family, protocol = named[0], "icmp"
        if conditions or not family:
            raise _UnknownError
        everyone = (AddressRange(family, 0, 2 ** BITS[family] - 1),)
        return Accept(direction, protocol, ports, peers or everyone, comment), family

    def _peers(self, direction: str, conditions: dict[str, Any]) -> tuple[int, tuple[AddressRange, ...]]:
        """Take the peer conditions; family 0 when no condition names one, no peers when every one is meant."""
        field = _CHAINS[direction][3]
        family = 0
        peers: tuple[AddressRange, ...] = ()
        for number, word in _IP.items():
            reference = conditions.pop(f"{word} {field}", None)
            if reference is None:
                continue
            if not isinstance(reference, str) or not reference.startswith("@") or family:
                raise _UnknownError
            self.used.add(reference[1:])
            family, peers = self.sets.get(reference[1:], (0, ()))
            if family != number or not peers:
                raise _UnknownError
        only = conditions.pop("meta nfproto", None)
        if only is not None:
            named = [number for number, word in _NFPROTO.items() if word == only]
            if not named or family not in (0, named[0]):
                raise _UnknownError
            family = named[0]
        return family, peers


def own_objects(objects: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield kind and body of every object of the own table."""
    for item in objects:
        for kind, body in item.items():
            if not isinstance(body, Mapping) or body.get("family") != FAMILY:
                continue
            if (body.get("name") if kind == "table" else body.get("table")) == TABLE:
                yield kind, body


def _head(direction: str, answers: Sequence[Guard]) -> list[list[dict[str, Any]]]:
    """Return the expressions of a chain's first rules as nft lists them."""
    accept = {"accept": None}
    reply = _equals({"ct": {"key": "direction"}}, "reply")
    lines = [[_equals({"meta": {"key": _CHAINS[direction][2]}}, "lo"), accept]]
    if direction == "out":
        lines.append([reply, accept])
    for guard in answers:
        ports: list[Any] = [{"range": [item.first, item.last]} for item in guard.ports]
        right = ports[0] if len(ports) == 1 else {"set": ports}
        lines.append([reply, _equals({"payload": {"protocol": guard.protocol, "field": "dport"}}, right), accept])
    return lines


def _equals(left: dict[str, Any], right: Any) -> dict[str, Any]:
    return {"match": {"op": "==", "left": left, "right": right}}


def _last(rule: Mapping[str, Any]) -> str:
    """Return the kind of a rule's last expression, its verdict."""
    expressions = rule.get("expr") or [{}]
    return next(iter(expressions[-1]), "") if isinstance(expressions[-1], Mapping) else ""


def _conditions(expressions: Sequence[Any]) -> dict[str, Any]:
    """Read equality matches as ``{"tcp dport": right, "meta nfproto": right}``."""
    found: dict[str, Any] = {}
    for expression in expressions:
        match = expression.get("match") if isinstance(expression, Mapping) else None
        if not isinstance(match, Mapping) or match.get("op") != "==":
            raise _UnknownError
        left = match.get("left")
        if not isinstance(left, Mapping) or len(left) != 1:
            raise _UnknownError
        ((kind, body),) = left.items()
        if kind == "payload" and set(body) == {"protocol", "field"}:
            name = f"{body['protocol']} {body['field']}"
        elif kind == "meta" and set(body) == {"key"}:
            name = f"meta {body['key']}"
        else:
            raise _UnknownError
        if name in found:
            raise _UnknownError
        found[name] = match.get("right")
    return found


def _ports(conditions: dict[str, Any]) -> tuple[str, tuple[PortRange, ...]]:
    """Take the port condition: protocol and merged ports; an empty protocol when there is none."""
    for protocol in ("tcp", "udp"):
        right = conditions.pop(f"{protocol} dport", None)
        if right is not None:
            items = right["set"] if isinstance(right, Mapping) and set(right) == {"set"} else [right]
            return protocol, merge_ports(_port(item) for item in items)
    return "", ()


def _port(item: Any) -> PortRange:
    if isinstance(item, Mapping) and set(item) == {"range"}:
        first, last = item["range"]
        return PortRange(int(first), int(last))
    return PortRange.parse(item)


def _element(item: Any) -> AddressRange:
    """Read an element of an address set: an address, ``{"prefix": ..}`` or ``{"range": [..]}``."""
    if isinstance(item, str):
        return AddressRange.parse(item)
    if isinstance(item, Mapping) and set(item) == {"prefix"}:
        return AddressRange.parse(f"{item['prefix']['addr']}/{item['prefix']['len']}")
    if isinstance(item, Mapping) and set(item) == {"range"}:
        return AddressRange.parse("-".join(str(part) for part in item["range"]))
    raise _UnknownError


def rule_text(rule: Mapping[str, Any]) -> str:
    """Say a rule of ``nft -j`` in a line near nft's own language, for people."""
    words = [_expression_text(item) for item in rule.get("expr") or ()]
    if rule.get("comment"):
        words.append(f'comment "{plain_comment(str(rule["comment"]))}"')
    return " ".join(word for word in words if word)


def _expression_text(item: Any) -> str:
    if not isinstance(item, Mapping) or len(item) != 1:
        return str(item)
    ((kind, body),) = item.items()
    if kind == "match":
        operator = "" if body.get("op") in ("==", "in") else f"{body.get('op')} "
        return f"{_value_text(body.get('left'))} {operator}{_value_text(body.get('right'))}"
    if kind == "vmap":
        return f"{_value_text(body.get('key'))} vmap {_value_text(body.get('data'))}"
    if kind in ("jump", "goto"):
        return f"{kind} {body.get('target')}"
    return str(kind)


def _value_text(value: Any) -> str:
    """Say the left or right side of a match; a long set is cut, since this is for people."""
    if isinstance(value, (list, tuple)):
        shown = [_value_text(part) for part in value[:8]] + (["..."] if len(value) > 8 else [])
        return ", ".join(shown)
    if not isinstance(value, Mapping) or len(value) != 1:
        return str(value)
    ((kind, body),) = value.items()
    texts = {
        "payload": lambda: f"{body.get('protocol')} {body.get('field')}",
        "meta": lambda: str(body.get("key")),
        "ct": lambda: f"ct {body.get('key')}",
        "prefix": lambda: f"{body.get('addr')}/{body.get('len')}",
        "range": lambda: "-".join(_value_text(part) for part in body),
        "set": lambda: "{ " + _value_text(body) + " }",
        "concat": lambda: " . ".join(_value_text(part) for part in body),
    }
    return texts[kind]() if kind in texts else str(kind)
