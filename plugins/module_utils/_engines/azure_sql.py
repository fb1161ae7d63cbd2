# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure SQL as a destination: what the hosts that connect to it send there."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, FlowSpec, Option, Values
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

_SOURCE = "Azure SQL Database connectivity architecture"
_INSTANCE = "Azure SQL Managed Instance connectivity architecture"

OPTIONS = (
    Option(
        "service",
        "str",
        "database (Azure SQL Database) or managed_instance.",
        "database",
        choices=("database", "managed_instance"),
    ),
    Option(
        "gateways",
        "clients",
        "The addresses and networks of the gateways: those of the region's service tag, or the private endpoint.",
    ),
    Option(
        "connection_policy",
        "str",
        "proxy: all goes through the gateway (the default from outside Azure); redirect: "
        "clients go on to the cluster (the default inside Azure).",
        "proxy",
        choices=("proxy", "redirect"),
    ),
    Option(
        "clusters", "clients", "For redirect: the networks of all Azure SQL addresses of the region; absent: gateways."
    ),
    Option("dac", "bool", "Hosts also use the dedicated administrator connection.", False),
    Option("public_endpoint", "bool", "Hosts use the public endpoint of a managed instance.", False),
)


def _out(
    name: str,
    port: str,
    purpose: str,
    *when: str,
    to: str = "gateways",
    need: str = "required",
    citation: str = _SOURCE,
    confirmed: bool = True,
) -> FlowSpec:
    return FlowSpec(
        name,
        "tcp",
        port,
        purpose,
        citation,
        initiator="server",
        responder=to,
        when=when,
        need=need,
        confirmed=confirmed,
    )


FLOWS = (
    _out("gateway", "1433", "This host connects to the gateway of Azure SQL Database", "service=database"),
    _out(
        "redirect",
        "11000-11999",
        "This host is sent on to the cluster of its database",
        "service=database",
        "connection_policy=redirect",
        to="clusters",
    ),
    _out(
        "dac",
        "1434",
        "This host uses the dedicated administrator connection",
        "service=database",
        "dac",
        need="optional",
    ),
    _out(
        "dac_cluster",
        "14000-14999",
        "The dedicated administrator connection goes on to the cluster",
        "service=database",
        "dac",
        to="clusters",
        need="optional",
    ),
    _out(
        "managed_instance",
        "1433",
        "This host connects to the managed instance",
        "service=managed_instance",
        "!public_endpoint",
        citation=_INSTANCE,
        confirmed=False,
    ),
    _out(
        "managed_instance_redirect",
        "11000-11999",
        "This host is sent on inside the managed instance's network",
        "service=managed_instance",
        "connection_policy=redirect",
        "!public_endpoint",
        to="clusters",
        citation=_INSTANCE,
        confirmed=False,
    ),
    _out(
        "managed_instance_public",
        "3342",
        "This host connects to the managed instance's public endpoint",
        "service=managed_instance",
        "public_endpoint",
        citation=_INSTANCE,
        confirmed=False,
    ),
)


def derive(server: Values, instances: list[Values]) -> list[str]:
    """Settle where the flows go; see :class:`Engine`."""
    if not server["gateways"]:
        raise DbportsError(
            "nobody is named to connect to",
            path="gateways",
            fix="List addresses, networks or hosts; names are never resolved here",
        )
    if server["public_endpoint"] and server["service"] != "managed_instance":
        raise DbportsError(
            "only a managed instance has a public endpoint of its own",
            path="public_endpoint",
            value=True,
            fix="Write service: managed_instance, or remove public_endpoint",
        )
    if server["dac"] and server["service"] != "database":
        raise DbportsError(
            "the ports of this connection are known for Azure SQL Database alone",
            path="dac",
            value=True,
            fix="Remove dac",
        )
    warnings = []
    if server["connection_policy"] == "redirect" and not server["clusters"]:
        warnings.append(
            "redirect leads to any Azure SQL address of the region: without clusters only the gateways' own "
            "addresses are "
            f"planned ({_SOURCE})"
        )
    server["clusters"] = server["clusters"] or server["gateways"]
    return warnings


ENGINE = Engine(
    name="azure_sql",
    title="Azure SQL",
    source=_SOURCE,
    options=OPTIONS,
    flows=FLOWS,
    derive=derive,
    outbound=True,
    notes=(
        "It is declared by the hosts that connect to it. Only their outbound rules follow from it.",
        "11000-11999 and 14000-14999 are destination ports in Azure: nothing has to be opened inbound on the client.",
    ),
)
