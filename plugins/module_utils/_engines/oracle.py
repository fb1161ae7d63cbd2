# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Oracle Database: listener, notifications, Enterprise Manager Express, Data Guard."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    EngineWarning,
    FlowSpec,
    Option,
    Values,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

_PORTS = "Oracle Database Installation Guide, Oracle Database Component Port Numbers and Protocols"
_ONS = "Oracle Grid Infrastructure documentation, Oracle Notification Service remote port"
_GUARD = "Oracle Data Guard Concepts and Administration, Redo Transport Services"
_EM = "Oracle Database 2 Day DBA, EM Express HTTPS port"

OPTIONS = (
    Option("listener_port", "ports", "The port or ports of the listener.", 1521),
    Option("tcps_port", "port", "The listener's port for TLS, usually 2484. If omitted, there is none."),
    Option(
        "ons_port",
        "port",
        "The remote port of the Oracle Notification Service, usually 6200, if clients subscribe to events (Fast "
        "Connection Failover). If omitted, clients do not use it.",
    ),
    Option(
        "em_express_port",
        "port",
        "The HTTPS port of Enterprise Manager Express, usually 5500. If omitted, it is not used.",
    ),
    Option("admin_clients", "clients", "Who uses Enterprise Manager Express. If omitted, the server's clients."),
    Option(
        "connection_manager_port",
        "port",
        "The port of Oracle Connection Manager on this host, usually 1630. If omitted, there is none.",
    ),
    Option(
        "data_guard_members",
        "clients",
        "The hosts of the Data Guard configuration. Each of them may become the primary, so each reaches the "
        "listener of every other one.",
    ),
    Option(
        "data_guard_observers",
        "clients",
        "The hosts of the fast-start failover observers, which connect to all members.",
    ),
)

FLOWS = (
    FlowSpec(
        "listener",
        "tcp",
        "listener_port",
        "Clients connect to the listener",
        _PORTS,
        process=("tnslsnr",),
        probe="tcp",
    ),
    FlowSpec(
        "tcps",
        "tcp",
        "tcps_port",
        "Clients connect to the listener with TLS",
        "Oracle Database Net Services Administrator's Guide, Using the TCP/IP with TLS Protocol",
        when=("tcps_port",),
        process=("tnslsnr",),
        probe="tcp",
        confirmed=False,
    ),
    FlowSpec(
        "ons",
        "tcp",
        "ons_port",
        "Clients subscribe to events of the cluster",
        _ONS,
        when=("ons_port",),
        need="optional",
        process=("ons",),
        probe="tcp",
        confirmed=False,
    ),
    FlowSpec(
        "em_express",
        "tcp",
        "em_express_port",
        "Administrators use Enterprise Manager Express",
        _EM,
        initiator="admin_users",
        when=("em_express_port",),
        need="optional",
        process=("tnslsnr",),
        probe="tcp",
        confirmed=False,
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
        _GUARD,
        initiator="data_guard_members",
        responder="data_guard_members",
        when=("data_guard_members",),
        mesh=True,
        process=("tnslsnr",),
        probe="tcp",
        confirmed=False,
    ),
    FlowSpec(
        "observer",
        "tcp",
        "listener_port",
        "Observers watch the members and start a failover",
        "Oracle Data Guard Broker, Fast-Start Failover",
        initiator="data_guard_observers",
        when=("data_guard_observers",),
        process=("tnslsnr",),
        probe="tcp",
        confirmed=False,
    ),
)


def normalize(server: Values, instances: list[Values]) -> list[EngineWarning]:
    """Say who administers and refuse an observer that observes nothing; see :class:`Engine`."""
    server["admin_users"] = server["clients"] if server["admin_clients"] is None else server["admin_clients"]
    if server["data_guard_observers"] and not server["data_guard_members"]:
        raise DbportsError(
            "there are no members to observe",
            code="contradiction",
            path="data_guard_observers",
            fix="List the hosts in data_guard_members",
        )
    return []


ENGINE = Engine(
    name="oracle",
    title="Oracle Database",
    source=_PORTS,
    options=OPTIONS,
    flows=FLOWS,
    normalize=normalize,
    normalized={"admin_users": "clients"},
    notes=(
        "The installer takes the next free port if 1521 is in use: compare with lsnrctl status.",
        "On Windows a listener may hand a connection over to another, random port: set USE_SHARED_SOCKET, which is "
        "the default in newer releases, or such a client needs more than the listener's port.",
        "The private interconnect of Real Application Clusters uses random ports between the nodes: leave its network "
        "out of the guarded addresses, because Oracle requires that it is not filtered.",
    ),
)
