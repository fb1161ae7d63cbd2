# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan permits and would nevertheless not work: warned of before anything is applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import dynamic_range
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import (
    Declarations,
    DeclaredFlow,
    Peer,
    PeerSet,
    ServerDeclaration,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet, RuleKey
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import FlowPorts, PlanWarning

_Received = dict[tuple[str, str], dict[str, list[tuple[Protocol, PortRange]]]]

POOL = 16
"""So many ports in a row are a pool: their program takes any that is free, so one that is taken does no harm."""


def add_warnings(declarations: Declarations, hosts: Mapping[str, PortSet]) -> None:
    """Add to the hosts' warnings what all declarations together show; linear in rules and declarations."""
    systems: dict[str, str] = {}
    families = _Families()
    received = _received(declarations)
    for declaration in declarations.servers:
        warnings = hosts[declaration.host.name].warnings
        engine = declaration.server.engine
        warnings += without_ipv4(declaration) if engine.ipv4_only else families.warnings(declaration)
        warnings += not_declared_there(declaration, received)
        warnings += closed_instances(declaration)
        warnings += closed_server(declaration, hosts[declaration.host.name])
        warnings += open_to_everyone(declaration)
        if declaration.server.values.get("os"):
            systems[declaration.host.name] = declaration.server.values["os"]
    for warning in same_addresses(hosts):
        hosts[warning.host].warnings.append(warning)
    for name, port_set in hosts.items():
        declared = name in declarations.range_declared
        port_set.warnings += dynamic_ports(port_set, declarations.hosts[name][0], systems.get(name), declared)


def same_addresses(hosts: Mapping[str, PortSet]) -> Iterator[PlanWarning]:
    """Yield a warning for hosts that have all their addresses in common, mostly because a line was copied."""
    found: dict[Ranges, list[str]] = {}
    for name in sorted(hosts):
        found.setdefault(hosts[name].addresses, []).append(name)
    for addresses, (first, *others) in found.items():
        if addresses and others:
            yield PlanWarning("same_addresses", first, others=tuple(others))


def dynamic_ports(port_set: PortSet, peer: Peer, os: str | None, declared: bool) -> list[PlanWarning]:
    """Return the warning of a host's fixed ports that lie inside its own dynamic range, where that is known.

    :param os: the operating system that a server of the host names, which counts before that of the host.
    :param declared: the host's range was declared, so that no operating system has to be known.
    """
    os = os or peer.os
    if not (os or declared):
        return []
    own = peer.source_ports if declared else dynamic_range(os).ports
    found: dict[FlowPorts, None] = {}
    for key in port_set.rules:
        if key.direction == "in":
            inside = tuple(item for item in key.ports if item.last - item.first < POOL and item.overlaps(own))
            if inside:
                found[FlowPorts(key.endpoint, key.flow, key.protocol, inside)] = None
    if not found:
        return []
    reason = "dbports_ephemeral_ports" if declared else f"{os}, {dynamic_range(os).citation}"
    return [
        PlanWarning(
            "fixed_port_in_dynamic_range",
            port_set.host,
            flows=tuple(found),
            kind=os or "",
            reason=reason,
            ports=(own,),
        )
    ]


def closed_instances(declaration: ServerDeclaration) -> Iterator[PlanWarning]:
    """Yield a warning for clients of a server who may name an instance of it that is closed to them."""
    server = declaration.server
    for index, (instance, admitted) in enumerate(zip(server.instances, declaration.instance_clients)):
        if admitted is None or instance.get("connect_by") != "name":
            continue
        shut = sorted(
            name
            for name, (peer, _declared) in declaration.clients.peers.items()
            if name not in admitted.peers and not _covered(admitted, peer)
        )
        if shut:
            path = f"{server.path}.instances[{index}].clients"
            yield PlanWarning(
                "closed_instance", declaration.host.name, path, peers=tuple(shut), others=(instance["name"],)
            )


def closed_server(declaration: ServerDeclaration, port_set: PortSet) -> list[PlanWarning]:
    """Return the warning of a server to which no other host may connect, by its clients or anything else."""
    server = declaration.server
    if server.engine.outbound or declaration.clients.peers:
        return []
    own = {item.flow.endpoint for item in declaration.flows}
    inbound = [key for key in port_set.rules if key.direction == "in"]
    listening = [key for key in inbound if key.endpoint in own]
    # Others may declare who comes: the publishers of a distributor, the subscribers' distributor.
    for key in inbound:
        if port_set.rules[key] and (key.endpoint in own or any(_same_port(key, item) for item in listening)):
            return []
    return [PlanWarning("nobody_admitted", declaration.host.name, f"{server.path}.clients")]


def without_ipv4(declaration: ServerDeclaration) -> list[PlanWarning]:
    """Return the warning of a server whose engine uses IPv4 only: those of its peers, or itself, who have none."""
    sides = {id(side): side for item in declaration.flows for side in (item.initiators, item.responders)}
    found = {
        name
        for side in sides.values()
        for name, (peer, _declared) in side.peers.items()
        if all(address.family == 6 for address in peer.addresses)
    }
    server, peers = declaration.server, tuple(sorted(found))
    return (
        [PlanWarning("ipv4_only", declaration.host.name, server.path, peers, kind=server.engine.title)] if found else []
    )


def not_declared_there(declaration: ServerDeclaration, received: _Received) -> list[PlanWarning]:
    """Return warnings of peers that declare servers of the same engine, none of which receives what this one says.

    :param received: see :func:`_received`.
    """
    host, engine = declaration.host.name, declaration.server.engine.name
    found: dict[str, dict[FlowPorts, None]] = {}
    for flow, initiators, responders in declaration.flows:
        if not (flow.spec.mesh or flow.spec.both_ways or flow.spec.to_servers) or flow.spec.guard != "always":
            continue
        others = {**initiators.peers, **responders.peers} if flow.spec.both_ways else responders.peers
        for name in others:
            there = received.get((name, engine), {}) if name != host or flow.spec.to_servers else {}
            ports = (port for known in there.values() for protocol, port in known if protocol == flow.spec.protocol)
            if there and flow.spec.name not in there and not any(a.overlaps(b) for a in ports for b in flow.ports):
                shown = FlowPorts(flow.endpoint, flow.spec.name, flow.spec.protocol, flow.ports)
                found.setdefault(name, {})[shown] = None
    together: dict[tuple[FlowPorts, ...], list[str]] = {}
    for name, flows in sorted(found.items()):
        together.setdefault(tuple(flows), []).append(name)
    path = declaration.server.path
    return [
        PlanWarning("not_declared_there", host, path, tuple(names), flows=flows, kind=engine)
        for flows, names in together.items()
    ]


def _received(declarations: Declarations) -> _Received:
    """Return what the servers of each host and engine receive themselves, by the names of the flows."""
    found: _Received = {}
    for declaration in declarations.servers:
        known = found.setdefault((declaration.host.name, declaration.server.engine.name), {})
        for flow, _initiators, _responders in declaration.flows:
            if flow.responders is None or flow.spec.mesh:
                known.setdefault(flow.spec.name, []).extend((flow.spec.protocol, port) for port in flow.ports)
    return found


def open_to_everyone(declaration: ServerDeclaration) -> list[PlanWarning]:
    """Return a warning for every entry of a list of clients that lets in the whole Internet, or much of it."""
    sets = {id(item.initiators): item.initiators for item in declaration.flows if item.flow.responders is None}
    found = dict.fromkeys(entry for peers in sets.values() for entry in peers.everyone)
    return [PlanWarning("open_to_everyone", where.host, where.path, peers=(name,)) for name, where in found]


def _same_port(one: RuleKey, other: RuleKey) -> bool:
    return one.protocol == other.protocol and any(a.overlaps(b) for a in one.ports for b in other.ports)


def _covered(admitted: PeerSet, peer: Peer) -> bool:
    return all(admitted.addresses.overlaps(item) for item in peer.addresses)


class _OneFamily(NamedTuple):
    """The names of the peers that have addresses of only one family."""

    ipv4: frozenset[str]
    ipv6: frozenset[str]


_Side = tuple[tuple[str, ...], str]
"""Names, and the one family they have."""


class _Families:
    """Finds flows whose two ends have no address family in common; each list of peers is looked at once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[PeerSet, _OneFamily]] = {}

    def warnings(self, declaration: ServerDeclaration) -> list[PlanWarning]:
        """Return the warnings of one server: one for each pair of lists, whichever of them speaks first."""
        found: dict[tuple[_Side, _Side], None] = {}
        together: dict[tuple[str, str], list[DeclaredFlow]] = {}
        for item in declaration.flows:
            # An instance with an address of each family has a flow of each, and is reached by both.
            together.setdefault((item.flow.spec.name, item.flow.instance), []).append(item)
        for items in together.values():
            initiators = self._of(items[0].initiators)
            responders = self._responders(declaration, items)
            for four, six in ((initiators.ipv4, responders.ipv6), (responders.ipv4, initiators.ipv6)):
                if four and six:
                    found[((tuple(sorted(four)), "IPv4"), (tuple(sorted(six)), "IPv6"))] = None
        host, path = declaration.host.name, declaration.server.path
        return [
            PlanWarning("no_common_family", host, path, peers=one, others=two) for (one, _ipv4), (two, _ipv6) in found
        ]

    def _responders(self, declaration: ServerDeclaration, items: list[DeclaredFlow]) -> _OneFamily:
        bound = tuple(item.flow.address for item in items if item.flow.responders is None and item.flow.address)
        if len(bound) == len(items):
            return _one_family([(declaration.host.name, bound)])
        return self._of(items[0].responders)

    def _of(self, peers: PeerSet) -> _OneFamily:
        known = self._known.get(id(peers))
        if known is None:
            names = _one_family((name, peer.addresses) for name, (peer, _declared) in peers.peers.items())
            known = self._known[id(peers)] = (peers, names)  # kept, so that its id stays its own
        return known[1]


def _one_family(peers: Iterable[tuple[str, Ranges]]) -> _OneFamily:
    four: set[str] = set()
    six: set[str] = set()
    for name, addresses in peers:
        if len(addresses) == 1 or len({item.family for item in addresses}) == 1:
            (four if addresses[0].family == 4 else six).add(name)
    return _OneFamily(frozenset(four), frozenset(six))
