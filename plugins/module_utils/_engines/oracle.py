# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Oracle Database: listener, notifications, Enterprise Manager Express, Data Guard."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    EngineWarning,
    FlowSpec,
    Option,
    Values,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange

_PORTS = "Oracle Database Installation Guide, Oracle Database Component Port Numbers and Protocols"
_CLUSTER = "Oracle Grid Infrastructure Installation Guide, Port Numbers and Protocols of Oracle Components"
_ONS = "My Oracle Support 759895.1, The ONS Daemon Explained In Oracle Clusterware/RAC Environment"
_RAC = (
    "Oracle RAC Administration and Deployment Guide: clients connect to SCAN, then to the node listener on a node VIP"
)
_DATA_GUARD_RAC = (
    "Oracle Data Guard Concepts and Administration, Configuring Standby Databases in an Oracle RAC Environment"
)
_BROKER = "Oracle Data Guard Broker, Enabling Fast-Start Failover and Starting the Observer"
_LISTENER = ("tnslsnr",)

OPTIONS = (
    Option(
        "listener_port",
        "ports",
        "The port or ports of the listener, opened for clients, rac_nodes, data_guard_members and "
        "data_guard_observers.",
        1521,
    ),
    Option(
        "tcps_port", "port", "The listener's port for TLS, usually 2484, opened for clients. If omitted, there is none."
    ),
    Option(
        "scan_listeners",
        "listen",
        "The addresses and ports of the cluster's SCAN, the same on every node, because any of them can hold them: "
        "clients also reach these.",
    ),
    Option(
        "vip_listeners",
        "listen",
        "The virtual addresses of this node and the listener's ports there: the SCAN sends clients on to them.",
    ),
    Option(
        "rac_nodes",
        "clients",
        "The nodes of the cluster (RAC), inventory hosts or addresses: opens the listener, scan_listeners and the port "
        "of ONS among them. Leave it out for a single instance.",
    ),
    Option(
        "ons_port",
        "port",
        "The remote port of the Oracle Notification Service, usually 6200: opened for clients, which subscribe to "
        "events (Fast Connection Failover). If omitted, clients do not use it; rac_nodes then use 6200.",
    ),
    Option(
        "em_express_port",
        "port",
        "The HTTPS port of Enterprise Manager Express, usually 5500: opened for admin_clients. If omitted, it is not "
        "used.",
    ),
    Option(
        "admin_clients",
        "clients",
        "Who uses Enterprise Manager Express, inventory hosts or addresses. If omitted, the server's clients.",
        needs="em_express_port",
        needs_reason="Enterprise Manager Express, which they would use, is not declared",
    ),
    Option(
        "connection_manager_port",
        "port",
        "The port of Oracle Connection Manager on this host, usually 1630, opened for clients. If omitted, there is "
        "none.",
    ),
    Option(
        "data_guard_members",
        "clients",
        "The hosts of the Data Guard configuration, inventory hosts or addresses: opens the listener among them, of a "
        "cluster also scan_listeners and vip_listeners. Each of them may become the primary, so each reaches every "
        "other one.",
    ),
    Option(
        "data_guard_observers",
        "clients",
        "The hosts of the fast-start failover observers, inventory hosts or addresses: opens the listener to them. "
        "List them on all members.",
        needs="data_guard_members",
        needs_reason="there are no members to observe",
    ),
)


def _virtual(name: str, listeners: str, purpose: str, initiator: str = "clients") -> FlowSpec:
    """Return the flow to virtual addresses, which are on this node only at times."""
    return FlowSpec(
        name,
        "tcp",
        "ports",
        purpose,
        f"{_RAC}; {_CLUSTER}",
        initiator=initiator,
        when=(listeners,) if initiator == "clients" else (initiator, listeners),
        spread=listeners,
        address="address",
        process=_LISTENER,
        listens=False,
        probe="tcp",
    )


FLOWS = (
    FlowSpec(
        "listener", "tcp", "listener_port", "Clients connect to the listener", _PORTS, process=_LISTENER, probe="tcp"
    ),
    FlowSpec(
        "tcps",
        "tcp",
        "tcps_port",
        "Clients connect to the listener with TLS",
        "Oracle Database Security Guide, About Configuring TLS for the Oracle Database: Protocol=tcps in listener.ora",
        when=("tcps_port",),
        process=_LISTENER,
        probe="tcp",
    ),
    _virtual("scan", "scan_listeners", "Clients connect to the cluster by its SCAN"),
    _virtual("vip", "vip_listeners", "Clients connect to the listener at the node's virtual address"),
    _virtual("rac_scan", "scan_listeners", "Instances of the cluster register with the SCAN listeners", "rac_nodes"),
    replace(
        _virtual(
            "data_guard_cluster",
            "virtual_listeners",
            "Members and observers of the Data Guard configuration connect to the cluster",
            "data_guard_users",
        ),
        citation=f"{_RAC}; {_DATA_GUARD_RAC}",
        except_for="rac_nodes",
    ),
    FlowSpec(
        "rac_listener",
        "tcp",
        "listener_port",
        "Nodes of the cluster connect to each other's listeners",
        _CLUSTER,
        initiator="rac_nodes",
        responder="rac_nodes",
        when=("rac_nodes",),
        mesh=True,
        process=_LISTENER,
        probe="tcp",
    ),
    FlowSpec(
        "rac_ons",
        "tcp",
        "ons_remote_port",
        "Nodes of the cluster pass events on to each other",
        f"{_ONS}; {_CLUSTER}",
        initiator="rac_nodes",
        responder="rac_nodes",
        when=("rac_nodes",),
        need="optional",
        mesh=True,
        process=("ons",),
        probe="tcp",
    ),
    FlowSpec(
        "ons",
        "tcp",
        "ons_port",
        "Clients subscribe to events of the cluster",
        f"{_ONS}; WebLogic Server blog, ONS client configuration: nodes=rac1:6200,rac2:6200",
        when=("ons_port",),
        process=("ons",),
        probe="tcp",
    ),
    FlowSpec(
        "em_express",
        "tcp",
        "em_express_port",
        "Administrators use Enterprise Manager Express",
        "Oracle Database 2 Day DBA, Starting EM Express: https://mydbhost.example.com:5500/em/",
        initiator="admin_users",
        when=("em_express_port",),
        process=_LISTENER,
        probe="tcp",
    ),
    FlowSpec(
        "connection_manager",
        "tcp",
        "connection_manager_port",
        "Clients connect through Oracle Connection Manager",
        _PORTS,
        when=("connection_manager_port",),
        process=("cmgw", "cmadmin", "tnslsnr"),
        probe="tcp",
    ),
    FlowSpec(
        "data_guard",
        "tcp",
        "listener_port",
        "Members of the Data Guard configuration send redo and ask for gaps",
        f"{_CLUSTER}: Oracle Data Guard shares the port of the listener",
        initiator="data_guard_members",
        responder="data_guard_members",
        when=("data_guard_members",),
        mesh=True,
        process=_LISTENER,
        probe="tcp",
    ),
    FlowSpec(
        "observer",
        "tcp",
        "listener_port",
        "Observers watch the members and start a failover",
        _BROKER,
        initiator="data_guard_observers",
        when=("data_guard_observers",),
        process=_LISTENER,
        probe="tcp",
    ),
)


def normalize(server: Values, instances: list[Values]) -> list[EngineWarning]:
    """Say who administers, who else connects and where, and refuse an observer of nothing; see :class:`Engine`."""
    server["admin_users"] = server["clients"] if server["admin_clients"] is None else server["admin_clients"]
    server["ons_remote_port"] = server["ons_port"] or PortRange(6200, 6200)
    server["virtual_listeners"] = (*(server["scan_listeners"] or ()), *(server["vip_listeners"] or ()))
    users = (*(server["data_guard_members"] or ()), *(server["data_guard_observers"] or ()))
    server["data_guard_users"] = users or None
    return []


ENGINE = Engine(
    name="oracle",
    title="Oracle Database",
    source=_PORTS,
    options=OPTIONS,
    flows=FLOWS,
    normalize=normalize,
    normalized={
        "admin_users": "clients",
        "ons_remote_port": "port",
        "data_guard_users": "clients",
        "virtual_listeners": "listen",
        "address": "address",
        "ports": "ports",
    },
    notes=(
        "In the table, admin_users are admin_clients or, if omitted, clients; ons_remote_port is ons_port or, if "
        "omitted, 6200; data_guard_users are data_guard_members and data_guard_observers; virtual_listeners are "
        "scan_listeners and vip_listeners; ports are those of the listener's address.",
        "The installer takes the next free port if 1521 is in use: compare with lsnrctl status.",
        "On Windows a listener may hand a connection over to another, random port: set USE_SHARED_SOCKET, which is "
        "the default in newer releases, or such a client needs more than the listener's port.",
        "The private interconnect of Real Application Clusters uses further and random ports between the nodes, which "
        "are not planned and stay unguarded, because Oracle requires that it is not filtered. If the nodes also use a "
        "guarded port there, list their private addresses in dbports_addresses too.",
        "The SCAN names the nodes' own addresses to clients: where address translation publishes the nodes, clients "
        "need Connection Manager, or the virtual addresses in place of the SCAN.",
    ),
)
