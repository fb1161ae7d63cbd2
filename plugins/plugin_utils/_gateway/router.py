# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a flow through gateways, as a function of the declarations: what its two ends see, what each gateway has
to permit, and what does not pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Union

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, merge_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import GatewayBehaviour
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import UNKNOWN
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges, as_networks
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Declarations, Peer
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.device import Device, Dropped, FlowRequest, Side
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.kinds import DEVICES
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.statements import Permit, StatementKey
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Ports, Published

_Route = tuple[Device, ...]


class HostRule(NamedTuple):
    """What one host's own rule has to name: a peer with its addresses, and ports.

    :param owner: the host whose rule it is.
    :param via: the gateway that stands in the peer's place, or None.
    :param relay: the gateway that the owner is, where it receives what it passes on.
    :param target: where the gateway in the peer's place, or the owner, passes the flow on to.
    :param pair: it is one of the two sides of a flow that nothing changes.
    """

    owner: Peer
    direction: Direction
    name: str
    addresses: Ranges
    source_ports: PortRange | None
    ports: Ports
    via: Device | None
    note: str
    pair: bool
    relay: Device | None = None
    target: Side | None = None


class Path(NamedTuple):
    """How a flow's destination looks before each gateway of a route, and last behind all of them.

    :param note: what clients have to know.
    :param used: the paths of the mappings that it needs.
    :param serves: the gateways that make the server reachable by this flow.
    :param claims: ports of gateways that lead to this server only: the gateway, the network and the ports.
    """

    sides: tuple[Side, ...]
    note: str = ""
    used: frozenset[str] = frozenset()
    serves: frozenset[int] = frozenset()
    claims: tuple[tuple[Device, str, Ports], ...] = ()


class Routed(NamedTuple):
    """What becomes of a flow on its way.

    :param rules: what both ends' rules have to name, or None where they see each other as they are.
    :param permits: what gateways have to permit for it.
    :param dropped: what it does not pass, with the networks between which it happens; only where it has no other way.
    :param paths: the ways on which something is rewritten.
    """

    rules: tuple[HostRule, ...] | None
    permits: tuple[Permit, ...]
    dropped: tuple[tuple[Dropped, tuple[str, str]], ...] = ()
    paths: tuple[Path, ...] = ()


class Router:
    """Sends flows through the gateways between their ends; routes and paths are computed once and kept."""

    def __init__(self, declarations: Declarations) -> None:
        self.devices: _Route = tuple(DEVICES[gateway.kind](gateway) for gateway in declarations.gateways)
        self._networks = declarations.networks
        self._range_declared = declarations.range_declared
        self._routes: dict[tuple[str, str, str, GatewayBehaviour], _Route] = {}
        self._paths: dict[tuple[object, ...], Union[Path, Dropped]] = {}
        self._hosts = {
            device.gateway.number: declarations.hosts[device.gateway.host][0]
            for device in self.devices
            if device.relays and device.gateway.host in declarations.hosts
        }

    def route_flow(self, request: FlowRequest) -> Routed:
        """Send a flow from one peer to another.

        :raises DbportsError: for a way that cannot work and was surely not meant.
        """
        engine, behaviour = request.declaration.server.engine.name, request.behaviour
        sources = self._networks.parts(request.initiator.addresses)
        targets = self._networks.parts(request.responder.addresses)
        routes = [(a, b, self._route(a, b, engine, behaviour)) for a in sources for b in targets]
        crossing = _Crossing(request, self._hosts, "" if request.flow.source else self.guessed(request.initiator))
        rewritten = False
        for a, b, whole in routes:
            route, source, target = _without_ends(request, whole, (a, b), sources[a], targets[b])
            if any(device.rewrites for device in route):
                crossing.add_path(route, (a, b), source, self._path(request, route, a, b, target))
                rewritten = True
            else:
                crossing.add_direct(route, a, b, source, target)
                rewritten = rewritten or route != whole
        return crossing.routed(rewritten)

    def hiding(self, peer: Peer, server: Peer, engine: str) -> Device | None:
        """Return the device behind which a server cannot tell a peer from others, if there is one."""
        for a in self._networks.parts(peer.addresses):
            for b in self._networks.parts(server.addresses):
                for device in self._route(a, b, engine, GatewayBehaviour()):
                    if device.hides:
                        return device
        return None

    def guessed(self, peer: Peer) -> str:
        """Return a peer's name when the range it connects from is not known, else nothing."""
        if peer.os is not None or peer.source_ports != UNKNOWN.ports:
            return ""
        return "" if peer.is_host and peer.name in self._range_declared else peer.name

    def _route(self, a: str, b: str, engine: str, behaviour: GatewayBehaviour) -> _Route:
        """Return the gateways from one network to another, in the order in which packets meet them."""
        key = (a, b, engine, behaviour)
        found = self._routes.get(key)
        if found is None:
            found = self._routes[key] = self._find_route(a, b, engine, behaviour)
        return found

    def _find_route(self, a: str, b: str, engine: str, behaviour: GatewayBehaviour) -> _Route:
        route = tuple(
            device
            for device in self.devices
            if a != b
            and a in device.gateway.between
            and b in device.gateway.between
            and (not device.gateway.engines or engine in device.gateway.engines)
            and device.stands_between(a, b, behaviour)
        )
        forward = [device.gateway.between.index(a) < device.gateway.between.index(b) for device in route]
        if len(set(forward)) > 1 and any(device.rewrites for device in route):
            other = route[forward.index(not forward[0])].gateway
            raise DbportsError(
                f"{route[0].gateway.name} names {a} and {b} in the other order, so that it is not known which one "
                "comes first",
                code="ambiguous_route",
                path=f"{other.path}.between",
                value=list(other.between),
                fix="Name the networks in one order everywhere",
            )
        return route if all(forward) else route[::-1]

    def _path(self, request: FlowRequest, route: _Route, a: str, b: str, target: Ranges) -> Union[Path, Dropped]:
        """Return how a flow's destination looks along a route, the same for all clients of a network."""
        declaration = request.declaration
        key = (a, b, declaration.host.name, declaration.server.name, request.key, request.responder.name, target)
        found = self._paths.get(key)
        if found is None:
            found = self._paths[key] = _find_path(request, route, a, target)
        return found


def _without_ends(
    request: FlowRequest, whole: _Route, between: tuple[str, str], source: Ranges, target: Ranges
) -> tuple[_Route, Ranges, Ranges]:
    """Leave out gateways that are an end of the flow themselves.

    A relay has an address on either side, and meets only what stands between it and the other end.

    :returns: the rest of the route, and what the ends look like there.
    """
    initiator, responder, route = request.initiator.name, request.responder.name, whole
    for device in whole:
        gateway = device.gateway
        if device not in route or gateway.host not in (initiator, responder):
            continue
        place = route.index(device)
        if not device.relays:
            route = (*route[:place], *route[place + 1 :])
        elif gateway.host == initiator:
            route, source = route[place + 1 :], gateway.addresses.get(between[1], source)
        else:
            route, target = route[:place], gateway.addresses.get(between[0], target)
    return route, source, target


def _find_path(request: FlowRequest, route: _Route, a: str, target: Ranges) -> Union[Path, Dropped]:
    """Go back from the responder to the initiator."""
    path = Path((Side(target, request.key.ports, None),))
    for device in reversed(route):
        behind = path.sides[0]
        hop = device.destination(request, behind, a, route)
        if isinstance(hop, Dropped):
            return hop
        # What only one address is published of is that one address all the way behind the device.
        narrowed = (hop.behind if side == behind else side for side in path.sides)
        path = Path(
            (hop.before, *narrowed),
            path.note if hop.note is None else hop.note,
            path.used | hop.used,
            path.serves | ({device.gateway.number} if hop.serves else set()),
            (*path.claims, *([(device, a, hop.before.ports)] if hop.claims else [])),
        )
    return path


class _Crossing:
    """Collects what becomes of one flow on all of its ways."""

    def __init__(self, request: FlowRequest, hosts: Mapping[int, Peer], guessed: str) -> None:
        self._request = request
        self._hosts = hosts
        self._guessed = guessed
        self._permits: list[Permit] = []
        self._paths: list[Path] = []
        self._dropped: list[tuple[Dropped, tuple[str, str]]] = []
        self._direct: tuple[list[AddressRange], list[AddressRange]] = ([], [])
        self._seen: dict[tuple[Direction, str, Ports], tuple[Side, PortRange, list[AddressRange], str, Side]] = {}
        self._relayed: list[HostRule] = []

    def add_direct(self, route: _Route, a: str, b: str, source: Ranges, target: Ranges) -> None:
        """Take a way on which nothing is rewritten: every filter of it has to permit the flow.

        Addresses of different families have no way between them.
        """
        if {item.family for item in source}.isdisjoint(item.family for item in target):
            return
        self._direct[0].extend(source)
        self._direct[1].extend(target)
        spec = self._request.flow.spec
        if route and not (spec.broadcast or spec.through.on_link):  # a router passes no broadcast on
            key = self._key(a, b, (self._request.source_ports,), self._request.key.ports)
            group = self._request.flow.group
            target = (group,) if group else target
            self._permits += [Permit(device, key, source, target, self._guessed) for device in route]

    def add_path(self, route: _Route, between: tuple[str, str], source: Ranges, path: Union[Path, Dropped]) -> None:
        """Take a way on which something is rewritten."""
        if isinstance(path, Dropped):
            self._dropped.append((path, between))
            return
        sources = [Side(source, (self._request.source_ports,), None)]
        for device in route:
            sources.append(device.source(self._request, sources[-1], between[1]))
        families = {4, 6}.intersection(*({item.family for item in side.addresses} for side in (*path.sides, *sources)))
        if not families:
            first = next(device for device in route if device.rewrites)
            reason = "client, gateway and server have no address family in common"
            self._dropped.append((Dropped(first.gateway, reason), between))
            return
        sides = [_only(side, families) for side in path.sides]
        sources = [_only(side, families) for side in sources]
        self._paths.append(path)
        self._permits += self._along(route, between, sources, sides)
        self._relayed += self._of_relays(route, sources, sides, path.note)
        request = self._request
        first_ports = request.source_ports
        behind = next((side for side in sides if side.device is not sides[0].device), sides[-1])
        self._visible_side("out", sides[0], request.responder.name, first_ports, sides[0].ports, path.note, behind)
        last = sources[-1]
        self._visible_side("in", last, request.initiator.name, last.ports[0], request.key.ports, "", sides[-1])

    def _along(
        self, route: _Route, between: tuple[str, str], sources: list[Side], sides: list[Side]
    ) -> Iterator[Permit]:
        """Yield what each gateway of a route has to permit."""
        for device, source, before, behind in zip(route, sources, sides, sides[1:]):
            guessed = source.device.guessed if source.device else self._guessed
            key = self._key(*between, source.ports, behind.ports)
            if device.relays:
                yield Permit(device, key._replace(destination_ports=before.ports), source.addresses, before.addresses)
                key = key._replace(kind="relay")
            elif before != behind:
                key = key._replace(published=Published(before.addresses, before.ports))
            yield Permit(device, key, source.addresses, behind.addresses, guessed)

    def _of_relays(self, route: _Route, sources: list[Side], sides: list[Side], note: str) -> Iterator[HostRule]:
        """Yield what hosts that relay have to let in, and what they connect to themselves."""
        request = self._request
        for device, source, before, behind in zip(route, sources, sides, sides[1:]):
            owner = self._hosts.get(device.gateway.number)
            if owner:
                asks = source.device.seen_as if source.device else request.initiator.name
                asked = behind.device.seen_as if behind.device else request.responder.name
                into, ports = source.addresses, source.ports[0]
                yield HostRule(owner, "in", asks, into, ports, before.ports, source.device, note, False, device, behind)
                out, ports, via = behind.addresses, device.source_ports, behind.device
                yield HostRule(owner, "out", asked, out, ports, behind.ports, via, note, False, None, behind)

    def _key(self, a: str, b: str, source_ports: Ports, ports: Ports) -> StatementKey:
        key, flow = self._request.key, self._request.flow
        own = flow.responders is None or flow.spec.mesh
        return StatementKey(
            a,
            b,
            "unrelated" if key.unsolicited else "request",
            key.protocol,
            source_ports if ports else (),
            ports,
            None,
            self._request.responder.name if own else self._request.declaration.host.name,
            key.endpoint,
            key.need,
            key.purpose,
            key.citation,
            flow.spec.through.answered,
        )

    def _visible_side(
        self,
        direction: Direction,
        side: Side,
        name: str,
        source_ports: PortRange,
        ports: Ports,
        note: str,
        target: Side,
    ) -> None:
        """Note what the host on one end sees of the other."""
        shown = side.device.seen_as if side.device else name
        seen = self._seen.setdefault((direction, shown, ports), (side, source_ports, [], note, target))
        seen[2].extend(side.addresses)

    def routed(self, rewritten: bool) -> Routed:
        """Return everything; the ends see each other as they are where no way rewrites anything."""
        if not rewritten:
            return Routed(None, tuple(self._permits))
        rules = tuple(self._host_rules())
        return Routed(rules, tuple(self._permits), () if rules else tuple(self._dropped), tuple(self._paths))

    def _host_rules(self) -> Iterator[HostRule]:
        """Yield what both ends' rules have to name."""
        request, ports = self._request, self._request.key.ports
        initiator, responder = request.initiator, request.responder
        source = request.source_ports if ports else None
        if self._direct[0]:
            into, out = (as_networks(merge_addresses(items)) for items in self._direct)
            yield HostRule(responder, "in", initiator.name, into, source, ports, None, "", True)
            yield HostRule(initiator, "out", responder.name, out, source, ports, None, "", True)
        direct = {("in", initiator.name), ("out", responder.name)} if self._direct[0] else set()
        for (direction, name, seen_ports), (side, source_ports, addresses, note, target) in self._seen.items():
            if (direction, name) not in direct:
                owner = responder if direction == "in" else initiator
                shown = source_ports if ports else None
                listed = as_networks(merge_addresses(addresses))
                via = side.device
                yield HostRule(owner, direction, name, listed, shown, seen_ports, via, note, False, None, target)
        yield from self._relayed


def _only(side: Side, families: set[int]) -> Side:
    return side._replace(addresses=tuple(item for item in side.addresses if item.family in families))
