# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL with what commonly stands around it: streaming replication, Patroni, PgBouncer."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    EngineWarning,
    FlowSpec,
    Option,
    Setting,
    Values,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

_DOC = "PostgreSQL documentation, Connections and Authentication: port"
_STANDBY = "PostgreSQL documentation, Standby Servers: primary_conninfo"
_PATRONI = "Patroni documentation, Patroni REST API; its sample configuration postgres0.yml"
_PGBOUNCER = "PgBouncer documentation, config: listen_port"

OPTIONS = (
    Option(
        "port", "port", "The port that PostgreSQL listens on, opened for clients, replicas and patroni_nodes.", 5432
    ),
    Option(
        "direct",
        "bool",
        "Clients connect to PostgreSQL itself. Set it to false if they only use PgBouncer on this host: port is then "
        "guarded and closed to them.",
        True,
    ),
    Option(
        "replicas",
        "clients",
        "The standbys, inventory hosts or addresses, which connect to this server while it is their primary: opens "
        "port to them. List them on every server that may become the primary, for example as the group of all of them.",
    ),
    Option(
        "pgbouncer_port",
        "port",
        "The port of PgBouncer on this host, usually 6432, opened for clients. If omitted, there is no PgBouncer here.",
    ),
    Option(
        "patroni_nodes",
        "clients",
        "The hosts of the Patroni cluster, inventory hosts or addresses: opens patroni_port and port among them, for "
        "the REST API and for replication. Leave it out without Patroni.",
    ),
    Option(
        "patroni_port", "port", "The port of Patroni's REST API, opened for patroni_nodes and patroni_clients.", 8008
    ),
    Option(
        "patroni_clients",
        "clients",
        "Other hosts that ask the REST API for the primary, inventory hosts or addresses: load balancers, monitoring, "
        "administrators who use patronictl. They are no clients of PostgreSQL unless clients lists them too.",
        needs="patroni_nodes",
        needs_reason="there is no Patroni cluster to ask",
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
        "sql_unused",
        "tcp",
        "port",
        "PostgreSQL itself, which clients only reach through PgBouncer",
        _DOC,
        initiator="nobody",
        when=("unreached",),
        need="optional",
        process=("postgres", "postmaster"),
        listens=False,
    ),
    FlowSpec(
        "replication",
        "tcp",
        "port",
        "Standbys stream the write-ahead log from their primary, including pg_rewind and base backups",
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
        "Patroni nodes query each other's state in the leader race",
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


def normalize(server: Values, instances: list[Values]) -> list[EngineWarning]:
    """Let a Patroni cluster replicate and refuse a server that clients cannot reach; see :class:`Engine`."""
    if not server["direct"] and not server["pgbouncer_port"]:
        raise DbportsError(
            "clients reach neither PostgreSQL nor PgBouncer",
            code="contradiction",
            path="direct",
            value=False,
            fix="Set pgbouncer_port, or leave direct on",
        )
    # With one port for both, PostgreSQL has no TCP port on the addresses where PgBouncer listens.
    server["unreached"] = not server["direct"] and server["port"] != server["pgbouncer_port"]
    if server["patroni_nodes"]:
        server["replicas"] = (*(server["replicas"] or ()), *server["patroni_nodes"])
    return []


SETTINGS = (
    Setting(
        "port",
        (
            "/etc/postgresql/*/*/postgresql.conf",
            "/etc/postgresql/*/*/conf.d/*.conf",
            "/var/lib/postgresql/*/*/postgresql.auto.conf",
            "/var/lib/pgsql/data/postgresql*.conf",
            "/var/lib/pgsql/*/data/postgresql*.conf",
        ),
        "port",
    ),
    Setting("pgbouncer_port", ("/etc/pgbouncer/pgbouncer.ini",), "listen_port", usual=6432),
)
"""Debian's places and those of the PostgreSQL project's packages for Red Hat."""

ENGINE = Engine(
    name="postgresql",
    title="PostgreSQL",
    source=_DOC,
    options=OPTIONS,
    flows=FLOWS,
    settings=SETTINGS,
    normalize=normalize,
    normalized={"unreached": "bool"},
    notes=(
        "In the table, replicas are also patroni_nodes, and unreached means that direct is false.",
        "PostgreSQL uses one port for everything: clients, replication and cancel requests. A cancel request is a new "
        "connection to the same port.",
        "LISTEN and NOTIFY use the client's own connection.",
        "etcd is an engine of its own, even if it runs on the Patroni nodes: declare it with the Patroni nodes as its "
        "clients. So is PgBouncer on another host: declare that host as a client here.",
    ),
)
