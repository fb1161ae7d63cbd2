# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain for what the host forwards: its rules as values, which are written as text and read from nft's listing.

What a rule says is compared by value, since nft prints some of it in other words than it was told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Forward, Guard, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import (
    Node,
    UnknownError,
    fields,
    items,
    read_ports,
    single,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import ICMP, IP, NFPROTO
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import (
    ANSWERS,
    REFUSAL,
    STATELESS,
    PeerSet,
    checked_comment,
    everyone,
    wide_ports,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol, merge_ports

_Ranges = tuple[AddressRange, ...]
_Ports = tuple[PortRange, ...]
_FLAGS = frozenset(["ack", "rst"])
_PORT_PROTOCOLS: tuple[Protocol, ...] = ("tcp", "udp")


class Line(NamedTuple):
    """One rule of the chain; no addresses and no ports stand for any.

    :param family: 4 or 6; 0 for both.
    :param told: what tells answers from requests: the flags of TCP or the connection tracking.
    :param published: ``ports`` are those that the connection came to before its destination was translated.
    """

    verdict: Literal["accept", "drop"]
    comment: str
    family: int
    protocol: Protocol
    source: _Ranges = ()
    target: _Ranges = ()
    source_ports: _Ports = ()
    ports: _Ports = ()
    told: Literal["", "flags", "direction"] = ""
    published: bool = False

    @property
    def sets(self) -> list[PeerSet]:
        """The sets of addresses that it names."""
        return [(self.family, ranges) for ranges in (self.source, self.target) if ranges]

    def text(self, names: Mapping[PeerSet, str]) -> str:
        """Write it; ``names`` are those of the sets."""
        words = [
            f"{IP[self.family]} {side} @{names[self.family, ranges]}"
            for side, ranges in (("saddr", self.source), ("daddr", self.target))
            if ranges
        ]
        if self.family and not words and self.protocol != "icmp":
            words.append(f"meta nfproto {NFPROTO[self.family]}")
        words += self._conditions()
        return f'{" ".join(words)} counter {self.verdict} comment "{checked_comment(self.comment)}"'

    def _conditions(self) -> Iterator[str]:
        if self.protocol == "icmp":
            yield f"{ICMP[self.family]} type echo-request"
            return
        if self.published:
            # nft 1.0.6 lists a set of these ports in words that nobody can read: one range a rule.
            yield "ct status dnat ct direction original"
            yield f"meta l4proto {self.protocol} ct original proto-dst {_one_of(self.ports)}"
            return
        if self.told == "direction":
            yield "ct direction reply"
        for side, ports in (("sport", self.source_ports), ("dport", self.ports)):
            if ports:
                yield f"{self.protocol} {side} {_one_of(ports)}"
        if self.told == "flags":
            yield "tcp flags rst,ack"


def _one_of(ports: _Ports) -> str:
    return str(ports[0]) if len(ports) == 1 else "{ " + ", ".join(map(str, ports)) + " }"


def lines_of(ruleset: Ruleset) -> list[Line]:
    """Return the rules of the chain, below its head: answers into wide ranges, accepts with their answers, refusals."""
    guards = [(guard, guard.forward) for guard in ruleset.guards if guard.forward]
    found = [line for guard, forward in guards for line in _wide(guard, forward)]
    for accept in ruleset.accepts:
        found += _accepting(accept, accept.forward) if accept.forward else []
    return found + [line for guard, forward in guards for line in _refusing(guard, forward)]


def _family(ranges: Sequence[AddressRange]) -> int:
    return ranges[0].family if ranges else 0


def _told(protocol: Protocol, *, stateless: bool) -> Literal["", "flags", "direction"]:
    if protocol == "tcp":
        return "flags"
    return "" if stateless else "direction"


def _named(ranges: _Ranges) -> _Ranges:
    """Return addresses as a rule names them: all of a family need no name."""
    return () if ranges and ranges == (everyone(ranges[0].family),) else ranges


def _wide(guard: Guard, forward: Forward) -> Iterator[Line]:
    told, ports = _told(guard.protocol, stateless=forward.stateless), wide_ports(guard)
    if told and ports and forward.targets:
        yield Line(
            "accept",
            ANSWERS,
            _family(forward.targets),
            guard.protocol,
            target=_named(forward.targets),
            ports=ports,
            told=told,
        )


def _accepting(accept: Accept, forward: Forward) -> Iterator[Line]:
    peers, targets, family = _named(accept.peers), _named(forward.targets), _family(accept.peers)
    request = Line("accept", accept.comment, family, accept.protocol, peers, targets)
    if not forward.targets:
        yield request._replace(ports=accept.ports, published=True)
        return
    yield request._replace(source_ports=forward.source_ports, ports=accept.ports)
    if accept.ports and not forward.unanswered:
        yield Line(
            "accept",
            ANSWERS + STATELESS if forward.stateless else ANSWERS,
            family,
            accept.protocol,
            targets,
            peers,
            accept.ports,
            forward.source_ports,
            _told(accept.protocol, stateless=forward.stateless),
        )


def _refusing(guard: Guard, forward: Forward) -> Iterator[Line]:
    comment = REFUSAL + STATELESS if forward.stateless else REFUSAL
    family, targets = _family(forward.targets), _named(forward.targets)
    refusal = Line("drop", comment, family, guard.protocol)
    if not forward.targets:
        for port in guard.ports:
            yield refusal._replace(ports=(port,), published=True)
        return
    yield refusal._replace(target=targets, ports=guard.ports)
    narrow = tuple(port for port in guard.ports if port not in wide_ports(guard))
    if forward.stateless and narrow:
        told = _told(guard.protocol, stateless=True)
        yield refusal._replace(source=targets, source_ports=narrow, told=told)


def rules_of(lines: Sequence[Line]) -> tuple[list[Accept], list[Guard]]:
    """Return what rules of the chain mean; the result may be written as others, so compare with :func:`lines_of`."""
    guards = _read_guards(lines)
    head = sum(1 for guard in guards if guard.forward for _line in _wide(guard, guard.forward))
    accepts: list[Accept] = []
    left = [line for line in lines if line.verdict == "accept"][head:]
    while left:
        request = left.pop(0)
        for accept in _candidates(request):
            written = list(_accepting(accept, accept.forward or Forward()))
            if [request, *left[: len(written) - 1]] == written:
                accepts.append(accept)
                left = left[len(written) - 1 :]
                break
        else:
            raise UnknownError
    return accepts, guards


def _candidates(request: Line) -> Iterator[Accept]:
    """Yield the accepts that may begin with a rule, those with answers first."""
    peers = request.source or (everyone(request.family),)
    targets = () if request.published else request.target or (everyone(request.family),)
    answered = bool(targets) and bool(request.ports)
    for stateless, unanswered in ((False, False), (True, False), (False, True)) if answered else ((False, False),):
        forward = Forward(targets, request.source_ports, stateless, unanswered)
        yield Accept("forward", request.protocol, request.ports, peers, request.comment, forward=forward)


def _read_guards(lines: Sequence[Line]) -> list[Guard]:
    found: list[Guard] = []
    published: dict[Protocol, list[PortRange]] = {}
    for line in lines:
        if line.verdict == "drop" and line.published:
            published.setdefault(line.protocol, []).extend(line.ports)
        elif line.verdict == "drop" and not line.source_ports:
            forward = Forward(line.target or (everyone(line.family),), stateless=line.comment.endswith(STATELESS))
            found.append(Guard("forward", line.protocol, line.ports, forward))
    found += [Guard("forward", protocol, merge_ports(ports), Forward()) for protocol, ports in published.items()]
    return sorted(found)


def read_line(rule: Mapping[str, Node], sets: Mapping[str, PeerSet]) -> Line:
    """Read a rule of the chain from nft's listing.

    :param sets: by name.
    :raises UnknownError: when it has another shape than :meth:`Line.text` writes.
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
