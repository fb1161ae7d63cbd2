# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The neutral ruleset: who is let in on which guarded port, before any firewall's language.

A backend only translates a :class:`Ruleset` and reads it back; what a rule means is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Optional, TypeVar

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    merge_addresses,
    of_family,
    parse_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import comment_of, read_purpose
from ansible_collections.dbports.firewall.plugins.module_utils._ports import (
    PROTOCOLS,
    PortRange,
    Protocol,
    format_ports,
    merge_ports,
    parse_ports,
)

Direction = Literal["in", "out", "forward"]
DIRECTIONS: tuple[Direction, ...] = ("in", "out", "forward")
"""Into this host, out of it, and through it on the way between others."""

HOST_DIRECTIONS: tuple[Direction, ...] = ("in", "out")
"""Those of the host's own packets: what every firewall here writes."""

Policy = Literal["guard", "open"]
POLICIES: tuple[Policy, ...] = ("guard", "open")

_Choice = TypeVar("_Choice", bound=str)


class Forward(NamedTuple):
    """What packets that pass through this host have beside the peers that they come from, and ports.

    :param targets: where they go to, as a forwarding host sees it, so after destination NAT and before source NAT.
        Nowhere in particular where this host itself publishes the ports: then all is meant whose destination it has
        translated, which came to one of the ports before.
    :param source_ports: where requests may come from; empty for any port.
    :param stateless: connection tracking is not asked who opened a connection: the ports tell answers from requests.
    :param unanswered: requests have no answers.
    """

    targets: tuple[AddressRange, ...] = ()
    source_ports: tuple[PortRange, ...] = ()
    stateless: bool = False
    unanswered: bool = False

    @property
    def words(self) -> list[str]:
        """What there is to say of it beside its targets."""
        ports = [f"from ports {format_ports(self.source_ports)}"] if self.source_ports else []
        kinds = {"published": not self.targets, "stateless": self.stateless, "unanswered": self.unanswered}
        return ports + [word for word, true in kinds.items() if true]


_Key = tuple[Direction, Protocol, tuple[PortRange, ...], Optional[Forward], int]
"""What rules have in common that become one accept; last the family of what is forwarded."""


class Rule(NamedTuple):
    """One rule of a host as its user or the plan wrote it.

    ``ports`` and ``peers`` are merged; without peers it accepts nobody, but its ports are guarded. Where ``guarded`` is
    False it only accepts, because others use the ports as well. ``forward`` is there for that direction only.
    """

    direction: Direction
    protocol: Protocol
    ports: tuple[PortRange, ...]
    peers: tuple[AddressRange, ...]
    purpose: str = ""
    required: bool = True
    guarded: bool = True
    forward: Optional[Forward] = None

    @classmethod
    def from_arguments(cls, rule: Any) -> Rule:
        """Read a mapping with ``direction``, ``protocol``, ``ports`` and ``peers``, the others are optional.

        A ``forward`` rule has ``targets``, or is ``published``.

        :raises DbportsError: naming the bad value.
        """
        if not isinstance(rule, Mapping):
            raise DbportsError("expected a dictionary", value=rule)
        direction = _choice(rule.get("direction"), DIRECTIONS, "a direction is one of " + ", ".join(DIRECTIONS))
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
            purpose=read_purpose(rule.get("purpose")),
            required=rule.get("need", "required") == "required",
            guarded=bool(rule.get("guarded", True)),
            forward=_read_forward(rule, direction),
        )

    @property
    def parts(self) -> list[Rule]:
        """The rules that it consists of: what is forwarded is of one family, and each published range has its own."""
        if self.forward is None:
            return [self]
        peers, targets = self.peers, self.forward.targets
        families = sorted({item.family for item in targets or peers})
        rules = [
            self._replace(
                peers=tuple(of_family(peers, family)),
                forward=self.forward._replace(targets=tuple(of_family(targets, family))),
            )
            for family in families
        ] or [self]
        return rules if targets else [rule._replace(ports=(port,)) for rule in rules for port in self.ports] or rules

    @property
    def key(self) -> _Key:
        """What it has in common with rules that become one accept with it; what says nothing is left out."""
        forward = self.forward
        if forward and self.protocol == "icmp":
            forward = Forward(forward.targets)
        elif forward and forward.unanswered:
            forward = forward._replace(stateless=False)
        family = self.peers[0].family if forward and self.peers else 0
        return self.direction, self.protocol, self.ports, forward, family


def _read_forward(rule: Mapping[str, Any], direction: Direction) -> Optional[Forward]:
    """Read what only rules of direction ``forward`` have."""
    targets, source_ports = (rule.get(key) or () for key in ("targets", "source_ports"))
    published, stateful = bool(rule.get("published")), bool(rule.get("stateful", True))
    if direction != "forward":
        if targets or source_ports or published:
            raise DbportsError("only a forward rule has targets, source ports or is published", code="contradiction")
        return None
    if published and (targets or source_ports or not stateful):
        raise DbportsError(
            "a published port leads to where this host translates it, and only connection tracking tells where",
            code="contradiction",
            value=targets or source_ports or "stateful: false",
        )
    if not isinstance(targets, (list, tuple)):
        raise DbportsError("expected a list of addresses and networks", value=targets)
    if not targets and not published:
        raise DbportsError("a forward rule needs targets, or to be published", code="missing", value=targets)
    return Forward(
        parse_addresses(targets),
        parse_ports(source_ports) if source_ports else (),
        not stateful,
        not rule.get("answered", True),
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
    """Peers that may use ports: sources for direction ``in`` and ``forward``, destinations for ``out``.

    ``ports`` is merged, and empty only for ``icmp``; ``peers`` is merged and never empty. Where it is ``forward``,
    peers and targets are of one family, and a published accept has one range of ports.
    ``required`` says whether a foreign rule that drops this is worth a warning. It is no part
    of the ruleset: no firewall keeps it.
    """

    direction: Direction
    protocol: Protocol
    ports: tuple[PortRange, ...]
    peers: tuple[AddressRange, ...]
    comment: str
    required: bool = field(default=True, compare=False)
    forward: Optional[Forward] = None


@dataclass(frozen=True, order=True)
class Guard:
    """Ports on which everyone who is not accepted is refused; of ``forward`` it knows targets and ``stateless``."""

    direction: Direction
    protocol: Protocol
    ports: tuple[PortRange, ...]
    forward: Optional[Forward] = None


@dataclass(frozen=True)
class Ruleset:
    """What this collection's own rules say; equal rulesets mean the same firewall.

    ``unexpected`` lists what a backend read in the collection's own place and did not write:
    it makes such a ruleset differ from every wanted one. ``owner`` is the inventory host that the rules belong to, as
    :func:`comments.owner_text` writes it; an empty ruleset has none.
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
            word = "to" if accept.direction == "out" else "from"
            lines.append(f"accept {_title(accept)}  # {accept.comment}")
            lines += [f"  {word} {peer}" for peer in accept.peers]
            lines += _targets(accept)
        for guard in self.guards:
            lines += [f"refuse {_title(guard)} for everyone else", *_targets(guard)]
        lines += [f"unexpected: {text}" for text in self.unexpected]
        return "".join(f"{line}\n" for line in lines)


def _ports_of(parts: Iterable[Accept | Guard], direction: Direction, protocol: Protocol) -> tuple[PortRange, ...]:
    return merge_ports(
        port for item in parts if (item.direction, item.protocol) == (direction, protocol) for port in item.ports
    )


def _title(item: Accept | Guard) -> str:
    words = (item.direction, item.protocol, format_ports(item.ports), *(item.forward.words if item.forward else ()))
    return " ".join(word for word in words if word)


def _targets(item: Accept | Guard) -> list[str]:
    return [f"  to {target}" for target in item.forward.targets] if item.forward else []


def build_ruleset(rules: Iterable[Rule], *, policy: Policy, outbound: bool) -> Ruleset:
    """Build the wanted ruleset from a host's rules.

    Rules with the same direction, protocol and ports become one accept with all their peers.
    A rule without peers accepts nobody but guards its ports all the same. A port is guarded when one of its rules is.

    :param policy: ``guard`` refuses everyone else on these ports, ``open`` only accepts.
    :param outbound: whether rules with direction ``out`` count.
    """
    counted = [part for rule in rules if outbound or rule.direction != "out" for part in rule.parts]
    groups: dict[_Key, list[Rule]] = {}
    ports: dict[tuple[Direction, Protocol, Optional[Forward]], list[PortRange]] = {}
    for rule in counted:
        groups.setdefault(rule.key, []).append(rule)
        if rule.guarded and rule.ports:
            place = Forward(rule.forward.targets, stateless=rule.forward.stateless) if rule.forward else None
            ports.setdefault((rule.direction, rule.protocol, place), []).extend(rule.ports)
    accepts = [_accept(key, members) for key, members in groups.items()]
    guards = [
        Guard(direction, protocol, merge_ports(ranges), place) for (direction, protocol, place), ranges in ports.items()
    ]
    return Ruleset(
        accepts=tuple(sorted(item for item in accepts if item.peers)),
        guards=tuple(sorted(guards)) if policy == "guard" else (),
    )


def _accept(key: _Key, members: Sequence[Rule]) -> Accept:
    direction, protocol, ports, forward, _family = key
    return Accept(
        direction,
        protocol,
        ports,
        peers=merge_addresses(item for rule in members for item in rule.peers),
        comment=comment_of(rule.purpose for rule in members),
        required=any(rule.required for rule in members),
        forward=forward,
    )
