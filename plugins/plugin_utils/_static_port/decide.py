# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done so that instances of SQL Server listen where the plan says; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._engines.mssql_common import DEFAULT_INSTANCE
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorList
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, format_ports, merge_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._static_port.instances import (
    DEFAULT_PORT,
    Declared,
    DeclaredInstance,
    SeenHost,
    SeenInstance,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.ports import RESERVE

_PATH = "dbports_servers"
_ALLOW = "set dbports_restart (restart) to true"


class Write(NamedTuple):
    """One setting to change.

    :param key: the registry key; empty on Linux, where ``name`` is the setting of mssql-conf.
    """

    instance: str
    key: str
    name: str
    before: str
    after: str


class Decision(NamedTuple):
    """What has to be done.

    :param not_listening: a sentence for each service that does not listen as planned, or will not before a restart.
    :param restart: those of them that run and may be restarted.
    :param browser_unneeded: SQL Server Browser is there, and no declared flow asks it.
    """

    writes: tuple[Write, ...]
    not_listening: dict[str, str]
    restart: tuple[str, ...]
    browser_unneeded: bool
    warnings: tuple[str, ...]


def decide(declared: Declared, seen: SeenHost, *, restart: bool) -> Decision:
    """Compare a host with the plan.

    :param restart: services may be restarted.
    :raises DbportsError: all reasons why a port cannot be set, or should not be.
    """
    errors = ErrorList()
    writes: list[Write] = []
    waiting: dict[str, str] = {}
    allowed, warnings = [], list(_told(declared, seen))
    for item in declared.instances:
        found = errors.collecting_errors(None, _instance, item, seen)
        if found is None or not item.ports:
            continue
        changes = errors.collecting_errors(None, _changes, item, found, seen, restart) or ()
        writes += changes
        said = _not_listening(item, found, bool(changes))
        if not said:
            continue
        waiting[found.service] = said
        if not found.running:
            warnings.append(f"{item.name} is not running and takes {_tcp(item)} when it starts")
        elif restart and not found.clustered:
            allowed.append(found.service)
        else:
            warnings.append(f"{said}; {_how(found)}")
    errors.raise_all()
    unneeded = bool(seen.browser) and not _asks_browser(declared, seen) and set(waiting) <= set(allowed)
    return Decision(tuple(writes), waiting, tuple(allowed), unneeded, tuple(warnings))


def _instance(item: DeclaredInstance, seen: SeenHost) -> SeenInstance:
    """Return what the host shows of a declared instance.

    :raises DbportsError: when there is none of this name.
    """
    found = seen.instances.get(item.name.upper())
    if found is None:
        there = ", ".join(one.name for one in seen.instances.values()) or "none"
        raise _refusal(f"the host has no instance {item.name} of SQL Server", f"Declare what is there: {there}")
    return found


def _changes(item: DeclaredInstance, found: SeenInstance, seen: SeenHost, restart: bool) -> tuple[Write, ...]:
    """Return the settings to change.

    :raises DbportsError: when they should not be changed.
    """
    if found.clustered and not found.running:
        raise _refusal(
            f"{item.name} is an instance of a failover cluster and does not run on this node, whose registry is a copy "
            "that the cluster overwrites",
            "Run the role on the node that owns the instance",
        )
    if not found.tcp_enabled:
        raise _refusal(
            f"TCP/IP is disabled for {item.name}, and the plan has it listen on {_tcp(item)}",
            "Enable it in SQL Server Configuration Manager, or declare tcp_enabled: false",
        )
    if (item.by_address or not found.listen_all) and not found.listening.issuperset(item.ports):
        where = "listen gives addresses ports of their own" if item.by_address else "Listen All is off (ListenOnAllIPs)"
        raise _refusal(
            f"{item.name}: {where}; the role sets only the port of all addresses (IPAll)",
            f"Set {_tcp(item)} at the addresses (IP1, IP2 and so on) by hand, or turn Listen All on and declare "
            "tcp_port",
        )
    if item.by_address or not found.listen_all:
        return ()
    changes = tuple(_linux(item, found) if seen.platform == "linux" else _windows(item, found))
    if changes:
        _check_ranges(item, found, seen)
        _check_browser(item, found, seen, restart)
    return changes


def _windows(item: DeclaredInstance, found: SeenInstance) -> Iterator[Write]:
    for name, value in (("TcpPort", found.fixed), ("TcpDynamicPorts", found.dynamic)):
        if any(char.isspace() for char in value):
            raise _refusal(
                f"{item.name}: {name} has a blank ({value!r}), with which the instance does not start (error 17182)",
                f"Remove the blank in {found.key}",
            )
    if _ports_in(found.fixed) != item.ports:
        yield Write(item.name, found.key, "TcpPort", found.fixed, ",".join(map(str, item.ports)))
    if found.dynamic and not item.beside:
        yield Write(item.name, found.key, "TcpDynamicPorts", found.dynamic, "")


def _linux(item: DeclaredInstance, found: SeenInstance) -> Iterator[Write]:
    if len(item.ports) > 1:
        raise _refusal(f"SQL Server on Linux has one port, not {_tcp(item)}", "Declare one tcp_port")
    value = found.fixed or str(DEFAULT_PORT)
    if not _ports_in(value):
        raise _refusal(f"network.tcpport is no port: {found.fixed!r}", "Remove it: mssql-conf unset network.tcpport")
    if _ports_in(value) != item.ports:
        yield Write(item.name, "", "network.tcpport", found.fixed, str(item.ports[0]))


def _ports_in(text: str) -> tuple[int, ...]:
    """Return the ports of a list as SQL Server has it, in order; none where it is no such list."""
    parts = text.split(",")
    return tuple(sorted(map(int, parts))) if all(part.isdecimal() and part.isascii() for part in parts) else ()


def _check_ranges(item: DeclaredInstance, found: SeenInstance, seen: SeenHost) -> None:
    """Refuse a new port that the instance may not get.

    :raises DbportsError: with the command that keeps it for the instance.
    """
    for port in item.ports:
        if any(port in kept for kept in seen.kept):
            continue
        taken = next((one for one in seen.refused if port in one), None)
        if taken is None and not (seen.dynamic and port in seen.dynamic):
            continue
        why = f"{taken}, which Windows has reserved" if taken else f"{seen.dynamic}, the dynamic ports of this host"
        raise _refusal(
            f"{item.name}: tcp {port} is in {why}: the instance may not get it when it starts",
            f"Declare a port outside it, or reserve this one first: {_reserve(port, seen)}",
        )


def _reserve(port: int, seen: SeenHost) -> str:
    if seen.platform == "windows":
        return RESERVE.format(port)
    kept = format_ports(merge_ports((*seen.kept, PortRange(port, port)))).replace(" ", "")
    return (
        f"sysctl -w net.ipv4.ip_local_reserved_ports={kept}, and the same line in a file of /etc/sysctl.d for the next "
        "boot"
    )


def _check_browser(item: DeclaredInstance, found: SeenInstance, seen: SeenHost, restart: bool) -> None:
    """Refuse a change that SQL Server Browser would announce before the instance knows of it.

    :raises DbportsError: when clients would be sent to a port on which nobody listens.
    """
    announced = seen.browser == "Running" and item.name.upper() != DEFAULT_INSTANCE
    if announced and found.running and not restart:
        raise DbportsError(
            f"SQL Server Browser would announce {_tcp(item)} of {item.name} at once, and the instance listens there "
            "only after a restart",
            code="not_permitted",
            path="dbports_restart",
            value=restart,
            fix=f"Allow the restart ({_ALLOW}), or stop the instance or SQL Server Browser first",
        )


def _not_listening(item: DeclaredInstance, found: SeenInstance, changed: bool) -> str:
    """Return a sentence where the instance does not listen as planned, or will not before it is restarted."""
    missing = [port for port in item.ports if port not in found.listening]
    if not missing and not changed:
        return ""
    now = ", ".join(map(str, sorted(found.listening))) or "no port"
    return f"{item.name} ({found.service}) listens on {now}, and is to listen on {_tcp(item)}"


def _how(found: SeenInstance) -> str:
    if found.clustered:
        return "restart its role in the failover cluster (Stop-ClusterResource, Start-ClusterResource)"
    return f"it needs a restart: {_ALLOW}"


def _told(declared: Declared, seen: SeenHost) -> Iterator[str]:
    """Yield where declaration and server disagree without an error."""
    names = {item.name.upper() for item in declared.instances}
    for item in declared.instances:
        found = seen.instances.get(item.name.upper())
        if found is None:
            continue
        if not item.ports and found.fixed and not found.dynamic:
            yield (
                f"{item.name} is declared with a dynamic port, and the server has the fixed port {found.fixed}: "
                f"declare tcp_port: {found.fixed.strip()}"
            )
        elif not item.ports:
            yield (
                f"{item.name} is declared with a dynamic port, so that nothing is fixed: declare tcp_port with a "
                f"number outside {seen.dynamic or 'the dynamic ports'} (now: {found.dynamic or 'not started'})"
            )
        elif item.beside and found.dynamic:
            yield f"{item.name} keeps its dynamic port beside {_tcp(item)}: remove tcp_dynamic_port to have it cleared"
        elif item.beside:
            yield f"{item.name} has no dynamic port beside {_tcp(item)}: remove tcp_dynamic_port"
    for key, found in seen.instances.items():
        if key not in names and seen.platform == "windows":
            yield f"instance {found.name} of SQL Server is not declared on this host, and is left as it is"
    if declared.browser and seen.browser and seen.browser != "Running":
        yield f"SQL Server Browser is not running, and the plan has clients that ask it ({declared.browser})"


def _asks_browser(declared: Declared, seen: SeenHost) -> bool:
    """Tell whether SQL Server Browser may be asked: by a declared flow, or for what is not declared."""
    names = {item.name.upper() for item in declared.instances}
    return bool(declared.browser or seen.named or any(key not in names for key in seen.instances))


def _tcp(item: DeclaredInstance) -> str:
    return f"tcp {','.join(map(str, item.ports))}"


def _refusal(reason: str, fix: str) -> DbportsError:
    return DbportsError(reason, code="contradiction", path=_PATH, fix=fix)
