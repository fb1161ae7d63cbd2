# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user wrote about a server, checked against its engine's options."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, Option, Values
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, parse_ports

COMMON_KEYS = {"engine", "name", "clients", "forbidden_clients", "instances", "options"}
_PINNED = re.compile(r"(client_)?(source|local)_?ports?|client_ports?")
_NAME = re.compile(r"[^\"\\/]{1,64}")
_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
NOBODY_FIX = "List hosts, groups, addresses or networks"
PINNED_REASON = (
    "the source port of a client cannot be chosen: each connection takes a new, unused one (KB 287932: "
    "limiting them would defeat the purpose of having the client allocate a new, unused dynamic port)"
)


@dataclass(frozen=True)
class ClientRef:
    """One entry of a list of clients, as written, and where.

    :param name: a host, group, address or network.
    :param path: the variable's path below its host.
    :param allow_empty: the user allows this group to be empty.
    :param os: for an address or network, the operating system of what is there, or None.
    """

    name: str
    path: str
    allow_empty: bool = False
    os: str | None = None


@dataclass(frozen=True)
class Server:
    """A validated server: its engine, unique name on its host, values and instances, and the warnings met."""

    engine: Engine
    name: str
    path: str
    values: Values
    instances: tuple[Values, ...]
    forbidden: tuple[ClientRef, ...]
    warnings: tuple[str, ...]


def read_server(
    raw: Any, path: str, engines: Mapping[str, Engine], taken: Iterable[str], os: str | None = None
) -> Server:
    """Read one entry of ``dbports_servers``.

    :param path: where it stands, such as ``dbports_servers[0]``.
    :param taken: the names of the servers read before on this host.
    :param os: the operating system of its host, or None.
    :raises DbportsError: with path, value and fix; the host is for the caller to add.
    """
    if not isinstance(raw, Mapping):
        raise DbportsError(
            "a server is a dictionary with engine and clients",
            path=path,
            value=raw,
            fix="Write for example {engine: mssql, clients: [app_servers]}",
        )
    engine = _engine(raw.get("engine", ...), f"{path}.engine", engines)
    no_unknown_keys(raw, _keys(engine), path)
    name = _server_name(raw.get("name"), engine, f"{path}.name", set(taken))
    values = read_options(_engine_part(raw, engine, path), engine.options, path)
    values["name"] = name
    values["host_os"] = values.get("os") or os or engine.default_os
    values["clients"] = read_clients(raw["clients"], f"{path}.clients") if "clients" in raw else ()
    instances = _read_instances(raw, engine, path)
    covered = engine.outbound or (instances and all(item.get("clients") for item in instances))
    if not values["clients"] and not covered:
        raise DbportsError(
            "nobody is named who may connect",
            path=f"{path}.clients",
            fix=NOBODY_FIX,
        )
    forbidden = raw.get("forbidden_clients")
    warnings = _derive(engine, values, instances, path)
    return Server(
        engine,
        name,
        path,
        values,
        tuple(instances),
        read_clients(forbidden, f"{path}.forbidden_clients") if forbidden else (),
        tuple(warnings),
    )


def _derive(engine: Engine, values: Values, instances: list[Values], path: str) -> list[str]:
    try:
        return engine.derive(values, instances)
    except DbportsError as error:
        error.path = f"{path}.{error.path}" if error.path else path
        raise


def _engine(name: Any, path: str, engines: Mapping[str, Engine]) -> Engine:
    if name is ...:
        raise DbportsError("no engine is named", path=path, fix=f"Name one of {', '.join(sorted(engines))}")
    if not isinstance(name, str) or name not in engines:
        raise DbportsError("no such engine", path=path, value=name, fix=f"Use one of {', '.join(sorted(engines))}")
    return engines[name]


def _keys(engine: Engine) -> set[str]:
    return (
        (COMMON_KEYS | {option.name for option in engine.options})
        - (set() if engine.instance_options else {"instances"})
        - ({"clients", "forbidden_clients"} if engine.outbound else set())
    )


def _engine_part(raw: Mapping[str, Any], engine: Engine, path: str) -> dict[str, Any]:
    """Return what was written for the engine's own options, beside ``engine`` or below ``options``."""
    names = {option.name for option in engine.options}
    below = raw.get("options")
    if below is None:
        below = {}
    if not isinstance(below, Mapping):
        raise DbportsError(
            "options is a dictionary",
            path=f"{path}.options",
            value=below,
            fix=f"Known keys: {', '.join(sorted(names))}",
        )
    no_unknown_keys(below, names, f"{path}.options")
    return {**{key: raw[key] for key in raw if key in names}, **below}


def is_pinned(key: Any) -> bool:
    """Tell whether a key asks for a source port of a client, which nobody can choose."""
    return isinstance(key, str) and _PINNED.fullmatch(key) is not None


def no_unknown_keys(raw: Mapping[str, Any], known: set[str], path: str) -> None:
    """Refuse keys that mean nothing here, with the one that was perhaps meant."""
    for key in raw:
        if isinstance(key, str) and key in known:
            continue
        if is_pinned(key):
            raise DbportsError(PINNED_REASON, path=f"{path}.{key}", value=raw[key], fix=f"Remove {key}")
        near = difflib.get_close_matches(str(key), sorted(known), 1)
        raise DbportsError(
            "unknown key",
            path=f"{path}.{key}",
            value=raw[key],
            fix=f"Perhaps {near[0]} is meant" if near else f"Known keys: {', '.join(sorted(known))}",
        )


def _server_name(raw: Any, engine: Engine, path: str, taken: set[str]) -> str:
    if raw is None:
        names = (engine.name if n == 1 else f"{engine.name}-{n}" for n in range(1, len(taken) + 2))
        return next(name for name in names if name not in taken)
    name = read_name(raw, path)
    if name in taken:
        raise DbportsError("two servers of one host have this name", path=path, value=name, fix="Give each its own")
    return name


def read_name(raw: Any, path: str) -> str:
    """Read a name of 1 to 64 printable characters without slashes, quotes and backslashes."""
    if not isinstance(raw, str) or not _NAME.fullmatch(raw) or not raw.isprintable():
        raise DbportsError(
            "a name has 1 to 64 printable characters without slashes, quotes and backslashes",
            path=path,
            value=raw,
            fix="Give another name, as text",
        )
    return str(raw)


def _read_instances(raw: Mapping[str, Any], engine: Engine, path: str) -> list[Values]:
    if not engine.instance_options:
        return []
    where = f"{path}.instances"
    listed = raw.get("instances", [{}])
    if not isinstance(listed, (list, tuple)) or not listed:
        raise DbportsError(
            "instances is a list with at least one instance",
            path=where,
            value=listed,
            fix="Write instances as [{name: SALES, tcp_port: 14330}], or leave it out for the default instance alone",
        )
    read: list[Values] = []
    known = {option.name for option in engine.instance_options}
    for index, item in enumerate(listed):
        here = f"{where}[{index}]"
        if not isinstance(item, Mapping):
            raise DbportsError(
                "an instance is a dictionary", path=here, value=item, fix="Write for example {name: SALES}"
            )
        no_unknown_keys(item, known, here)
        values = read_options(item, engine.instance_options, here)
        values["name"] = read_name(values["name"], f"{here}.name")
        if any(values["name"].upper() == other["name"].upper() for other in read):
            raise DbportsError(
                "two instances have this name", path=f"{here}.name", value=values["name"], fix="Give each its own"
            )
        read.append(values)
    return read


def read_options(raw: Mapping[str, Any], options: Iterable[Option], path: str) -> Values:
    """Read the options of one server or instance; absent and null ones get their default.

    :raises DbportsError: for a value of the wrong type, out of range or not among the choices.
    """
    values: Values = {}
    for option in options:
        value = raw.get(option.name)
        if value is None:
            values[option.name] = option.default
            continue
        where = f"{path}.{option.name}"
        try:
            values[option.name] = _READERS[option.type](value, option, where)
        except DbportsError as error:
            error.path = error.path or where
            error.fix = error.fix or _port_fix(option)
            raise
    return values


def _port_fix(option: Option) -> str:
    listed = "a port, a range or a list of them" if option.type in ("ports", "listen") else "one port"
    return f"Write {' or '.join((listed, *option.words))}; a port is a number from 1 to {option.maximum}"


def read_bool(value: Any, path: str) -> bool:
    """Read a boolean, or one of the words that Ansible takes for one."""
    if isinstance(value, bool):
        return value
    word = str(value).lower() if isinstance(value, (str, int)) else ""
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise DbportsError("not true or false", path=path, value=value, fix="Write true or false")


def _read_choice(value: Any, option: Option, path: str) -> Any:
    if isinstance(value, bool) and value is False and "off" in option.choices:
        return "off"  # YAML 1.1 reads a bare off as false
    for choice in option.choices:
        if str(value) == str(choice):
            return choice
    if option.choices or not isinstance(value, (str, int)) or isinstance(value, bool):
        fix = f"Use one of {', '.join(str(choice) for choice in option.choices)}" if option.choices else "Write text"
        raise DbportsError(f"not a value for {option.name}", path=path, value=value, fix=fix)
    return int(value) if option.type == "int" else str(value)


def _read_port(value: Any, option: Option, path: str) -> int:
    port = PortRange.parse(value)
    if port.first != port.last:
        raise DbportsError("one port is wanted, not a range", path=path, value=value)
    _not_above(port, option, value)
    return port.first


def _read_ports(value: Any, option: Option, path: str) -> Any:
    if isinstance(value, str) and value in option.words:
        return str(value)
    ports = parse_ports(value)
    for port in ports:
        _not_above(port, option, value)
    return ports


def _not_above(port: PortRange, option: Option, value: Any) -> None:
    if port.last > option.maximum:
        raise DbportsError(f"at most {option.maximum}: {option.why}", value=value)


def read_address(value: Any, path: str) -> str:
    """Read one IPv4 or IPv6 address that a server binds."""
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        raise DbportsError(
            "not an IPv4 or IPv6 address", path=path, value=value, fix="Write an address such as 192.0.2.10"
        ) from None


def _read_list(value: Any, path: str, example: str) -> list[Any]:
    if not isinstance(value, (list, tuple)) or not value:
        raise DbportsError("not a list with entries", path=path, value=value, fix=f"Write for example {example}")
    return list(value)


def _read_addresses(value: Any, option: Option, path: str) -> tuple[str, ...]:
    listed = _read_list([value] if isinstance(value, str) else value, path, "[192.0.2.10]")
    return tuple(dict.fromkeys(read_address(item, f"{path}[{index}]") for index, item in enumerate(listed)))


def _read_listen(value: Any, option: Option, path: str) -> tuple[dict[str, Any], ...]:
    """Read a list of addresses, each with its ports."""
    example = "[{address: 192.0.2.10, tcp_port: 1433}]"
    read = []
    for index, item in enumerate(_read_list(value, path, example)):
        here = f"{path}[{index}]"
        if not isinstance(item, Mapping) or "tcp_port" not in item or "address" not in item:
            raise DbportsError("an address and its tcp_port are wanted", path=here, value=item, fix=f"Write {example}")
        no_unknown_keys(item, {"address", "tcp_port"}, here)
        try:
            ports = _read_ports(item["tcp_port"], option, f"{here}.tcp_port")
        except DbportsError as error:
            error.path = f"{here}.tcp_port"
            raise
        read.append({"address": read_address(item["address"], f"{here}.address"), "ports": ports})
    return tuple(read)


def read_clients(value: Any, path: str) -> tuple[ClientRef, ...]:
    """Read a list of hosts, groups, addresses and networks; whether they exist is another's question.

    :raises DbportsError: when it is no list, is empty or has an entry of another form.
    """
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise DbportsError("clients is a list", path=path, value=value, fix=NOBODY_FIX)
    if not value:
        raise DbportsError(
            "nobody is named who may connect",
            path=path,
            value=value,
            fix=NOBODY_FIX,
        )
    return tuple(_read_client(item, f"{path}[{index}]") for index, item in enumerate(value))


def _read_client(item: Any, path: str) -> ClientRef:
    if isinstance(item, str) and item.strip():
        return ClientRef(item.strip(), path)
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str) or not item["name"].strip():
        raise DbportsError(
            "a client is a host, group, address or network, or a dictionary with name",
            path=path,
            value=item,
            fix="Write a name, or for example {name: app_servers, allow_empty: true}",
        )
    no_unknown_keys(item, {"name", "allow_empty", "os"}, path)
    os = item.get("os")
    return ClientRef(
        item["name"].strip(),
        path,
        read_bool(item.get("allow_empty", False), f"{path}.allow_empty"),
        None if os is None else str(os),
    )


_READERS: dict[str, Callable[[Any, Option, str], Any]] = {
    "bool": lambda value, option, path: read_bool(value, path),
    "str": _read_choice,
    "int": _read_choice,
    "port": _read_port,
    "ports": _read_ports,
    "clients": lambda value, option, path: read_clients(value, path),
    "address": lambda value, option, path: read_address(value, path),
    "addresses": _read_addresses,
    "listen": _read_listen,
}
