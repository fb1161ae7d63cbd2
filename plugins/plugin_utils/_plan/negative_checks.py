# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has to show that a server does not answer: hosts the user names, and some clients of other servers."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import (
    ServerDeclaration,
    ServerDeclarations,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import Peer
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.router import Paths
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Forbidden, PortSet

SAMPLES = 2
"""How many clients of other servers are chosen for each server: a fixed number keeps the proof linear."""

TRIES = 16
"""How many that stand behind a device with clients of the server are passed over, for the same reason."""

PortSetOf = Callable[[Peer], PortSet]


class Hidden:
    """Tells of peers that a server cannot tell from its clients, because they stand behind one address translator."""

    def __init__(self, relations: ServerDeclarations, paths: Paths | None, port_set: PortSetOf) -> None:
        self._relations = relations
        self._paths = paths
        self._port_set = port_set

    def behind(self, relation: ServerDeclaration, peer: Peer) -> str:
        """Return the name of the device that a peer and clients of a server share, or nothing."""
        server = self._relations.peers.host(relation.host)
        device = self._paths and self._paths.hidden(peer, server, relation.server.engine.name)
        rules = self._port_set(server).rules if device else {}
        shared = device and any(device.name in peers for head, peers in rules.items() if head.direction == "in")
        return device.name if device and shared else ""


def add_negative_checks(
    relations: ServerDeclarations, servers: list[ServerDeclaration], port_set: PortSetOf, paths: Paths | None = None
) -> None:
    """Add to the port sets which endpoints their hosts must not reach; errors are kept by ``relations``."""
    hidden = Hidden(relations, paths, port_set)
    clients: dict[str, Peer] = {}
    for relation in servers:
        relations.guarded(relation.host, _add_named, relations, relation, port_set, hidden)
        for flow in relation.flows:
            if flow.responders is None:
                ends = relations.ends(flow.initiators, relation)
                clients.update((name, peer) for name, (peer, _declared) in ends.peers.items() if peer.is_host)
    if relations.errors:
        return
    ordered = [clients[name] for name in sorted(clients)]
    for relation in servers:
        _add_samples(relations, relation, ordered, port_set, hidden)


def _add_named(relations: ServerDeclarations, relation: ServerDeclaration, port_set: PortSetOf, hidden: Hidden) -> None:
    """Add the hosts of ``forbidden_clients``, which must not be clients as well."""
    for ref in relation.server.forbidden:
        for peer in relations.peers.resolve(ref):
            if not peer.is_host:
                raise DbportsError(
                    "only inventory hosts and groups can show that they are refused",
                    path=ref.path,
                    value=ref.name,
                    fix="Name an inventory host or group in it",
                )
            if peer.name == relation.host:
                continue  # a group may hold the server as well, whose own sockets nothing guards
            for flow in relation.flows:
                if relations.allows(relation, flow, peer):
                    raise DbportsError(
                        f"{peer.name} is a client of {flow.endpoint} and forbidden at once",
                        path=ref.path,
                        value=ref.name,
                        fix="Remove it from one of the two lists",
                    )
            device = hidden.behind(relation, peer)
            if device:
                port_set(relations.peers.host(relation.host)).warnings.append(
                    f"{ref.path}: {peer.name} stands behind {device} with clients of this server, which cannot tell "
                    "them apart: refuse it there"
                )
                continue
            _forbid(relations, relation, peer, f"{relation.host}: {ref.path}", port_set)


def _add_samples(
    relations: ServerDeclarations, relation: ServerDeclaration, ordered: list[Peer], port_set: PortSetOf, hidden: Hidden
) -> None:
    known = {relation.host}
    for ref in relation.server.forbidden:
        known.update(peer.name for peer in relations.peers.resolve(ref))
    declared = f"{relation.host}: {relation.server.path} (a client of another server)"
    chosen = tried = 0
    for peer in ordered:
        if chosen == SAMPLES or tried == TRIES:
            return
        if peer.name in known or any(relations.allows(relation, flow, peer) for flow in relation.flows):
            continue
        if hidden.behind(relation, peer):
            tried += 1
            continue
        _forbid(relations, relation, peer, declared, port_set)
        chosen += 1


def _forbid(
    relations: ServerDeclarations, relation: ServerDeclaration, peer: Peer, declared: str, port_set: PortSetOf
) -> None:
    addresses = relations.peers.host(relation.host).addresses
    for flow in relation.flows:
        # ICMP is no guarded port: nobody is refused an echo.
        if flow.responders is None and flow.ports and flow.spec.probe:
            port_set(peer).forbidden.append(
                Forbidden(
                    flow.endpoint,
                    relation.host,
                    addresses,
                    flow.spec.protocol,
                    format_ports(flow.ports),
                    (flow.spec.probe, flow.probe_instance),
                    declared,
                )
            )
