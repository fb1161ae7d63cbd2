# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host shows of its instances of SQL Server, read from raw texts."""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.mssql_common import DEFAULT_INSTANCE
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, parse_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.outside import LOOPBACK
from ansible_collections.dbports.firewall.plugins.plugin_utils._static_port.instances import (
    SeenHost,
    SeenInstance,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.instances import registered, services_by_name
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.ports import dynamic_range, excluded_ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.sockets import sockets_of

SERVICE = "mssql-server"
"""The unit of SQL Server on Linux."""

CONFIGURATION = "/var/opt/mssql/mssql.conf"
RANGE, RESERVED = "/proc/sys/net/ipv4/ip_local_port_range", "/proc/sys/net/ipv4/ip_local_reserved_ports"
_TCP = r"MSSQLServer\SuperSocketNetLib\Tcp"


def on_linux(texts: Mapping[str, str], sockets: Iterable[Socket]) -> SeenHost:
    """Return what a Linux host shows.

    :param texts: the files ``CONFIGURATION``, ``RANGE`` and ``RESERVED``, empty where they are not there.
    :param sockets: those of SQL Server.
    :raises DbportsError: when a file cannot be read.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(texts[CONFIGURATION], CONFIGURATION)
    except configparser.Error as error:
        raise DbportsError(f"{CONFIGURATION} cannot be read: {error}", code="unreadable") from None
    listening = _listening(sockets)
    instance = SeenInstance(
        name=DEFAULT_INSTANCE,
        service=SERVICE,
        key="",
        running=bool(listening),
        fixed=parser.get("network", "tcpport", fallback=""),
        listening=listening,
    )
    bounds = texts[RANGE].split()
    dynamic = PortRange.parse("-".join(bounds)) if len(bounds) == 2 else None
    kept = parse_ports(texts[RESERVED].strip().split(",")) if texts[RESERVED].strip() else ()
    return SeenHost("linux", {DEFAULT_INSTANCE: instance}, dynamic, kept=kept)


def on_windows(shown: Mapping[str, Any]) -> SeenHost:
    """Return what a Windows host shows.

    :param shown: the answer of ``collect.ps1``, with sockets and ports.
    :raises DbportsError: when it cannot be read.
    """
    sockets = list(sockets_of(shown))
    services = services_by_name(shown)
    instances = {}
    for one in registered(shown):
        tcp, everywhere = one.values.get("Tcp", {}), one.values.get("Tcp\\IPAll", {})
        instances[one.name.upper()] = SeenInstance(
            name=one.name,
            service=one.service,
            key=rf"HKLM:\{one.values['key']}\{_TCP}\IPAll",
            running=one.state.lower() == "running",
            fixed=everywhere.get("TcpPort", ""),
            dynamic=everywhere.get("TcpDynamicPorts", ""),
            clustered="Cluster" in one.values,
            tcp_enabled=tcp.get("Enabled", "1") != "0",
            listen_all=tcp.get("ListenOnAllIPs", "1") != "0",
            listening=_listening(item for item in sockets if item.pid and item.pid == one.pid),
        )
    refused, kept = excluded_ranges(str(shown["excluded"]))
    return SeenHost(
        "windows",
        instances,
        dynamic_range(str(shown["dynamic"]["tcp"])),
        tuple(refused),
        tuple(kept),
        str(services.get("SQLBROWSER", {}).get("state", "")),
        tuple(sorted(str(item["name"]) for name, item in services.items() if name.startswith("MSOLAP$"))),
    )


def _listening(sockets: Iterable[Socket]) -> frozenset[int]:
    """Return the TCP ports at which others are waited for."""
    return frozenset(
        one.local_port
        for one in sockets
        if one.protocol == "tcp" and one.is_listener and one.local_port
        if not LOOPBACK.overlaps(AddressRange.of_socket(one.local_address))
    )
