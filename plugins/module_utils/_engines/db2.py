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
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

_PORTS = "IBM Support, Db2 server TCP/IP port numbers"
_HADR = f"{_PORTS}; IBM Support, Why the DB2 HADR is not using the assigned port numbers only"
_SERVER = ("db2sysc", "db2syscs")

OPTIONS = (
    Option(
        "port",
        "ports",
        "SVCENAME: 50000 up to 11.5.5. Instances created by 11.5.6 or later use 25000. Give one port for each "
        "instance of the host.",
        50000,
    ),
    Option("ssl_port", "port", "SSL_SVCENAME, the port for TLS. If omitted, there is none."),
    Option(
        "hadr_partners",
        "clients",
        "The hosts of the other databases of the HADR pair or cluster. A partner that is declared uses its own "
        "hadr_port.",
    ),
    Option("hadr_port", "ports", "HADR_LOCAL_SVC, one port for each replicated database. There is no default."),
    Option(
        "fcm_nodes",
        "clients",
        "The hosts of a partitioned database, which communicate through the Fast Communications Manager.",
    ),
    Option(
        "fcm_ports", "ports", "The ports from DB2_instance to DB2_instance_END in the services file.", "60000-60003"
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
        f"{_PORTS}; IBM Db2 documentation, Setting up a communication port range",
        initiator="fcm_nodes",
        responder="fcm_nodes",
        when=("fcm_nodes",),
        mesh=True,
        process=(*_SERVER, "db2fcm*"),
        confirmed=False,
    ),
)


def normalize(server: Values, instances: list[Values]) -> list[EngineWarning]:
    """Refuse HADR without its port; see :class:`Engine`."""
    if server["hadr_partners"] and not server["hadr_port"]:
        raise DbportsError(
            "HADR has no default port",
            code="missing",
            path="hadr_port",
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
    ),
)
