# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain for what the host forwards: its rules as nft's text, and read from nft's listing.

What a rule says is compared by value, since nft prints some of it in other words than it was told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.forward_lines import Line, lines_of, rules_of
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Guard, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import (
    Node,
    UnknownError,
    fields,
    items,
    read_ports,
    rule_text,
    single,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import CHAINS, ICMP, IP, NFPROTO
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import PeerSet, quoted_comment
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol

_Ranges = tuple[AddressRange, ...]
_Ports = tuple[PortRange, ...]
_FLAGS = frozenset(["ack", "rst"])
_PORT_PROTOCOLS: tuple[Protocol, ...] = ("tcp", "udp")


def forward_sets(ruleset: Ruleset) -> list[PeerSet]:
    """Return the sets of addresses that the rules of the chain name, each as often as it is named."""
    return [pair for line in lines_of(ruleset) for pair in line.sets]


def forward_rules(ruleset: Ruleset, names: Mapping[PeerSet, str]) -> list[str]:
    """Write the rules of the chain, below its head; ``names`` are those of the sets of addresses."""
    return [_text_of(line, names) for line in lines_of(ruleset)]


def read_forward(
    rules: Iterable[Mapping[str, Node]], sets: Mapping[str, PeerSet], unexpected: list[str]
) -> tuple[list[Accept], list[Guard], set[PeerSet]]:
    """Read the rules of the chain: as a whole, since a rule may belong to the one before.

    :param unexpected: gets what :func:`forward_rules` would not have written.
    :returns: accepts, guards, and the sets that they name.
    """
    lines = []
    for rule in rules:
        try:
            lines.append(_read_line(rule, sets))
        except UnknownError:
            unexpected.append(f"rule in chain {rule.get('chain')}: {rule_text(rule)}")
    accepts, guards = rules_of(lines) or ([], [])
    if lines_of(Ruleset(tuple(sorted(accepts)), tuple(guards))) != lines:
        unexpected.append(f"the order of chain {CHAINS['forward'].name}")
    return accepts, guards, {pair for line in lines for pair in line.sets}


def _text_of(line: Line, names: Mapping[PeerSet, str]) -> str:
    """Write a rule of the chain; ``names`` are those of the sets of addresses."""
    words = [
        f"{IP[line.family]} {side} @{names[line.family, ranges]}"
        for side, ranges in (("saddr", line.source), ("daddr", line.target))
        if ranges
    ]
    if line.family and not words and line.protocol != "icmp":
        words.append(f"meta nfproto {NFPROTO[line.family]}")
    words += _conditions(line)
    return f"{' '.join(words)} counter {line.verdict} comment {quoted_comment(line.comment)}"


def _conditions(line: Line) -> Iterator[str]:
    if line.protocol == "icmp":
        yield f"{ICMP[line.family]} type echo-request"
        return
    if line.published:
        # nft 1.0.6 lists a set of these ports as invalid, which no reader understands: one range a rule.
        yield "ct status dnat ct direction original"
        yield f"meta l4proto {line.protocol} ct original proto-dst {_one_of(line.ports)}"
        return
    if line.told == "direction":
        yield "ct direction reply"
    for side, ports in (("sport", line.source_ports), ("dport", line.ports)):
        if ports:
            yield f"{line.protocol} {side} {_one_of(ports)}"
    if line.told == "flags":
        yield "tcp flags rst,ack"


def _one_of(ports: _Ports) -> str:
    return str(ports[0]) if len(ports) == 1 else "{ " + ", ".join(map(str, ports)) + " }"


def _read_line(rule: Mapping[str, Node], sets: Mapping[str, PeerSet]) -> Line:
    """Read a rule of the chain from nft's listing.

    :param sets: by name.
    :raises UnknownError: when it has another shape than :func:`_text_of` writes.
    """
    expressions = items(rule.get("expr"))
    kind, counted = single(expressions[-2]) if len(expressions) > 2 else ("", None)
    if kind != "counter" or not fields(counted):
        raise UnknownError
    found = _Matches(expressions[:-2], sets)
    protocol = found.protocol()
    published = found.take("ct status", "dnat") and found.take("ct direction", "original")
    told: Literal["", "flags", "direction"] = "direction" if found.take("ct direction", "reply") else ""
    if found.take("tcp flags", _FLAGS):
        told = "flags"
    source, target = found.addresses("saddr"), found.addresses("daddr")
    source_ports, ports = found.ports(f"{protocol} sport"), found.ports(f"{protocol} dport")
    if published:
        ports = found.ports("ct original proto-dst")
    verdict = single(expressions[-1])[0]
    if found.left or verdict not in ("accept", "drop") or not (found.family or published):
        raise UnknownError
    return Line(
        "accept" if verdict == "accept" else "drop",
        str(rule.get("comment") or ""),
        found.family,
        protocol,
        source,
        target,
        source_ports,
        ports,
        told,
        published,
    )


class _Matches:
    """The conditions of a rule by the names of their left sides; what was not asked for is left."""

    def __init__(self, nodes: Sequence[Node], sets: Mapping[str, PeerSet]) -> None:
        self.left: dict[str, Node] = {}
        self.family = 0
        self._sets = sets
        for node in nodes:
            kind, body = single(node)
            name, right = _name(fields(body).get("left")), fields(body).get("right")
            several = name in ("ct status", "tcp flags")
            if kind != "match" or name in self.left or fields(body).get("op") != ("in" if several else "=="):
                raise UnknownError
            self.left[name] = right

    def take(self, name: str, value: Node) -> bool:
        """Take a condition when it has this value; a set of words is compared as one."""
        if name not in self.left:
            return False
        right = self.left[name]
        kind, body = single(right)
        words = frozenset(map(str, items(body if kind == "|" else right)))
        if right != value and words != value:
            return False
        del self.left[name]
        return True

    def protocol(self) -> Protocol:
        """Return the protocol, and take a condition that names it."""
        for number, word in ICMP.items():
            if self.take(f"{word} type", "echo-request"):
                self._of(number)
                return "icmp"
        for protocol in _PORT_PROTOCOLS:
            if self.take("meta l4proto", protocol) or {f"{protocol} sport", f"{protocol} dport"} & set(self.left):
                return protocol
        raise UnknownError

    def addresses(self, side: str) -> _Ranges:
        """Take the condition for the addresses of one side."""
        for number, word in NFPROTO.items():
            if self.take("meta nfproto", word):
                self._of(number)
        for number, word in IP.items():
            name = self.left.pop(f"{word} {side}", None)
            if name is not None:
                self._of(number)
                family, ranges = self._sets.get(str(name)[1:], (0, ()))
                if family != number or not str(name).startswith("@"):
                    raise UnknownError
                return ranges
        return ()

    def ports(self, name: str) -> _Ports:
        """Take a condition for ports."""
        right = self.left.pop(name, None)
        return () if right is None else read_ports(right)

    def _of(self, family: int) -> None:
        if self.family not in (0, family):
            raise UnknownError
        self.family = family


def _name(node: Optional[Node]) -> str:
    """Say the left side of a match: ``tcp dport``, ``ct direction``, ``ct original proto-dst``."""
    kind, body = single(node)
    names = fields(body)
    if kind == "payload" and set(names) == {"protocol", "field"}:
        return f"{names['protocol']} {names['field']}"
    if kind in ("meta", "ct") and set(names) == {"key"}:
        return f"{kind} {names['key']}"
    if kind == "ct" and set(names) == {"key", "dir"}:
        return f"ct {names['dir']} {names['key']}"
    raise UnknownError
