# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the declarations say once they are read: immutable values, from the users' YAML up to ``Declarations``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import BITS, AddressRange, AddressSet
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    EngineWarning,
    Option,
    Values,
)
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import ResolvedFlow
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Policy
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Networks, Ranges


class Declared(NamedTuple):
    """Where something is declared: the host and the path of its variable."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}: {self.path}"

    def enclosing(self) -> Declared:
        """Return the list that this is an entry of, or itself where it is none."""
        return self._replace(path=self.path.rpartition("[")[0]) if self.path.endswith("]") else self


@dataclass(frozen=True)
class ClientRef:
    """One entry of a list of clients, as written, and where.

    :param name: a host, group, address or network.
    :param path: the variable's path below its host.
    :param allow_empty: the user allows this group to be empty.
    :param os: for an address or network, the operating system of what is there, or None.
    :param port: for an address, where it receives what the server sends to it, or None.
    """

    name: str
    path: str
    allow_empty: bool = False
    os: str | None = None
    port: PortRange | None = None


@dataclass(frozen=True)
class Server:
    """A validated server: its engine, unique name on its host, values and instances, and the warnings met.

    :param published: it runs in a container, whose ports its host publishes.
    """

    engine: Engine
    name: str
    path: str
    values: Values
    instances: tuple[Values, ...]
    forbidden: tuple[ClientRef, ...]
    warnings: tuple[EngineWarning, ...]
    published: bool = False


class Peer(NamedTuple):
    """One side of a flow: an inventory host, or an address or network that is none.

    :param port: where an address that is no host receives what the server sends to it, or None where nothing is said.
    """

    name: str
    addresses: Ranges
    source_ports: PortRange
    is_host: bool
    os: str | None
    port: PortRange | None = None


class Settings(NamedTuple):
    """How a host's own firewall is to be written."""

    policy: Policy
    filter_outbound: bool


class PeerSet:
    """The peers on one side of a flow, by name, each with the declaration that names it."""

    def __init__(self, peers: Mapping[str, tuple[Peer, Declared]]) -> None:
        self.peers = peers

    @cached_property
    def _of_hosts(self) -> frozenset[AddressRange]:
        return frozenset(item for peer, _declared in self.peers.values() if peer.is_host for item in peer.addresses)

    @cached_property
    def _of_networks(self) -> AddressSet:
        networks = (peer for peer, _declared in self.peers.values() if not peer.is_host)
        return AddressSet(item for peer in networks for item in peer.addresses)

    @cached_property
    def everyone(self) -> tuple[tuple[str, Declared], ...]:
        """The networks that hold an eighth of all addresses of their family or more, where they are declared."""
        return tuple(
            (name, declared)
            for name, (peer, declared) in self.peers.items()
            if not peer.is_host
            and any(item.last - item.first >= 2 ** (BITS[item.family] - 3) - 1 for item in peer.addresses)
        )

    def overlaps(self, host: Peer) -> bool:
        """Tell whether one of an inventory host's addresses belongs to these peers."""
        return any(item in self._of_hosts or self._of_networks.overlaps(item) for item in host.addresses)

    @cached_property
    def addresses(self) -> AddressSet:
        """All addresses of the peers."""
        return AddressSet(item for peer, _declared in self.peers.values() for item in peer.addresses)


class DeclaredFlow(NamedTuple):
    """A flow of a server and the peers on its two sides."""

    flow: ResolvedFlow
    initiators: PeerSet
    responders: PeerSet


class ServerDeclaration(NamedTuple):
    """One server of one host.

    :param host: its host, as a peer.
    :param clients: the peers of the server's own ``clients``.
    :param instance_clients: those of each instance's ``clients``, None where an instance has none of its own.
    :param forbidden: every entry of ``forbidden_clients`` with the peers it means.
    """

    host: Peer
    server: Server
    flows: tuple[DeclaredFlow, ...]
    clients: PeerSet
    instance_clients: tuple[PeerSet | None, ...]
    forbidden: tuple[tuple[ClientRef, tuple[Peer, ...]], ...]

    @property
    def declared(self) -> Declared:
        """Where the server is declared."""
        return Declared(self.host.name, self.server.path)

    def allows(self, item: DeclaredFlow, peer: Peer) -> bool:
        """Tell whether a peer, or any of its addresses, is declared as an initiator of a flow to the server."""
        if item.flow.responders is not None and not item.flow.spec.mesh:
            return False
        return peer.name in item.initiators.peers or item.initiators.overlaps(peer)


@dataclass(frozen=True)
class Publication:
    """One published endpoint: ``public_ports`` of ``public`` (by outside network) lead to ``ports`` of ``address``."""

    address: AddressRange
    protocol: Protocol
    ports: PortRange
    public_ports: PortRange
    public: Mapping[str, AddressRange]
    path: str

    def published(self, ports: PortRange) -> PortRange | None:
        """Return the ports under which ports of the server are published, or None when they are not."""
        if ports.first < self.ports.first or ports.last > self.ports.last:
            return None
        shift = self.public_ports.first - self.ports.first
        return PortRange(ports.first + shift, ports.last + shift)


AddressNeed = Literal["none", "ipv4", "any", "optional"]
"""Whether a gateway has addresses of its own in the networks it stands between, and of which family."""


class Platform(NamedTuple):
    """What a gateway runs on.

    :param tracks: whether it tracks connections; None where that is the user's choice.
    :param applied: this collection writes its rules on an inventory host; otherwise it renders them as data.
    """

    name: str
    title: str
    tracks: bool | None
    applied: bool


class GatewayKind(NamedTuple):
    """What a kind of gateway lets users declare beside name, kind, between and engines.

    :param addresses: given its values, which addresses of its own it needs.
    :param mappings: whether it publishes endpoints; then it has an option inside, the network that they are in.
    :param check: given its values, the networks and its path, raises DbportsError for values that do not fit.
    :param platforms: what it can run on; the values hold the name of one as ``platform``, or None.
    :param relays: it makes connections of its own, so that a host that is one has rules of its own.
    """

    name: str
    options: tuple[Option, ...]
    addresses: Callable[[Values], AddressNeed] = lambda values: "none"
    mappings: bool = False
    check: Callable[[Values, tuple[str, ...], str], None] = lambda values, between, path: None
    platforms: tuple[Platform, ...] = ()
    relays: bool = False


class Gateway(NamedTuple):
    """One gateway as it is declared.

    :param number: its place in the list.
    :param engines: the engines whose flows go through it; empty for all.
    :param values: the options of its kind, and ``platform``.
    :param host: the inventory host that it is; empty where it is none.
    :param owner: who is asked for changes of its rules; may be empty.
    :param addresses: its own addresses by the network they lie in.
    """

    number: int
    name: str
    kind: str
    between: tuple[str, ...]
    engines: tuple[str, ...]
    values: Values
    addresses: Mapping[str, Ranges]
    mappings: tuple[Publication, ...]
    host: str = ""
    owner: str = ""

    @property
    def path(self) -> str:
        """Where it is declared."""
        return f"dbports_gateways[{self.number}]"


@dataclass(frozen=True)
class Declarations:
    """Everything that the inventory declares.

    :param declaring: the hosts that declare servers, sorted.
    :param servers: their servers, in a fixed order.
    :param hosts: every inventory host that was met, by name, with its settings.
    :param range_declared: the hosts whose range of dynamic ports is declared, so that nothing is guessed of it.
    :param errors: everything that is wrong, in the order in which it was met.
    :param inputs: all that was read, as plain data.
    """

    declaring: tuple[str, ...]
    servers: tuple[ServerDeclaration, ...]
    hosts: Mapping[str, tuple[Peer, Settings]]
    range_declared: frozenset[str]
    networks: Networks
    gateways: tuple[Gateway, ...]
    engines: Mapping[str, Engine]
    errors: tuple[DbportsError, ...]
    inputs: Mapping[str, Any]
