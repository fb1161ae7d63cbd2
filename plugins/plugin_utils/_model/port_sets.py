# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is made of: port sets with their rules, endpoints and forbidden endpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import Settings
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.statements import GatewayPlan


class RuleKey(NamedTuple):
    """What all peers of a rule share, as it stands in a host's file."""

    direction: str
    endpoint: str
    flow: str
    protocol: str
    ports: str
    purpose: str
    need: str
    citation: str
    unsolicited: bool
    probe: tuple[str, str | None] | None


class RulePeer(NamedTuple):
    """One peer of a rule: its addresses, the initiator's source ports and the declaration it comes from."""

    name: str
    addresses: tuple[str, ...]
    source_ports: str
    declared: str


class Forbidden(NamedTuple):
    """An endpoint of another host that a host must not reach, and the probe that shows it."""

    endpoint: str
    host: str
    addresses: tuple[str, ...]
    protocol: str
    ports: str
    probe: tuple[str, str | None]
    declared: str


class Endpoint(NamedTuple):
    """Where a server listens.

    :param address: the only address it listens on, or None for all.
    :param shared: one socket serves all servers of the host.
    """

    id: str
    engine: str
    server: str
    instance: str
    protocol: str
    ports: str
    address: str | None
    process: tuple[str, ...]
    listening: str
    purpose: str
    shared: bool


def _order(rule: tuple[RuleKey, Any]) -> list[str]:
    return [str(part) for part in rule[0]]


@dataclass
class PortSet:
    """All flows of one host, seen from that host."""

    host: str
    addresses: tuple[str, ...]
    settings: Settings
    endpoints: list[Endpoint] = field(default_factory=list)
    rules: dict[RuleKey, dict[str, RulePeer]] = field(default_factory=dict)
    forbidden: list[Forbidden] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def ordered(self) -> list[tuple[RuleKey, dict[str, RulePeer]]]:
        """Return the rules in the order in which they are written."""
        return sorted(self.rules.items(), key=_order)

    def add(self, head: RuleKey, ref: RulePeer) -> bool:
        """Add a peer to a rule and tell whether it is new there; the first declaration of the same peer counts."""
        return self.rules.setdefault(head, {}).setdefault(ref.name, ref) is ref

    def add_gateway(self, head: RuleKey, ref: RulePeer) -> bool:
        """Add a gateway in a peer's place and tell whether it is new there; its addresses for all peers count."""
        if self.add(head, ref):
            return True
        known = self.rules[head][ref.name]
        if not set(ref.addresses) <= set(known.addresses):
            together = tuple(sorted({*known.addresses, *ref.addresses}))
            self.rules[head][ref.name] = known._replace(addresses=together)
        return False


@dataclass
class Plan:
    """Every host's port set, and what was noticed on the way.

    :param flows: how many flows there are: pairs of an initiator and an endpoint.
    :param inputs: all that was read, as plain data.
    :param gateways: what each gateway has to permit, in the order of their declaration.
    """

    hosts: dict[str, PortSet]
    conflicts: list[str]
    flows: int
    inputs: dict[str, Any]
    gateways: list[GatewayPlan] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """All hosts' warnings, each led by its host's name, and those of gateways, led by theirs."""
        told = [f"{name}: {text}" for name, host in sorted(self.hosts.items()) for text in host.warnings]
        return told + [f"{item.gateway.name}: {text}" for item in self.gateways for text in item.warnings]

    def counts(self) -> dict[str, int]:
        """Return the numbers people ask for first."""
        return {
            "hosts": len(self.hosts),
            "servers": sum(len({item.server for item in host.endpoints}) for host in self.hosts.values()),
            "flows": self.flows,
            "warnings": len(self.warnings),
            "conflicts": len(self.conflicts),
        }
