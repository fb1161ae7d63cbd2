# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a client connects to, in the language of its driver; every value is encoded for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

Pairs = list[tuple[str, str]]
"""Keywords with their values, not yet encoded."""

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

USE_TUNNEL = "Use HTTP Tunnel"
_SERVER_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_ .-]{0,29}[A-Za-z0-9_.-])?", re.ASCII)
"""A name of 602SQL that stands for itself in a section and a registry key; one that begins with a dot is no server."""

_KEY_OF_SERVERS = r"HKEY_LOCAL_MACHINE\SOFTWARE\Software602\602SQL\Database"


class Target(NamedTuple):
    """Where to connect to.

    :param port: None where the instance is named instead; the port that clients register, which for 602SQL is
        PORTBASE and not the one they connect to.
    :param name: of the instance, or of a 602SQL server.
    :param tunnel: a 602SQL server's HTTP tunnel.
    :param socks: the address of the SOCKS host that is asked to connect.
    """

    address: str
    port: int | None
    name: str
    tunnel: bool = False
    socks: str | None = None

    def tcp(self) -> str:
        """Return ``tcp:host,port`` or ``tcp:host\\instance``, as ODBC, .NET and sqlcmd read it; IPv6 in brackets."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"tcp:{host},{self.port}" if self.port is not None else f"tcp:{host}\\{self.name}"


@dataclass(frozen=True)
class Driver:
    """How one driver writes where it connects to.

    :param booleans: its words for false and true.
    :param engine: whose clients it writes for.
    :param flows: the flows of that engine by which clients connect, in the order in which they are tried.
    :param chosen_by: keywords that choose among these flows, by their values; then it takes no other keywords.
    """

    write: Callable[[Target, Pairs], str]
    booleans: tuple[str, str]
    engine: str
    flows: tuple[str, ...]
    chosen_by: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    def chosen(self, pairs: Pairs) -> tuple[str, ...]:
        """Return the flows that keywords leave to choose from."""
        return next((self.chosen_by[key].get(text, ()) for key, text in pairs if key in self.chosen_by), self.flows)

    def pairs(self, options: Mapping[str, Any]) -> Pairs:
        """Return the keywords with their values as text.

        :raises DbportsError: for what cannot be written, or follows from the declarations.
        """
        return [(self._key(str(key)), self._text(f"options.{key}", value)) for key, value in options.items()]

    def _key(self, name: str) -> str:
        known = name in self.chosen_by if self.chosen_by else _KEY.fullmatch(name)
        if known and name.replace(" ", "").lower() not in _OWN_KEYS:
            return name
        raise DbportsError(
            "not a keyword that can be set here",
            code="not_a_name",
            path=f"options.{name}",
            fix=f"Use {' or '.join(self.chosen_by) or 'letters, digits and spaces'}; where to connect to follows from "
            "the declarations",
        )

    def _text(self, path: str, value: Any) -> str:
        if not isinstance(value, (str, int)):
            raise DbportsError("expected text, a number or a boolean", path=path)
        text = self.booleans[int(value)] if isinstance(value, bool) else str(value)
        if not text.isprintable():
            raise DbportsError("control characters cannot be written", code="cannot_encode", path=path)
        return text


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


def _join(pairs: Pairs, encode: Callable[[str], str]) -> str:
    return ";".join(f"{key}={encode(text)}" for key, text in pairs)


def _odbc(target: Target, pairs: Pairs) -> str:
    named = [pair for pair in pairs if pair[0].lower() in ("driver", "dsn")]
    return _join([*named, ("Server", target.tcp()), *(pair for pair in pairs if pair not in named)], encode_odbc)


def _dotnet(target: Target, pairs: Pairs) -> str:
    return _join([("Data Source", target.tcp()), *pairs], encode_dotnet)


def _jdbc(target: Target, pairs: Pairs) -> str:
    """IPv6 addresses are read only in serverName, without brackets (Building the connection URL)."""
    six = ":" in target.address
    where = [("serverName", target.address)] if six else []
    place = "" if six else target.address
    if target.port is None:
        where.append(("instanceName", target.name))
    elif six:
        where.append(("portNumber", str(target.port)))
    else:
        place += f":{target.port}"
    return ";".join(filter(None, (f"jdbc:sqlserver://{place}", _join([*where, *pairs], encode_jdbc))))


def _sqlcmd(target: Target, pairs: Pairs) -> str:
    if pairs:
        raise DbportsError(
            "sqlcmd has its own options for these", code="contradiction", path="options", fix="Write for example -d erp"
        )
    return target.tcp()


def _linux_602sql(target: Target, pairs: Pairs) -> str:
    """Return a section of /etc/602sql; its reader knows neither quotes nor escapes (602SQL's published source)."""
    if target.socks:
        raise DbportsError(
            f"the client connects through the SOCKS host {target.socks}, which 602SQL can only do on Windows",
            code="cannot_pass",
            path="driver",
            value="602sql",
            fix="Use 602sql_windows",
        )
    if ":" in target.address:
        raise _only_ipv4(target)
    lines = [f"[{_server_name(target)}]", f"IP address={target.address}", f"IPPort={target.port}"]
    return "\n".join([*lines, f"{USE_TUNNEL}=1", ""] if target.tunnel else [*lines, ""])


def _windows_602sql(target: Target, pairs: Pairs) -> str:
    """Return a file for regedit; names and types of the values are those of 602SQL's published source."""
    if not _is_ipv4(target.address):
        raise _only_ipv4(target)
    values = [f'"IP address"="{target.address}"', f'"IPPort"=dword:{target.port:08x}']
    values += [f'"{USE_TUNNEL}"=dword:{int(target.tunnel):08x}', f'"Through Firewall"=dword:{bool(target.socks):08x}']
    if target.socks:
        values.append(f'"Firewall IP address"="{target.socks}"')
    key = f"[{_KEY_OF_SERVERS}\\{_server_name(target)}]"
    return "\r\n".join(["Windows Registry Editor Version 5.00", "", key, *values, ""])


def _is_ipv4(text: str) -> bool:
    try:
        return AddressRange.address(text).family == 4
    except DbportsError:
        return False


def _only_ipv4(target: Target) -> DbportsError:
    return DbportsError(
        "602SQL's clients connect by IPv4; those for Windows take no host names, only an address",
        code="not_an_address",
        path="address",
        value=target.address,
        fix="Set address to an IPv4 address of the server, or give it one in dbports_addresses",
    )


def _server_name(target: Target) -> str:
    if _SERVER_NAME.fullmatch(target.name):
        return target.name
    raise DbportsError(
        "a 602SQL server's name has up to 31 ASCII letters, digits, spaces and _ . - in a registration",
        code="cannot_encode",
        path="instance",
        value=target.name,
        fix="Declare the server under such a name",
    )


_SQL_SERVER = ("mssql", ("fci", "tds", "tds_hidden", "listener", "listener_dnn"))
"""The listener of an availability group is the last: some clients may use only that."""

_602SQL: tuple[str, tuple[str, ...], Mapping[str, Mapping[str, tuple[str, ...]]]] = (
    "sql602",
    ("connect", "http_tunnel"),
    {USE_TUNNEL: {"0": ("connect",), "1": ("http_tunnel",)}},
)

DRIVERS = {
    "odbc": Driver(_odbc, ("no", "yes"), *_SQL_SERVER),
    "dotnet": Driver(_dotnet, ("False", "True"), *_SQL_SERVER),
    "jdbc": Driver(_jdbc, ("false", "true"), *_SQL_SERVER),
    "sqlcmd": Driver(_sqlcmd, ("", ""), *_SQL_SERVER),
    "602sql": Driver(_linux_602sql, ("0", "1"), *_602SQL),
    "602sql_windows": Driver(_windows_602sql, ("0", "1"), *_602SQL),
}
"""By the driver's name; the form tcp: is from Connect to SQL Server using TCP/IP and the managed SNI of SqlClient."""
