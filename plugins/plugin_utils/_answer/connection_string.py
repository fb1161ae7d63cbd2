# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client writes to reach an instance of SQL Server over TCP, in the language of its driver."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Values
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import ResolvedFlow
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.explain import explain
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.question import view_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.reasons import REASONS, Reason
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.required_ports import (
    Planned,
    chosen_host,
    plan_of,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import read_declarations
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import ServerDeclaration
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.kinds import gateway_kinds

ENGINE = "mssql"
DEFAULT_INSTANCE = "MSSQLSERVER"
_LISTENERS = ("listener", "listener_dnn")
_CONNECTING = ("fci", "tds", "tds_hidden", *_LISTENERS)
"""The flows by which clients connect, the listener of an availability group last: some clients may use only that."""

_NOBODY = "192.0.2.0/24"
"""Stands for the clients of a server of which only the connection string is asked for."""

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?", re.ASCII)
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9 _]*", re.ASCII)
_OWN_KEYS = {
    "addr",
    "address",
    "datasource",
    "instancename",
    "networkaddress",
    "port",
    "portnumber",
    "server",
    "servername",
}
"""Keywords that say where to connect to, in any driver, without spaces: they follow from the declarations."""


class Target(NamedTuple):
    """Where to connect to: by port, or by the name of the instance where ``port`` is None."""

    address: str
    port: int | None
    instance: str

    def tcp(self) -> str:
        """Return ``tcp:host,port`` or ``tcp:host\\instance``, as ODBC, .NET and sqlcmd read it; IPv6 in brackets."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"tcp:{host},{self.port}" if self.port is not None else f"tcp:{host}\\{self.instance}"


def connection_string(
    data: Any,
    driver: str,
    host: str | None = None,
    instance: str | None = None,
    client: str | None = None,
    address: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> str:
    """Write the connection string of one instance.

    :param data: an inventory as a dictionary, or one entry of ``dbports_servers``, which needs ``address``.
    :param driver: odbc, dotnet, jdbc or sqlcmd (the value of its -S).
    :param host: the inventory host; the only one that declares servers may be left out.
    :param instance: the instance; the default instance, or the only one, may be left out.
    :param client: who connects: it must be allowed to, and the address is one of a family that it has.
    :param address: what the client writes in place of an address of the host, such as a DNS name.
    :param options: more keywords with their values, in their order, such as Database.
    :raises DbportsError: when the plan does not let the client in, or something cannot be written.
    """
    if driver not in DRIVERS:
        raise DbportsError(
            "not a driver", code="not_a_choice", path="driver", value=driver, fix=f"Use one of {', '.join(DRIVERS)}"
        )
    planned = _plan(data, address)
    name = chosen_host(planned, host)
    declaration, found = _instance(planned, name, instance)
    kinds = _kinds(declaration, found["name"])
    if not kinds:
        raise DbportsError(
            "this instance does not listen on TCP",
            code="contradiction",
            host=name,
            path=declaration.server.path,
            value=found["name"],
        )
    flows, spots = kinds[0], _spots(planned, name, kinds[0])
    if client is not None:
        flows, spots = _let_in(planned, name, kinds, client)
    by_name = found.get("connect_by") == "name" and flows[0].spec.name not in _LISTENERS
    return DRIVERS[driver].write(_target(found["name"], by_name, spots[0], address), _pairs(driver, options or {}))


def _kinds(declaration: ServerDeclaration, instance: str) -> list[list[ResolvedFlow]]:
    """Return the flows by which clients connect to an instance, those of a kind together."""
    own = [item.flow for item in declaration.flows if item.flow.instance == instance]
    kinds = ([flow for flow in own if flow.spec.name == name] for name in _CONNECTING)
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


def _plan(data: Any, address: str | None) -> Planned:
    """Plan; a single server may have no clients yet."""
    if not isinstance(data, Mapping) or "engine" not in data:
        return plan_of(data)
    if data["engine"] != ENGINE:
        raise DbportsError(
            f"connection strings are written for {ENGINE} only",
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


def _instance(planned: Planned, host: str, wanted: str | None) -> tuple[ServerDeclaration, Values]:
    found = [
        (declaration, item)
        for declaration in read_declarations(planned.inventory, gateway_kinds()).servers
        if declaration.host.name == host and declaration.server.engine.name == ENGINE
        for item in declaration.server.instances
    ]
    names = [item["name"] for _declaration, item in found]
    key = (wanted or DEFAULT_INSTANCE).upper()
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
            fix=f"Name one of {', '.join(names)}" if names else f"Declare {ENGINE} there",
        )
    return same[0]


class _Spot(NamedTuple):
    address: AddressRange
    port: int | None


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
            _Spot(address, key.ports[0].first)
            for key, peers in own.rules.items()
            if key.direction == "out" and key.endpoint in {flow.endpoint for flow in flows}
            for peer in peers.values()
            if peer.declared.host == host and peer.name != host
            for address in peer.addresses
        }
        spots = sorted(gateways, key=lambda spot: (str(spot.address), spot.port or 0)) or spots
    return [spot for spot in spots if spot.address.family in families] or spots


def _in_short(reason: Reason) -> str:
    about = f" ({', '.join(reason.endpoints)})" if reason.endpoints else ""
    return f"{REASONS[reason.code]}{about}"


def _target(instance: str, by_name: bool, spot: _Spot, address: str | None) -> Target:
    shown = str(spot.address) if address is None else _read_address(address)
    return Target(shown, None if by_name else spot.port, instance)


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


def _pairs(driver: str, options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the keywords with their values as text, not yet encoded."""
    pairs = []
    for key, value in options.items():
        name = str(key)
        if not _KEY.fullmatch(name) or name.replace(" ", "").lower() in _OWN_KEYS:
            raise DbportsError(
                "not a keyword that can be set here",
                code="not_a_name",
                path=f"options.{name}",
                fix="Use letters, digits and spaces; where to connect to follows from the declarations",
            )
        if not isinstance(value, (str, int)):
            raise DbportsError("expected text, a number or a boolean", path=f"options.{name}")
        text = DRIVERS[driver].booleans[int(value)] if isinstance(value, bool) else str(value)
        if not text.isprintable():
            raise DbportsError("control characters cannot be written", code="cannot_encode", path=f"options.{name}")
        pairs.append((name, text))
    return pairs


def _in_braces(plain: re.Pattern[str]) -> Callable[[str], str]:
    """Return the encoder that puts a value into braces, where it is not plain."""

    def encode(text: str) -> str:
        return text if plain.fullmatch(text) else "{" + text.replace("}", "}}") + "}"

    return encode


encode_odbc = _in_braces(re.compile(r"[A-Za-z0-9_.:,\\/-]+", re.ASCII))
"""A value of an ODBC connection string: in braces, ``}`` doubled ([MS-ODBCSTR] 2.1.1)."""

encode_jdbc = _in_braces(re.compile(r"[A-Za-z0-9_.:,@/-]+", re.ASCII))
"""A value of a JDBC URL: in braces, ``}`` doubled, which the driver reads since 8.4 (Building the connection URL)."""


def encode_dotnet(text: str) -> str:
    """Return a value of a .NET connection string, quoted as DbConnectionStringBuilder quotes it."""
    if re.fullmatch(r"[^\"'=;\s]+", text):
        return text
    if '"' in text and "'" not in text:
        return f"'{text}'"
    return '"' + text.replace('"', '""') + '"'


def _join(pairs: list[tuple[str, str]], encode: Callable[[str], str]) -> str:
    return ";".join(f"{key}={encode(text)}" for key, text in pairs)


def _odbc(target: Target, pairs: list[tuple[str, str]]) -> str:
    named = [pair for pair in pairs if pair[0].lower() in ("driver", "dsn")]
    return _join([*named, ("Server", target.tcp()), *(pair for pair in pairs if pair not in named)], encode_odbc)


def _dotnet(target: Target, pairs: list[tuple[str, str]]) -> str:
    return _join([("Data Source", target.tcp()), *pairs], encode_dotnet)


def _jdbc(target: Target, pairs: list[tuple[str, str]]) -> str:
    """IPv6 addresses are read only in serverName, without brackets (Building the connection URL)."""
    six = ":" in target.address
    where = [("serverName", target.address)] if six else []
    place = "" if six else target.address
    if target.port is None:
        where.append(("instanceName", target.instance))
    elif six:
        where.append(("portNumber", str(target.port)))
    else:
        place += f":{target.port}"
    return ";".join(filter(None, (f"jdbc:sqlserver://{place}", _join([*where, *pairs], encode_jdbc))))


def _sqlcmd(target: Target, pairs: list[tuple[str, str]]) -> str:
    if pairs:
        raise DbportsError(
            "sqlcmd has its own options for these", code="contradiction", path="options", fix="Write for example -d erp"
        )
    return target.tcp()


@dataclass(frozen=True)
class Driver:
    """How one driver writes a connection string, and its words for false and true."""

    write: Callable[[Target, list[tuple[str, str]]], str]
    booleans: tuple[str, str]


DRIVERS = {
    "odbc": Driver(_odbc, ("no", "yes")),
    "dotnet": Driver(_dotnet, ("False", "True")),
    "jdbc": Driver(_jdbc, ("false", "true")),
    "sqlcmd": Driver(_sqlcmd, ("", "")),
}
"""By the driver's name; the form tcp: is from Connect to SQL Server using TCP/IP and the managed SNI of SqlClient."""
