# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a flow through gateways: what its ends see, what each gateway has to permit, and what is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, merge_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import ResolvedFlow
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import UNKNOWN
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, format_ports, parse_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import (
    ServerDeclaration,
    ServerDeclarations,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.gateways import (
    FILTER,
    HTTP_PROXY,
    NAT,
    SOCKS,
    VARIABLE,
    Gateway,
    Publication,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Networks, Ranges, cidrs
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import Peer
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.statements import (
    RELAY,
    REQUEST,
    UNRELATED,
    GatewayPlan,
    StatementCollector,
    StatementKey,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import RuleKey

_SOCKS_SEED = "602SQL documentation, A Client - Server Connection over a SOCKS Firewall"
_HTTP_REASON = (
    "602SQL's tunnel does not survive a proxy that understands HTTP: its requests have no Host header, one request may "
    "get several responses, and the session is the connection"
)
_CONNECTS_ONLY = "a SOCKS host passes only the connections that clients ask it for"
_ECHO_STOPS = "the device answers for its own address, not the host behind it"


class End(NamedTuple):
    """One side of a flow as it looks on one stretch of its way; ``gateway`` where it is one."""

    addresses: Ranges
    ports: str
    gateway: Gateway | None


class Way(NamedTuple):
    """The destinations of a flow, as they look before each gateway of the route, and last behind all of them."""

    ends: tuple[End, ...]
    note: str


@dataclass(frozen=True)
class HostRule:
    """What one host's own rule has to name: a peer with its addresses, and ports.

    :param owner: the host whose rule it is.
    :param via: the gateway that stands in the peer's place, or None.
    :param pair: it is one of the two sides of a flow that nothing changes.
    """

    owner: Peer
    direction: str
    name: str
    addresses: tuple[str, ...]
    source_ports: str
    ports: str
    via: Gateway | None
    note: str
    pair: bool


class _LostError(Exception):
    """A flow does not pass a gateway."""

    def __init__(self, gateway: Gateway, reason: str, unpublished: bool = False) -> None:
        self.gateway = gateway
        self.reason = reason
        self.unpublished = unpublished
        super().__init__(reason)


_Loss = tuple[str, str, int, tuple[str, ...], str]


class Paths:
    """Sends flows through the gateways between their ends; routes and ways are computed once and kept."""

    def __init__(self, relations: ServerDeclarations) -> None:
        self._networks: Networks = relations.networks
        self._gateways = relations.gateways
        self._variables = relations.peers.variables
        self._books = [StatementCollector(gateway) for gateway in self._gateways]
        self._routes: dict[tuple[str, str, str, bool], tuple[Gateway, ...]] = {}
        self._ways: dict[tuple[str, str, str, str, RuleKey, str, Ranges], Way | _LostError] = {}
        self._losses: dict[_Loss, dict[str, None]] = {}
        self._unpublished: dict[tuple[int, str, str], list[tuple[ServerDeclaration, ResolvedFlow, RuleKey, str]]] = {}
        self._served: set[tuple[int, str, str]] = set()
        self._used: set[str] = set()
        self._relayed: dict[tuple[int, str, str], str] = {}

    def cross(
        self, relation: ServerDeclaration, flow: ResolvedFlow, head: RuleKey, initiator: Peer, responder: Peer
    ) -> list[HostRule] | None:
        """Send a flow from one peer to another.

        :param head: the rule as the responder sees it.
        :returns: what both ends' rules have to name, or None where they see each other as they are.
        :raises DbportsError: for a way that cannot work and was surely not meant.
        """
        engine, http = relation.server.engine.name, flow.spec.through.http
        sources, targets = self._networks.parts(initiator.addresses), self._networks.parts(responder.addresses)
        routes = [(a, b, self._route(a, b, engine, http)) for a in sources for b in targets]
        crossing = _Crossing(self, relation, flow, head, initiator, responder)
        if not any(gateway.rewrites for _a, _b, route in routes for gateway in route):
            for a, b, route in routes:
                crossing.state_filters(route, a, b, sources[a], targets[b])
            return None
        for a, b, route in routes:
            if any(gateway.rewrites for gateway in route):
                crossing.through(route, a, b, sources[a], targets[b])
            else:
                crossing.state_filters(route, a, b, sources[a], targets[b])
                crossing.direct(sources[a], targets[b])
        return crossing.legs()

    def hidden(self, peer: Peer, server: Peer, engine: str) -> Gateway | None:
        """Return the device behind which a server cannot tell a peer from others, if there is one."""
        for a in self._networks.parts(peer.addresses):
            for b in self._networks.parts(server.addresses):
                for gateway in self._route(a, b, engine, False):
                    if gateway.kind == NAT:
                        return gateway
        return None

    def _route(self, a: str, b: str, engine: str, http: bool) -> tuple[Gateway, ...]:
        """Return the gateways from one network to another, in the order in which packets meet them."""
        key = (a, b, engine, http)
        found = self._routes.get(key)
        if found is None:
            found = self._routes[key] = tuple(self._find_route(a, b, engine, http))
        return found

    def _find_route(self, a: str, b: str, engine: str, http: bool) -> list[Gateway]:
        route = [
            gateway
            for gateway in self._gateways
            if a != b
            and a in gateway.between
            and b in gateway.between
            and (not gateway.engines or engine in gateway.engines)
            and (gateway.kind != HTTP_PROXY or http)
            and (gateway.kind != NAT or gateway.values["inside"] in (a, b))
        ]
        forward = {gateway.name: gateway.between.index(a) < gateway.between.index(b) for gateway in route}
        if len(set(forward.values())) > 1 and any(gateway.rewrites for gateway in route):
            other = next(gateway for gateway in route if forward[gateway.name] != forward[route[0].name])
            raise DbportsError(
                f"{route[0].name} names {a} and {b} in the other order, so that nobody can tell which one comes first",
                path=f"{other.path}.between",
                value=list(other.between),
                fix="Name the networks in one order everywhere",
            )
        return route if all(forward.values()) else route[::-1]

    def book(self, gateway: Gateway) -> StatementCollector:
        """Return where a gateway's statements are collected."""
        return self._books[gateway.number]

    def guessed(self, peer: Peer) -> str:
        """Return a peer's name when the range it connects from is not known, else nothing."""
        if peer.os is not None or peer.source_ports != str(UNKNOWN.ports):
            return ""
        declared = self._variables.get(peer.name, {}).get("dbports_ephemeral_ports") if peer.is_host else None
        return peer.name if declared is None else ""

    def way(self, crossing: _Crossing, route: tuple[Gateway, ...], a: str, b: str, target: Ranges) -> Way:
        """Return how a flow's destination looks along a route.

        :raises _LostError: when it does not pass.
        """
        relation = crossing.relation
        key = (a, b, relation.host, relation.server.name, crossing.head, crossing.responder.name, target)
        found = self._ways.get(key)
        if found is None:
            try:
                found = self._find_way(crossing, route, a, target)
            except _LostError as lost:
                found = lost
            self._ways[key] = found
        if isinstance(found, _LostError):
            raise found.with_traceback(None)  # kept for all clients, so it must not gather their frames
        return found

    def _find_way(self, crossing: _Crossing, route: tuple[Gateway, ...], a: str, target: Ranges) -> Way:
        """Go back from the responder to the initiator."""
        ends = [End(target, crossing.head.ports, None)]
        note = ""
        for index in range(len(route) - 1, -1, -1):
            gateway, behind = route[index], ends[0]
            if gateway.kind == SOCKS:
                crossing.check_socks(gateway, route)
                ends.insert(0, End(gateway.addresses[a], str(gateway.values["port"]), gateway))
            elif gateway.kind == HTTP_PROXY:
                ends.insert(0, self._relay(crossing, gateway, behind, a))
            elif gateway.kind == NAT and crossing.check_nat(gateway, a):
                before, after, note = self._publish(crossing, gateway, behind, a)
                # What only one address is published of is that one address all the way behind the device.
                ends = [before, *(after if end == behind else end for end in ends)]
            else:
                ends.insert(0, behind)
        return Way(tuple(ends), note)

    def _relay(self, crossing: _Crossing, gateway: Gateway, behind: End, a: str) -> End:
        if gateway.values["mode"] == "http":
            raise DbportsError(
                _HTTP_REASON,
                path=f"{gateway.path}.mode",
                value="http",
                fix="Use a proxy in mode tcp, or remove http_tunnel_port from the server",
            )
        ports = str(gateway.values["port"] or behind.ports)
        server = crossing.responder.name
        other = self._relayed.setdefault((gateway.number, a, ports), server)
        if other != server:
            raise DbportsError(
                f"port {ports} of {gateway.name} leads to {other} and cannot lead to {server} too",
                path=f"{gateway.path}.port",
                value=ports,
                fix="Declare a proxy with another port for one of the two",
            )
        return End(gateway.addresses[a], ports, gateway)

    def _publish(self, crossing: _Crossing, gateway: Gateway, behind: End, a: str) -> tuple[End, End, str]:
        """Return the destination before and behind a device that publishes it, and a note for clients."""
        ports = parse_ports(behind.ports)
        for first in gateway.mappings:
            if a not in first.public or not any(first.address.overlaps(item) for item in behind.addresses):
                continue
            same = [
                item
                for item in gateway.mappings
                if item.address == first.address and item.public.get(a) == first.public[a]
            ]
            public = [_published(same, crossing.head.protocol, item) for item in ports]
            if all(item is not None for item in public):
                found = tuple(item[0] for item in public if item is not None)
                self._used.update(item[1].path for item in public if item is not None)
                if crossing.flow.spec.through.same_port != ():  # to learn a port alone serves nobody
                    self._served.add((gateway.number, crossing.relation.host, crossing.relation.server.name))
                note = self._check_ports(crossing, gateway, same, found)
                before = End((first.public[a],), format_ports(found), gateway)
                return before, End((first.address,), behind.ports, behind.gateway), note
        raise _LostError(gateway, "it is not published there", unpublished=True)

    def _check_ports(
        self, crossing: _Crossing, gateway: Gateway, same: list[Publication], public: tuple[PortRange, ...]
    ) -> str:
        """Refuse published ports that clients would not find."""
        flow, ports = crossing.flow, parse_ports(crossing.head.ports)
        path = f"{gateway.path}.mappings"
        if flow.same_port and public != ports:
            raise DbportsError(
                f"{crossing.head.protocol} {format_ports(ports)} of {crossing.responder.name} is published as "
                f"{format_ports(public)}, but SQL Server Browser tells clients the port that the instance has inside, "
                "and is itself asked on UDP 1434 alone",
                path=path,
                value=format_ports(public),
                fix="Publish the same port, or let clients connect by host and port (connect_by: port)",
            )
        if not flow.base:
            return ""
        distance = ports[0].first - flow.base[0].first
        base = public[0].first - distance
        declared = _published(same, "udp", flow.base[0])
        if declared:
            self._used.add(declared[1].path)
        if base < 1 or (declared and declared[0].first != base):
            raise DbportsError(
                f"clients register one port and connect to it plus {distance}: {format_ports(public)} does not follow "
                f"{declared[0].first if declared else 'any port'}",
                path=path,
                value=format_ports(public),
                fix="Publish a pair of consecutive ports",
            )
        return f" (clients register port {base})" if base != flow.base[0].first else ""

    def lose(self, crossing: _Crossing, lost: _LostError, between: tuple[str, str]) -> None:
        """Remember that a flow does not pass."""
        relation, flow = crossing.relation, crossing.flow
        if lost.unpublished:
            key = (lost.gateway.number, relation.host, relation.server.name)
            self._unpublished.setdefault(key, []).append((relation, flow, crossing.head, crossing.responder.name))
        elif not flow.spec.broadcast:
            where = (relation.host, relation.server.path, lost.gateway.number, tuple(sorted(between)), lost.reason)
            self._losses.setdefault(where, {})[f"{flow.spec.name} ({_shown(crossing.head)})"] = None

    def finish(self) -> tuple[list[GatewayPlan], list[tuple[str, str]], list[DbportsError]]:
        """Return every gateway's part of the plan, warnings with their hosts, and errors."""
        warnings = []
        for (host, path, number, between, reason), flows in sorted(self._losses.items()):
            gateway = self._gateways[number]
            verb = "does" if len(flows) == 1 else "do"
            warnings.append(
                (
                    host,
                    f"{path}: {', '.join(flows)} {verb} not pass {gateway.kind} {gateway.name} between "
                    f"{' and '.join(between)}: {reason}",
                )
            )
        errors = self._tell_unpublished(warnings)
        for gateway, book in zip(self._gateways, self._books):
            book.warnings += [
                f"{item.path} publishes {item.protocol} {item.public_ports}, which no flow of the plan uses"
                for item in gateway.mappings
                if item.path not in self._used
            ]
        return [book.plan() for book in self._books], warnings, errors

    def _tell_unpublished(self, warnings: list[tuple[str, str]]) -> list[DbportsError]:
        errors: dict[str, DbportsError] = {}
        for key, missing in sorted(self._unpublished.items()):
            gateway = self._gateways[key[0]]
            for relation, flow, head, responder in missing:
                what = f"{flow.spec.name} ({_shown(head)}) of {responder} is not published by {gateway.name}"
                wanted = f"{{host: {responder}, protocol: {head.protocol}, port: {head.ports}}}"
                asked = flow.spec.through.same_port == () and key in self._served
                if flow.spec.need == "required" and (asked or key not in self._served):
                    error = DbportsError(
                        what,
                        host=relation.host,
                        path=f"{gateway.path}.mappings",
                        fix=f"Add {wanted}, or leave out the clients behind it",
                    )
                    errors.setdefault(str(error), error)
                else:
                    told = (relation.host, f"{relation.server.path}: {what}, so that nobody outside reaches it")
                    if told not in warnings:
                        warnings.append(told)
        return list(errors.values())


class _Crossing:
    """One flow between two peers on its way."""

    def __init__(
        self,
        paths: Paths,
        relation: ServerDeclaration,
        flow: ResolvedFlow,
        head: RuleKey,
        initiator: Peer,
        responder: Peer,
    ) -> None:
        self.relation = relation
        self.flow = flow
        self.head = head
        self.initiator = initiator
        self.responder = responder
        self._paths = paths
        self._direct: tuple[list[AddressRange], list[AddressRange]] = ([], [])
        self._seen: dict[tuple[str, str, str], tuple[End, str, list[AddressRange], str]] = {}
        self._lost: list[tuple[_LostError, tuple[str, str]]] = []

    def _permit(self, a: str, b: str, kind: str, source_ports: str, ports: str) -> StatementKey:
        head, flow = self.head, self.flow
        host = self.responder.name if flow.responders is None or flow.spec.mesh else self.relation.host
        return StatementKey(
            a,
            b,
            kind,
            head.protocol,
            source_ports if ports else "",
            ports,
            None,
            host,
            head.endpoint,
            head.need,
            head.purpose,
            head.citation,
            flow.spec.through.answered,
        )

    def state_filters(self, route: tuple[Gateway, ...], a: str, b: str, source: Ranges, target: Ranges) -> None:
        """Let every filter of a route on which nothing is rewritten permit the flow."""
        if self.flow.spec.broadcast or not route:
            return  # a router passes no broadcast on
        kind = UNRELATED if self.head.unsolicited else REQUEST
        permit = self._permit(a, b, kind, self.initiator.source_ports, self.head.ports)
        guessed = self._paths.guessed(self.initiator)
        for gateway in route:
            self._paths.book(gateway).add(permit, source, target, guessed)

    def direct(self, source: Ranges, target: Ranges) -> None:
        """Note addresses that see each other as they are."""
        self._direct[0].extend(source)
        self._direct[1].extend(target)

    def through(self, route: tuple[Gateway, ...], a: str, b: str, source: Ranges, target: Ranges) -> None:
        """Send the flow along a route on which something is rewritten."""
        try:
            way = self._paths.way(self, route, a, b, target)
            sources = self._sources(route, a, b, source)
            families = {4, 6}.intersection(*(_families(end.addresses) for end in (*way.ends, *sources)))
            if not families:
                gateway = next(item for item in route if item.rewrites)
                raise _LostError(gateway, "client, gateway and server have no address family in common")
        except _LostError as lost:
            self._lost.append((lost, (a, b)))
            return
        ends = [_only(end, families) for end in way.ends]
        sources = [_only(end, families) for end in sources]
        self._state(route, a, b, sources, ends)
        self._see("out", ends[0], self.responder.name, self.initiator.source_ports, ends[0].ports, way.note)
        self._see("in", sources[-1], self.initiator.name, sources[-1].ports, self.head.ports, "")

    def _sources(self, route: tuple[Gateway, ...], a: str, b: str, source: Ranges) -> list[End]:
        """Return how the initiator looks before each gateway and last behind all of them."""
        ends = [End(source, self.initiator.source_ports, None)]
        for gateway in route:
            kept = gateway.kind == FILTER or (
                gateway.kind == NAT and gateway.values["inside"] == b and not gateway.values["source_nat"]
            )
            ends.append(ends[-1] if kept else End(gateway.addresses[b], gateway.source_ports, gateway))
        return ends

    def _state(self, route: tuple[Gateway, ...], a: str, b: str, sources: list[End], ends: list[End]) -> None:
        kind = UNRELATED if self.head.unsolicited else REQUEST
        for gateway, source, before, behind in zip(route, sources, ends, ends[1:]):
            book = self._paths.book(gateway)
            guessed = _guessed(source.gateway) if source.gateway else self._paths.guessed(self.initiator)
            permit = self._permit(a, b, kind, source.ports, behind.ports)
            if gateway.kind in (SOCKS, HTTP_PROXY):
                book.add(permit._replace(destination_ports=before.ports), source.addresses, before.addresses)
                permit = permit._replace(kind=RELAY)
            elif before != behind:
                permit = permit._replace(published=(before.addresses, before.ports))
            book.add(permit, source.addresses, behind.addresses, guessed)

    def _see(self, direction: str, end: End, name: str, source_ports: str, ports: str, note: str) -> None:
        shown = end.gateway.name if end.gateway else name
        seen = self._seen.setdefault((direction, shown, ports), (end, source_ports, [], note))
        seen[2].extend(end.addresses)

    def legs(self) -> list[HostRule]:
        """Return what both ends' rules have to name; what does not pass at all is remembered as lost."""
        found = []
        source = self.initiator.source_ports if self.head.ports else ""
        if self._direct[0]:
            into, out = (tuple(cidrs(merge_addresses(items))) for items in self._direct)
            sides = (self.responder, "in", self.initiator.name, into), (self.initiator, "out", self.responder.name, out)
            found += [HostRule(*side, source, self.head.ports, None, "", True) for side in sides]
        for (direction, name, ports), (end, source_ports, addresses, note) in self._seen.items():
            owner = self.responder if direction == "in" else self.initiator
            if not any(leg.direction == direction and leg.name == name for leg in found if leg.pair):
                listed = tuple(cidrs(merge_addresses(addresses)))
                shown = source_ports if self.head.ports else ""
                found.append(HostRule(owner, direction, name, listed, shown, ports, end.gateway, note, False))
        if not found:
            for lost, between in self._lost:
                self._paths.lose(self, lost, between)
        return found

    def check_socks(self, gateway: Gateway, route: Iterable[Gateway]) -> None:
        """Tell whether the flow can pass a SOCKS host at all."""
        engine = self.relation.server.engine
        able = any(spec.through.socks for spec in engine.flows)
        if not able:
            raise DbportsError(
                f"clients of {engine.name} do not ask a SOCKS host to connect for them",
                path=gateway.path,
                value=gateway.name,
                fix="List under engines those whose clients do (sql602), where the others are routed past it",
            )
        if not self.flow.spec.through.socks:
            raise _LostError(gateway, _CONNECTS_ONLY)
        both = [item for item in route if item.kind == SOCKS]
        if len(both) > 1:
            raise DbportsError(
                f"only one SOCKS host can stand between a client and a server ({_SOCKS_SEED}), and here are "
                f"{' and '.join(item.name for item in both)}",
                path=VARIABLE,
                fix="Take one of them out of the way, or run client and server on one computer",
            )

    def check_nat(self, gateway: Gateway, a: str) -> bool:
        """Tell whether the flow has to be published on an address translator.

        :raises _LostError: when it does not survive translation.
        """
        if self.flow.spec.through.untranslated:
            raise _LostError(gateway, self.flow.spec.through.untranslated)
        published = bool(gateway.values["inside"] != a)
        if published and not self.head.ports:
            raise _LostError(gateway, _ECHO_STOPS)
        return published


def _published(
    mappings: Iterable[Publication], protocol: str, ports: PortRange
) -> tuple[PortRange, Publication] | None:
    """Return the ports under which ports are published, and the mapping that says so."""
    for item in mappings:
        found = item.published(ports) if item.protocol == protocol else None
        if found:
            return found, item
    return None


def _guessed(gateway: Gateway) -> str:
    """Return a gateway's name when its range is not known; a translator takes any high port, which is no guess."""
    return "" if gateway.kind == NAT or gateway.values["os"] else gateway.name


def _families(addresses: Ranges) -> set[int]:
    return {item.family for item in addresses}


def _only(end: End, families: set[int]) -> End:
    return end._replace(addresses=tuple(item for item in end.addresses if item.family in families))


def _shown(head: RuleKey) -> str:
    return f"{head.protocol} {head.ports}".strip()
