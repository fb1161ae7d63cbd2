# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The neutral ruleset: who is let in on which guarded port, before any firewall's language.

A backend only translates a :class:`Ruleset` and reads it back; what a rule means is decided here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, TypeVar

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    merge_addresses,
    of_family,
    parse_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import (
    PROTOCOLS,
    PortRange,
    Protocol,
    format_ports,
    merge_ports,
    parse_ports,
)

Direction = Literal["in", "out"]
DIRECTIONS: tuple[Direction, ...] = ("in", "out")
Policy = Literal["guard", "open"]
POLICIES: tuple[Policy, ...] = ("guard", "open")

MAX_COMMENT = 120
"""Bytes of a comment that every firewall here can hold."""

_MAX_OWNER = 80
"""Bytes of it that are left for the name of an inventory host."""

_Choice = TypeVar("_Choice", bound=str)
_Key = tuple[Direction, Protocol, tuple[PortRange, ...]]
"""What rules have in common that become one accept."""


class Rule(NamedTuple):
    """One rule of a host as its user or the plan wrote it.

    ``ports`` and ``peers`` are merged; without peers it accepts nobody, but its ports are guarded. Where ``guarded`` is
    False it only accepts, because others use the ports as well.
    """

    direction: Direction
    protocol: Protocol
    ports: tuple[PortRange, ...]
    peers: tuple[AddressRange, ...]
    purpose: str = ""
    required: bool = True
    guarded: bool = True

    @classmethod
    def from_arguments(cls, rule: Any) -> Rule:
        """Read a mapping with ``direction``, ``protocol``, ``ports`` and ``peers``, the others are optional.

        :raises DbportsError: naming the bad value.
        """
        if not isinstance(rule, Mapping):
            raise DbportsError("expected a dictionary", value=rule)
        direction = _choice(rule.get("direction"), DIRECTIONS, "a direction is in or out")
        protocol = _choice(rule.get("protocol"), PROTOCOLS, "a protocol is one of " + ", ".join(PROTOCOLS))
        ports, peers = rule.get("ports"), rule.get("peers") or ()
        if protocol == "icmp" and ports:
            raise DbportsError("icmp has no ports", code="contradiction", value=ports)
        if protocol != "icmp" and not ports:
            raise DbportsError(f"a {protocol} rule needs at least one port", code="missing", value=ports)
        if not isinstance(peers, (list, tuple)):
            raise DbportsError("expected a list of addresses and networks", value=peers)
        return cls(
            direction,
            protocol,
            parse_ports(ports) if ports else (),
            parse_addresses(peers),
            purpose=str(rule.get("purpose") or ""),
            required=rule.get("need", "required") == "required",
            guarded=bool(rule.get("guarded", True)),
        )


def _choice(value: Any, choices: Sequence[_Choice], reason: str) -> _Choice:
    for choice in choices:
        if value == choice:
            return choice
    raise DbportsError(reason, code="not_a_choice", value=value)


def read_policy(value: Any) -> Policy:
    """Read the option ``policy``: ``guard`` refuses everyone else on the ports of the rules, ``open`` only accepts."""
    try:
        return _choice(value, POLICIES, "the policy is one of " + ", ".join(POLICIES))
    except DbportsError as error:
        raise error.at(path="policy") from None


def read_rules(values: Any) -> tuple[Rule, ...]:
    """Read the option ``rules``; see :meth:`Rule.from_arguments`.

    :raises DbportsError: naming ``rules[N]`` and the value.
    """
    if not isinstance(values, (list, tuple)):
        raise DbportsError("expected a list", path="rules", value=values)
    rules = []
    for number, value in enumerate(values):
        try:
            rules.append(Rule.from_arguments(value))
        except DbportsError as error:
            raise error.at(path=f"rules[{number}]") from None
    return tuple(rules)


@dataclass(frozen=True, order=True)
class Accept:
    """Peers that may use ports: sources for direction ``in``, destinations for ``out``.

    ``ports`` is merged, and empty only for ``icmp``; ``peers`` is merged and never empty.
    ``required`` says whether a foreign rule that drops this is worth a warning. It is no part
    of the ruleset: no firewall keeps it.
    """

    direction: Direction
    protocol: Protocol
    ports: tuple[PortRange, ...]
    peers: tuple[AddressRange, ...]
    comment: str
    required: bool = field(default=True, compare=False)


@dataclass(frozen=True, order=True)
class Guard:
    """Ports on which everyone who is not accepted is refused."""

    direction: Direction
    protocol: Protocol
    ports: tuple[PortRange, ...]


@dataclass(frozen=True)
class Ruleset:
    """What this collection's own rules say; equal rulesets mean the same firewall.

    ``unexpected`` lists what a backend read in the collection's own place and did not write:
    it makes such a ruleset differ from every wanted one. ``owner`` is the inventory host that the rules belong to, as
    :func:`owner_text` writes it; an empty ruleset has none.
    """

    accepts: tuple[Accept, ...] = ()
    guards: tuple[Guard, ...] = ()
    unexpected: tuple[str, ...] = ()
    owner: str = ""

    def __bool__(self) -> bool:
        return bool(self.accepts or self.guards or self.unexpected)

    def of(self, owner: str) -> Ruleset:
        """Return the same ruleset of another owner; nothing belongs to nobody."""
        return replace(self, owner=owner) if self else self

    @property
    def parts(self) -> list[Accept | Guard]:
        """The accepts and then the guards."""
        return [*self.accepts, *self.guards]

    def ports(self, direction: Direction, protocol: Protocol) -> tuple[PortRange, ...]:
        """Return all ports: those refused to everyone else and those accepted for somebody."""
        return _ports_of(self.parts, direction, protocol)

    def guarded(self, direction: Direction, protocol: Protocol) -> tuple[PortRange, ...]:
        """Return the ports that are refused to everyone who is not accepted."""
        return _ports_of(self.guards, direction, protocol)

    def admits(self, direction: Direction, protocol: Protocol, port: int, peer: AddressRange) -> bool:
        """Tell whether a peer may use a port: it is accepted there, or the port is not guarded."""
        accepted = (
            item
            for accept in self.accepts
            if (accept.direction, accept.protocol) == (direction, protocol) and any(port in one for one in accept.ports)
            for item in accept.peers
        )
        return not any(port in item for item in self.guarded(direction, protocol)) or any(
            item.family == peer.family and item.first <= peer.first and peer.last <= item.last for item in accepted
        )

    def render(self) -> str:
        """Print the ruleset for a diff: one line a rule and one line a peer."""
        lines = [f"of inventory host {self.owner}"] if self.owner else []
        for accept in self.accepts:
            word = "from" if accept.direction == "in" else "to"
            lines.append(f"accept {_title(accept)}  # {accept.comment}")
            lines += [f"  {word} {peer}" for peer in accept.peers]
        lines += [f"refuse {_title(guard)} for everyone else" for guard in self.guards]
        lines += [f"unexpected: {text}" for text in self.unexpected]
        return "".join(f"{line}\n" for line in lines)


def _ports_of(parts: Iterable[Accept | Guard], direction: Direction, protocol: Protocol) -> tuple[PortRange, ...]:
    return merge_ports(
        port for item in parts if (item.direction, item.protocol) == (direction, protocol) for port in item.ports
    )


def _title(item: Accept | Guard) -> str:
    return " ".join(part for part in (item.direction, item.protocol, format_ports(item.ports)) if part)


def build_ruleset(rules: Iterable[Rule], *, policy: Policy, outbound: bool) -> Ruleset:
    """Build the wanted ruleset from a host's rules.

    Rules with the same direction, protocol and ports become one accept with all their peers.
    A rule without peers accepts nobody but guards its ports all the same. A port is guarded when one of its rules is.

    :param policy: ``guard`` refuses everyone else on these ports, ``open`` only accepts.
    :param outbound: whether rules with direction ``out`` count.
    """
    groups: dict[_Key, list[Rule]] = {}
    for rule in rules:
        if outbound or rule.direction == "in":
            groups.setdefault((rule.direction, rule.protocol, rule.ports), []).append(rule)
    accepts = [_accept(key, members) for key, members in groups.items()]
    ports: dict[tuple[Direction, Protocol], list[PortRange]] = {}
    for (direction, protocol, ranges), members in groups.items():
        if any(rule.guarded for rule in members):
            ports.setdefault((direction, protocol), []).extend(ranges)
    guards = [Guard(*key, merge_ports(ranges)) for key, ranges in ports.items() if ranges]
    return Ruleset(
        accepts=tuple(sorted(item for item in accepts if item.peers)),
        guards=tuple(sorted(guards)) if policy == "guard" else (),
    )


def _accept(key: _Key, members: Sequence[Rule]) -> Accept:
    purposes = sorted({plain_comment(rule.purpose) for rule in members} - {""})
    return Accept(
        *key,
        peers=merge_addresses(item for rule in members for item in rule.peers),
        comment=plain_comment("; ".join(purposes)) or "dbports",
        required=any(rule.required for rule in members),
    )


def plain_comment(text: str) -> str:
    """Return ``text`` as one printable line that every firewall's comment can hold.

    Quotes, backslashes and vertical bars, which not every firewall can escape, become an apostrophe and slashes;
    whatever is not printable becomes a space; it is cut at :data:`MAX_COMMENT` bytes of UTF-8.
    """
    plain = "".join(char if char.isprintable() else " " for char in text)
    plain = " ".join(plain.replace('"', "'").replace("\\", "/").replace("|", "/").split())
    return plain.encode("utf-8", "replace")[:MAX_COMMENT].decode("utf-8", "ignore").strip()


def owner_text(name: str) -> str:
    """Return an inventory name as it fits into a comment; a digest stands for what does not."""
    plain = plain_comment(name)
    if plain == name and len(name.encode("utf-8")) <= _MAX_OWNER:
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return plain_comment(
        f"{plain.encode('utf-8', 'replace')[: _MAX_OWNER - 24].decode('utf-8', 'ignore')} sha256 {digest}"
    )


def losses(old: Ruleset, new: Ruleset, *, directions: Iterable[Direction] = DIRECTIONS) -> list[str]:
    """List what ``new`` would take away from ``old`` that looks more like an accident than a wish.

    That is a guarded port that disappears altogether, and a port that is still guarded but loses
    more than half of its peers' addresses of one family: the marks of a plan made from half an
    inventory. Such a plan adds nothing: a port for whose peers a new one is there has moved.

    :returns: one sentence part a loss, sorted; empty when there is none.
    """
    protocols: tuple[Protocol, ...] = ("tcp", "udp")
    return [
        lost
        for direction in directions
        for protocol in protocols
        for lost in _lost_ports(old, new, direction, protocol)
    ]


def _lost_ports(old: Ruleset, new: Ruleset, direction: Direction, protocol: Protocol) -> list[str]:
    carried, wanted = old.ports(direction, protocol), new.ports(direction, protocol)
    gone: list[PortRange] = []
    fresh: list[PortRange] = []
    thinned: dict[str, list[PortRange]] = {}
    for part in _segments(old, new, direction, protocol):
        if not _covers(carried, part):
            fresh += [part] if _covers(wanted, part) else []
            continue
        if not _covers(wanted, part):
            # With the policy open nothing is guarded, also not what nobody may use.
            opened = new.accepts and not new.guards and not _peers(old, direction, protocol, part)
            gone += [] if opened else [part]
            continue
        for family in (4, 6):
            before = _count(of_family(_peers(old, direction, protocol, part), family))
            after = _count(of_family(_peers(new, direction, protocol, part), family))
            if 2 * after < before:
                text = f"{before - after} of {before} IPv{family} peer addresses"
                thinned.setdefault(text, []).append(part)
    for admitted in [_peers(new, direction, protocol, part) for part in fresh]:
        moved = next((part for part in gone if _serves(_peers(old, direction, protocol, part), admitted)), None)
        gone = [part for part in gone if part != moved]
    title = f"{direction} {protocol}"
    found = [f"{title} {format_ports(merge_ports(gone))} altogether"] if gone else []
    return found + [f"{text} of {title} {format_ports(merge_ports(parts))}" for text, parts in thinned.items()]


def _segments(old: Ruleset, new: Ruleset, direction: Direction, protocol: Protocol) -> list[PortRange]:
    """Cut the ports of both rulesets into ranges inside which nothing changes."""
    ranges = [
        port
        for item in old.parts + new.parts
        if (item.direction, item.protocol) == (direction, protocol)
        for port in item.ports
    ]
    cuts = sorted({port.first for port in ranges} | {port.last + 1 for port in ranges})
    return [PortRange(first, after - 1) for first, after in zip(cuts, cuts[1:])]


def _covers(ranges: Iterable[PortRange], part: PortRange) -> bool:
    return any(item.first <= part.first and part.last <= item.last for item in ranges)


def _peers(ruleset: Ruleset, direction: Direction, protocol: Protocol, part: PortRange) -> tuple[AddressRange, ...]:
    """Return who may use the ports of ``part``, merged."""
    return merge_addresses(
        peer
        for item in ruleset.accepts
        if (item.direction, item.protocol) == (direction, protocol) and _covers(item.ports, part)
        for peer in item.peers
    )


def _count(peers: Iterable[AddressRange]) -> int:
    return sum(peer.last - peer.first + 1 for peer in peers)


def _serves(before: Sequence[AddressRange], after: Sequence[AddressRange]) -> bool:
    """Tell whether a port serves the peers of another: half of each family, or nobody where that one served nobody."""
    if not before or not after:
        return not before and not after
    for family in (4, 6):
        old, new = list(of_family(before, family)), list(of_family(after, family))
        kept = _count(old) + _count(new) - _count(merge_addresses([*old, *new]))
        if 2 * kept < _count(old):
            return False
    return True
