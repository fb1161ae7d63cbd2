# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What surrounds the Database Engine: Analysis, Reporting and Integration Services, MSDTC, files, remote tools."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    EngineWarning,
    FlowSpec,
    GatewayBehaviour,
    Option,
    Values,
    written,
)
from ansible_collections.dbports.firewall.plugins.module_utils._engines.mssql_common import (
    BROWSER,
    DEFAULT_INSTANCE,
    FIREWALL,
    PROTOCOLS,
    RPC,
    RPC_MAPPER,
    SERVICE_PORTS,
    SMB,
    on_linux,
    refuse,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange

_ANALYSIS = "Configure the Windows Firewall to allow Analysis Services access"
_REPORTING = "Configure a firewall for report server access"
_SCALE_OUT = "Integration Services Scale Out Master"
_SCALE_OUT_SETUP = "Walkthrough: set up Integration Services Scale Out; Change the account for Scale Out logging"
_FILESTREAM = "Configure a firewall for FILESTREAM access"
_DEBUGGER = "Configure firewall rules before running the Transact-SQL debugger"
_POLYBASE = "Configure PolyBase scale-out groups on Windows"
_POLYBASE_SETUP = "Install PolyBase on Windows"
_DTC_LINUX = "Configure MSDTC on Linux"

OPTIONS = (
    Option(
        "named_pipes",
        "bool",
        "Clients connect through named pipes, which are disabled for the network by default. Opens TCP 445 to the "
        "clients of all instances.",
        False,
    ),
    Option(
        "filestream",
        "bool",
        "Clients read and write FILESTREAM data as files. Opens TCP 139 and 445 to the clients of all instances; not "
        "needed for access by Transact-SQL only.",
        False,
    ),
    Option(
        "netbios",
        "bool",
        "File shares are also used over NetBIOS. Also opens TCP 139 for named_pipes, and TCP 139 and UDP 137-138 for "
        "snapshots on a share.",
        False,
    ),
    Option(
        "http_endpoint_port",
        "ports",
        "Native XML web services (2005 to 2008 R2): opens 80 (CLEAR_PORT), 443 (SSL_PORT) or the port in CREATE "
        "ENDPOINT to the clients of all instances.",
    ),
    Option(
        "ipsec",
        "bool",
        "The policy of the domain requires IPsec between clients and server. Opens UDP 500 and 4500 both ways.",
        False,
    ),
    Option(
        "rpc_ports",
        "ports",
        "The RPC ports, if they are restricted (HKLM\\Software\\Microsoft\\Rpc\\Internet), in place of the dynamic "
        "range that options with RPC open. It opens nothing by itself.",
    ),
    Option(
        "msdtc_partners",
        "clients",
        "Hosts that take part in distributed transactions with this server, inventory hosts or others. Opens TCP 135 "
        "and the RPC ports both ways.",
    ),
    Option("msdtc_rpcport", "port", "MSDTC on Linux: network.rpcport, to which TCP 135 is forwarded.", 13500),
    Option("msdtc_servertcpport", "port", "MSDTC on Linux: distributedtransaction.servertcpport.", 51999),
    Option(
        "debugger_clients",
        "clients",
        "Hosts on which the Transact-SQL debugger runs, inventory hosts or others. Opens TCP 135 and the RPC ports to "
        "them, and theirs to the server, which calls back.",
    ),
    Option(
        "wmi_clients",
        "clients",
        "Hosts from which SQL Server Configuration Manager or the one of Reporting Services manages this server (WMI), "
        "inventory hosts or others. Opens TCP 135 and the RPC ports to them.",
    ),
    Option(
        "analysis_services",
        "bool",
        "Analysis Services is installed. Opens its port to analysis_clients. Declare a second instance of it as "
        "another server with instances: [].",
        False,
    ),
    Option("analysis_instance", "str", "The instance of Analysis Services. If omitted, the default one."),
    Option(
        "analysis_port",
        "ports",
        "The port of Analysis Services; dynamic opens the whole dynamic range. If omitted, 2383, or dynamic for a "
        "named instance. Every clustered instance uses 2383.",
        words=("dynamic",),
    ),
    Option(
        "analysis_connect_by",
        "str",
        "What clients of Analysis Services write: host:port (port) or host and instance (name), which also opens TCP "
        "2382 to them. If omitted, name for a named instance, otherwise port.",
        choices=("port", "name"),
    ),
    Option(
        "analysis_clients",
        "clients",
        "Opens Analysis Services to these hosts only, inventory hosts or others; with msmdpump, the IIS hosts. If "
        "omitted, to the clients of all instances.",
    ),
    Option(
        "reporting_services",
        "bool",
        "Reporting Services is installed. Opens reporting_port to reporting_clients.",
        False,
    ),
    Option("reporting_port", "ports", "The ports of Reporting Services; 443 with TLS.", "80"),
    Option(
        "reporting_clients",
        "clients",
        "Opens Reporting Services to these hosts only, inventory hosts or others. If omitted, to the clients of all "
        "instances.",
    ),
    Option(
        "reporting_catalog",
        "clients",
        "The host of the report server's catalog database, if it is not this one; an inventory host is opened to this "
        "server.",
    ),
    Option(
        "reporting_catalog_port",
        "ports",
        "The port of that database; dynamic opens the whole dynamic range and UDP 1434.",
        "1433",
        words=("dynamic",),
    ),
    Option(
        "ssis_clients",
        "clients",
        "Hosts from which Management Studio manages the Integration Services service, inventory hosts or others. Opens "
        "TCP 135 and the RPC ports to them; running packages needs neither.",
    ),
    Option(
        "scale_out_workers",
        "clients",
        "Integration Services Scale Out: the hosts of the workers, inventory hosts or others. Opens this server, the "
        "master, to them: scale_out_port, and the ports of its instances for SSISDB.",
    ),
    Option("scale_out_port", "port", "The port of the Scale Out master.", 8391),
    Option(
        "polybase_group",
        "clients",
        "PolyBase scale-out group (2016 to 2019): all its members, inventory hosts or others. Opens polybase_ports, "
        "the instances' ports and UDP 1434 between all of them.",
    ),
    Option("polybase_ports", "ports", "PolyBase: PBPORTRANGE, or the ports that setup chose.", "16450-16453,17001"),
)


def _rpc(name: str, clients: str, purpose: str, citation: str) -> tuple[FlowSpec, ...]:
    """Return the flows of a service that clients find by the RPC endpoint mapper."""
    return (
        FlowSpec(
            f"{name}_mapper",
            "tcp",
            RPC_MAPPER,
            f"{purpose}: RPC endpoint mapper",
            citation,
            initiator=clients,
            when=(clients,),
            shared=True,
            guard="linux",
            probe="tcp",
        ),
        FlowSpec(
            f"{name}_rpc",
            "tcp",
            "rpc",
            f"{purpose}: RPC",
            f"{citation}; {RPC}",
            initiator=clients,
            when=(clients,),
            shared=True,
            guard="linux",
        ),
    )


def _callback(name: str, port: str, what: str) -> FlowSpec:
    return FlowSpec(
        name,
        "tcp",
        port,
        f"The server calls the debugger back: {what}",
        _DEBUGGER,
        initiator="server",
        responder="debugger_clients",
        when=("debugger_clients",),
        responder_os="windows",
        guard="linux",
    )


_IKE = "Windows Server 2003, Configuring Firewalls: UDP source and destination port 500, with NAT-T 4500"
_SAME_IKE = GatewayBehaviour(
    same_port=(),
    same_port_reason="IKE asks on UDP 500, and on UDP 4500 once it has noticed the translation",
    same_port_fix="Publish UDP 500 and 4500 as themselves",
)


def _ipsec(name: str, port: str, what: str) -> tuple[FlowSpec, FlowSpec]:
    """Return both directions: clients ask first, and later either side renews the keys."""
    asked = FlowSpec(
        name,
        "udp",
        port,
        f"Clients and server agree on IPsec keys{what}",
        f"{FIREWALL}: IPsec; {_IKE}",
        source_port=port,
        initiator="all_clients",
        when=("ipsec",),
        shared=True,
        through=_SAME_IKE,
    )
    renewed = replace(
        asked,
        name=f"{name}_renewal",
        purpose=f"The server renews IPsec keys with its clients{what}",
        citation=f"{asked.citation}; RFC 7296, 2.8",
        initiator="server",
        responder="all_clients",
        need="optional",
    )
    return asked, renewed


FILES = (
    FlowSpec(
        "named_pipes",
        "tcp",
        SMB,
        "Clients connect through named pipes",
        f"{PROTOCOLS}; {FIREWALL}",
        initiator="all_clients",
        when=("named_pipes",),
        shared=True,
        guard="linux",
        probe="tcp",
        spread="files_at",
        address="address",
    ),
    FlowSpec(
        "named_pipes_netbios",
        "tcp",
        "139",
        "Clients connect through named pipes over NetBIOS",
        _FILESTREAM,
        initiator="all_clients",
        when=("named_pipes", "netbios"),
        need="optional",
        shared=True,
        guard="linux",
        probe="tcp",
        spread="files_at",
        address="address",
    ),
    FlowSpec(
        "filestream",
        "tcp",
        "139,445",
        "Clients read and write FILESTREAM data",
        _FILESTREAM,
        initiator="all_clients",
        when=("filestream",),
        shared=True,
        guard="linux",
        probe="tcp",
        spread="files_at",
        address="address",
    ),
    FlowSpec(
        "http_endpoint",
        "tcp",
        "http_endpoint_port",
        "Clients use native XML web services",
        FIREWALL,
        initiator="all_clients",
        when=("http_endpoint_port",),
        shared=True,
        probe="tcp",
    ),
    *_ipsec("ipsec", "500", ""),
    *_ipsec("ipsec_nat", "4500", " through address translation"),
)

TRANSACTIONS = (
    FlowSpec(
        "msdtc_mapper",
        "tcp",
        RPC_MAPPER,
        "Transaction coordinators find each other",
        f"{SERVICE_PORTS}; {_DTC_LINUX}",
        initiator="msdtc_partners",
        when=("msdtc_partners",),
        both_ways=True,
        shared=True,
        guard="linux",
    ),
    FlowSpec(
        "msdtc_rpc",
        "tcp",
        "rpc",
        "Transaction coordinators on Windows talk over RPC",
        f"{SERVICE_PORTS}; {RPC}",
        initiator="msdtc_partners",
        when=("msdtc_partners",),
        both_ways=True,
        shared=True,
        guard="linux",
        responder_os="windows",
    ),
    FlowSpec(
        "msdtc_linux_rpc",
        "tcp",
        "msdtc_rpcport",
        "Partners reach the RPC endpoint mapper of SQL Server on Linux",
        _DTC_LINUX,
        initiator="msdtc_partners",
        when=("msdtc_partners", "linux"),
        process=("sqlservr",),
        probe="tcp",
    ),
    FlowSpec(
        "msdtc_linux",
        "tcp",
        "msdtc_servertcpport",
        "Partners reach the transaction coordinator on Linux",
        f"{_DTC_LINUX}: it listens from the first distributed transaction on",
        initiator="msdtc_partners",
        when=("msdtc_partners", "linux"),
        process=("sqlservr",),
        listens=False,
    ),
)

REMOTE_TOOLS = (
    *_rpc("debugger", "debugger_clients", "The Transact-SQL debugger reaches the server", _DEBUGGER),
    _callback("debugger_callback_mapper", RPC_MAPPER, "RPC endpoint mapper"),
    _callback("debugger_callback_rpc", "dynamic", "RPC"),
    *_rpc("wmi", "wmi_clients", "Configuration Manager manages the server", FIREWALL),
    *_rpc("ssis", "ssis_clients", "Management Studio manages the Integration Services service", FIREWALL),
)

SERVICES = (
    FlowSpec(
        "analysis",
        "tcp",
        "analysis_port",
        "Clients connect to Analysis Services",
        _ANALYSIS,
        initiator="analysis_clients",
        when=("analysis_services", "!version=2000"),
        process=("msmdsrv",),
    ),
    FlowSpec(
        "analysis_redirector",
        "tcp",
        "2382",
        "Clients ask SQL Server Browser for the port of an Analysis instance",
        _ANALYSIS,
        initiator="analysis_clients",
        when=("analysis_services", "analysis_connect_by=name"),
        process=("sqlbrowser",),
        shared=True,
        probe="tcp",
    ),
    FlowSpec(
        "analysis_2000",
        "tcp",
        "2725",
        "Clients connect to Analysis Services 2000",
        SERVICE_PORTS,
        initiator="analysis_clients",
        when=("analysis_services", "version=2000"),
        process=("msmdsrv",),
        probe="tcp",
    ),
    FlowSpec(
        "analysis_olap7",
        "tcp",
        "2393-2394",
        "Clients of OLAP Services 7.0 connect to Analysis Services 2000",
        SERVICE_PORTS,
        initiator="analysis_clients",
        when=("analysis_services", "version=2000"),
        need="optional",
    ),
    FlowSpec(
        "reporting",
        "tcp",
        "reporting_port",
        "Browsers use the report server",
        _REPORTING,
        initiator="reporting_clients",
        when=("reporting_services",),
        shared=True,
        probe="tcp",
    ),
    FlowSpec(
        "reporting_catalog",
        "tcp",
        "reporting_catalog_port",
        "The report server uses its catalog database",
        _REPORTING,
        initiator="server",
        responder="reporting_catalog",
        to_servers=True,
        when=("reporting_services", "reporting_catalog"),
    ),
    FlowSpec(
        "reporting_catalog_browser",
        "udp",
        "1434",
        "The report server asks for the port of its catalog's instance",
        _REPORTING,
        initiator="server",
        responder="reporting_catalog",
        when=("reporting_services", "reporting_catalog", "reporting_catalog_port=dynamic"),
    ),
    FlowSpec(
        "scale_out",
        "tcp",
        "scale_out_port",
        "Scale Out workers reach their master (HTTPS)",
        _SCALE_OUT,
        initiator="scale_out_workers",
        when=("scale_out_workers",),
        probe="tcp",
    ),
    FlowSpec(
        "scale_out_log",
        "tcp",
        "tcp_port",
        "Scale Out workers log to SSISDB in instance {name}",
        _SCALE_OUT_SETUP,
        initiator="scale_out_workers",
        each="instance",
        when=("scale_out_workers", "tcp_enabled"),
        need="optional",
        process=("sqlservr",),
        probe="tds",
        spread="reached_at",
        address="address",
    ),
    FlowSpec(
        "scale_out_browser",
        "udp",
        "1434",
        "Scale Out workers name instance {name} and ask for its port",
        f"{_SCALE_OUT_SETUP}: Data Source is the server's name; {BROWSER}",
        initiator="scale_out_workers",
        each="instance",
        when=("scale_out_workers", "tcp_enabled", "revealed"),
        need="optional",
        process=("sqlbrowser",),
        probe="ssrp",
        shared=True,
        spread="reached_at",
        address="address",
    ),
    FlowSpec(
        "polybase",
        "tcp",
        "polybase_ports",
        "PolyBase data movement between the members",
        _POLYBASE,
        initiator="polybase_group",
        responder="polybase_group",
        mesh=True,
        when=("polybase_group",),
    ),
    FlowSpec(
        "polybase_engine",
        "tcp",
        "tcp_port",
        "Members of a PolyBase group connect to each other's instance {name}",
        _POLYBASE,
        initiator="polybase_group",
        responder="polybase_group",
        mesh=True,
        each="instance",
        when=("polybase_group",),
        process=("sqlservr",),
        probe="tds",
    ),
    FlowSpec(
        "polybase_browser",
        "udp",
        "1434",
        "Members of a PolyBase group ask for the ports of instances",
        _POLYBASE_SETUP,
        initiator="polybase_group",
        responder="polybase_group",
        mesh=True,
        when=("polybase_group",),
        need="optional",
        shared=True,
    ),
)

FLOWS = FILES + TRANSACTIONS + REMOTE_TOOLS + SERVICES
NORMALIZED = {"rpc": "ports", "linux": "bool", "all_clients": "clients", "files_at": "listen", "revealed": "bool"}

_WINDOWS_ONLY = (
    "named_pipes",
    "filestream",
    "netbios",
    "http_endpoint_port",
    "rpc_ports",
    "debugger_clients",
    "wmi_clients",
    "analysis_services",
    "reporting_services",
    "ssis_clients",
    "scale_out_workers",
    "polybase_group",
)
_SYSTEM_PORTS = (
    "named_pipes",
    "filestream",
    "msdtc_partners",
    "debugger_clients",
    "wmi_clients",
    "ssis_clients",
    "cluster_nodes",
)
"""What opens ports of the operating system, which others than SQL Server's peers may need."""

OF_THE_ENGINE = ("named_pipes", "filestream", "http_endpoint_port", "debugger_clients", "polybase_group")
"""What only a Database Engine has."""

WITHOUT_ENGINE = (
    "analysis_services",
    "reporting_services",
    "ssis_clients",
    "scale_out_workers",
    "wmi_clients",
    "msdtc_partners",
    "cluster",
)
"""What a host can have without a Database Engine."""

_ANALYSIS_OPTIONS = ("analysis_instance", "analysis_port", "analysis_connect_by", "analysis_clients")
_REPORTING_OPTIONS = ("reporting_clients", "reporting_catalog")
_HTTP_VERSIONS = (2005, 2008)
_POLYBASE_VERSIONS = (2016, 2017, 2019)


def normalize_server(server: Values) -> list[EngineWarning]:
    """Settle the services beside the engine; return warnings.

    :raises DbportsError: for what cannot be.
    """
    linux = server["linux"] = on_linux(server)
    if linux:
        refuse(
            server, _WINDOWS_ONLY, "SQL Server on Linux does not support this", "Remove it, or correct dbports_os or os"
        )
    _versions(server)
    server["rpc"] = server["rpc_ports"] or "dynamic"
    _settle_analysis(server)
    if not server["reporting_services"]:
        refuse(
            server, _REPORTING_OPTIONS, "Reporting Services is not used", "Set reporting_services: true, or remove it"
        )
    for name in ("analysis_clients", "reporting_clients"):
        if server[name] is None:
            server[name] = server["all_clients"]
    return list(_warnings(server, linux))


def _settle_analysis(server: Values) -> None:
    """Give Analysis Services its documented port and settle how clients name it."""
    named = (server["analysis_instance"] or DEFAULT_INSTANCE).upper() != DEFAULT_INSTANCE
    if not server["analysis_services"]:
        refuse(server, _ANALYSIS_OPTIONS, "Analysis Services is not used", "Set analysis_services: true, or remove it")
    if server["analysis_port"] is None:
        server["analysis_port"] = "dynamic" if named else (PortRange(2383, 2383),)
    if server["analysis_connect_by"] is None:
        server["analysis_connect_by"] = "name" if named else "port"
    by_name = server["analysis_connect_by"] == "name"
    if (by_name and not named) or (not by_name and server["analysis_port"] == "dynamic"):
        raise DbportsError(
            f"clients can only name a named instance, and can only write a fixed port ({_ANALYSIS})",
            code="contradiction",
            path="analysis_connect_by",
            value=server["analysis_connect_by"],
            fix="Remove analysis_connect_by, or set analysis_instance or analysis_port",
        )


def _versions(server: Values) -> None:
    for name, versions, reason in (
        ("http_endpoint_port", _HTTP_VERSIONS, "native XML web services exist only in SQL Server 2005 to 2008 R2"),
        ("polybase_group", _POLYBASE_VERSIONS, "PolyBase scale-out groups exist only in SQL Server 2016 to 2019"),
    ):
        if server[name] and server["version"] and server["version"] not in versions:
            raise DbportsError(
                reason,
                code="contradiction",
                path=name,
                value=written(server[name]),
                fix=f"Remove {name}, or correct version",
            )


def _warnings(server: Values, linux: bool) -> list[EngineWarning]:
    warnings = []
    if server["ipsec"]:
        warnings.append(
            EngineWarning(
                "ipsec_protocols",
                "IPsec also needs IP protocols 50 (ESP) and 51 (AH), which have no ports and are not planned: "
                f"allow them between clients and server ({FIREWALL}). UDP 500 and 4500 are guarded on both sides, and "
                "requests are sent from there: with hosts that are not declared, such as domain controllers, neither "
                "side agrees on keys any more",
                "ipsec",
            )
        )
    if server["polybase_group"] and not server["msdtc_partners"]:
        warnings.append(
            EngineWarning(
                "polybase_needs_msdtc",
                f"PolyBase scale-out needs MSDTC between the members: list them in msdtc_partners ({_POLYBASE_SETUP})",
                "polybase_group",
            )
        )
    if server["analysis_services"] and server["analysis_port"] == "dynamic":
        warnings.append(
            EngineWarning(
                "dynamic_port",
                "Analysis Services has a dynamic port: the whole dynamic range of the server is open to its "
                f"clients; to fix it, set Port in msmdsrv.ini and declare analysis_port ({_ANALYSIS})",
                "analysis_port",
            )
        )
    shared = [] if linux else [name for name in _SYSTEM_PORTS if server[name]]
    if shared:
        warnings.append(
            EngineWarning(
                "windows_system_ports",
                f"{', '.join(shared)}: the RPC and file sharing ports belong to Windows itself: the declared peers are "
                "let in, and others are not refused; limit them with the rules of Windows",
                shared[0],
            )
        )
    if linux and server["msdtc_partners"]:
        warnings.append(
            EngineWarning(
                "msdtc_forwarding",
                f"MSDTC on Linux: TCP 135 must be forwarded to {server['msdtc_rpcport']} on the host ({_DTC_LINUX})",
                "msdtc_partners",
            )
        )
    return warnings
