# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL with what commonly stands around it: streaming replication, Patroni, PgBouncer."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, FlowSpec, Option, Values
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

_DOC = "PostgreSQL documentation, Connections and Authentication: port"
_STANDBY = "PostgreSQL documentation, Standby Servers: primary_conninfo"
_PATRONI = "Patroni documentation, Patroni REST API; its sample configuration postgres0.yml"
_PGBOUNCER = "PgBouncer documentation, config: listen_port"

OPTIONS = (
    Option("port", "port", "The port that PostgreSQL listens on.", 5432),
    Option("direct", "bool", "Clients connect to PostgreSQL itself; off where they have PgBouncer alone.", True),
    Option(
        "replicas",
        "clients",
        "The standbys, which connect to this server while it is their primary. Name them on "
        "every server that may become it, for example as the group of all of them.",
    ),
    Option("pgbouncer_port", "port", "Where PgBouncer runs on this host, usually 6432; absent: no PgBouncer."),
    Option(
        "patroni_nodes",
        "clients",
        "The hosts of the Patroni cluster, which ask each other's REST API. They "
        "replicate as well: replicas may be left out.",
    ),
    Option("patroni_port", "port", "The port of Patroni's REST API.", 8008),
    Option(
        "patroni_clients",
        "clients",
        "Who asks the REST API for the primary besides the nodes: load balancers, "
        "monitoring, administrators with patronictl.",
    ),
)

FLOWS = (
    FlowSpec(
        "sql",
        "tcp",
        "port",
        "Clients connect to PostgreSQL",
        _DOC,
        when=("direct",),
        process=("postgres", "postmaster"),
        probe="tcp",
    ),
    FlowSpec(
        "replication",
        "tcp",
        "port",
        "Standbys stream the write-ahead log from their primary, pg_rewind and base backups included",
        _STANDBY,
        initiator="replicas",
        when=("replicas",),
        process=("postgres", "postmaster"),
        probe="tcp",
    ),
    FlowSpec(
        "pgbouncer",
        "tcp",
        "pgbouncer_port",
        "Clients connect to PgBouncer",
        _PGBOUNCER,
        when=("pgbouncer_port",),
        process=("pgbouncer",),
        probe="tcp",
    ),
    FlowSpec(
        "patroni",
        "tcp",
        "patroni_port",
        "Patroni nodes ask each other's state in the leader race",
        _PATRONI,
        initiator="patroni_nodes",
        responder="patroni_nodes",
        when=("patroni_nodes",),
        mesh=True,
        process=("patroni", "python3*"),
        probe="tcp",
    ),
    FlowSpec(
        "patroni_api",
        "tcp",
        "patroni_port",
        "Load balancers and administrators ask Patroni for the primary",
        _PATRONI,
        initiator="patroni_clients",
        when=("patroni_clients",),
        process=("patroni", "python3*"),
        probe="tcp",
    ),
)


def derive(server: Values, instances: list[Values]) -> list[str]:
    """Let a Patroni cluster replicate and refuse a server that clients cannot reach; see :class:`Engine`."""
    if not server["direct"] and not server["pgbouncer_port"]:
        raise DbportsError(
            "clients reach neither PostgreSQL nor PgBouncer",
            path="direct",
            value=False,
            fix="Set pgbouncer_port, or leave direct on",
        )
    if server["replicas"] is None:
        server["replicas"] = server["patroni_nodes"]
    if server["patroni_clients"] and not server["patroni_nodes"]:
        raise DbportsError(
            "there is no Patroni whom they could ask", path="patroni_clients", fix="Name its hosts in patroni_nodes"
        )
    return []


ENGINE = Engine(
    name="postgresql",
    title="PostgreSQL",
    source=_DOC,
    options=OPTIONS,
    flows=FLOWS,
    derive=derive,
    notes=(
        "PostgreSQL has one port for everything: clients, replication and cancel requests. A cancel request is a new "
        "connection to the same port.",
        "LISTEN and NOTIFY use the client's own connection.",
        "etcd is an engine of its own, also where it runs on the Patroni nodes; so is PgBouncer on another host.",
    ),
)
