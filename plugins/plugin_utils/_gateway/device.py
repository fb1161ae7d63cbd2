# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every kind of gateway does with a flow; one class a kind says how it differs."""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Optional, Union

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import GatewayBehaviour, Option
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import ResolvedFlow
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import DYNAMIC_RANGES, dynamic_range
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import (
    Gateway,
    GatewayKind,
    Peer,
    ServerDeclaration,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Probe, RuleKey
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Ports

OS_OPTION = Option(
    "os", "str", "Its operating system, which determines its source ports.", choices=tuple(DYNAMIC_RANGES)
)


class FlowRequest(NamedTuple):
    """One flow between two peers, on its way; ``key`` is the rule as the responder sees it."""

    declaration: ServerDeclaration
    flow: ResolvedFlow
    key: RuleKey
    initiator: Peer
    responder: Peer

    @property
    def behaviour(self) -> GatewayBehaviour:
        """What the flow is like on its way through gateways."""
        return self.flow.spec.through

    @property
    def source_ports(self) -> PortRange:
        """Where the initiator sends from."""
        return self.flow.source or self.initiator.source_ports


class Side(NamedTuple):
    """One side of a flow as it looks on one stretch of its way; ``device`` where it is a gateway."""

    addresses: Ranges
    ports: Ports
    device: Device | None


class Dropped(NamedTuple):
    """A flow that does not pass a gateway, and why.

    :param unpublished: it would pass if the gateway published it.
    """

    gateway: Gateway
    reason: str
    unpublished: bool = False


class Hop(NamedTuple):
    """A flow's destination before and behind one gateway.

    :param note: what clients have to know of it, in the place of what gateways behind it say; None for nothing new.
    :param used: the paths of the mappings that it needs.
    :param serves: the gateway makes the server reachable by this flow.
    :param claims: the addresses and ports of the gateway that lead to one server only, from this network.
    """

    before: Side
    behind: Side
    note: Optional[str] = None
    used: frozenset[str] = frozenset()
    serves: bool = False
    claims: bool = False


class Device:
    """A gateway that passes on what it gets; kinds that do more override what differs."""

    kind: ClassVar[GatewayKind]
    note: ClassVar[str] = ""
    rewrites: ClassVar[bool] = True
    """Whether flows look different behind it."""

    relays: ClassVar[bool] = False
    """Whether it makes connections of its own in the place of clients."""

    hides: ClassVar[bool] = False
    """Whether a server cannot tell apart who is behind it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    @property
    def stateless(self) -> bool:
        """Whether it needs rules for replies."""
        return False

    @property
    def source_ports(self) -> PortRange:
        """Where its own connections come from."""
        return dynamic_range(self.gateway.values.get("os")).ports

    @property
    def guessed(self) -> str:
        """Its name when the range of its own source ports is not known, else nothing."""
        return "" if self.gateway.values.get("os") else self.gateway.name

    @property
    def seen_as(self) -> str:
        """The name under which both ends of a flow know it: that of its host, where it has rules of its own there."""
        return self.gateway.host if self.relays and self.gateway.host else self.gateway.name

    @property
    def guards(self) -> bool:
        """Whether the port at which clients ask it serves nobody else, so that all others are refused there."""
        return True

    def stands_between(self, a: str, b: str, behaviour: GatewayBehaviour) -> bool:
        """Tell whether flows of this behaviour from one of its networks to another go through it."""
        return True

    def destination(self, request: FlowRequest, behind: Side, a: str, route: tuple[Device, ...]) -> Union[Hop, Dropped]:
        """Return how a flow's destination looks before it, given how it looks behind it.

        :param a: the network that the flow comes from.
        :raises DbportsError: for a way that cannot work and was surely not meant.
        """
        return Hop(behind, behind)

    def source(self, request: FlowRequest, before: Side, b: str) -> Side:
        """Return how a flow's initiator looks behind it, in network b."""
        return Side(self.gateway.addresses[b], (self.source_ports,), self)

    def probe(self, probe: Probe, target: Side) -> Probe:
        """Return what proves a flow to a client that reaches this gateway in the server's place.

        :param target: where it passes the flow on to.
        """
        return probe
