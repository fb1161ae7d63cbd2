# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From declarations to the plan: every flow, one port set per host, warnings and conflicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Tuple

from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import ResolvedFlow, os_family
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import dynamic_range
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import (
    PlanError,
    ServerDeclaration,
    ServerDeclarations,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.gateways import SOCKS
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import Peer
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.servers import Server
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.router import HostRule, Paths
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import Inventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    Endpoint,
    Plan,
    PortSet,
    RuleKey,
    RulePeer,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.conflicts import find_conflicts
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.negative_checks import add_negative_checks
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.warnings import add_warnings

BROADCAST = "255.255.255.255"

_Heads = Tuple[RuleKey, RuleKey]
_Side = Iterable[Tuple[Peer, str]]


def build_plan(inventory: Inventory) -> Plan:
    """Compute the plan: linear in hosts and relations, the same whatever the order of the inventory.

    :raises PlanError: with every error that was found; there is no partial plan.
    """
    relations = ServerDeclarations(inventory)
    builder = _Builder(relations)
    declaring, servers = relations.read()
    if relations.gateways:
        builder.paths = Paths(relations)
    for name in declaring:
        relations.guarded(name, builder.port_set, relations.peers.host(name))
    for relation in servers:
        builder.note_partners(relation)
    for relation in servers:
        relations.guarded(relation.host, builder.add_server, relation)
    gateways: list[GatewayPlan] = []
    if not relations.errors:
        add_negative_checks(relations, servers, builder.port_set, builder.paths)
        add_warnings(relations, servers, builder.hosts)
        gateways = builder.finish()
    if relations.errors:
        raise PlanError(relations.errors)
    conflicts = [text for name in sorted(builder.hosts) for text in find_conflicts(builder.hosts[name])]
    return Plan(builder.hosts, conflicts, builder.flows, relations.inputs(), gateways)


class _Builder:
    """Collects the port sets; a flow is computed here and nowhere else."""

    def __init__(self, relations: ServerDeclarations) -> None:
        self.hosts: dict[str, PortSet] = {}
        self.flows = 0
        self.paths: Paths | None = None
        self._relations = relations
        self._partners: dict[tuple[str, str, str], list[ResolvedFlow]] = {}

    def note_partners(self, relation: ServerDeclaration) -> None:
        """Remember which ports a server declares for flows that go both ways: its partners initiate them to these."""
        for flow in relation.flows:
            if flow.spec.mesh or flow.spec.both_ways:
                key = (relation.host, relation.server.engine.name, flow.spec.name)
                received = self._partners.setdefault(key, [])
                if _receives(flow, relation.server.values["host_os"]):
                    received.append(flow)

    def port_set(self, peer: Peer) -> PortSet:
        """Return a host's port set, a new one where it has none."""
        found = self.hosts.get(peer.name)
        if found is None:
            found = PortSet(peer.name, peer.addresses, self._relations.peers.settings(peer.name))
            self.hosts[peer.name] = found
        return found

    def add_server(self, relation: ServerDeclaration) -> None:
        """Add all flows of a server to both sides."""
        own = self.hosts[relation.host]
        own.warnings += [f"{relation.server.path}: {text}" for text in relation.server.warnings]
        for flow in relation.flows:
            if (flow.responders is None or flow.spec.mesh) and _receives(flow, relation.server.values["host_os"]):
                own.endpoints.append(_endpoint(relation.server, flow))
            self._add_flow(relation, flow)

    def _add_flow(self, relation: ServerDeclaration, flow: ResolvedFlow) -> None:
        initiators = self._relations.ends(flow.initiators, relation, flow.spec.mesh).peers.values()
        responders = self._relations.ends(flow.responders, relation, flow.spec.mesh).peers.values()
        own = _heads(flow)
        self._join(relation, flow, own, initiators, responders)
        if flow.spec.both_ways:
            self._join(relation, flow, own, initiators=responders, responders=initiators)

    def _join(
        self, relation: ServerDeclaration, flow: ResolvedFlow, own: _Heads, initiators: _Side, responders: _Side
    ) -> None:
        """Let every initiator reach every responder, where the responder itself receives this flow."""
        for responder, server_side in responders:
            if flow.spec.foreign and responder.is_host:
                raise DbportsError(
                    f"{flow.spec.protocol} {own[0].ports} of this host would be closed to everyone else",
                    path=server_side.partition(": ")[2],
                    value=responder.name,
                    fix="Write its address instead",
                )
            received = self._received(relation, flow, own, responder)
            if received and responder.name == relation.host:
                # Guarded also while it has no clients.
                self.port_set(responder).rules.setdefault(own[0], {})
            for initiator, client_side in initiators:
                if initiator.name != responder.name:
                    declared = server_side if initiator.name == relation.host else client_side
                    for heads in received:
                        self._connect(relation, flow, initiator, _at(responder, relation, flow), heads, declared)

    def _received(self, relation: ServerDeclaration, flow: ResolvedFlow, own: _Heads, responder: Peer) -> list[_Heads]:
        """Return a flow as a responder receives it: at its own ports, where these are known, or not at all."""
        if responder.name == relation.host:
            return [own] if _receives(flow, relation.server.values["host_os"]) else []
        declared = self._partners.get((responder.name, relation.server.engine.name, flow.spec.name))
        if declared is not None:
            same = [item for item in declared if item.instance == flow.instance]
            return [_heads(item) for item in same or declared]
        if not _receives(flow, responder.os):
            return []
        system = responder.os or flow.spec.responder_os
        if flow.dynamic and system:
            return [_heads(flow._replace(ports=(dynamic_range(system).ports,)))]
        return [own]

    def _connect(
        self,
        relation: ServerDeclaration,
        flow: ResolvedFlow,
        initiator: Peer,
        responder: Peer,
        heads: _Heads,
        declared: str,
    ) -> None:
        """Let two peers see each other, or the gateways in their places."""
        legs = self.paths.cross(relation, flow, heads[0], initiator, responder) if self.paths else None
        if legs is None:
            self._pair(initiator, responder, heads, declared, flow.spec.broadcast)
            return
        direct = False
        for leg in legs:
            if not leg.owner.is_host:
                continue
            head = heads[0] if leg.direction == "in" else _towards(heads[1], leg)
            more = (BROADCAST,) if leg.pair and leg.direction == "out" and flow.spec.broadcast else ()
            ref = RulePeer(leg.name, (*leg.addresses, *more), leg.source_ports, declared)
            port_set = self.port_set(leg.owner)
            new = port_set.add_gateway(head, ref) if leg.via else port_set.add(head, ref)
            direct = direct or (new and leg.pair)
            self.flows += new and not leg.pair
        self.flows += direct

    def finish(self) -> list[GatewayPlan]:
        """Return what gateways have to permit; what was noticed on the way goes to the hosts' warnings."""
        if self.paths is None:
            return []
        gateways, warnings, errors = self.paths.finish()
        for host, text in warnings:
            self.hosts[host].warnings.append(text)
        for item in gateways:
            if item.gateway.rewrites and item.gateway.name in self.hosts:
                errors.append(
                    DbportsError(
                        "a host of the plan has this name, and the gateway stands in the place of peers",
                        path=f"{item.gateway.path}.name",
                        value=item.gateway.name,
                        fix="Give the gateway another name",
                    )
                )
        self._relations.errors += errors
        return gateways

    def _pair(self, initiator: Peer, responder: Peer, heads: _Heads, declared: str, broadcast: bool) -> None:
        new = False
        source = initiator.source_ports if heads[0].ports else ""
        if responder.is_host:
            ref = RulePeer(initiator.name, initiator.addresses, source, declared)
            new = self.port_set(responder).add(heads[0], ref)
        if initiator.is_host:
            addresses = (*responder.addresses, BROADCAST) if broadcast else responder.addresses
            new = self.port_set(initiator).add(heads[1], RulePeer(responder.name, addresses, source, declared)) or new
        self.flows += new  # every node of a cluster may declare what joins it to the others


def _towards(head: RuleKey, leg: HostRule) -> RuleKey:
    """Return an initiator's rule for what it sees in the place of the responder."""
    if leg.via is None:
        return head
    probe = ("tcp", None) if head.probe and leg.via.kind == SOCKS else head.probe
    purpose = f"{head.purpose}, through {leg.via.name}{leg.note}"
    return head._replace(ports=leg.ports, purpose=purpose, probe=probe)


def _receives(flow: ResolvedFlow, os: str | None) -> bool:
    """Tell whether a host with this operating system receives a flow."""
    return not flow.spec.responder_os or os_family(os) in ("", flow.spec.responder_os)


def _at(responder: Peer, relation: ServerDeclaration, flow: ResolvedFlow) -> Peer:
    """Return the responder with the one address of the server that a flow goes to, where it has one."""
    own = responder.name == relation.host
    return responder._replace(addresses=(flow.address,)) if flow.address and own else responder


def _endpoint(server: Server, flow: ResolvedFlow) -> Endpoint:
    spec = flow.spec
    listening = "required" if spec.need == "required" and spec.listens and spec.process else "optional"
    return Endpoint(
        flow.endpoint,
        server.engine.name,
        server.name,
        flow.instance,
        spec.protocol,
        format_ports(flow.ports),
        flow.address,
        spec.process,
        listening,
        flow.purpose,
        spec.shared,
    )


def _heads(flow: ResolvedFlow) -> _Heads:
    """Return a flow's rule as its responder and as its initiator see it."""
    spec = flow.spec
    citation = spec.citation if spec.confirmed else f"{spec.citation} (unconfirmed)"
    inbound = RuleKey(
        "in",
        flow.endpoint,
        spec.name,
        spec.protocol,
        format_ports(flow.ports),
        flow.purpose,
        spec.need,
        citation,
        spec.unsolicited,
        None,
    )
    probe = (spec.probe, flow.probe_instance) if spec.probe and (flow.responders is None or spec.mesh) else None
    return inbound, inbound._replace(direction="out", probe=probe)
