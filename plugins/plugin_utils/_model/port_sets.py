# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is made of: port sets with their rules, endpoints and negative checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, merge_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Need
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction, Forward, Rule
from ansible_collections.dbports.firewall.plugins.module_utils._ports import (
    PortRange,
    Protocol,
    format_ports,
    merge_ports,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Declared, Settings
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import Conflict, PlanWarning

PeerKind = Literal["host", "network", "gateway"]
BROADCAST = AddressRange.parse("255.255.255.255")


class Probe(NamedTuple):
    """What proves a flow: a kind of probe, and the instance that it asks for by name."""

    kind: str
    instance: str | None


class RuleKey(NamedTuple):
    """What all peers of a rule share.

    :param guarded: the responder refuses everyone else; False where others use the port as well: it only lets peers in.
    """

    direction: Direction
    endpoint: str
    flow: str
    protocol: Protocol
    ports: Ports
    purpose: str
    need: Need
    citation: str
    unsolicited: bool
    guarded: bool
    probe: Probe | None


class RulePeer(NamedTuple):
    """One peer of a rule: its addresses, the initiator's source ports and the declaration it comes from.

    :param kind: an inventory host, an address or network that is none, or a gateway in the place of others.
    :param source_ports: the range they are taken from, None where the protocol has none.
    """

    name: str
    kind: PeerKind
    addresses: Ranges
    source_ports: PortRange | None
    declared: Declared


class ForwardRule(NamedTuple):
    """What a host lets pass on the way between others.

    :param targets: where it goes to; nowhere in particular for ports that the host publishes for a container.
    :param source_ports: empty for any port.
    :param stateful: whether connection tracking may tell answers from requests.
    :param guarded: everyone else is refused.
    :param gateway: the gateway that this host is; empty for published ports.
    """

    gateway: str
    protocol: Protocol
    ports: Ports
    peers: Ranges
    targets: Ranges
    source_ports: Ports
    stateful: bool
    answered: bool
    guarded: bool
    purpose: str
    need: Need

    @property
    def rule(self) -> Rule:
        """The same as a rule of a firewall."""
        forward = Forward(
            merge_addresses(self.targets), merge_ports(self.source_ports), not self.stateful, not self.answered
        )
        return Rule(
            "forward",
            self.protocol,
            merge_ports(self.ports),
            merge_addresses(self.peers),
            self.purpose,
            self.need == "required",
            self.guarded,
            forward,
        )


class NegativeCheck(NamedTuple):
    """An endpoint of another host that a host must not reach, and the probe that shows it.

    :param sampled: the host is a client of another server and was chosen for the proof; nobody forbade it by name.
    """

    endpoint: str
    host: str
    addresses: Ranges
    protocol: Protocol
    ports: Ports
    probe: Probe
    declared: Declared
    sampled: bool


class Endpoint(NamedTuple):
    """Where a server listens.

    :param address: the only address it listens on, or None for all.
    :param process: patterns of the programs that may listen; empty where it is the kernel, or a container's program.
    :param shared: one socket serves all servers of the host.
    """

    id: str
    engine: str
    server: str
    instance: str
    protocol: Protocol
    ports: Ports
    address: AddressRange | None
    process: tuple[str, ...]
    listening: Need
    purpose: str
    shared: bool


def shown_ports(protocol: str, ports: Ports) -> str:
    """Return a protocol and its ports for readers: ``tcp 1433``, ``icmp``."""
    return f"{protocol} {format_ports(ports)}".rstrip()


def _order(rule: tuple[RuleKey, Any]) -> tuple[Any, ...]:
    probe = rule[0].probe
    return (*rule[0][:-1], (probe.kind, probe.instance or "") if probe else ("", ""))


@dataclass
class PortSet:
    """All flows of one host, seen from that host.

    :param forwards: what passes through it, where it is a router or publishes the ports of containers.
    """

    host: str
    addresses: Ranges
    settings: Settings
    endpoints: list[Endpoint] = field(default_factory=list)
    rules: dict[RuleKey, dict[str, RulePeer]] = field(default_factory=dict)
    forbidden: list[NegativeCheck] = field(default_factory=list)
    warnings: list[PlanWarning] = field(default_factory=list)
    forwards: list[ForwardRule] = field(default_factory=list)

    def ordered(self) -> list[tuple[RuleKey, dict[str, RulePeer]]]:
        """Return the rules in the order in which they are written."""
        return sorted(self.rules.items(), key=_order)

    def add(self, key: RuleKey, peer: RulePeer) -> bool:
        """Add a peer to a rule and tell whether it is new there; the first declaration of the same peer counts.

        A gateway stands for several peers: its addresses for all of them count.
        """
        peers = self.rules.setdefault(key, {})
        known = peers.setdefault(peer.name, peer)
        if known is peer:
            return True
        if peer.kind == "gateway" and not set(peer.addresses) <= set(known.addresses):
            peers[peer.name] = known._replace(addresses=tuple(sorted({*known.addresses, *peer.addresses})))
        return False


@dataclass
class Plan:
    """Every host's port set, and what was noticed on the way.

    :param flows: how many flows there are: pairs of an initiator and an endpoint.
    :param inputs: all that was read, as plain data.
    :param gateways: what each gateway has to permit, in the order of their declaration.
    """

    hosts: dict[str, PortSet]
    conflicts: list[Conflict]
    flows: int
    inputs: Mapping[str, Any]
    gateways: list[GatewayPlan] = field(default_factory=list)

    @cached_property
    def warnings(self) -> list[PlanWarning]:
        """All hosts' warnings and those of the gateways."""
        found = [warning for _name, host in sorted(self.hosts.items()) for warning in host.warnings]
        return found + [warning for item in self.gateways for warning in item.warnings]

    def counts(self) -> dict[str, int]:
        """Return the numbers people ask for first."""
        return {
            "hosts": len(self.hosts),
            "servers": sum(len({item.server for item in host.endpoints}) for host in self.hosts.values()),
            "flows": self.flows,
            "warnings": len(self.warnings),
            "conflicts": len(self.conflicts),
        }
