# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From declarations to the plan: every flow, one port set per host, warnings and conflicts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    merge_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import ResolvedFlow, os_family
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import dynamic_range
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorList
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import (
    PlanError,
    read_declarations,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import (
    Declarations,
    Declared,
    DeclaredFlow,
    Peer,
    Server,
    ServerDeclaration,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.device import Device, FlowRequest
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.kinds import gateway_kinds
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.linux import PLATFORM, forward_rules
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.record import GatewayRecord
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.router import HostRule, Router
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import ALL, Inventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    BROADCAST,
    Endpoint,
    ForwardRule,
    PeerKind,
    Plan,
    PortSet,
    Probe,
    RuleKey,
    RulePeer,
    shown_ports,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import PlanWarning
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.conflicts import find_conflicts
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.negative_checks import add_negative_checks
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.warnings import add_warnings

_Keys = tuple[RuleKey, RuleKey]
_Side = Iterable[tuple[Peer, Declared]]
_Received = list[tuple[_Keys, Optional[AddressRange]]]


def build_plan(inventory: Inventory) -> Plan:
    """Compute the plan: linear in hosts and declarations, the same whatever the order of the inventory.

    :raises PlanError: with every error that was found; there is no partial plan.
    """
    declarations = read_declarations(inventory, gateway_kinds())
    errors = ErrorList()
    for error in declarations.errors:
        errors.keep(error)
    router = Router(declarations)
    builder = _Builder(declarations, router, errors)
    builder.add_all()
    gateways: list[GatewayPlan] = []
    if not errors.all():
        add_negative_checks(declarations, builder.hosts, router, errors)
        add_warnings(declarations, builder.hosts)
        gateways = builder.finish()
    if errors.all():
        raise PlanError(_located(error, inventory) for error in errors.all())
    servers: dict[str, dict[str, Declared]] = {}
    for item in declarations.servers:
        servers.setdefault(item.host.name, {})[item.server.name] = item.declared
    conflicts = [
        conflict
        for name, host in sorted(builder.hosts.items())
        for conflict in find_conflicts(host, servers.get(name, {}))
    ]
    return Plan(builder.hosts, conflicts, builder.flows, declarations.inputs, gateways)


def _located(error: DbportsError, inventory: Inventory) -> DbportsError:
    """Return an error that belongs to no host as one of the whole inventory, with the file that it is in."""
    if error.host:
        return error
    variable = re.split(r"[.\[]", error.path or "", maxsplit=1)[0]
    return error.at(host=ALL, file=inventory.origin(variable))


class _Builder:
    """Collects the port sets; a flow is computed here and nowhere else."""

    def __init__(self, declarations: Declarations, router: Router, errors: ErrorList) -> None:
        self.hosts: dict[str, PortSet] = {}
        self.flows = 0
        self._declarations = declarations
        self._router = router
        self._record = GatewayRecord(router.devices)
        self._errors = errors
        self._partners: dict[tuple[str, str, str], list[tuple[ResolvedFlow, str | None]]] = {}

    def add_all(self) -> None:
        """Add every declaration to the port sets of all hosts it concerns."""
        for name in self._declarations.declaring:
            self._port_set(self._declarations.hosts[name][0])
        for declaration in self._declarations.servers:
            self._note_partners(declaration)
        for declaration in self._declarations.servers:
            self._errors.collecting_errors(declaration.host.name, self._add_server, declaration)

    def _note_partners(self, declaration: ServerDeclaration) -> None:
        """Remember which ports a server declares for flows that go both ways: its partners initiate them to these."""
        os = declaration.server.values["host_os"]
        for flow, _initiators, _responders in declaration.flows:
            if flow.spec.mesh or flow.spec.both_ways:
                key = (declaration.host.name, declaration.server.engine.name, flow.spec.name)
                received = self._partners.setdefault(key, [])
                if _receives(flow, os):
                    received.append((flow, os))

    def _port_set(self, peer: Peer) -> PortSet:
        """Return a host's port set, a new one where it has none."""
        found = self.hosts.get(peer.name)
        if found is None:
            settings = self._declarations.hosts[peer.name][1]
            found = self.hosts[peer.name] = PortSet(peer.name, peer.addresses, settings)
        return found

    def _add_server(self, declaration: ServerDeclaration) -> None:
        """Add all flows of a server to both sides."""
        server, host = declaration.server, declaration.host.name
        own = self.hosts[host]
        own.warnings += [
            PlanWarning("engine", host, f"{server.path}.{item.path}".rstrip("."), reason=item.code, text=item.text)
            for item in server.warnings
        ]
        for item in declaration.flows:
            flow = item.flow
            if (flow.responders is None or flow.spec.mesh) and _receives(flow, server.values["host_os"]):
                own.endpoints.append(_endpoint(server, flow))
            self._add_flow(declaration, item)

    def _add_flow(self, declaration: ServerDeclaration, item: DeclaredFlow) -> None:
        initiators, responders = item.initiators.peers.values(), item.responders.peers.values()
        keys = _keys(item.flow, declaration.server.values["host_os"])
        self._join(declaration, item.flow, keys, initiators, responders)
        if item.flow.spec.both_ways:
            self._join(declaration, item.flow, keys, initiators=responders, responders=initiators)

    def _join(
        self, declaration: ServerDeclaration, flow: ResolvedFlow, own: _Keys, initiators: _Side, responders: _Side
    ) -> None:
        """Let every initiator reach every responder, where the responder itself receives this flow."""
        host = declaration.host.name
        for responder, server_side in responders:
            if flow.spec.foreign and responder.is_host and responder.name != host:
                raise DbportsError(
                    f"{shown_ports(flow.spec.protocol, own[0].ports)} of this host would be closed to everyone else",
                    code="contradiction",
                    path=server_side.path,
                    value=responder.name,
                    fix="Write its address instead",
                )
            received = self._received(declaration, flow, own, responder)
            if received and responder.name == host:
                # Guarded also while it has no clients.
                self._port_set(responder).rules.setdefault(own[0], {})
            others = [
                (peer, server_side if peer.name == host else declared)
                for peer, declared in initiators
                if peer.name != responder.name
            ]
            for keys, address in received if others else ():
                there = responder._replace(addresses=(address,)) if address else responder
                if self._router.devices:
                    for initiator, declared in others:
                        self._cross(FlowRequest(declaration, flow, keys[0], initiator, there), keys, declared)
                else:
                    self._connect(flow, keys, others, there)

    def _received(self, declaration: ServerDeclaration, flow: ResolvedFlow, own: _Keys, responder: Peer) -> _Received:
        """Return a flow as a responder receives it: at its own ports and address, where these are known, or not at all.

        :returns: the keys, and the one address that the flow goes to; None for all.
        """
        if responder.name == declaration.host.name:
            return [(own, flow.address)] if _receives(flow, declaration.server.values["host_os"]) else []
        declared = self._partners.get((responder.name, declaration.server.engine.name, flow.spec.name))
        if declared is not None:
            same = [item for item in declared if item[0].instance == flow.instance]
            return [(_keys(item, os), item.address) for item, os in same or declared]
        if not _receives(flow, responder.os):
            return []
        ports = self._declared_ports(flow, responder)
        if not ports and not flow.address and _guarded(flow, responder.os) == own[0].guarded:
            return [(own, None)]
        # An address in the endpoint's id would be this server's own.
        endpoint = flow.endpoint.partition("@")[0]
        there = flow._replace(endpoint=endpoint, ports=(ports,) if ports else flow.ports)
        return [(_keys(there, responder.os), None)]

    def _declared_ports(self, flow: ResolvedFlow, responder: Peer) -> PortRange | None:
        """Return where a responder that declares no server receives a flow, if anything is said of it."""
        if not flow.dynamic:
            return responder.port
        if responder.os or responder.name in self._declarations.range_declared:
            return responder.source_ports
        return dynamic_range(flow.spec.responder_os).ports if flow.spec.responder_os else None

    def _cross(self, request: FlowRequest, keys: _Keys, declared: Declared) -> None:
        """Let two peers see each other, or the gateways in their places."""
        routed = self._router.route_flow(request)
        self._record.add(request, routed)
        if routed.rules is None:
            self._connect(request.flow, keys, [(request.initiator, declared)], request.responder)
        else:
            self._add_rules(routed.rules, request, keys[1], declared)

    def _add_rules(
        self, rules: Iterable[HostRule], request: FlowRequest, outbound: RuleKey, declared: Declared
    ) -> None:
        direct = False
        for rule in rules:
            if not rule.owner.is_host:
                continue
            inward = rule.direction == "in"
            key = request.key if inward else _towards(outbound, rule.via, rule)
            if rule.relay:  # what it lets in is what the other side sees of it
                key = _towards(outbound, rule.relay, rule)._replace(direction="in", probe=None)
            other = request.initiator if inward else request.responder
            addresses = _sent_to(request.flow, rule.addresses) if rule.pair and not inward else rule.addresses
            peer = RulePeer(rule.name, "gateway" if rule.via else _kind(other), addresses, rule.source_ports, declared)
            new = self._port_set(rule.owner).add(key, peer)
            direct = direct or (new and rule.pair)
            ends = rule.owner.name in (request.initiator.name, request.responder.name)
            self.flows += new and ends and not rule.pair
        self.flows += direct

    def _connect(
        self, flow: ResolvedFlow, keys: _Keys, initiators: Sequence[tuple[Peer, Declared]], responder: Peer
    ) -> None:
        """Let initiators and a responder see each other as they are; most of a plan's time is spent here."""
        inbound, outbound = keys
        own = self._port_set(responder) if responder.is_host else None
        admitted = {} if own is None else own.rules.setdefault(inbound, {})
        addresses = _sent_to(flow, responder.addresses)
        kind = _kind(responder)
        peer = RulePeer(responder.name, kind, addresses, None, initiators[0][1])
        for initiator, declared in initiators:
            name, ports = initiator.name, (flow.source or initiator.source_ports) if inbound.ports else None
            new = own is not None and name not in admitted
            if new:
                admitted[name] = RulePeer(name, _kind(initiator), initiator.addresses, ports, declared)
            if initiator.is_host:
                if peer.source_ports is not ports or peer.declared is not declared:
                    peer = RulePeer(responder.name, kind, addresses, ports, declared)
                seen = (self.hosts.get(name) or self._port_set(initiator)).rules.setdefault(outbound, {})
                new = seen.setdefault(responder.name, peer) is peer or new
            self.flows += new  # every node of a cluster may declare what joins it to the others

    def finish(self) -> list[GatewayPlan]:
        """Return what gateways have to permit; what was noticed on the way goes to the hosts' warnings."""
        gateways, warnings, errors = self._record.finish()
        for warning in warnings:
            self.hosts[warning.host].warnings.append(warning)
        for device in self._router.devices:
            if device.rewrites and device.seen_as in self.hosts and device.seen_as != device.gateway.host:
                errors.append(
                    DbportsError(
                        "a host of the plan has this name, and the gateway stands in the place of peers",
                        code="duplicate",
                        path=f"{device.gateway.path}.name",
                        value=device.gateway.name,
                        fix="Give the gateway another name",
                    )
                )
        for error in errors:
            self._errors.keep(error)
        self._add_forwards(gateways)
        return gateways

    def _add_forwards(self, gateways: Iterable[GatewayPlan]) -> None:
        """Give hosts that are routers, or publish ports of containers, the rules for what passes through them."""
        for plan in gateways:
            if plan.platform == PLATFORM:
                self._port_set(self._declarations.hosts[plan.host][0]).forwards += forward_rules(plan)
        for declaration in self._declarations.servers:
            if declaration.server.published:
                own = self.hosts[declaration.host.name]
                own.forwards += _published(own, declaration.server.name)


def _published(own: PortSet, server: str) -> Iterator[ForwardRule]:
    """Yield the rules of a server in a container once more, for what the host translates to the container."""
    endpoints = {item.id for item in own.endpoints if item.server == server}
    for key, peers in own.ordered():
        if key.direction == "in" and key.endpoint in endpoints and key.protocol != "icmp":
            addresses = merge_addresses(item for peer in peers.values() for item in peer.addresses)
            yield ForwardRule(
                "", key.protocol, key.ports, addresses, (), (), True, True, key.guarded, key.purpose, key.need
            )


def _kind(peer: Peer) -> PeerKind:
    return "host" if peer.is_host else "network"


def _towards(key: RuleKey, via: Device | None, rule: HostRule) -> RuleKey:
    """Return an initiator's rule for what it sees in the place of the responder."""
    if via is None:
        return key
    probe = via.probe(key.probe, rule.target) if key.probe and rule.target else None
    purpose = f"{key.purpose}, through {via.gateway.name}{rule.note}"
    return key._replace(ports=rule.ports, purpose=purpose, guarded=key.guarded and via.guards, probe=probe)


def _receives(flow: ResolvedFlow, os: str | None) -> bool:
    """Tell whether a host with this operating system receives a flow."""
    return not flow.spec.responder_os or os_family(os) in ("", flow.spec.responder_os)


def _guarded(flow: ResolvedFlow, os: str | None) -> bool:
    """Tell whether a host with this operating system refuses everyone else who sends this flow."""
    return flow.spec.guard == "always" or (flow.spec.guard == "linux" and os_family(os) == "linux")


def _sent_to(flow: ResolvedFlow, addresses: Ranges) -> Ranges:
    """Return where an initiator sends to: the responder, also everybody, or a multicast group in its place."""
    if flow.group:
        return (flow.group,)
    return (*addresses, BROADCAST) if flow.spec.broadcast else addresses


def _endpoint(server: Server, flow: ResolvedFlow) -> Endpoint:
    spec = flow.spec
    required = spec.need == "required" and spec.listens and spec.process and not server.published
    return Endpoint(
        flow.endpoint,
        server.engine.name,
        server.name,
        flow.instance,
        spec.protocol,
        flow.ports,
        flow.group or flow.address,
        () if server.published else spec.process,
        "required" if required else "optional",
        flow.purpose,
        spec.shared,
    )


def _keys(flow: ResolvedFlow, os: str | None) -> _Keys:
    """Return a flow's rule as its responder, which has this operating system, and as its initiator see it."""
    spec = flow.spec
    citation = spec.citation if spec.confirmed else f"{spec.citation} (unconfirmed)"
    inbound = RuleKey(
        "in",
        flow.endpoint,
        spec.name,
        spec.protocol,
        flow.ports,
        flow.purpose,
        spec.need,
        citation,
        spec.unsolicited,
        _guarded(flow, os),
        None,
    )
    probe = Probe(spec.probe, flow.probe_instance) if spec.probe and (flow.responders is None or spec.mesh) else None
    return inbound, inbound._replace(direction="out", probe=probe)
