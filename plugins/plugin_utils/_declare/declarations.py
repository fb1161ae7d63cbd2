# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who declares which server for whom: declarations of all hosts, validated and with their peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, AddressSet
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import ResolvedFlow, resolve_flows
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import dynamic_range
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.engines import read_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.gateways import Gateway, read_gateways
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Networks, read_networks
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import Peer, Peers
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import builtin_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.servers import ClientRef, Server, read_server
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import Inventory

T = TypeVar("T")


class PlanError(DbportsError):
    """Everything that is wrong with the declarations, one ``DbportsError`` each."""

    def __init__(self, errors: list[DbportsError]) -> None:
        self.errors = errors
        super().__init__("the declarations cannot be planned")

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class ServerDeclaration(NamedTuple):
    """One server of one host and its flows."""

    host: str
    server: Server
    flows: tuple[ResolvedFlow, ...]


class PeerSet:
    """One side of a flow: peers by name, each with the declaration that names it."""

    def __init__(self, peers: dict[str, tuple[Peer, str]]) -> None:
        self.peers = peers

    @cached_property
    def _of_hosts(self) -> frozenset[str]:
        return frozenset(text for peer, _declared in self.peers.values() if peer.is_host for text in peer.addresses)

    @cached_property
    def _of_networks(self) -> AddressSet:
        networks = (peer for peer, _declared in self.peers.values() if not peer.is_host)
        return AddressSet(AddressRange.parse(text) for peer in networks for text in peer.addresses)

    def meets(self, host: Peer) -> bool:
        """Tell whether an address of an inventory host is one of theirs; hosts' addresses are written alike."""
        return any(
            text in self._of_hosts or self._of_networks.overlaps(AddressRange.parse(text)) for text in host.addresses
        )

    @cached_property
    def addresses(self) -> AddressSet:
        """All addresses of the peers."""
        return AddressSet(
            AddressRange.parse(text) for peer, _declared in self.peers.values() for text in peer.addresses
        )


class ServerDeclarations:
    """Reads all declarations; every error is kept, so that the user sees all of them at once."""

    def __init__(self, inventory: Inventory) -> None:
        self.peers = Peers(inventory)
        self.engines: dict[str, Engine] = {}
        self.networks = Networks({})
        self.gateways: tuple[Gateway, ...] = ()
        self.errors: list[DbportsError] = []
        self._told: set[str] = set()
        self._refused: set[str] = set()
        self._inventory = inventory
        self._ends: dict[tuple[str, tuple[ClientRef, ...]], PeerSet] = {}

    def read(self) -> tuple[list[str], list[ServerDeclaration]]:
        """Return the names of the hosts that declare servers, and the servers, in a fixed order."""
        self._check_size()
        own, self._refused = read_engines(
            self._inventory.settings().get("dbports_engines"), builtin_engines(), self._keep
        )
        self.engines = {**builtin_engines(), **own}
        self._read_gateways()
        declaring = [
            name
            for name in sorted(self._inventory.declaring())
            if self.guarded(name, self.peers.host, name) is not None
        ]
        return declaring, [item for name in declaring for item in self._servers(name)]

    def guarded(self, host: str, call: Callable[..., T], *args: Any) -> T | None:
        """Run one step; its error is kept, located on the host, and None returned."""
        try:
            return call(*args)
        except DbportsError as error:
            self._keep(error.at(host=host))
            return None

    def _keep(self, error: DbportsError) -> None:
        """Keep an error; the same one is met once for every server that it matters to."""
        if str(error) not in self._told:
            self._told.add(str(error))
            self.errors.append(error)

    def ends(self, refs: tuple[ClientRef, ...] | None, relation: ServerDeclaration, mesh: bool = False) -> PeerSet:
        """Return one side of a flow; None stands for the server's own host, which is nobody's client.

        :param mesh: the server's own host is one of them.

        Entries that cannot be resolved are left out and their errors kept.
        """
        own = {relation.host: (self.peers.host(relation.host), f"{relation.host}: {relation.server.path}")}
        if refs is None:
            return PeerSet(own)
        if mesh:
            return PeerSet({**own, **self.ends(refs, relation).peers})
        ends = self._ends.get((relation.host, refs))
        if ends is None:
            found: dict[str, tuple[Peer, str]] = {}
            for ref in refs:
                declared = f"{relation.host}: {ref.path}"
                for peer in self._resolve(relation.host, ref):
                    if peer.name != relation.host:
                        found.setdefault(peer.name, (peer, declared))
            ends = self._ends[(relation.host, refs)] = PeerSet(found)
        return ends

    def _resolve(self, host: str, ref: ClientRef) -> tuple[Peer, ...]:
        try:
            return self.peers.resolve(ref)
        except DbportsError as error:
            self._keep(error.at(host=host))
            for name in self._inventory.group(ref.name) or ():
                self.guarded(host, self.peers.host, name)
            return ()

    def allows(self, relation: ServerDeclaration, flow: ResolvedFlow, peer: Peer) -> bool:
        """Tell whether a peer, or any of its addresses, is declared as an initiator of a flow to the server."""
        if flow.responders is not None:
            return False
        ends = self.ends(flow.initiators, relation)
        return peer.name in ends.peers or ends.meets(peer)

    def inputs(self) -> dict[str, Any]:
        """Return all that was read, as plain data: variables, memberships, addresses from facts, settings."""
        return {
            "hosts": self.peers.variables,
            "groups": {name: sorted(members) for name, members in self.peers.members.items()},
            "facts": {name: list(self.peers.host(name).addresses) for name in self.peers.fact_hosts},
            "settings": self._inventory.settings(),
        }

    def _read_gateways(self) -> None:
        settings = self._inventory.settings()
        raw = settings.get("dbports_networks")
        named = read_networks(raw, self._keep)
        self.networks = Networks(named)
        if raw is None or (
            isinstance(raw, Mapping) and len(named) == len(raw)
        ):  # else what gateways say of a refused network would be told too
            self.gateways = read_gateways(
                settings.get("dbports_gateways"), self.networks, self.peers, self.engines, self._keep
            )

    def _check_size(self) -> None:
        expected = self._inventory.settings().get("dbports_expected_hosts")
        if expected is None:
            return
        if isinstance(expected, bool) or not str(expected).isdecimal():
            self._keep(
                DbportsError(
                    "not a number of hosts", path="dbports_expected_hosts", value=expected, fix="Write a whole number"
                )
            )
        elif int(expected) > self._inventory.size():
            self._keep(
                DbportsError(
                    f"the inventory has only {self._inventory.size()} hosts: a part of it is missing",
                    path="dbports_expected_hosts",
                    value=expected,
                    fix="Run with the whole inventory, or correct the number",
                )
            )

    def _dynamic_range(self, name: str, server: Server) -> PortRange:
        """Return where a server's host takes dynamic ports from: what it declares, else its system's range."""
        declared = self.peers.variables[name].get("dbports_ephemeral_ports")
        if declared is not None:
            return PortRange.parse(declared)
        return dynamic_range(server.values["host_os"]).ports

    def _servers(self, name: str) -> list[ServerDeclaration]:
        peer = self.peers.host(name)
        raw = self.peers.variables[name].get("dbports_servers")
        if not isinstance(raw, (list, tuple)):
            self._keep(
                DbportsError(
                    "not a list of servers",
                    host=name,
                    path="dbports_servers",
                    value=raw,
                    fix="Write for example [{engine: mssql, clients: [app_servers]}]",
                )
            )
            return []
        found: list[ServerDeclaration] = []
        for index, item in enumerate(raw):
            if isinstance(item, Mapping) and str(item.get("engine")) in self._refused:
                continue  # told with the engine
            taken = [relation.server.name for relation in found]
            server = self.guarded(name, read_server, item, f"dbports_servers[{index}]", self.engines, taken, peer.os)
            if server is not None:
                dynamic = self._dynamic_range(name, server)
                flows = tuple(resolve_flows(server.engine, server.values, server.instances, dynamic))
                found.append(ServerDeclaration(name, server, flows))
        return found
