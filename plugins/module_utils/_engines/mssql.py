# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft SQL Server: the ports of its services, by Microsoft's own pages.

This file has the Database Engine's clients; beside it are high availability (``mssql_ha``), replication and Service
Broker (``mssql_replication``) and the other services (``mssql_services``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._engines import (
    mssql_ha,
    mssql_replication,
    mssql_services,
)
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    EngineWarning,
    FlowSpec,
    GatewayBehaviour,
    Option,
    Values,
)
from ansible_collections.dbports.firewall.plugins.module_utils._engines.mssql_common import (
    BROWSER,
    DAC,
    DEFAULT_INSTANCE,
    FIREWALL,
    HIDE,
    KB_287932,
    PROTOCOLS,
    is_default,
    on_linux,
    where,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, merge_ports

_FIX_PORT = (
    "to fix its port, clear TCP Dynamic Ports, set TCP Port for IPAll in SQL Server Configuration Manager, restart "
    "the instance and declare that number as tcp_port"
)

SHARED_OPTIONS = (
    Option(
        "dac",
        "str",
        "Dedicated administrator connection: off, local (loopback only) or remote (remote admin connections).",
        "local",
        choices=("off", "local", "remote"),
    ),
    Option(
        "dac_port",
        "port",
        "The port of the dedicated administrator connection, if it is fixed. If omitted, 1434 for the default "
        "instance and dynamic for others.",
    ),
    Option(
        "dac_clients",
        "clients",
        "Who may use the dedicated administrator connection remotely. If omitted, the clients.",
    ),
    Option(
        "edition",
        "str",
        "The edition. Express has no remote DAC; Express and Developer are installed with TCP/IP disabled.",
        choices=("enterprise", "standard", "web", "developer", "evaluation", "express"),
    ),
    *mssql_ha.SHARED_OPTIONS,
    *mssql_replication.SHARED_OPTIONS,
)
"""What may be said of a server, for all its instances, or of one instance."""

OPTIONS = (
    Option(
        "browser", "bool", "SQL Server Browser answers on UDP 1434. If omitted, it does if a client names an instance."
    ),
    Option(
        "version",
        "int",
        "The version, as the year in the product's name.",
        choices=(2000, 2005, 2008, 2012, 2014, 2016, 2017, 2019, 2022, 2025),
    ),
    Option(
        "os",
        "str",
        "The server's operating system, if it is not the one in dbports_os.",
        choices=("linux", "windows", "windows_2003"),
    ),
    *SHARED_OPTIONS,
    *mssql_ha.SERVER_OPTIONS,
    *mssql_services.OPTIONS,
)

INSTANCE_OPTIONS = (
    Option("name", "str", "The instance's name. MSSQLSERVER is the default instance.", DEFAULT_INSTANCE),
    Option(
        "tcp_port",
        "ports",
        "The port or ports that it listens on, or dynamic. If omitted, 1433 for the default instance and dynamic for "
        "a named one.",
        words=("dynamic",),
    ),
    Option(
        "tcp_dynamic_port",
        "bool",
        "TCP Dynamic Ports is set as well as TCP Port, so the instance listens on both.",
        False,
    ),
    Option(
        "listen",
        "listen",
        "Listen All is off: the addresses with their ports (IP1, IP2 and so on), instead of tcp_port.",
    ),
    Option(
        "hide_instance",
        "bool",
        "Hide Instance is on: Browser does not reveal its port, and clients write host,port.",
        False,
    ),
    Option(
        "connect_by",
        "str",
        "What clients write: host,port (port) or host and instance (name). If omitted, name if the port is dynamic "
        "or browser is on, otherwise port.",
        choices=("port", "name"),
    ),
    Option("clients", "clients", "Who may connect to this instance. If omitted, the server's clients."),
    *(replace(option, default=None) for option in SHARED_OPTIONS),
)

_SAME = GatewayBehaviour(
    same_port=(),
    same_port_reason="SQL Server Browser tells clients the port that the instance has inside, and is itself asked only "
    "on UDP 1434",
    same_port_fix="Publish the same port, or let clients connect by host and port (connect_by: port)",
)
_AS_TOLD = replace(_SAME, same_port=("connect_by=name",))
"""SQL Server Browser tells clients the port that the instance has, whatever a gateway makes of it (MC-SQLR)."""

FLOWS = (
    FlowSpec(
        "tds",
        "tcp",
        "ports",
        "Clients connect to instance {name}",
        f"{KB_287932}; {FIREWALL}",
        when=("!hidden_2000",),
        each="instance",
        spread="listeners",
        address="address",
        process=("sqlservr",),
        probe="tds",
        through=_AS_TOLD,
    ),
    FlowSpec(
        "fci",
        "tcp",
        "tcp_port",
        "Clients connect to failover cluster instance {name}",
        f"{KB_287932}; {FIREWALL}",
        when=("fci_addresses",),
        each="instance",
        spread="reached_at",
        address="address",
        process=("sqlservr",),
        probe="tds",
        listens=False,
        through=_AS_TOLD,
    ),
    FlowSpec(
        "tds_dynamic",
        "tcp",
        "dynamic",
        "Clients that name {name} may be sent to its dynamic port",
        "deep.data.blog 2012/09/08: with both ports set the engine listens on both",
        when=("tcp_dynamic_port", "connect_by=name"),
        each="instance",
        process=("sqlservr",),
        through=_SAME,
    ),
    FlowSpec(
        "tds_unasked",
        "tcp",
        "dynamic",
        "{name} also listens on a dynamic port, which nobody else is to reach",
        "deep.data.blog 2012/09/08: with both ports set the engine listens on both",
        when=("tcp_dynamic_port", "connect_by=port"),
        each="instance",
        need="optional",
        process=("sqlservr",),
    ),
    FlowSpec(
        "tds_hidden",
        "tcp",
        "2433",
        "Clients connect to the hidden instance {name} of SQL Server 2000",
        "KB 308091",
        when=("hidden_2000",),
        each="instance",
        process=("sqlservr",),
        probe="tds",
        confirmed=False,
    ),
    FlowSpec(
        "browser",
        "udp",
        "1434",
        "Clients ask SQL Server Browser for the port of an instance",
        f"{BROWSER}; {KB_287932}",
        initiator="browser_clients",
        when=("browser",),
        process=("sqlbrowser", "sqlservr"),
        probe="ssrp",
        shared=True,
        spread="browser_at",
        address="address",
        through=_SAME,
    ),
    FlowSpec(
        "dac",
        "tcp",
        "dac_ports",
        "Administrators use the dedicated administrator connection of {name}",
        DAC,
        initiator="dac_clients",
        when=("dac=remote", "!dac_by_browser"),
        each="instance",
        need="optional",
        process=("sqlservr",),
        probe="tcp",
        spread="reached_at",
        address="address",
    ),
    FlowSpec(
        "dac_dynamic",
        "tcp",
        "dac_ports",
        "Administrators use the dedicated administrator connection of {name}",
        DAC,
        initiator="dac_clients",
        when=("dac_by_browser",),
        each="instance",
        need="optional",
        process=("sqlservr",),
        spread="reached_at",
        address="address",
        through=_SAME,
    ),
    FlowSpec(
        "dac_browser",
        "udp",
        "1434",
        "Administrators ask SQL Server Browser for the port of the dedicated administrator connection of {name}",
        f"{DAC}; MC-SQLR, CLNT_UCAST_DAC",
        initiator="dac_clients",
        when=("dac_by_browser",),
        each="instance",
        need="optional",
        process=("sqlbrowser",),
        probe="ssrp_dac",
        shared=True,
        spread="reached_at",
        address="address",
        through=_SAME,
    ),
    *mssql_ha.FLOWS,
    *mssql_replication.FLOWS,
    *mssql_services.FLOWS,
)

NORMALIZED = {
    "listeners": "listen",
    "reached_at": "listen",
    "browser_at": "listen",
    "ports": "ports",
    "address": "address",
    "browser_clients": "clients",
    "hidden_2000": "bool",
    "dac_ports": "ports",
    "dac_by_browser": "bool",
    **mssql_ha.NORMALIZED,
    **mssql_replication.NORMALIZED,
    **mssql_services.NORMALIZED,
}


def normalize(server: Values, instances: list[Values]) -> list[EngineWarning]:
    """Settle ports, Browser, DAC and all services; see :class:`Engine`."""
    warnings = []
    server["all_clients"] = _together(server, instances, "clients")
    for instance in instances:
        instance["declared"] = frozenset(name for name, value in instance.items() if value is not None)
        for option in SHARED_OPTIONS:
            if instance[option.name] is None:
                instance[option.name] = server[option.name]
    for index, instance in enumerate(instances):
        try:
            warnings += _settle_port(instance, index, server["browser"])
            warnings += _settle_listeners(server, instance, index)
        except DbportsError as error:
            error.path = f"instances[{index}].{error.path}"
            raise
        warnings += _settle_dac(server, instance, index)
    for index, instance in enumerate(instances):
        others = [item for item in instances if item is not instance]
        warnings += mssql_ha.normalize_instance(server, instance, index, others)
        warnings += mssql_replication.normalize_instance(server, instance, index)
    warnings += _settle_browser(server, instances)
    return warnings + mssql_ha.normalize_server(server) + mssql_services.normalize_server(server)


def _together(server: Values, instances: list[Values], name: str) -> tuple[Any, ...]:
    """Return the clients of all instances, each entry once; the server's where there is no instance."""
    own = [server[name] if item[name] is None else item[name] for item in instances]
    return tuple(dict.fromkeys(ref for refs in own or [server[name]] for ref in refs))


def _settle_port(instance: Values, index: int, browser: bool | None) -> list[EngineWarning]:
    """Give an instance its documented port and how clients name it; return warnings."""
    default = is_default(instance)
    if instance["listen"] and (instance["tcp_port"] is not None or instance["tcp_dynamic_port"]):
        raise DbportsError(
            "IPAll is ignored if addresses have ports of their own",
            code="contradiction",
            path="listen",
            value=[str(item["address"]) for item in instance["listen"]],
            fix="Set either tcp_port or listen",
        )
    if instance["listen"]:
        fixed = merge_ports(port for item in instance["listen"] for port in item["ports"])
        instance["tcp_port"] = fixed
    elif instance["tcp_port"] is None:
        instance["tcp_port"] = (PortRange(1433, 1433),) if default else "dynamic"
    dynamic = instance["dynamic_port"] = instance["tcp_port"] == "dynamic"
    if instance["connect_by"] is None:
        asked = dynamic or (bool(browser) and not default)
        instance["connect_by"] = "name" if asked and not (instance["hide_instance"] and not dynamic) else "port"
    if dynamic and instance["connect_by"] == "port":
        raise DbportsError(
            "clients cannot name a port that changes",
            code="contradiction",
            path="connect_by",
            value="port",
            fix=_FIX_PORT[0].upper() + _FIX_PORT[1:],
        )
    if instance["hide_instance"] and instance["connect_by"] == "name":
        raise DbportsError(
            f"SQL Server Browser does not reveal the port of a hidden instance, even to clients that name it ({HIDE})",
            code="contradiction",
            path="hide_instance",
            value=True,
            fix="Give it a fixed tcp_port and let clients write host,port (connect_by: port)",
        )
    if default and instance["connect_by"] == "name":
        reason = "SQL Server Browser is never asked for the default instance"
        if not dynamic:
            raise DbportsError(reason, code="contradiction", path="connect_by", value="name", fix="Remove connect_by")
        raise DbportsError(
            f"{reason}: clients go to 1433",
            code="contradiction",
            path="tcp_port",
            value="dynamic",
            fix="Give it a fixed port",
        )
    if not dynamic:
        return []
    return [
        EngineWarning(
            "dynamic_port",
            f"instance {instance['name']} has a dynamic port: the whole dynamic range of the server is open to its "
            f"clients and closed to everyone else ({KB_287932}); {_FIX_PORT}",
            f"instances[{index}].tcp_port",
        )
    ]


def _settle_listeners(server: Values, instance: Values, index: int) -> list[EngineWarning]:
    """Settle the addresses an instance listens on; return warnings."""
    virtual = instance["fci_addresses"]
    if virtual and instance["listen"]:
        raise DbportsError(
            "a failover cluster instance listens only on fci_addresses",
            code="contradiction",
            path="listen",
            value=[str(item["address"]) for item in instance["listen"]],
            fix="Set either listen or fci_addresses",
        )
    instance["reached_at"] = tuple({"address": item} for item in virtual or (None,))
    everywhere = ({"address": None, "ports": instance["tcp_port"]},)
    instance["listeners"] = () if virtual else instance["listen"] or everywhere
    instance["hidden_2000"] = bool(instance["hide_instance"]) and server["version"] == 2000
    warnings = []
    if instance["tcp_dynamic_port"]:
        if instance["dynamic_port"]:
            raise DbportsError(
                "tcp_dynamic_port needs a fixed port as well",
                code="missing",
                path="tcp_dynamic_port",
                value=True,
                fix="Add tcp_port, or remove tcp_dynamic_port",
            )
        warnings.append(
            EngineWarning(
                "dynamic_port_beside_fixed",
                f"instance {instance['name']} listens on a dynamic port besides "
                f"{', '.join(map(str, instance['tcp_port']))}: "
                "clear TCP Dynamic Ports, or the whole dynamic range of the server stays guarded for it",
                where(instance, index, "tcp_dynamic_port"),
            )
        )
    if instance["edition"] in ("express", "developer") and not on_linux(server):
        warnings.append(
            EngineWarning(
                "tcp_disabled",
                f"instance {instance['name']}: TCP/IP is disabled on a new {instance['edition'].capitalize()} "
                "installation; "
                f"enable it in SQL Server Configuration Manager and restart the instance ({PROTOCOLS})",
                where(instance, index, "edition"),
            )
        )
    if on_linux(server) and not is_default(instance):
        warnings.append(
            EngineWarning(
                "one_instance_on_linux",
                f"instance {instance['name']}: SQL Server on Linux has only the default instance and no SQL "
                "Server Browser",
                f"instances[{index}].name",
            )
        )
    return warnings


def _settle_dac(server: Values, instance: Values, index: int) -> list[EngineWarning]:
    """Settle the dedicated administrator connection of an instance; return warnings."""
    remote = instance["dac"] == "remote"
    instance["dac_ports"] = instance["dac_port"] or (PortRange(1434, 1434) if is_default(instance) else "dynamic")
    instance["dac_by_browser"] = remote and instance["dac_ports"] == "dynamic"
    given = (instance["dac_clients"], instance["clients"], server["clients"])
    instance["dac_clients"] = next(clients for clients in given if clients is not None)
    if not remote:
        return []
    path = where(instance, index, "dac")
    if instance["edition"] == "express":
        raise DbportsError(
            f"Express does not listen for the dedicated administrator connection ({DAC})",
            code="contradiction",
            path=path,
            value="remote",
            fix="Remove dac; if trace flag 7806 makes it listen, remove edition",
        )
    if instance["dac_by_browser"] and (server["browser"] is False or instance["hide_instance"]):
        raise DbportsError(
            f"the dedicated administrator connection of {instance['name']} has a dynamic port, which clients ask SQL "
            "Server Browser for",
            code="contradiction",
            path=path,
            value="remote",
            fix="Fix its port and declare dac_port, or let Browser answer",
        )
    if not instance["dac_by_browser"]:
        return []
    return [
        EngineWarning(
            "dynamic_port",
            f"the dedicated administrator connection of {instance['name']} has a dynamic port: the whole dynamic range "
            "of the server is open to its clients; to fix it, set TcpDynamicPorts in AdminConnection\\Tcp and declare "
            "dac_port",
            path,
        )
    ]


def _settle_browser(server: Values, instances: list[Values]) -> list[EngineWarning]:
    """Settle who asks SQL Server Browser, and where; return warnings."""
    by_name = [instance for instance in instances if instance["connect_by"] == "name"]
    if server["browser"] is None:
        server["browser"] = bool(by_name)
    if by_name and not server["browser"]:
        raise DbportsError(
            f"clients name instance {by_name[0]['name']}, which needs SQL Server Browser on UDP 1434",
            code="missing",
            path="browser",
            value=False,
            fix="Set browser: true, or give the instance a fixed tcp_port",
        )
    server["browser_clients"] = _together(server, by_name, "clients")
    server["probe_instance"] = by_name[0]["name"] if by_name else None
    server["browser_at"] = tuple(
        {"address": item} for item in dict.fromkeys(at["address"] for item in by_name for at in item["reached_at"])
    ) or ({"address": None},)
    warnings = []
    if server["browser"] and not by_name and not any(item["dac_by_browser"] for item in instances):
        warnings.append(
            EngineWarning(
                "browser_unused", "browser is on, but no client names an instance: UDP 1434 need not be open", "browser"
            )
        )
    if server["browser"] and on_linux(server) and all(is_default(instance) for instance in instances):
        warnings.append(
            EngineWarning(
                "no_browser_on_linux",
                "there is no SQL Server Browser on Linux: clients write host,port, or just the host for 1433",
                "browser",
            )
        )
    if any(item["fci_addresses"] for item in by_name):
        warnings.append(
            EngineWarning(
                "browser_of_cluster",
                "SQL Server Browser of a failover cluster may answer from the node's own address, which connection "
                "tracking does not recognize as a reply (unconfirmed): let clients write host,port",
                "instances",
            )
        )
    return warnings


ENGINE = Engine(
    name="mssql",
    title="Microsoft SQL Server",
    source=FIREWALL,
    options=OPTIONS,
    flows=FLOWS,
    instance_options=INSTANCE_OPTIONS,
    default_instance=DEFAULT_INSTANCE,
    default_os="windows",  # named instances exist only on Windows
    normalize=normalize,
    normalized=NORMALIZED,
    notes=(
        "SQL Server Browser is never asked for the default instance, nor by clients that write host,port.",
        "A named instance that is the only one on its machine may get 1433, and a dynamic port is kept across restarts "
        "while it is free: neither is evidence of a fixed port.",
        "Always On, mirroring and Service Broker endpoints are not in the registry; sys.tcp_endpoints lists their "
        "ports.",
    ),
)
