# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has to show that a server does not answer: hosts the user names, and some clients of other servers."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorList
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import (
    Declarations,
    Declared,
    Peer,
    ServerDeclaration,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.router import Router
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import NegativeCheck, PortSet, Probe
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import PlanWarning

SAMPLES = 2
"""How many clients of other servers are chosen for each server: a fixed number keeps the proof linear."""

TRIES = 16
"""How many that stand behind a device with clients of the server are passed over, for the same reason."""


def add_negative_checks(
    declarations: Declarations, hosts: dict[str, PortSet], router: Router, errors: ErrorList
) -> None:
    """Add to the port sets which endpoints their hosts must not reach."""
    checks = _Checks(declarations, hosts, router)
    clients: dict[str, Peer] = {}
    for declaration in declarations.servers:
        errors.collecting_errors(declaration.host.name, checks.add_named, declaration)
        for item in declaration.flows:
            if item.flow.responders is None:
                clients.update((name, peer) for name, (peer, _at) in item.initiators.peers.items() if peer.is_host)
    if errors.all():
        return
    ordered = [clients[name] for name in sorted(clients)]
    for declaration in declarations.servers:
        checks.add_samples(declaration, ordered)


class _Checks:
    def __init__(self, declarations: Declarations, hosts: dict[str, PortSet], router: Router) -> None:
        self._declarations = declarations
        self._hosts = hosts
        self._router = router

    def add_named(self, declaration: ServerDeclaration) -> None:
        """Add the hosts of ``forbidden_clients``, which must not be clients as well."""
        host = declaration.host.name
        for ref, peers in declaration.forbidden:
            for peer in peers:
                if not peer.is_host:
                    raise DbportsError(
                        "only inventory hosts and groups can show that they are refused",
                        code="unknown_name",
                        path=ref.path,
                        value=ref.name,
                        fix="Name an inventory host or group instead",
                    )
                if peer.name == host:
                    continue  # a group may hold the server as well, whose own sockets nothing guards
                allowed = next((item for item in declaration.flows if declaration.allows(item, peer)), None)
                if allowed:
                    raise DbportsError(
                        f"{peer.name} is a client of {allowed.flow.endpoint} and forbidden at once",
                        code="contradiction",
                        path=ref.path,
                        value=ref.name,
                        fix="Remove it from one of the two lists",
                    )
                device = self._hiding(declaration, peer)
                if device:
                    warning = PlanWarning("behind_translation", host, ref.path, peers=(peer.name,), gateway=device)
                    self._hosts[host].warnings.append(warning)
                else:
                    self._forbid(declaration, peer, Declared(host, ref.path), sampled=False)

    def add_samples(self, declaration: ServerDeclaration, ordered: list[Peer]) -> None:
        """Add some clients of other servers."""
        known = {declaration.host.name}.union(peer.name for _ref, peers in declaration.forbidden for peer in peers)
        chosen = tried = 0
        for peer in ordered:
            if chosen == SAMPLES or tried == TRIES:
                return
            if peer.name in known or any(declaration.allows(item, peer) for item in declaration.flows):
                continue
            if self._hiding(declaration, peer):
                tried += 1
                continue
            self._forbid(declaration, peer, declaration.declared, sampled=True)
            chosen += 1

    def _hiding(self, declaration: ServerDeclaration, peer: Peer) -> str:
        """Return the name of the device that a peer and clients of a server share, or nothing."""
        device = self._router.hiding(peer, declaration.host, declaration.server.engine.name)
        rules = self._hosts[declaration.host.name].rules if device else {}
        name = device.gateway.name if device else ""
        return name if any(name in peers for key, peers in rules.items() if key.direction == "in") else ""

    def _forbid(self, declaration: ServerDeclaration, peer: Peer, declared: Declared, *, sampled: bool) -> None:
        checks = self._port_set(peer).forbidden
        received = {item.id for item in self._hosts[declaration.host.name].endpoints}
        accepted = {key.endpoint for key in self._hosts[declaration.host.name].rules if not key.guarded}
        for flow, _initiators, _responders in declaration.flows:
            # ICMP is no guarded port: nobody is refused an echo.
            if flow.endpoint in received - accepted and flow.ports and flow.spec.probe:
                checks.append(
                    NegativeCheck(
                        flow.endpoint,
                        declaration.host.name,
                        declaration.host.addresses,
                        flow.spec.protocol,
                        flow.ports,
                        Probe(flow.spec.probe, flow.probe_instance),
                        declared,
                        sampled,
                    )
                )

    def _port_set(self, peer: Peer) -> PortSet:
        """Return the port set of a host that may have none of its own."""
        settings = self._declarations.hosts[peer.name][1]
        return self._hosts.setdefault(peer.name, PortSet(peer.name, peer.addresses, settings))
