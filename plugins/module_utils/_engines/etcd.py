# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""etcd, in which Patroni keeps the state of a PostgreSQL cluster."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, FlowSpec, Option

_DOC = "etcd documentation, Configuration options: listen-client-urls, listen-peer-urls"
_SERVER = ("etcd",)

OPTIONS = (
    Option("port", "port", "The port of listen-client-urls, opened for clients: usually the Patroni nodes.", 2379),
    Option("peer_port", "port", "The port of listen-peer-urls, opened for nodes.", 2380),
    Option(
        "nodes",
        "clients",
        "The hosts of the cluster, inventory hosts or addresses: opens peer_port among them. Leave it out for a single "
        "node.",
    ),
)

FLOWS = (
    FlowSpec(
        "client",
        "tcp",
        "port",
        "Clients such as Patroni read and write keys",
        f"{_DOC}; IANA: etcd-client",
        process=_SERVER,
        probe="tcp",
    ),
    FlowSpec(
        "peer",
        "tcp",
        "peer_port",
        "Nodes of the cluster communicate with each other",
        f"{_DOC}; IANA: etcd-server",
        initiator="nodes",
        responder="nodes",
        when=("nodes",),
        mesh=True,
        process=_SERVER,
        probe="tcp",
    ),
)

ENGINE = Engine(
    name="etcd",
    title="etcd",
    source=_DOC,
    options=OPTIONS,
    flows=FLOWS,
    notes=(
        "etcdctl on a node uses the client port of that node or of all nodes: declare the administrators' hosts as "
        "clients.",
    ),
)
