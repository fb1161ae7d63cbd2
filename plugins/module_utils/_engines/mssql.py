# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft SQL Server: the ports of its services, by Microsoft's own pages."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    FlowSpec,
    Option,
    Through,
    Values,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange

DEFAULT_INSTANCE = "MSSQLSERVER"
_FIREWALL = "Configure the Windows Firewall to allow SQL Server access"
_KB = "KB 287932"
_BROWSER = "SQL Server Browser service"
_DAC = "Diagnostic connection for database administrators"
_FIX_PORT = (
    "to fix its port, clear TCP Dynamic Ports, set TCP Port for IPAll in SQL Server Configuration Manager, restart "
    "the instance and declare that number as tcp_port"
)

OPTIONS = (
    Option("browser", "bool", "SQL Server Browser answers on UDP 1434; absent: where a client names an instance."),
    Option("dac", "str", "Dedicated administrator connection: off, local (loopback only) or remote.", "local",
           choices=("off", "local", "remote")),
    Option("version", "int", "The product's year.", choices=(
        2000, 2005, 2008, 2012, 2014, 2016, 2017, 2019, 2022, 2025)),
    Option("os", "str", "The server's operating system, when it is not that of dbports_os.",
           choices=("linux", "windows", "windows_2003")),
)

INSTANCE_OPTIONS = (
    Option("name", "str", "The instance's name; MSSQLSERVER is the default instance.", DEFAULT_INSTANCE),
    Option("tcp_port", "ports", "The port or ports it listens on, or dynamic; absent: 1433 for the default instance, "
           "dynamic for a named one.", words=("dynamic",)),
    Option("connect_by", "str", "What clients write: host,port (port) or host and instance (name); absent: name "
           "for a dynamic port or where browser is on, else port.", choices=("port", "name")),
    Option("clients", "clients", "Who may connect to this instance; absent: the server's clients."),
)

FLOWS = (
    FlowSpec(
        "tds", "tcp", "tcp_port", "Clients connect to instance {name}", f"{_KB}; {_FIREWALL}",
        each="instance", process=("sqlservr",), probe="tds", through=Through(same_port=("connect_by=name",)),
    ),
    FlowSpec(
        "browser", "udp", "1434", "Clients ask SQL Server Browser for the port of an instance", f"{_BROWSER}; {_KB}",
        initiator="browser_clients", when=("browser",), process=("sqlbrowser", "sqlservr"), probe="ssrp", shared=True,
        through=Through(same_port=()),
    ),
    FlowSpec(
        "dac", "tcp", "1434", "Administrators use the dedicated administrator connection", _DAC,
        when=("dac=remote",), need="optional", process=("sqlservr",), probe="tcp",
    ),
)


def _settle_port(instance: Values, browser: bool | None) -> list[str]:
    """Give an instance its documented port and how clients name it; return warnings."""
    default = instance["name"].upper() == DEFAULT_INSTANCE
    if instance["tcp_port"] is None:
        instance["tcp_port"] = (PortRange(1433, 1433),) if default else "dynamic"
    instance["dynamic"] = instance["tcp_port"] == "dynamic"
    if instance["connect_by"] is None:
        named = instance["dynamic"] or (bool(browser) and not default)
        instance["connect_by"] = "name" if named else "port"
    if instance["dynamic"] and instance["connect_by"] == "port":
        raise DbportsError(
            "clients cannot name a port that changes", path="connect_by", value="port",
            fix=_FIX_PORT[0].upper() + _FIX_PORT[1:],
        )
    if default and instance["connect_by"] == "name" and not instance["dynamic"]:
        raise DbportsError(
            "SQL Server Browser is never asked for the default instance", path="connect_by", value="name",
            fix="Remove connect_by",
        )
    if not instance["dynamic"]:
        return []
    return [
        f"instance {instance['name']} has a dynamic port: the whole dynamic range of the server is open to its "
        f"clients and closed to everyone else ({_KB}); {_FIX_PORT}"
    ]


def derive(server: Values, instances: list[Values]) -> list[str]:
    """Settle ports, Browser and DAC; see :class:`Engine`."""
    warnings = []
    for index, instance in enumerate(instances):
        try:
            warnings += _settle_port(instance, server["browser"])
        except DbportsError as error:
            error.path = f"instances[{index}].{error.path}"
            raise
    by_name = [instance for instance in instances if instance["connect_by"] == "name"]
    if server["browser"] is None:
        server["browser"] = bool(by_name)
    if by_name and not server["browser"]:
        raise DbportsError(
            f"clients name instance {by_name[0]['name']}, which needs SQL Server Browser on UDP 1434",
            path="browser", value=False, fix="Set browser: true, or give the instance a fixed tcp_port",
        )
    if server["browser"] and not by_name:
        warnings.append("browser is on, but no client names an instance: UDP 1434 need not be open")
    server["browser_clients"] = tuple(
        dict.fromkeys(ref for item in by_name for ref in item["clients"] or server["clients"])
    ) or server["clients"]
    server["probe_instance"] = by_name[0]["name"] if by_name else None
    return warnings


ENGINE = Engine(
    name="mssql", title="Microsoft SQL Server", source=_FIREWALL, options=OPTIONS, flows=FLOWS,
    instance_options=INSTANCE_OPTIONS, default_instance=DEFAULT_INSTANCE,
    default_os="windows",  # named instances exist on Windows alone: on Linux there is one instance a host
    derive=derive,
)
