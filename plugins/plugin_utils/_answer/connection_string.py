# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client writes to reach an instance of SQL Server or a 602SQL server, in the language of its driver."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Values
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import ResolvedFlow
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.drivers import DRIVERS, Target
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.explain import explain
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.question import view_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.reasons import REASONS, Reason
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.required_ports import (
    Planned,
    chosen_host,
    plan_of,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import read_declarations
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import builtin_engines
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Server, ServerDeclaration
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.kinds import gateway_kinds

_LISTENERS = ("listener", "listener_dnn")
_NOBODY = "192.0.2.0/24"
"""Stands for the clients of a server of which only the connection string is asked for."""

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?", re.ASCII)


def connection_string(
    data: Any,
    driver: str,
    host: str | None = None,
    instance: str | None = None,
    client: str | None = None,
    address: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> str:
    """Write the connection string of one instance, or the registration of one 602SQL server.

    :param data: an inventory as a dictionary, or one entry of ``dbports_servers``, which needs ``address``.
    :param driver: one of :data:`DRIVERS`.
    :param host: the inventory host; the only one that declares servers may be left out.
    :param instance: the instance, or the name of the 602SQL server; the default or the only one may be left out.
    :param client: who connects: it must be allowed to, and the address is one of a family that it has.
    :param address: what the client writes in place of an address of the host, such as a DNS name.
    :param options: more keywords with their values, in their order, such as Database.
    :raises DbportsError: when the plan does not let the client in, or something cannot be written.
    """
    chosen = DRIVERS.get(driver)
    if chosen is None:
        raise DbportsError(
            "not a driver", code="not_a_choice", path="driver", value=driver, fix=f"Use one of {', '.join(DRIVERS)}"
        )
    planned = _plan(data, address, chosen.engine)
    name = chosen_host(planned, host)
    declaration, found = _instance(planned, name, instance, chosen.engine)
    pairs = chosen.pairs(options or {})
    kinds = _kinds(declaration, found["name"], chosen.chosen(pairs))
    if not kinds:
        raise DbportsError(
            "clients do not connect to it in this way",
            code="contradiction",
            host=name,
            path=declaration.server.path,
            value=found["name"],
        )
    flows, spots = kinds[0], _spots(planned, name, kinds[0])
    if client is not None:
        flows, spots = _let_in(planned, name, kinds, client)
    by_name = found.get("connect_by") == "name" and flows[0].spec.name not in _LISTENERS
    return chosen.write(_target(found["name"], by_name, flows[0], spots[0], address), pairs)


def _kinds(declaration: ServerDeclaration, instance: str, names: tuple[str, ...]) -> list[list[ResolvedFlow]]:
    """Return the flows by which clients connect to an instance, those of a kind together."""
    shown = instance if declaration.server.instances else ""
    own = [item.flow for item in declaration.flows if item.flow.instance == shown]
    kinds = ([flow for flow in own if flow.spec.name == name] for name in names)
    return [flows for flows in kinds if flows]


def _let_in(
    planned: Planned, host: str, kinds: list[list[ResolvedFlow]], client: str
) -> tuple[list[ResolvedFlow], list[_Spot]]:
    """Return the first kind of flows that lets a client in, and where.

    :raises DbportsError: when none does; it tells of the first.
    """
    refused = []
    for flows in kinds:
        try:
            return flows, _allowed(planned, host, flows, client, _spots(planned, host, flows))
        except DbportsError as error:
            refused.append(error)
    raise refused[0]


def _plan(data: Any, address: str | None, engine: str) -> Planned:
    """Plan; a single server may have no clients yet."""
    if not isinstance(data, Mapping) or "engine" not in data:
        return plan_of(data)
    if data["engine"] != engine:
        raise DbportsError(
            f"this driver is for {engine} only",
            code="not_a_choice",
            path="engine",
            value=data["engine"],
        )
    if address is None:
        raise DbportsError(
            "address is required with a single server",
            code="missing",
            path="address",
            fix="Set address to the name or address that the client connects to",
        )
    return plan_of(data if data.get("clients") else {**data, "clients": [_NOBODY]})


def _instance(
    planned: Planned, host: str, wanted: str | None, engine: str
) -> tuple[ServerDeclaration, Values | dict[str, str]]:
    """Return what is meant on a host: an instance with its server, or a server of an engine without instances."""
    found = [
        (declaration, item)
        for declaration in read_declarations(planned.inventory, gateway_kinds()).servers
        if declaration.host.name == host and declaration.server.engine.name == engine
        for item in declaration.server.instances or _itself(declaration.server)
    ]
    names = [item["name"] for _declaration, item in found]
    key = (wanted or builtin_engines()[engine].default_instance or engine).upper()
    same = [pair for pair in found if pair[1]["name"].upper() == key]
    if not same and wanted is None and len(found) == 1:
        same = found
    if not same:
        unclear = wanted is None and bool(names)
        raise DbportsError(
            "instance is required unless there is a default instance or only one" if unclear else "no such instance",
            code="missing" if unclear else "unknown_name",
            host=host,
            path="instance",
            value=wanted if wanted else ...,
            fix=f"Name one of {', '.join(names)}" if names else f"Declare {engine} there",
        )
    return same[0]


def _itself(server: Server) -> tuple[dict[str, str], ...]:
    return () if server.engine.instance_options else ({"name": server.name},)


class _Spot(NamedTuple):
    """Where a client connects to.

    :param socks: the SOCKS host that connects in its place.
    """

    address: AddressRange
    port: int | None
    socks: str | None = None


def _spots(planned: Planned, host: str, flows: list[ResolvedFlow]) -> list[_Spot]:
    """Return where an instance is reached by those who see its host itself; fixed ports come first."""
    found = [
        _Spot(address, None if flow.dynamic else flow.ports[0].first)
        for flow in flows
        for address in ([flow.address] if flow.address else planned.plan.hosts[host].addresses)
    ]
    return sorted(found, key=lambda spot: spot.port is None)


def _allowed(planned: Planned, host: str, flows: list[ResolvedFlow], client: str, spots: list[_Spot]) -> list[_Spot]:
    """Return the spots that a client may reach and has the family for; those of a gateway where one stands between."""
    view = view_of(planned.plan, planned.inventory)
    answers = [explain(view, host, f"{flow.ports[0].first}/tcp", client) for flow in flows]
    if all(answer.verdict != "allowed" for answer in answers):
        reasons = answers[0].reasons
        lists = [str(place) for item in reasons if item.code == "not_declared" for place in item.declared]
        raise DbportsError(
            f"the plan does not let this client in: {'; '.join(dict.fromkeys(map(_in_short, reasons)))}",
            code="contradiction",
            host=host,
            path="client",
            value=client,
            fix=f"If it should be a client, add it to {', '.join(lists)}" if lists else None,
        )
    own = planned.plan.hosts.get(client)
    if own is None:
        families = {AddressRange.parse(client).family}
    else:
        families = {item.family for item in own.addresses}
        gateways = {
            spot
            for key, peers in own.rules.items()
            if key.direction == "out" and key.endpoint in {flow.endpoint for flow in flows}
            for peer in peers.values()
            if peer.declared.host == host and peer.name != host
            for address in peer.addresses
            for spot in _relayed(planned, peer.name, host, key.endpoint, address)
            or [_Spot(address, key.ports[0].first)]
        }
        spots = sorted(gateways, key=lambda spot: (str(spot.address), spot.port or 0)) or spots
    return [spot for spot in spots if spot.address.family in families] or spots


def _relayed(planned: Planned, gateway: str, host: str, endpoint: str, socks: AddressRange) -> list[_Spot]:
    """Return what clients have a SOCKS host connect to; nothing for other gateways, to which they connect."""
    return [
        _Spot(address, seen[1][0].first, str(socks))
        for item in planned.plan.gateways
        if item.name == gateway and item.kind == "socks"
        for statement in item.statements
        if (statement.kind, statement.host, statement.endpoint) == ("relay", host, endpoint)
        for seen in [statement.published or (statement.destination, statement.destination_ports)]
        for address in seen[0]
    ]


def _in_short(reason: Reason) -> str:
    about = f" ({', '.join(reason.endpoints)})" if reason.endpoints else ""
    return f"{REASONS[reason.code]}{about}"


def _target(name: str, by_name: bool, flow: ResolvedFlow, spot: _Spot, address: str | None) -> Target:
    shown = str(spot.address) if address is None else _read_address(address)
    port = None if by_name or spot.port is None else spot.port
    if port is not None and flow.base:
        port -= flow.ports[0].first - flow.base[0].first
    return Target(shown, port, name, flow.spec.name == "http_tunnel", spot.socks)


def _read_address(text: str) -> str:
    try:
        return str(AddressRange.address(text.strip("[]")))
    except DbportsError:
        if _HOST.fullmatch(text):
            return text
    raise DbportsError(
        "neither a host name nor an address",
        code="not_an_address",
        path="address",
        value=text,
        fix="Write only a name or an address: port and instance follow from the declarations",
    )
