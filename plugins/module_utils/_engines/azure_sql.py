# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure SQL as a destination: what the hosts that connect to it send there."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    EngineWarning,
    FlowSpec,
    Need,
    Option,
    Values,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

_SOURCE = "Azure SQL Database connectivity architecture"
_INSTANCE = "Azure SQL Managed Instance connectivity architecture"

OPTIONS = (
    Option(
        "service",
        "str",
        "The service: database is Azure SQL Database, managed_instance is Azure SQL Managed Instance.",
        "database",
        choices=("database", "managed_instance"),
    ),
    Option(
        "gateways",
        "clients",
        "The addresses and networks of the gateways: those of the region's service tag or of the private endpoint.",
    ),
    Option(
        "connection_policy",
        "str",
        "With proxy, all traffic goes through the gateway (the default from outside Azure). With redirect, clients "
        "then connect to the cluster (the default inside Azure).",
        "proxy",
        choices=("proxy", "redirect"),
    ),
    Option(
        "clusters",
        "clients",
        "For redirect: the networks of all Azure SQL addresses of the region. If omitted, the same as gateways.",
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
    need: Need = "required",
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
        "This host is redirected to the cluster of its database",
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
        "The dedicated administrator connection is redirected to the cluster",
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
        "This host is redirected within the managed instance's network",
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


def normalize(server: Values, instances: list[Values]) -> list[EngineWarning]:
    """Settle where the flows go; see :class:`Engine`."""
    if not server["gateways"]:
        raise DbportsError(
            "no gateway is named to connect to",
            code="missing",
            path="gateways",
            fix="List addresses, networks or hosts; names are never resolved",
        )
    if server["public_endpoint"] and server["service"] != "managed_instance":
        raise DbportsError(
            "only a managed instance has a public endpoint of its own",
            code="contradiction",
            path="public_endpoint",
            value=True,
            fix="Set service: managed_instance, or remove public_endpoint",
        )
    if server["dac"] and server["service"] != "database":
        raise DbportsError(
            "the ports of this connection are known only for Azure SQL Database",
            code="contradiction",
            path="dac",
            value=True,
            fix="Remove dac",
        )
    warnings = []
    if server["connection_policy"] == "redirect" and not server["clusters"]:
        warnings.append(
            EngineWarning(
                "redirect_without_clusters",
                "redirect can lead to any Azure SQL address of the region, but without clusters only the addresses in "
                f"gateways are planned ({_SOURCE})",
                "clusters",
            )
        )
    server["clusters"] = server["clusters"] or server["gateways"]
    return warnings


ENGINE = Engine(
    name="azure_sql",
    title="Azure SQL",
    source=_SOURCE,
    options=OPTIONS,
    flows=FLOWS,
    normalize=normalize,
    outbound=True,
    notes=(
        "The hosts that connect to it declare it. It only adds to their outbound rules.",
        "11000-11999 and 14000-14999 are destination ports in Azure: nothing has to be opened inbound on the client.",
    ),
)
