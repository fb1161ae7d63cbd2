# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IBM Db2: clients, TLS, high availability disaster recovery."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    EngineWarning,
    FlowSpec,
    Option,
    Values,
    written,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT, PortRange

_PORTS = "IBM Support, Db2 server TCP/IP port numbers"
_HADR = f"{_PORTS}; IBM Support, Why the DB2 HADR is not using the assigned port numbers only"
_SERVER = ("db2sysc", "db2syscs")

_LOCAL_SVC = "IBM Db2 documentation, hadr_local_svc"

OPTIONS = (
    Option(
        "port",
        "ports",
        "SVCENAME, opened for clients: 50000 up to 11.5.5. Instances created by 11.5.6 or later use 25000. Give one "
        "port for each instance of the host.",
        50000,
    ),
    Option("ssl_port", "port", "SSL_SVCENAME, opened for clients that use TLS. If omitted, there is none."),
    Option(
        "hadr_partners",
        "clients",
        "The hosts of the other databases of the HADR pair or cluster, inventory hosts or addresses: opens hadr_port "
        "to them, and theirs to this host. A partner that is declared uses its own hadr_port.",
    ),
    Option(
        "hadr_port",
        "ports",
        "HADR_LOCAL_SVC, one port for each replicated database; not SVCENAME, the port after it or SSL_SVCENAME. There "
        "is no default.",
        needs="hadr_partners",
        needs_reason="there is no partner to connect to this port",
    ),
    Option(
        "fcm_nodes",
        "clients",
        "The hosts of a partitioned database, inventory hosts or addresses, which communicate through the Fast "
        "Communications Manager: opens fcm_ports among them. Leave it out for a single partition.",
    ),
    Option(
        "fcm_ports",
        "ports",
        "The ports from DB2_instance to DB2_instance_END in the services file, which are opened for fcm_nodes.",
        "60000-60003",
    ),
)

FLOWS = (
    FlowSpec("drda", "tcp", "port", "Clients connect to Db2", _PORTS, process=_SERVER, probe="tcp"),
    FlowSpec(
        "drda_tls",
        "tcp",
        "ssl_port",
        "Clients connect to Db2 with TLS",
        _PORTS,
        when=("ssl_port",),
        process=_SERVER,
        probe="tcp",
    ),
    FlowSpec(
        "hadr",
        "tcp",
        "hadr_port",
        "Primary and standby connect to each other's HADR port",
        _HADR,
        initiator="hadr_partners",
        when=("hadr_partners",),
        both_ways=True,
        process=_SERVER,
    ),
    FlowSpec(
        "fcm",
        "tcp",
        "fcm_ports",
        "Partitions of a database communicate with each other",
        "IBM Db2 documentation, Enabling communication between database partitions using FCM communications",
        initiator="fcm_nodes",
        responder="fcm_nodes",
        when=("fcm_nodes",),
        mesh=True,
        process=(*_SERVER, "db2fcm*"),
    ),
)


def normalize(server: Values, instances: list[Values]) -> list[EngineWarning]:
    """Refuse HADR without its port, its port without partners, and a port that is taken; see :class:`Engine`."""
    if server["hadr_partners"] is not None and not server["hadr_port"]:
        raise DbportsError(
            "HADR has no default port",
            code="missing",
            path="hadr_port",
            fix="Set hadr_port to the port of HADR_LOCAL_SVC",
        )
    taken = [("port", PortRange(item.first, min(item.last + 1, MAX_PORT))) for item in server["port"]]
    taken += [("ssl_port", server["ssl_port"])] if server["ssl_port"] else []
    for item in server["hadr_port"] or ():
        for name, ports in taken:
            if item.overlaps(ports):
                either = " or the port after it" if name == "port" else ""
                raise DbportsError(
                    f"HADR cannot use {name}{either} ({_LOCAL_SVC})",
                    code="contradiction",
                    path="hadr_port",
                    value=written(item),
                    fix="Set hadr_port to the port of HADR_LOCAL_SVC",
                )
    return []


ENGINE = Engine(
    name="db2",
    title="IBM Db2",
    source=_PORTS,
    options=OPTIONS,
    flows=FLOWS,
    normalize=normalize,
    notes=(
        "50000 lies in the dynamic range of Linux and Windows, which is why newer instances use 25000.",
        "The source port of an HADR connection cannot be chosen.",
        "Cluster managers (Tivoli SA MP, Pacemaker) and pureScale use further ports between the nodes, which are not "
        "planned.",
    ),
)
