# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instances of SQL Server on one host: what the plan says of their ports, and what the host shows of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import WIDE
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet

Platform = Literal["linux", "windows"]
ENGINE_PROGRAM, BROWSER_PROGRAM = "sqlservr", "sqlbrowser"
DEFAULT_PORT = 1433


class DeclaredInstance(NamedTuple):
    """What the plan says of an instance.

    :param ports: its fixed TCP ports; none where the declaration says dynamic.
    :param beside: it also listens on a dynamic port (``tcp_dynamic_port``).
    :param by_address: its ports are those of single addresses (``listen``).
    """

    name: str
    ports: tuple[int, ...]
    beside: bool = False
    by_address: bool = False


class Declared(NamedTuple):
    """What the plan says of a host.

    :param browser: an endpoint that SQL Server Browser serves, or an empty string.
    """

    instances: tuple[DeclaredInstance, ...]
    browser: str = ""


class SeenInstance(NamedTuple):
    """What a host shows of an instance.

    :param key: the registry key of IPAll; empty on Linux.
    :param fixed: the text of TcpPort, or of ``network.tcpport``; empty where it is not set.
    :param dynamic: the text of TcpDynamicPorts; empty for off.
    :param listening: the TCP ports on which its process listens, those of loopback left out.
    """

    name: str
    service: str
    key: str
    running: bool
    fixed: str
    dynamic: str = ""
    clustered: bool = False
    tcp_enabled: bool = True
    listen_all: bool = True
    listening: frozenset[int] = frozenset()


class SeenHost(NamedTuple):
    """What a host shows.

    :param instances: by their name in capitals.
    :param dynamic: the range from which its system takes ports for any program, if it is known.
    :param refused: ranges in which no program gets a port.
    :param kept: ranges that are kept for programs that ask for a port of them.
    :param browser: the state of SQL Server Browser's service, such as ``Running``; empty where there is none.
    :param named: other services of which SQL Server Browser tells the ports.
    """

    platform: Platform
    instances: Mapping[str, SeenInstance]
    dynamic: PortRange | None
    refused: tuple[PortRange, ...] = ()
    kept: tuple[PortRange, ...] = ()
    browser: str = ""
    named: tuple[str, ...] = ()


def declared_on(port_set: PortSet) -> Declared:
    """Return what a host's port set says of its instances of SQL Server."""
    ports: dict[str, tuple[PortRange, ...]] = {}
    beside, by_address, browser = set(), set(), ""
    for endpoint in port_set.endpoints:
        flow = endpoint.id.rpartition("/")[2].partition("@")[0]
        if endpoint.engine != "mssql":
            continue
        if BROWSER_PROGRAM in endpoint.process:
            browser = browser or endpoint.id
        elif flow in ("tds", "fci"):
            ports[endpoint.instance] = tuple(sorted({*ports.get(endpoint.instance, ()), *endpoint.ports}))
            if flow == "tds" and endpoint.address:
                by_address.add(endpoint.instance)
        elif flow in ("tds_dynamic", "tds_unasked"):
            beside.add(endpoint.instance)
    found = (
        DeclaredInstance(name, _fixed(ranges), name in beside, name in by_address) for name, ranges in ports.items()
    )
    return Declared(tuple(sorted(found)), browser)


def _fixed(ranges: tuple[PortRange, ...]) -> tuple[int, ...]:
    """Return single ports; none for a range of so many that it is the dynamic one."""
    if any(item.last - item.first >= WIDE - 1 for item in ranges):
        return ()
    return tuple(port for item in ranges for port in range(item.first, item.last + 1))
