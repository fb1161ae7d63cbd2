# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MySQL and MariaDB: clients, X Protocol, replication, Galera and Group Replication."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    EngineWarning,
    FlowSpec,
    Option,
    Values,
)

_PORTS = "MySQL Port Reference, MySQL Port Reference Tables"
_GALERA = "Galera Cluster documentation, Firewall Settings"
_GROUP = "MySQL Reference Manual, Configuring an Instance for Group Replication"
_REPLICATION = "MySQL Reference Manual, Setting the Source Configuration on the Replica"
_SERVER = ("mysqld", "mariadbd")

OPTIONS = (
    Option("port", "port", "The port of the classic protocol.", 3306),
    Option("x_port", "port", "mysqlx_port, usually 33060, for X Protocol. If omitted, clients do not use it."),
    Option("admin_port", "port", "admin_port, usually 33062, if admin_address is set. If omitted, there is none."),
    Option("admin_clients", "clients", "Who uses the administrative port. If omitted, the server's clients."),
    Option(
        "replicas",
        "clients",
        "Servers that fetch the binary log of this one. List them on every server that may become their source, for "
        "example as the group of all of them.",
    ),
    Option("galera_nodes", "clients", "The hosts of the Galera cluster, including arbitrators (garbd)."),
    Option("galera_port", "port", "gmcast.listen_addr, the port of Galera's group communication.", 4567),
    Option("galera_multicast", "bool", "Galera replicates by multicast, so the port is also needed for UDP.", False),
    Option("ist_port", "port", "ist.recv_addr, the port of incremental state transfers.", 4568),
    Option(
        "sst_port",
        "port",
        "wsrep_sst_receive_address, the port of state snapshot transfers by rsync, mariabackup or xtrabackup.",
        4444,
    ),
    Option("group_nodes", "clients", "The hosts of the Group Replication or InnoDB Cluster."),
    Option("group_port", "port", "The port in group_replication_local_address (the XCom communication stack).", 33061),
)

FLOWS = (
    FlowSpec("sql", "tcp", "port", "Clients connect with the classic protocol", _PORTS, process=_SERVER, probe="tcp"),
    FlowSpec(
        "x_protocol",
        "tcp",
        "x_port",
        "Clients connect with X Protocol",
        _PORTS,
        when=("x_port",),
        process=_SERVER,
        probe="tcp",
    ),
    FlowSpec(
        "admin",
        "tcp",
        "admin_port",
        "Administrators connect even if all connections are in use",
        _PORTS,
        initiator="admin_users",
        when=("admin_port",),
        need="optional",
        process=_SERVER,
        probe="tcp",
    ),
    FlowSpec(
        "replication",
        "tcp",
        "port",
        "Replicas fetch the binary log from their source",
        _REPLICATION,
        initiator="replicas",
        when=("replicas",),
        process=_SERVER,
        probe="tcp",
    ),
    FlowSpec(
        "galera",
        "tcp",
        "galera_port",
        "Galera nodes replicate write sets",
        _GALERA,
        initiator="galera_nodes",
        responder="galera_nodes",
        when=("galera_nodes",),
        mesh=True,
        process=(*_SERVER, "garbd"),
        probe="tcp",
    ),
    FlowSpec(
        "galera_multicast",
        "udp",
        "galera_port",
        "Galera nodes replicate write sets by multicast",
        _GALERA,
        initiator="galera_nodes",
        responder="galera_nodes",
        when=("galera_nodes", "galera_multicast"),
        mesh=True,
        process=(*_SERVER, "garbd"),
    ),
    FlowSpec(
        "ist",
        "tcp",
        "ist_port",
        "A node that was briefly away receives the changes that it missed",
        _GALERA,
        initiator="galera_nodes",
        responder="galera_nodes",
        when=("galera_nodes",),
        mesh=True,
        need="optional",
        listens=False,
    ),
    FlowSpec(
        "sst",
        "tcp",
        "sst_port",
        "A new node receives all data",
        _GALERA,
        initiator="galera_nodes",
        responder="galera_nodes",
        when=("galera_nodes",),
        mesh=True,
        need="optional",
        listens=False,
    ),
    FlowSpec(
        "group",
        "tcp",
        "group_port",
        "Members of the group communicate with each other",
        f"{_GROUP}; {_PORTS}",
        initiator="group_nodes",
        responder="group_nodes",
        when=("group_nodes",),
        mesh=True,
        process=_SERVER,
        probe="tcp",
    ),
    FlowSpec(
        "recovery",
        "tcp",
        "port",
        "A joining member fetches data from another one over an ordinary connection",
        "MySQL Reference Manual, Connections for Distributed Recovery",
        initiator="group_nodes",
        responder="group_nodes",
        when=("group_nodes",),
        mesh=True,
        process=_SERVER,
        probe="tcp",
    ),
)


def normalize(server: Values, instances: list[Values]) -> list[EngineWarning]:
    """Say who uses the administrative port; see :class:`Engine`."""
    server["admin_users"] = server["clients"] if server["admin_clients"] is None else server["admin_clients"]
    return []


ENGINE = Engine(
    name="mysql",
    title="MySQL and MariaDB",
    source=_PORTS,
    options=OPTIONS,
    flows=FLOWS,
    normalize=normalize,
    normalized={"admin_users": "clients"},
    notes=(
        "MariaDB has no X Protocol and no Group Replication; the other ports are the same.",
        "State transfers listen on the joining node, and only while it joins: their ports are closed at other times.",
        "With the MySQL communication stack (8.0.27 and later) Group Replication uses the port of the classic "
        "protocol: "
        "set group_port to the same.",
    ),
)
