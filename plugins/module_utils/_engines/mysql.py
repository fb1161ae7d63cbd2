# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MySQL and MariaDB: clients, X Protocol, replication, Galera and Group Replication."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    EngineWarning,
    FlowSpec,
    GatewayBehaviour,
    Option,
    Setting,
    Values,
    check_group,
)

_PORTS = "MySQL Port Reference, MySQL Port Reference Tables"
_GALERA = "Galera Cluster documentation, Firewall Settings"
_FOUR = f"{_GALERA}: Galera Cluster requires four ports"
_GROUP = "MySQL Reference Manual, Configuring an Instance for Group Replication"
_REPLICATION = "MySQL Reference Manual, Setting the Source Configuration on the Replica"
_SERVER = ("mysqld", "mariadbd")

OPTIONS = (
    Option(
        "port",
        "port",
        "The port of the classic protocol, opened for clients, replicas and group_nodes.",
        3306,
    ),
    Option(
        "x_port",
        "port",
        "mysqlx_port, usually 33060. Opens it to the clients, for X Protocol. If omitted, it is not guarded, although "
        "MySQL 8.0 and newer listen on it unless mysqlx is OFF.",
    ),
    Option(
        "admin_port",
        "port",
        "admin_port, usually 33062, if admin_address is set: opened for admin_clients. If omitted, there is none.",
    ),
    Option(
        "admin_clients",
        "clients",
        "Who uses the administrative port, inventory hosts or addresses. If omitted, the server's clients.",
        needs="admin_port",
        needs_reason="there is no administrative port that they could use",
    ),
    Option(
        "replicas",
        "clients",
        "Servers that fetch the binary log of this one, inventory hosts or addresses: opens port to them. List them on "
        "every server that may become their source, for example as the group of all of them.",
    ),
    Option(
        "galera_nodes",
        "clients",
        "The hosts of the Galera cluster that hold data, inventory hosts or addresses: opens galera_port, ist_port and "
        "sst_port among them.",
    ),
    Option(
        "galera_arbitrators",
        "clients",
        "The hosts of arbitrators (garbd), which only vote: opens galera_port among them and galera_nodes. An "
        "arbitrator needs no declaration of its own; do not list it in galera_nodes.",
        needs="galera_nodes",
        needs_reason="there is no Galera cluster",
    ),
    Option(
        "galera_port",
        "port",
        "The port of Galera's group communication (gmcast.listen_addr).",
        4567,
    ),
    Option(
        "galera_multicast",
        "address",
        "gmcast.mcast_addr, the multicast group, such as 239.192.0.11: opens galera_port for UDP as well. Leave it out "
        "unless Galera replicates by multicast.",
        multicast=True,
        needs="galera_nodes",
        needs_reason="there is no Galera cluster",
    ),
    Option(
        "ist_port",
        "port",
        "The port of incremental state transfers (ist.recv_addr), opened for galera_nodes.",
        4568,
    ),
    Option(
        "sst_port",
        "port",
        "The port of state snapshot transfers by rsync, mariabackup or xtrabackup (wsrep_sst_receive_address), opened "
        "for galera_nodes. With mysqldump, the same as port.",
        4444,
    ),
    Option(
        "group_nodes",
        "clients",
        "The hosts of the Group Replication or InnoDB Cluster, inventory hosts or addresses: opens group_port and port "
        "among them.",
    ),
    Option(
        "group_port",
        "port",
        "The port in group_replication_local_address. The default is usual with the XCom communication stack; with the "
        "MySQL stack, which MySQL Shell chooses from 8.0.27 on, the same as port.",
        33061,
    ),
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
        "Galera nodes replicate write sets, and arbitrators vote",
        _FOUR,
        initiator="galera_members",
        responder="galera_members",
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
        f"{_GALERA}: UDP for multicast replication; Galera Parameters, gmcast.mcast_addr",
        source_port="galera_port",
        initiator="galera_members",
        responder="galera_members",
        when=("galera_nodes", "galera_multicast"),
        mesh=True,
        group="galera_multicast",
        process=(*_SERVER, "garbd"),
        through=GatewayBehaviour(answered=False, untranslated="a multicast group has no address to translate"),
    ),
    FlowSpec(
        "ist",
        "tcp",
        "ist_port",
        "A node that was briefly away receives the changes that it missed",
        _FOUR,
        initiator="galera_nodes",
        responder="galera_nodes",
        when=("galera_nodes",),
        mesh=True,
        listens=False,
    ),
    FlowSpec(
        "sst",
        "tcp",
        "sst_port",
        "A new node receives all data",
        _FOUR,
        initiator="galera_nodes",
        responder="galera_nodes",
        when=("galera_nodes",),
        mesh=True,
        listens=False,
    ),
    FlowSpec(
        "group",
        "tcp",
        "group_port",
        "Members of the group communicate with each other",
        f"{_GROUP}; {_PORTS}; MySQL Shell, Configuring the Group Replication Communication Stack",
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
    """Say who administers and who votes, and refuse a cluster without nodes; see :class:`Engine`."""
    server["admin_users"] = server["clients"] if server["admin_clients"] is None else server["admin_clients"]
    server["galera_members"] = (*(server["galera_nodes"] or ()), *(server["galera_arbitrators"] or ()))
    check_group(server, "galera_multicast")
    return []


_FILES = ("/etc/my.cnf", "/etc/my.cnf.d/*.cnf", "/etc/mysql/my.cnf", "/etc/mysql/*.conf.d/*.cnf")
_SECTIONS = ("mysqld", "mariadb", "mariadbd", "server")
SETTINGS = (
    Setting("port", _FILES, "port", _SECTIONS),
    Setting("x_port", _FILES, "mysqlx_port", _SECTIONS, usual=33060),
    Setting("admin_port", _FILES, "admin_port", _SECTIONS, usual=33062),
)

ENGINE = Engine(
    name="mysql",
    title="MySQL and MariaDB",
    source=_PORTS,
    options=OPTIONS,
    flows=FLOWS,
    settings=SETTINGS,
    normalize=normalize,
    normalized={"admin_users": "clients", "galera_members": "clients"},
    one_socket=("port", "sst_port", "group_port"),
    notes=(
        "In the table, galera_members are galera_nodes and galera_arbitrators, and admin_users are admin_clients or, "
        "if omitted, clients.",
        "MariaDB has no X Protocol and no Group Replication; the other ports are the same.",
        "State transfers listen on the joining node, and only while it joins: their ports are closed at other times.",
        "MySQL Router and MariaDB MaxScale are not planned: declare their hosts as clients, and describe them in "
        "dbports_engines where their own ports are to be guarded.",
    ),
)
