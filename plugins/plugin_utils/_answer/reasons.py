# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict about one peer and one port, and every reason for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, Union

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, merge_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.question import (
    AskedPeer,
    PlanView,
    Problem,
    Question,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import (
    Networks,
    Ranges,
    read_networks,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Declared, Settings
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.near import near_host
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet, RuleKey, RulePeer
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import PlanWarning

Verdict = Literal["allowed", "partly", "refused", "unguarded", "unknown"]
"""About a peer; unguarded: the collection refuses nobody there, other rules of the host decide."""

ReasonCode = Union[
    Problem,
    Literal[
        "declared",
        "not_declared",
        "not_in_networks",
        "other_endpoint",
        "forbidden",
        "no_common_family",
        "partly_in_networks",
        "nothing_planned",
        "through_gateway",
        "lost_on_gateway",
        "outbound",
        "warning",
        "open_policy",
        "shared_with_others",
        "icmp",
    ],
]

REASONS: dict[ReasonCode, str] = {
    "declared": "a declaration names the peer, or a network that holds it",
    "not_declared": "the peer is not among those declared for this port",
    "not_in_networks": "the peer's addresses are in none of the declared networks",
    "other_endpoint": "the peer is declared for another endpoint of the host",
    "forbidden": "the peer is declared as one that must not reach the endpoint",
    "no_common_family": "the peer has no address of a family in which the host is reached",
    "partly_in_networks": "some addresses of the peer are allowed and others are not",
    "nothing_planned": "no server uses this port of the host",
    "through_gateway": "a gateway that is let in stands in the peer's place",
    "lost_on_gateway": "the flow does not pass a gateway between the two",
    "outbound": "the peer's own outbound rules do not allow it to send to this port of the host",
    "warning": "the plan has a warning about the peer",
    "shared_with_others": "others use the port as well, so that it is not guarded",
    "open_policy": "the host's policy is open, so that no host is refused",
    "icmp": "echo requests are never refused",
    "itself": "a host's own traffic is not guarded",
    "unknown_host": "the peer is neither an inventory host nor an IP address or network",
    "group": "the peer is a group; ask for one of its hosts",
    "no_address": "the peer has no known address",
}
"""Every reason that a verdict can have, in general."""

Rules = tuple[tuple[RuleKey, tuple[RulePeer, ...]], ...]


class Reason(NamedTuple):
    """One reason for a verdict; what it does not speak of is empty.

    :param endpoints: the endpoints that it is about; ``purpose``, ``protocol`` and ``ports`` are those of the only one.
    :param names: the peers, networks or gateways that it names; empty where it names the asked peer itself.
    :param addresses: of the gateway that the peer sends to, or those under which the port answers.
    :param declared: the declarations that it follows from, or in which the peer is missing.
    :param warning: the warning of the plan that it repeats.
    """

    code: ReasonCode
    endpoints: tuple[str, ...] = ()
    purpose: str = ""
    protocol: Protocol = "tcp"
    ports: Ports = ()
    names: tuple[str, ...] = ()
    addresses: Ranges = ()
    declared: tuple[Declared, ...] = ()
    warning: PlanWarning | None = None


def _of_rule(code: ReasonCode, key: RuleKey, peer: RulePeer, names: tuple[str, ...], addresses: Ranges = ()) -> Reason:
    return Reason(code, (key.endpoint,), key.purpose, key.protocol, key.ports, names, addresses, (peer.declared,))


class Case:
    """One peer and one port: finds the verdict and its reasons.

    :param port_set: the port set of the host that is asked about.
    :param rules: its inbound rules for the port.
    """

    def __init__(self, view: PlanView, question: Question, peer: AskedPeer, port_set: PortSet, rules: Rules) -> None:
        self._view = view
        self._question = question
        self._peer = peer
        self._port_set = port_set
        self._rules = rules
        self._endpoints = tuple(dict.fromkeys(key.endpoint for key, _peers in rules))
        own = None if peer.problem else view.port_set(peer.name)
        self._own = own or PortSet(peer.name, peer.addresses, Settings("guard", False))

    def judge(self) -> tuple[Verdict, tuple[Reason, ...]]:
        """Return the verdict and every reason that holds."""
        if self._peer.problem:
            near = near_host(self._view.inventory, self._peer.name) if self._peer.problem == "unknown_host" else None
            reason = Reason(self._peer.problem, names=(near,) if near else ())
            return "unguarded" if self._peer.problem == "itself" else "unknown", (reason,)
        reached = list(self._declared())
        outbound = self._outbound()
        if reached:
            part = [] if self._is_whole() else [Reason("partly_in_networks")]
            verdict: Verdict = "partly" if part else "allowed"
            return "refused" if outbound else verdict, (*reached, *part, *outbound)
        through = list(self._relayed()) or list(self._translated())
        if through:
            return "refused" if outbound else "allowed", (*through, *outbound)
        lost, gateways = list(self._lost()), self._gateways()
        if gateways and not lost and self._may_be_behind():
            return "unknown", gateways
        absent = lost if lost and self._is_client() else [*lost, *self._missing()]
        lenient = self._lenient()
        reasons = (*self._families(), *self._forbidden(), *self._elsewhere(), *absent, *outbound)
        return "unguarded" if lenient else "refused", (*reasons, *self._warned(), *lenient)

    def _lenient(self) -> list[Reason]:
        """Return why a peer that no rule names is not refused either."""
        if self._question.port is None:
            return [Reason("icmp")]
        if not self._rules:
            return [Reason("nothing_planned")]
        if not any(key.guarded for key, _peers in self._rules):
            return [Reason("shared_with_others")]
        return [Reason("open_policy")] if self._port_set.settings.policy == "open" else []

    def _allowed(self) -> Iterator[tuple[RuleKey, RulePeer]]:
        return ((key, peer) for key, peers in self._rules for peer in peers)

    def _sent(self) -> Iterator[tuple[RuleKey, RulePeer]]:
        """Yield every peer that the asked peer's own outbound rules name."""
        rules = self._own.ordered()
        return (
            (key, other) for key, peers in rules if key.direction == "out" for _name, other in sorted(peers.items())
        )

    def _declared(self) -> Iterator[Reason]:
        """Yield the declarations that let the peer in."""
        for key, peer in self._allowed():
            held = self._peer.overlapping(peer.addresses)
            by_name = peer.name == self._peer.name
            if (by_name or held) and self._shares_family(held or self._peer.addresses):
                yield _of_rule("declared", key, peer, () if by_name else (peer.name,))

    def _is_whole(self) -> bool:
        """Tell whether the peer is let in by name, or some address of a host or the whole of a network is."""
        if any(peer.name == self._peer.name for _key, peer in self._allowed()):
            return True
        allowed = merge_addresses(item for _key, peer in self._allowed() for item in peer.addresses)
        return any(
            item.family == own.family and item.first <= own.first and own.last <= item.last
            for own in self._peer.addresses
            for item in allowed
        )

    def _relayed(self) -> Iterator[Reason]:
        """Yield the gateways that the peer sends to in the host's place, by the host's own declarations."""
        for key, other in self._sent():
            if key.endpoint in self._endpoints and self._stands_for_host(other):
                yield _of_rule("through_gateway", key, other, (other.name,), other.addresses)

    def _stands_for_host(self, other: RulePeer) -> bool:
        return other.kind == "gateway" and other.declared.host == self._question.host

    def _translated(self) -> Iterator[Reason]:
        """Yield the gateways that hide the peer: it sends to the host itself, which sees the gateway."""
        hiding = {key.endpoint: peer.name for key, peer in self._allowed() if peer.kind == "gateway"}
        for key, other in self._sent():
            if key.endpoint in hiding and other.name == self._question.host and self._asks_for(key):
                yield _of_rule("through_gateway", key, other, (hiding[key.endpoint],))

    def _gateways(self) -> tuple[Reason, ...]:
        names = dict.fromkeys(peer.name for _key, peer in self._allowed() if peer.kind == "gateway")
        return tuple(Reason("through_gateway", names=(name,)) for name in names)

    def _may_be_behind(self) -> bool:
        """Tell whether the peer may be among those behind a gateway that is let in.

        Rules do not say who is behind it: a host's rule for a gateway names the first declaration that leads there,
        which may be that of another server with the same endpoint.
        """
        sent = (key for key, other in self._sent() if other.kind == "gateway")
        return not self._peer.is_host or any(key.endpoint in self._endpoints for key in sent)

    def _is_client(self) -> bool:
        """Tell whether the peer is declared for anything of this host; who is no inventory host may be."""
        declared = (other.declared for peers in self._own.rules.values() for other in peers.values())
        return not self._peer.is_host or any(item.host == self._question.host for item in declared)

    def _asks_for(self, key: RuleKey) -> bool:
        return self._question.asks_for(key.protocol, key.ports)

    def _warnings(self) -> Iterable[PlanWarning]:
        return dict.fromkeys([*self._port_set.warnings, *self._own.warnings])

    def _lost(self) -> Iterator[Reason]:
        """Yield the warnings of flows to this port that do not pass a gateway between the peer and the host."""
        for warning in self._warnings():
            lost = warning.code == "lost_on_gateway" and self._is_between(warning.networks)
            unpublished = warning.code == "not_published" and self._question.host in warning.peers
            if (lost or unpublished) and any(
                self._question.asks_for(flow.protocol, flow.ports) for flow in warning.flows
            ):
                yield Reason("lost_on_gateway", warning=warning)

    def _is_between(self, networks: tuple[str, ...]) -> bool:
        ignored: list[DbportsError] = []  # an approved plan may be older than what is declared now
        named = Networks(read_networks(self._view.inventory.settings().get("dbports_networks"), ignored.append))
        here, there = named.parts(self._peer.addresses), named.parts(self._addresses())
        return any(one in here and other in there for one in networks for other in networks if one != other)

    def _addresses(self) -> Ranges:
        bound = [item.address for item in self._port_set.endpoints if item.id in self._endpoints]
        only = tuple(item for item in bound if item is not None)
        return only if only and len(only) == len(bound) else self._port_set.addresses

    def _shares_family(self, ranges: Iterable[AddressRange]) -> bool:
        return bool({item.family for item in ranges} & {item.family for item in self._addresses()})

    def _families(self) -> list[Reason]:
        addresses = self._addresses()
        if not addresses or self._shares_family(self._peer.addresses):
            return []
        return [Reason("no_common_family", addresses=addresses)]

    def _forbidden(self) -> Iterator[Reason]:
        """Yield what was forbidden to the peer; those sampled to prove a refusal are forbidden nothing."""
        for check in self._own.forbidden:
            asked = self._question.asks_for(check.protocol, check.ports)
            if asked and check.host == self._question.host and not check.sampled:
                yield Reason("forbidden", (check.endpoint,), declared=(check.declared,))

    def _elsewhere(self) -> Iterator[Reason]:
        """Yield what the peer is declared for on this host, when it is something else."""
        for key, peers in self._port_set.ordered():
            if key.direction == "in" and not self._asks_for(key) and self._peer.name in peers:
                yield _of_rule("other_endpoint", key, peers[self._peer.name], ())

    def _missing(self) -> Iterator[Reason]:
        """Yield that nobody declared the peer, where the others are declared, and their networks."""
        peers = [peer for _key, peer in self._allowed()]
        meant = (peer for peer in peers if peer.name == self._peer.name or self._peer.overlapping(peer.addresses))
        if not self._rules or any(meant):
            return
        lists = dict.fromkeys(peer.declared.enclosing() for peer in peers)
        yield Reason("not_declared", self._endpoints, declared=tuple(lists))
        networks = dict.fromkeys(peer.name for peer in peers if peer.kind == "network")
        if networks and self._peer.addresses:
            yield Reason("not_in_networks", names=tuple(networks))

    def _outbound(self) -> list[Reason]:
        """Return that the peer guards its own traffic to this port and may not send it to this host."""
        if not self._own.settings.filter_outbound:
            return []
        sent = [other for key, other in self._sent() if self._asks_for(key)]
        allowed = any(other.name == self._question.host or self._stands_for_host(other) for other in sent)
        return [Reason("outbound")] if sent and not allowed else []

    def _warned(self) -> Iterator[Reason]:
        for warning in self._warnings():
            named = _named(warning)
            for host, other in ((self._question.host, self._peer.name), (self._peer.name, self._question.host)):
                if warning.host == host and other in named:
                    yield Reason("warning", warning=warning)


def _named(warning: PlanWarning) -> tuple[str, ...]:
    """Return the peers that a warning names; ``others`` of a closed instance are instances."""
    return (*warning.peers, *warning.others) if warning.code == "no_common_family" else warning.peers
