# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft SQL Server: the ports of its services, by Microsoft's own pages.

This file has the Database Engine's clients; beside it are high availability (``mssql_ha``), replication and Service
Broker (``mssql_replication``) and the other services (``mssql_services``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
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
    Setting,
    Values,
    written,
)
from ansible_collections.dbports.firewall.plugins.module_utils._engines.mssql_common import (
    BROWSER,
    DAC,
    DAC_PORT,
    DEFAULT_INSTANCE,
    FIREWALL,
    HIDE,
    KB_287932,
    PROTOCOLS,
    is_default,
    on_linux,
    refuse,
    where,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, merge_ports

_BROADCAST = f"MC-SQLR, CLNT_BCAST_EX; {FIREWALL}: unicast responses to a broadcast"
_FIX_PORT = (
    "to fix its port, clear TCP Dynamic Ports, set TCP Port for IPAll in SQL Server Configuration Manager, restart "
    "the instance and declare that number as tcp_port"
)

SHARED_OPTIONS = (
    Option(
        "tcp_enabled",
        "bool",
        "TCP/IP is enabled. If false, no TCP port of the instance is opened or guarded, and remote clients need "
        "named_pipes. If omitted, it is, which a new Express or Developer installation does not do by itself.",
    ),
    Option(
        "dac",
        "str",
        "Dedicated administrator connection: off, local (loopback only) or remote (remote admin connections), which "
        "opens its port.",
        "local",
        choices=("off", "local", "remote"),
    ),
    Option(
        "dac_port",
        "port",
        "The port of the dedicated administrator connection, if it is fixed. If omitted, 1434 for the default "
        "instance and dynamic for others: dac: remote then opens the whole dynamic range to dac_clients.",
    ),
    Option(
        "dac_clients",
        "clients",
        "Opens the port of a remote dedicated administrator connection to these hosts only. If omitted, to the "
        "clients.",
        needs="dac=remote",
        needs_reason="the dedicated administrator connection is not open to other hosts",
    ),
    Option(
        "edition",
        "str",
        "The edition; it opens nothing. Express has no remote DAC; Express and Developer are installed with TCP/IP "
        "disabled.",
        choices=("enterprise", "standard", "web", "developer", "evaluation", "express"),
    ),
    *mssql_ha.SHARED_OPTIONS,
    *mssql_replication.SHARED_OPTIONS,
)
"""What may be said of a server, for all its instances, or of one instance."""

OPTIONS = (
    Option(
        "browser",
        "bool",
        "SQL Server Browser runs. UDP 1434 is then guarded, and opened only to clients of an instance with connect_by: "
        "name, to browser_clients and to broadcast_clients. If omitted, it runs if there are such clients.",
    ),
    Option(
        "browser_clients",
        "clients",
        "Opens UDP 1434 to these hosts as well, for example monitoring. Clients that name an instance need not be "
        "listed.",
    ),
    Option(
        "broadcast_clients",
        "clients",
        "Hosts of the same network that list its servers by broadcast (sqlcmd -L, Browse in Management Studio). Opens "
        "UDP 1434 to them, and the UDP ports of their dynamic range to the server.",
    ),
    Option(
        "version",
        "int",
        "The version, as the year in the product's name. Only needed to find contradictions, and for 2000.",
        choices=(2000, 2005, 2008, 2012, 2014, 2016, 2017, 2019, 2022, 2025),
    ),
    Option(
        "os",
        "str",
        "The server's operating system, if it is not the one in dbports_os. Its dynamic range is opened where ports "
        "are dynamic.",
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
        "The port or ports that it listens on, opened to its clients; dynamic opens the whole dynamic range "
        "(49152-65535 on Windows). If omitted, 1433 for the default instance and dynamic for a named one.",
        words=("dynamic",),
    ),
    Option(
        "tcp_dynamic_port",
        "ports",
        "TCP Dynamic Ports is set as well as TCP Port, so the instance listens on both: its present number, or true "
        "for the whole dynamic range. Opened only to clients that name the instance, otherwise guarded.",
        words=("true", "false"),
    ),
    Option(
        "listen",
        "listen",
        "Listen All is off: the addresses with their ports (IP1, IP2 and so on), instead of tcp_port. Each port is "
        "opened for its address.",
    ),
    Option(
        "hide_instance",
        "bool",
        "Hide Instance is on: Browser does not reveal its port, clients write host,port, and UDP 1434 is not opened "
        "for it.",
        False,
    ),
    Option(
        "connect_by",
        "str",
        "What clients write: host,port or the pipe (port), or host and instance (name), which also opens UDP 1434 to "
        "them. If omitted, name if the port is dynamic, browser is true, or only named pipes are left; otherwise port.",
        choices=("port", "name"),
    ),
    Option(
        "clients",
        "clients",
        "Opens the instance to these hosts only, inventory hosts or others; [] guards it and admits none. If omitted, "
        "the server's clients.",
    ),
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
_ON_LINK = GatewayBehaviour(
    answered=False, on_link=True, untranslated="a router passes no broadcast on, and no host elsewhere answers it"
)

_NEED_TCP = (
    "tcp_port",
    "listen",
    "tcp_dynamic_port",
    "ag_listener_addresses",
    "ag_dnn_port",
    "replication_subscribers",
    "replication_web_sync",
    "replication_distributor",
    "polybase_group",
)
"""What an instance without TCP/IP cannot have."""

FLOWS = (
    FlowSpec(
        "tds",
        "tcp",
        "ports",
        "Clients connect to instance {name}",
        f"{KB_287932}; {FIREWALL}",
        when=("tcp_enabled", "!hidden_2000"),
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
        when=("tcp_enabled", "fci_addresses"),
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
        "tcp_dynamic_port",
        "Clients that name {name} may be sent to its dynamic port",
        "deep.data.blog 2012/09/08: with both ports set the engine listens on both",
        when=("tcp_dynamic_port", "connect_by=name"),
        each="instance",
        process=("sqlservr",),
        spread="reached_at",
        address="address",
        through=_SAME,
    ),
    FlowSpec(
        "tds_unasked",
        "tcp",
        "tcp_dynamic_port",
        "{name} also listens on a dynamic port, for which no client asks",
        "deep.data.blog 2012/09/08: with both ports set the engine listens on both",
        initiator="nobody",
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
        "Medusa, mssql module: 2433 is the default of a hidden instance; KB 308091 is no longer published",
        when=("tcp_enabled", "hidden_2000"),
        each="instance",
        process=("sqlservr",),
        probe="tds",
    ),
    FlowSpec(
        "browser",
        "udp",
        "1434",
        "Clients ask SQL Server Browser for the port of an instance",
        f"{BROWSER}; {KB_287932}",
        initiator="browser_clients",
        when=("browser_clients",),
        process=("sqlbrowser", "sqlservr"),
        probe="ssrp",
        shared=True,
        spread="browser_at",
        address="address",
        through=_SAME,
    ),
    FlowSpec(
        "browser_unused",
        "udp",
        "1434",
        "SQL Server Browser runs, and no client asks it",
        BROWSER,
        initiator="nobody",
        when=("browser", "!browser_asked"),
        need="optional",
        process=("sqlbrowser", "sqlservr"),
        probe="ssrp",
        shared=True,
    ),
    FlowSpec(
        "browse",
        "udp",
        "1434",
        "Clients list the servers of their network by broadcast",
        _BROADCAST,
        initiator="broadcast_clients",
        when=("broadcast_clients",),
        process=("sqlbrowser", "sqlservr"),
        shared=True,
        broadcast=True,
        through=_ON_LINK,
    ),
    FlowSpec(
        "browse_answer",
        "udp",
        "dynamic",
        "SQL Server Browser answers a broadcast from its own address",
        _BROADCAST,
        source_port="1434",
        initiator="server",
        responder="broadcast_clients",
        when=("broadcast_clients",),
        unsolicited=True,
        listens=False,
        guard="never",
        through=_ON_LINK,
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
        process=("sqlservr",),
        spread="reached_at",
        address="address",
        through=_SAME,
    ),
    FlowSpec(
        "dac_first",
        "tcp",
        "1434",
        "The dedicated administrator connection of {name} has TCP 1434 if no instance had it before",
        DAC_PORT,
        initiator="dac_clients",
        when=("dac_by_browser", "!default_instance"),
        each="instance",
        process=("sqlservr",),
        shared=True,
        listens=False,
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
    "browser_asked": "bool",
    "hidden_2000": "bool",
    "dac_ports": "ports",
    "default_instance": "bool",
    "dac_by_browser": "bool",
    **mssql_ha.NORMALIZED,
    **mssql_replication.NORMALIZED,
    **mssql_services.NORMALIZED,
}


def normalize(server: Values, instances: list[Values]) -> list[EngineWarning]:
    """Settle ports, Browser, DAC and all services; see :class:`Engine`."""
    warnings = []
    if not instances:
        _check_without_engine(server)
    server["all_clients"] = _together(server, instances, "clients")
    server["default_instance"] = any(map(is_default, instances))
    for instance in instances:
        instance["declared"] = frozenset(name for name, value in instance.items() if value is not None)
        for option in SHARED_OPTIONS:
            if instance[option.name] is None:
                instance[option.name] = server[option.name]
    for index, instance in enumerate(instances):
        protocols = _settle_protocols(server, instance, index)
        try:
            warnings += _settle_port(server, instance, index)
            warnings += _settle_listeners(server, instance, index)
        except DbportsError as error:
            error.path = f"instances[{index}].{error.path}"
            raise
        warnings += protocols
        warnings += _settle_dac(server, instance, index)
    for index, instance in enumerate(instances):
        others = [item for item in instances if item is not instance]
        warnings += mssql_ha.normalize_instance(server, instance, index, others)
        warnings += mssql_replication.normalize_instance(server, instance, index)
    warnings += _settle_browser(server, instances)
    server["files_at"] = tuple({"address": item} for item in _shares(server, instances))
    return warnings + mssql_ha.normalize_server(server) + mssql_services.normalize_server(server)


def _check_without_engine(server: Values) -> None:
    """Refuse what a server without a Database Engine (``instances: []``) cannot have, and one that has nothing."""
    given = {**server, "dac": server["dac"] == "remote"}
    names = (option.name for option in SHARED_OPTIONS if option.default in (None, False, "local"))
    fix = "Remove it, or declare the instance"
    refuse(given, (*names, *mssql_services.OF_THE_ENGINE), "instances: [] means that there is no Database Engine", fix)
    if not any(server[name] for name in mssql_services.WITHOUT_ENGINE):
        raise DbportsError(
            "neither an instance nor a service is declared",
            code="empty",
            path="instances",
            value=[],
            fix=f"Remove it for the default instance, or set one of {', '.join(mssql_services.WITHOUT_ENGINE)}",
        )


def _together(server: Values, instances: list[Values], name: str) -> tuple[Any, ...]:
    """Return the clients of all instances, each entry once; the server's where there is no instance."""
    own = [server[name] if item[name] is None else item[name] for item in instances]
    return tuple(dict.fromkeys(ref for refs in own or [server[name]] for ref in refs))


def _shares(server: Values, instances: list[Values]) -> Iterable[AddressRange | None]:
    """Return where clients find pipes and files: those of an availability group at its listener as well.

    Source: FILESTREAM and FileTable with Always On Availability Groups, virtual network names (VNNs).
    """
    found = [at["address"] for item in instances for at in item["reached_at"]]
    if server["filestream"]:
        found += [at["address"] for item in instances for at in item["ag_listeners"]]
    return dict.fromkeys(found)


def _settle_protocols(server: Values, instance: Values, index: int) -> list[EngineWarning]:
    """Settle whether an instance has TCP/IP at all; return warnings."""
    name, stated = instance["name"], instance["tcp_enabled"]
    instance["tcp_enabled"] = stated is not False
    port = instance["tcp_dynamic_port"]
    instance["tcp_dynamic_port"] = {"true": "dynamic", "false": None}.get(port, port)
    if stated is None and instance["edition"] in ("express", "developer") and not on_linux(server):
        edition = instance["edition"].capitalize()
        return [
            EngineWarning(
                "tcp_disabled",
                f"instance {name}: TCP/IP is disabled on a new {edition} installation; enable it in SQL Server "
                f"Configuration Manager, restart the instance and set tcp_enabled: true ({PROTOCOLS})",
                where(instance, index, "edition"),
            )
        ]
    if instance["tcp_enabled"]:
        return []
    values = {**server, **instance}
    for option in _NEED_TCP:
        if values[option]:
            raise DbportsError(
                f"instance {name} has TCP/IP disabled",
                code="contradiction",
                path=where(instance, index, option),
                value=written(values[option]),
                fix=f"Remove {option}, or enable TCP/IP and remove tcp_enabled",
            )
    if server["named_pipes"] or _together(server, [instance], "clients") == ():
        return []
    return [
        EngineWarning(
            "local_only",
            f"instance {name} has TCP/IP disabled and no client uses named pipes: only programs on the same host "
            f"connect to it (shared memory), and no port is opened to its clients ({PROTOCOLS})",
            where(instance, index, "tcp_enabled"),
        )
    ]


def _settle_port(server: Values, instance: Values, index: int) -> list[EngineWarning]:
    """Give an instance its documented port; return warnings."""
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
    elif not instance["tcp_enabled"]:
        instance["tcp_port"] = ()
    elif instance["tcp_port"] is None:
        instance["tcp_port"] = (PortRange(1433, 1433),) if is_default(instance) else "dynamic"
    instance["dynamic_port"] = instance["tcp_port"] == "dynamic"
    _settle_naming(server, instance)
    if not instance["dynamic_port"]:
        return []
    return [
        EngineWarning(
            "dynamic_port",
            f"instance {instance['name']} has a dynamic port: the whole dynamic range of the server is open to its "
            f"clients and closed to everyone else ({KB_287932}); {_FIX_PORT}",
            f"instances[{index}].tcp_port",
        )
    ]


def _settle_naming(server: Values, instance: Values) -> None:
    """Settle whether clients name an instance or write its port, and refuse what they cannot."""
    default, dynamic = is_default(instance), instance["dynamic_port"]
    tcp, piped = instance["tcp_enabled"], server["named_pipes"]
    if instance["connect_by"] is None:
        asked = dynamic or (not default and bool(server["browser"] if tcp else piped))
        instance["connect_by"] = "name" if asked and not (instance["hide_instance"] and not dynamic) else "port"
    if instance["connect_by"] == "name" and not (tcp or piped):
        raise DbportsError(
            "only programs on the same host connect to this instance (shared memory), and SQL Server Browser tells "
            "other hosts no port of it",
            code="contradiction",
            path="connect_by",
            value="name",
            fix="Enable TCP/IP and remove tcp_enabled, set named_pipes: true, or remove connect_by",
        )
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
    instance["revealed"] = not (is_default(instance) or instance["hide_instance"] or server["browser"] is False)
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
        guarded = "the whole dynamic range of the server stays guarded for it"
        if instance["tcp_dynamic_port"] != "dynamic":
            guarded = "declare its new number whenever another program took the present one"
        warnings.append(
            EngineWarning(
                "dynamic_port_beside_fixed",
                f"instance {instance['name']} listens on a dynamic port besides "
                f"{', '.join(map(str, instance['tcp_port']))}: clear TCP Dynamic Ports, or {guarded}",
                where(instance, index, "tcp_dynamic_port"),
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
    others = [name for name in ("browser_clients", "broadcast_clients") if server[name] is not None]
    asked = bool(by_name or others)
    if asked and server["browser"] is False:
        who = f"clients name instance {by_name[0]['name']}, which needs" if by_name else f"{others[0]} needs"
        fix = "Set browser: true, or give the instance a fixed tcp_port" if by_name else "Set browser: true"
        reason = f"{who} SQL Server Browser on UDP 1434"
        raise DbportsError(reason, code="missing", path="browser", value=False, fix=fix)
    if by_name:
        named = _together(server, by_name, "clients")
        server["browser_clients"] = tuple(dict.fromkeys((*named, *(server["browser_clients"] or ()))))
    server["browser"] = asked or bool(server["browser"])
    server["browser_asked"] = asked or any(item["dac_by_browser"] for item in instances)
    server["probe_instance"] = by_name[0]["name"] if by_name else None
    places = dict.fromkeys(at["address"] for item in by_name or instances for at in item["reached_at"])
    server["browser_at"] = tuple({"address": item} for item in places) or ({"address": None},)
    return _browser_warnings(server, instances, by_name)


def _browser_warnings(server: Values, instances: list[Values], by_name: list[Values]) -> list[EngineWarning]:
    """Return what to know of SQL Server Browser; ``by_name`` are the instances that clients name."""
    warnings = []
    if server["browser"] and not server["browser_asked"]:
        warnings.append(
            EngineWarning(
                "browser_unused",
                "SQL Server Browser runs, but no client names an instance: UDP 1434 need not be open and is only "
                "guarded; set browser_clients for others that ask it",
                "browser",
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
    if server["broadcast_clients"]:
        warnings.append(
            EngineWarning(
                "broadcast_answers",
                "answers to a broadcast arrive at any UDP port of a client's dynamic range, which is open to this "
                "server on the clients; to avoid it, leave the clients out and enter the names of servers by hand",
                "broadcast_clients",
            )
        )
    if any(item["fci_addresses"] for item in by_name):
        warnings.append(
            EngineWarning(
                "browser_of_cluster",
                "SQL Server Browser of a failover cluster may answer from the node's own address, which connection "
                "tracking does not recognize as a reply (Microsoft Network Tracing blog, SQL Browser may not be "
                "reachable through firewalls when it runs on a cluster): let clients write host,port",
                "instances",
            )
        )
    return warnings


SETTINGS = (Setting("tcp_port", ("/var/opt/mssql/mssql.conf",), "tcpport", ("network",)),)

ENGINE = Engine(
    name="mssql",
    title="Microsoft SQL Server",
    source=FIREWALL,
    options=OPTIONS,
    flows=FLOWS,
    settings=SETTINGS,
    instance_options=INSTANCE_OPTIONS,
    default_instance=DEFAULT_INSTANCE,
    default_os="windows",  # named instances exist only on Windows
    normalize=normalize,
    one_socket=("tcp_port", "ag_listener_port"),
    normalized=NORMALIZED,
    notes=(
        "SQL Server Browser is never asked for the default instance, nor by clients that write host,port.",
        "A named instance that is the only one on its machine may get 1433, and a dynamic port is kept across restarts "
        "while it is free: neither is evidence of a fixed port.",
        "Always On, mirroring and Service Broker endpoints are not in the registry; sys.tcp_endpoints lists their "
        "ports.",
    ),
)
