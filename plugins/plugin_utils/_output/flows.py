# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All flows of a plan from end to end, and its rules with their reasons, for the pictures and tables of a report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressSet
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Need
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Policy
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Declared
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    PeerKind,
    PortSet,
    RuleKey,
    shown_ports,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Ports

_PASSED = ("request", "relay", "unrelated")
"""The statements that let the first packet of a flow pass."""


class Side(NamedTuple):
    """One end of a flow: an inventory host, a network or a gateway that stands for others."""

    name: str
    kind: PeerKind
    addresses: Ranges


class Flow(NamedTuple):
    """One flow from its initiator to where it is received.

    :param engine: the engine whose flow it is.
    :param allowed: False for what must be refused.
    :param named: a refusal that a user declared; others are a sample that proves the guard.
    :param source_ports: the range they are taken from, None where it is not known or there are none.
    :param gateways: what it passes on its way, in this order.
    """

    source: Side
    target: Side
    endpoint: str
    protocol: Protocol
    ports: Ports
    purpose: str
    need: Need
    citation: str
    declared: Declared
    source_ports: PortRange | None = None
    engine: str = ""
    allowed: bool = True
    named: bool = True
    gateways: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """Protocol and ports for readers."""
        return shown_ports(self.protocol, self.ports)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What findings know it by: source, target, endpoint and ports."""
        return (self.source.name, self.target.name, self.endpoint, self.shown)


class Rule(NamedTuple):
    """One rule, and all hosts that have it with the same peers.

    :param declared: the declarations that it follows from on these hosts.
    """

    key: RuleKey
    peers: tuple[Side, ...]
    hosts: tuple[str, ...]
    policy: Policy
    declared: tuple[Declared, ...]


def engines_of(port_sets: Iterable[PortSet]) -> dict[tuple[str, str], str]:
    """Return the engine of each server, by its host and name; the ids of its endpoints begin with the name."""
    return {(item.host, endpoint.server): endpoint.engine for item in port_sets for endpoint in item.endpoints}


def flows_of(port_sets: Collection[PortSet], gateways: Iterable[GatewayPlan] = ()) -> list[Flow]:
    """Return every flow of a plan once, sorted; those that must be refused come last."""
    found: dict[tuple[str, str, str, str], Flow] = {}
    refused: dict[tuple[str, str, str, str], Flow] = {}
    ways, engines = _Ways(gateways), engines_of(port_sets)

    def whole(flow: Flow) -> Flow:
        server = flow.endpoint.partition("/")[0]
        at_target = engines.get((flow.target.name, server))
        return flow._replace(
            engine=at_target or engines.get((flow.source.name, server), ""),
            gateways=ways.of(flow) if flow.allowed else (),
        )

    for port_set in port_sets:
        here = Side(port_set.host, "host", port_set.addresses)
        for flow in _planned(port_set, here):
            if flow.key not in found:
                found[flow.key] = whole(flow)
        for flow in _refused(port_set, here):
            if flow.key not in refused:
                refused[flow.key] = whole(flow)
    return [*(found[key] for key in sorted(found)), *(refused[key] for key in sorted(refused))]


def _planned(port_set: PortSet, here: Side) -> Iterator[Flow]:
    for rule, peers in port_set.rules.items():
        for peer in peers.values():
            there = Side(peer.name, peer.kind, peer.addresses)
            source, target = (there, here) if rule.direction == "in" else (here, there)
            yield Flow(
                source,
                target,
                rule.endpoint,
                rule.protocol,
                rule.ports,
                rule.purpose,
                rule.need,
                rule.citation,
                peer.declared,
                peer.source_ports,
            )


def _refused(port_set: PortSet, here: Side) -> Iterator[Flow]:
    for check in port_set.forbidden:
        there = Side(check.host, "host", check.addresses)
        why = "Chosen to prove that the guard refuses other hosts" if check.sampled else "Forbidden by the declaration"
        yield Flow(
            here,
            there,
            check.endpoint,
            check.protocol,
            check.ports,
            why,
            "required",
            "",
            check.declared,
            allowed=False,
            named=not check.sampled,
        )


class _Ways:
    """Which gateways have to let a flow pass.

    :param gateways: in the order of their declaration, which is that of one way between two networks.
    """

    def __init__(self, gateways: Iterable[GatewayPlan]) -> None:
        self._steps: dict[tuple[str, str], list[tuple[AddressSet, str, str, int]]] = {}
        for number, gateway in enumerate(gateways):
            for item in gateway.statements:
                if item.kind in _PASSED:
                    forward = gateway.between.index(item.origin) < gateway.between.index(item.target)
                    rank = number if forward else -number
                    step = (AddressSet(item.source), gateway.name, gateway.host, rank)
                    self._steps.setdefault((item.host, item.endpoint), []).append(step)

    def of(self, flow: Flow) -> tuple[str, ...]:
        """Return the gateways on a flow's way that are not one of its ends, as its packets meet them."""
        ends = {flow.source.name, flow.target.name}
        found = {
            name: rank
            for host in ends
            for sources, name, own, rank in self._steps.get((host, flow.endpoint), ())
            if ends.isdisjoint((name, own)) and any(sources.overlaps(item) for item in flow.source.addresses)
        }
        return tuple(sorted(found, key=found.__getitem__))


def rules_of(port_sets: Iterable[PortSet]) -> list[Rule]:
    """Return the rules of all hosts, hosts that have the same one together; inbound rules come first.

    An outbound rule that only mirrors another host's inbound rule is in force nowhere and left out: only hosts that
    filter their outbound traffic have it, and flows to networks and gateways have no other rule.
    """
    found: dict[tuple[RuleKey, tuple[Side, ...], Policy], tuple[set[str], set[Declared]]] = {}
    for port_set in port_sets:
        for key, peers in port_set.rules.items():
            mirrored = key.direction == "out" and not port_set.settings.filter_outbound
            kept = [peer for _name, peer in sorted(peers.items()) if not mirrored or peer.kind != "host"]
            if kept or not mirrored:
                sides = tuple(Side(peer.name, peer.kind, peer.addresses) for peer in kept)
                hosts, declared = found.setdefault((key, sides, port_set.settings.policy), (set(), set()))
                hosts.add(port_set.host)
                declared.update(peer.declared for peer in kept)
    rules = [
        Rule(key, sides, tuple(sorted(hosts)), policy, tuple(sorted(declared)))
        for (key, sides, policy), (hosts, declared) in found.items()
    ]
    return sorted(rules, key=lambda rule: (rule.key.direction != "in", rule.hosts, rule.key[:-1]))
