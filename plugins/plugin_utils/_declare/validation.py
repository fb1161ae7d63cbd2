# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what users write: keys, names, switches, choices, ports, addresses and clients, each as a value or an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Option, Values
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorList
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, parse_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import check_reachable
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import ClientRef
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.near import did_you_mean, near_name

T = TypeVar("T")
_PINNED = re.compile(r"(client_)?(source|local)_ports?|client_ports?")
_NAME = re.compile(r"[^\"\\/]{1,64}")
_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_LISTEN_EXAMPLE = "[{address: 192.0.2.10, tcp_port: 1433}]"
_CLIENT_PORT = Option("port", "port", "Where an address receives.")
CLIENTS_FIX = (
    "List hosts, groups, addresses or networks; write {name: GROUP, allow_empty: true} for a group that may be empty, "
    "or [] if no other host connects"
)
PINNED_REASON = (
    "the source port of a client cannot be chosen: each connection takes a new, unused one (KB 287932: "
    "limiting them would defeat the purpose of having the client allocate a new, unused dynamic port)"
)


def is_pinned(key: Any) -> bool:
    """Tell whether a key asks for a source port of a client, which nobody can choose."""
    return isinstance(key, str) and _PINNED.fullmatch(key) is not None


def no_unknown_keys(raw: Mapping[str, Any], known: Iterable[str], path: str) -> None:
    """Refuse keys that mean nothing here, and ask whether a similar one was meant.

    :raises DbportsError: with all of them.
    """
    names = sorted(known)
    errors = ErrorList()
    for key in raw:
        if isinstance(key, str) and key in names:
            continue
        fix = did_you_mean(near_name(key, names), f"Known keys: {', '.join(names)}")
        errors.keep(unknown_key(key, raw[key], path, fix))
    errors.raise_all()


def unknown_key(key: Any, value: Any, path: str, fix: str) -> DbportsError:
    """Return the error for a key that means nothing where it stands.

    :param fix: what to do, unless it asks for a source port.
    """
    where = f"{path}.{key}"
    if is_pinned(key):
        return DbportsError(PINNED_REASON, code="source_port", path=where, value=value, fix=f"Remove {key}")
    return DbportsError("unknown key", code="unknown_key", path=where, value=value, fix=fix)


def read_list(value: Any, path: str, example: str) -> list[Any]:
    """Read a list with entries.

    :raises DbportsError: when it is none, or empty.
    """
    if not isinstance(value, (list, tuple)) or not value:
        raise DbportsError(
            "expected a list with entries",
            code="empty" if isinstance(value, (list, tuple)) else "wrong_type",
            path=path,
            value=value,
            fix=f"Write for example {example}",
        )
    return list(value)


def read_each(listed: Iterable[Any], path: str, read: Callable[[Any, str], T]) -> tuple[T, ...]:
    """Read the entries of a list.

    :param read: reads one of them, given its path.
    :raises DbportsError: with the errors of all entries.
    """
    errors = ErrorList()
    found = [errors.collecting_errors(None, read, item, f"{path}[{index}]") for index, item in enumerate(listed)]
    errors.raise_all()
    return tuple(item for item in found if item is not None)


def read_name(raw: Any, path: str) -> str:
    """Read a name of 1 to 64 printable characters, and bytes in UTF-8, without slashes, quotes and backslashes.

    :raises DbportsError: for anything else.
    """
    if not isinstance(raw, str) or not _NAME.fullmatch(raw) or not raw.isprintable() or len(raw.encode()) > 64:
        raise DbportsError(
            "a name has 1 to 64 printable characters (bytes in UTF-8) without slashes, quotes and backslashes",
            code="not_a_name",
            path=path,
            value=raw,
            fix="Give another name, as text",
        )
    return str(raw)


def read_bool(value: Any, path: str) -> bool:
    """Read a boolean, or one of the words that Ansible takes for one.

    :raises DbportsError: for anything else.
    """
    if isinstance(value, bool):
        return value
    word = str(value).lower() if isinstance(value, (str, int)) else ""
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise DbportsError("not true or false", code="not_a_choice", path=path, value=value, fix="Write true or false")


def read_address(value: Any, path: str, multicast: bool = False) -> AddressRange:
    """Read one IPv4 or IPv6 address under which other hosts reach a host, or that of a multicast group.

    :raises DbportsError: for a network and anything else.
    """
    try:
        address = AddressRange.address(value)
    except DbportsError as error:
        fix = error.fix if isinstance(value, str) and "%" in value else "Write an address such as 192.0.2.10"
        raise DbportsError(
            "not an IPv4 or IPv6 address", code="not_an_address", path=path, value=value, fix=fix
        ) from None
    return address if multicast else check_reachable(address, path, value, "Write an address that other hosts see")


def read_clients(value: Any, path: str, option: Option | None = None) -> tuple[ClientRef, ...]:
    """Read a list of hosts, groups, addresses and networks; whether they exist is for others to ask.

    :param option: the option that is read, if it may have keys that not all clients have.
    :returns: an entry each; nothing for an empty list, which says that no other host connects.
    :raises DbportsError: when it is no list or has an entry of another form.
    """
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise DbportsError("expected a list of clients", code="wrong_type", path=path, value=value, fix=CLIENTS_FIX)
    keys = ("name", "allow_empty", "os", *(("port",) if option and option.port_each else ()))
    return read_each(value, path, lambda item, where: _read_client(item, where, keys))


def _read_client(item: Any, path: str, keys: tuple[str, ...]) -> ClientRef:
    if isinstance(item, str) and item.strip():
        return ClientRef(item.strip(), path)
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str) or not item["name"].strip():
        raise DbportsError(
            "expected a host, group, address or network, or a dictionary with name",
            code="wrong_type",
            path=path,
            value=item,
            fix="Write a name, or for example {name: app_servers, allow_empty: true}",
        )
    no_unknown_keys(item, keys, path)
    os, port = item.get("os"), item.get("port")
    return ClientRef(
        item["name"].strip(),
        path,
        read_bool(item.get("allow_empty", False), f"{path}.allow_empty"),
        None if os is None else str(os),
        None if port is None else read_options({"port": port}, (_CLIENT_PORT,), path)["port"],
    )


def read_options(raw: Mapping[str, Any], options: Iterable[Option], path: str) -> Values:
    """Read the options of one server, instance or gateway; absent and null ones get their default.

    :returns: values of the types that ``OPTION_TYPES`` names; None for an option without value and default.
    :raises DbportsError: for a value of the wrong type, out of range or not among the choices.
    """
    values: Values = {}
    errors = ErrorList()
    for option in options:
        value = raw.get(option.name)
        value = option.default if value is None else value
        if value is None:
            values[option.name] = None
            continue
        where = f"{path}.{option.name}"
        try:
            values[option.name] = _READERS[option.type](value, option, where)
        except DbportsError as error:
            errors.keep(error.at(path=where, fix=_port_fix(option)))
    errors.raise_all()
    return values


def _port_fix(option: Option) -> str:
    listed = "a port, a range or a list of them" if option.type in ("ports", "listen") else "one port"
    return f"Write {' or '.join((listed, *option.words))}; a port is a number from 1 to {option.maximum}"


def _read_choice(value: Any, option: Option, path: str) -> Any:
    if isinstance(value, bool) and value is False and "off" in option.choices:
        return "off"  # YAML 1.1 reads a bare off as false
    for choice in option.choices:
        if str(value) == str(choice):
            return choice
    if option.choices or not isinstance(value, (str, int)) or isinstance(value, bool):
        fix = f"Use one of {', '.join(str(choice) for choice in option.choices)}" if option.choices else "Write text"
        raise DbportsError(f"not a value for {option.name}", code="not_a_choice", path=path, value=value, fix=fix)
    return int(value) if option.type == "int" else str(value)


def _read_port(value: Any, option: Option, path: str) -> PortRange:
    port = PortRange.parse(value)
    if port.first != port.last:
        raise DbportsError("expected one port, not a range", code="not_a_port", path=path, value=value)
    return _not_above(port, option, value)


def _read_ports(value: Any, option: Option, path: str) -> tuple[PortRange, ...] | str:
    word = str(value).lower() if isinstance(value, (bool, str)) else ""
    if word in option.words:
        return word
    return tuple(_not_above(port, option, value) for port in parse_ports(value))


def _not_above(port: PortRange, option: Option, value: Any) -> PortRange:
    if port.last > option.maximum:
        raise DbportsError(f"at most {option.maximum}: {option.why}", code="out_of_range", value=value)
    return port


def _read_addresses(value: Any, option: Option, path: str) -> tuple[AddressRange, ...]:
    listed = read_list([value] if isinstance(value, str) else value, path, "[192.0.2.10]")
    return tuple(dict.fromkeys(read_each(listed, path, read_address)))


def _read_listen(value: Any, option: Option, path: str) -> tuple[dict[str, Any], ...]:
    """Read a list of addresses, each with its ports."""

    def read(item: Any, here: str) -> dict[str, Any]:
        if not isinstance(item, Mapping) or "tcp_port" not in item or "address" not in item:
            raise DbportsError(
                "expected an address and its tcp_port",
                code="missing" if isinstance(item, Mapping) else "wrong_type",
                path=here,
                value=item,
                fix=f"Write {_LISTEN_EXAMPLE}",
            )
        no_unknown_keys(item, ("address", "tcp_port"), here)
        try:
            ports = _read_ports(item["tcp_port"], option, f"{here}.tcp_port")
        except DbportsError as error:
            raise error.at(path=f"{here}.tcp_port") from None
        return {"address": read_address(item["address"], f"{here}.address"), "ports": ports}

    return read_each(read_list(value, path, _LISTEN_EXAMPLE), path, read)


_READERS: dict[str, Callable[[Any, Option, str], Any]] = {
    "bool": lambda value, option, path: read_bool(value, path),
    "str": _read_choice,
    "int": _read_choice,
    "port": _read_port,
    "ports": _read_ports,
    "clients": lambda value, option, path: read_clients(value, path, option),
    "address": lambda value, option, path: read_address(value, path, option.multicast),
    "addresses": _read_addresses,
    "listen": _read_listen,
}
