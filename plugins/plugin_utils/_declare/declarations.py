# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read everything that an inventory declares into one value, with all errors at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, Option, Values
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import ResolvedFlow, resolve_flows
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import dynamic_range
from ansible_collections.dbports.firewall.plugins.module_utils._errors import CombinedError, DbportsError, ErrorList
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.module_utils._visible import counted
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.engines import read_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.gateways import read_gateways
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Networks, Ranges, read_networks
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import Peers, read_os
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.ports import check_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import builtin_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.servers import read_server
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.validation import read_clients
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import (
    ClientRef,
    Declarations,
    Declared,
    DeclaredFlow,
    Gateway,
    GatewayKind,
    Peer,
    PeerSet,
    Server,
    ServerDeclaration,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import Inventory

_Refs = tuple[ClientRef, ...]


class PlanError(CombinedError):
    """Everything that is wrong with the declarations."""


def read_declarations(inventory: Inventory, kinds: Mapping[str, GatewayKind]) -> Declarations:
    """Read all declarations of an inventory.

    :param kinds: the kinds of gateways there are, by name.
    """
    return _Reader(inventory, kinds).read()


class _Reader:
    def __init__(self, inventory: Inventory, kinds: Mapping[str, GatewayKind]) -> None:
        self._inventory = inventory
        self._kinds = kinds
        try:
            self._settings = inventory.settings()
        except DbportsError as error:
            raise PlanError((error,)) from None
        self._peers = Peers(inventory)
        self._errors = ErrorList()
        own, self._refused = read_engines(self._settings.get("dbports_engines"), builtin_engines(), self._errors.keep)
        self._engines: dict[str, Engine] = {**builtin_engines(), **own}
        self._known: dict[tuple[str, _Refs, _Refs], PeerSet] = {}
        self._meshes: dict[int, PeerSet] = {}

    def read(self) -> Declarations:
        """Return everything that is declared, in a fixed order."""
        self._check_size()
        for error in self._inventory.strays():
            self._errors.keep(error)
        networks, gateways = self._read_gateways()
        declaring, servers = [], []
        for name in sorted(self._inventory.declaring()):
            host = self._errors.collecting_errors(name, self._peers.host, name)
            found = list(self._servers(name, host or self._outline(name)))
            if host is not None:
                declaring.append(name)
                servers += found
        variables = self._peers.variables
        return Declarations(
            tuple(declaring),
            tuple(servers),
            self._peers.hosts,
            frozenset(name for name in variables if variables[name].get("dbports_ephemeral_ports") is not None),
            networks,
            gateways,
            self._engines,
            self._errors.all(),
            self._inputs(),
        )

    def _inputs(self) -> dict[str, Any]:
        """Return all that was read, as plain data: variables, memberships, addresses from facts, settings."""
        return {
            "hosts": self._peers.variables,
            "groups": {name: sorted(members) for name, members in self._peers.members.items()},
            "facts": {name: format_addresses(self._peers.host(name).addresses) for name in self._peers.fact_hosts},
            "settings": self._settings,
        }

    def _read_gateways(self) -> tuple[Networks, tuple[Gateway, ...]]:
        raw = self._settings.get("dbports_networks")
        named = read_networks(raw, self._errors.keep)
        networks = Networks(named)
        if raw is not None and not (isinstance(raw, Mapping) and len(named) == len(raw)):
            return networks, ()  # what gateways say of a refused network would be an error of its own
        declared = self._settings.get("dbports_gateways")
        return networks, read_gateways(declared, self._kinds, networks, self._peers, self._engines, self._errors.keep)

    def _check_size(self) -> None:
        expected, path = self._settings.get("dbports_expected_hosts"), "dbports_expected_hosts"
        if expected is None:
            return
        if isinstance(expected, bool) or not str(expected).isdecimal():
            self._errors.keep(
                DbportsError(
                    "expected a number of hosts",
                    code="not_a_number",
                    path=path,
                    value=expected,
                    fix="Write a whole number",
                )
            )
        elif int(expected) > self._inventory.size():
            self._errors.keep(
                DbportsError(
                    f"the inventory has only {counted(self._inventory.size(), 'host')}: a part of it is missing",
                    code="incomplete_inventory",
                    path=path,
                    value=expected,
                    fix="Run with the whole inventory, or correct the number",
                )
            )

    def _outline(self, name: str) -> Peer:
        """Return what is known of a host that has errors, so that its servers are read, and their errors told, too."""
        try:
            os = read_os(self._peers.variables.get(name, {}).get("dbports_os"), "dbports_os")
        except DbportsError:
            os = None
        return Peer(name, (), dynamic_range(os).ports, True, os)

    def _servers(self, name: str, peer: Peer) -> Iterator[ServerDeclaration]:
        """Yield the servers of a host."""
        raw = self._peers.variables.get(name, {}).get("dbports_servers", ())
        if not isinstance(raw, (list, tuple)):
            self._errors.keep(
                DbportsError(
                    "expected a list of servers",
                    code="wrong_type",
                    host=name,
                    path="dbports_servers",
                    value=raw,
                    fix="Write for example [{engine: mssql, clients: [app_servers]}]",
                )
            )
            return
        taken: list[str] = []
        for index, item in enumerate(raw):
            if isinstance(item, Mapping) and str(item.get("engine")) in self._refused:
                continue  # its engine has an error of its own
            path = f"dbports_servers[{index}]"
            server = self._errors.collecting_errors(name, read_server, item, path, self._engines, taken, peer.os)
            if server is not None:
                taken.append(server.name)
                yield self._server(peer, server)
            elif isinstance(item, Mapping):
                self._check_names(name, item, path)

    def _check_names(self, host: str, raw: Mapping[str, Any], path: str) -> None:
        """Look up who is named by a server that cannot be read, so that its user is told everything at once."""
        for key in ("clients", "forbidden_clients"):
            with contextlib.suppress(DbportsError):  # a list of another form has its error already
                self._peer_set(host, read_clients(raw.get(key) or (), f"{path}.{key}"))

    def _server(self, host: Peer, server: Server) -> ServerDeclaration:
        self._check_clients(host, server)
        self._check_addresses(host, server)
        dynamic = self._dynamic_range(host, server)
        flows = tuple(resolve_flows(server.engine, server.values, server.instances, dynamic))
        self._errors.collecting_errors(host.name, check_ports, server, flows)
        own = PeerSet({host.name: (host, Declared(host.name, server.path))})
        instances = (item.get("clients") for item in server.instances)
        return ServerDeclaration(
            host,
            server,
            tuple(self._flow(host.name, own, flow) for flow in flows),
            self._peer_set(host.name, server.values["clients"]),
            tuple(None if refs is None else self._peer_set(host.name, refs) for refs in instances),
            tuple((ref, self._resolve(host.name, ref)) for ref in server.forbidden),
        )

    def _check_clients(self, host: Peer, server: Server) -> None:
        """Look at every list of clients, also at those that no flow uses: what is wrong there is wrong all the same."""
        partners = {flow.initiator for flow in server.engine.flows if flow.both_ways and not flow.mesh}
        for options, levels in (
            (server.engine.options, (server.values,)),
            (server.engine.instance_options, server.instances),
        ):
            names = [option.name for option in options if option.type == "clients"]
            partners |= {option.name for option in options if option.elsewhere}
            for name, refs in ((name, values[name] or ()) for values in levels for name in names):
                self._peer_set(host.name, refs)
                if name in partners:
                    self._errors.collecting_errors(host.name, self._check_partners, host, refs)

    def _check_partners(self, host: Peer, refs: _Refs) -> None:
        """Refuse a server that names itself as its partner; a group that it is in may be everybody's list."""
        for ref in refs:
            if ref.name == host.name or (self._inventory.group(ref.name) is None and self._is_own(host, ref)):
                raise DbportsError(
                    "a server is no partner of its own",
                    code="contradiction",
                    path=ref.path,
                    value=ref.name,
                    fix="Remove it, or name a group: this host is left out of it",
                )

    def _is_own(self, host: Peer, ref: ClientRef) -> bool:
        """Tell whether an entry is an address of the host itself."""
        return any(str(address) == ref.name for address in host.addresses)

    def _check_addresses(self, host: Peer, server: Server) -> None:
        """Refuse addresses on which the server listens and which are not the host's, where all of these are declared.

        Options of type ``addresses`` hold those that move between hosts, of listeners and clusters.
        """
        if self._peers.variables[host.name].get("dbports_addresses") is None:
            return
        levels = [(server.engine.options, server.values, server.path)]
        for index, item in enumerate(server.instances):
            levels.append((server.engine.instance_options, item, f"{server.path}.instances[{index}]"))
        own = set(host.addresses)
        for options, values, _path in levels:
            own.update(*(values[option.name] or () for option in options if option.type == "addresses"))
        for options, values, path in levels:
            for where, address in _listening_at(options, values, path):
                if address not in own:
                    error = DbportsError(
                        "not an address of this host",
                        code="contradiction",
                        path=where,
                        value=str(address),
                        fix="Use one of dbports_addresses, or add it there",
                    )
                    self._errors.keep(error.at(host=host.name))

    def _dynamic_range(self, host: Peer, server: Server) -> PortRange:
        """Return where a server's host takes dynamic ports from: what it declares, else its system's range."""
        if self._peers.variables[host.name].get("dbports_ephemeral_ports") is not None:
            return host.source_ports
        return dynamic_range(server.values["host_os"]).ports

    def _flow(self, host: str, own: PeerSet, flow: ResolvedFlow) -> DeclaredFlow:
        initiators, responders = (self._side(host, own, refs, flow) for refs in (flow.initiators, flow.responders))
        if flow.initiators is not None and flow.responders and self._names_own(host, flow.responders):
            responders = self._with_own(own, responders)
        return DeclaredFlow(flow, initiators, responders)

    def _side(self, host: str, own: PeerSet, refs: _Refs | None, flow: ResolvedFlow) -> PeerSet:
        """Return one side of a flow; None stands for the server's own host, which in a mesh is one of the peers."""
        if refs is None:
            return own
        others = self._peer_set(host, refs, flow.excluded)
        return self._with_own(own, others) if flow.spec.mesh else others

    def _with_own(self, own: PeerSet, others: PeerSet) -> PeerSet:
        """Return peers together with the server's own host."""
        return self._meshes.setdefault(id(others), PeerSet({**own.peers, **others.peers}))

    def _names_own(self, host: str, refs: _Refs) -> bool:
        """Tell whether entries mean the server's own host, which others reach in that role as well."""
        own = self._own_addresses(host)
        peers = (peer for ref in refs for peer in self._resolve(host, ref))
        return any(peer.name == host or (not peer.is_host and peer.addresses in own) for peer in peers)

    def _own_addresses(self, host: str) -> list[Ranges]:
        """Return a host's addresses, each as it would be written as a peer."""
        return [(address,) for address in self._peers.hosts[host][0].addresses] if host in self._peers.hosts else []

    def _peer_set(self, host: str, refs: _Refs, excluded: _Refs = ()) -> PeerSet:
        """Return the peers that a list of clients names, without the server's own host, which is nobody's client."""
        known = self._known.get((host, refs, excluded))
        if known is None:
            others = {host, *self._peer_set(host, excluded).peers} if excluded else {host}
            found: dict[str, tuple[Peer, Declared]] = {}
            own = self._own_addresses(host)
            for ref in refs:
                declared = Declared(host, ref.path)
                for peer in self._resolve(host, ref):
                    if peer.name not in others and (peer.is_host or peer.addresses not in own):
                        found.setdefault(peer.name, (peer, declared))
            known = self._known[host, refs, excluded] = PeerSet(found)
        return known

    def _resolve(self, host: str, ref: ClientRef) -> tuple[Peer, ...]:
        """Return who an entry means; what cannot be resolved is left out and its errors kept."""
        try:
            return self._peers.resolve(ref)
        except DbportsError as error:
            self._errors.keep(error.at(host=host))
            for name in self._inventory.group(ref.name) or ():
                self._errors.collecting_errors(host, self._peers.host, name)
            return ()


def _listening_at(options: Iterable[Option], values: Values, path: str) -> Iterator[tuple[str, AddressRange]]:
    """Yield where an address that a server listens on is written, and the address."""
    for option in options:
        value = values[option.name]
        if value is not None and option.type == "address" and not option.multicast:
            yield f"{path}.{option.name}", value
        elif value is not None and option.type == "listen":
            for index, item in enumerate(value):
                yield f"{path}.{option.name}[{index}].address", item["address"]
