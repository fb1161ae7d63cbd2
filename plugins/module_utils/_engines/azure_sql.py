# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure SQL as a destination: what the hosts that connect to it send there."""

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

_SOURCE = "Azure SQL Database connectivity architecture"
_PRIVATE = "Azure SQL Database, private-endpoint-overview: Use Redirect connection policy with private endpoints"
_INSTANCE = "Azure SQL Managed Instance connection types"

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
        "Required: where this host connects first, by addresses and networks only. Of Azure SQL Database the gateways "
        "of the region or the private endpoint, of a managed instance its subnet, private or public endpoint.",
    ),
    Option(
        "connection_policy",
        "str",
        "The server's policy. With proxy, all traffic goes through the gateways (the default from outside Azure). With "
        "redirect, hosts then connect to the clusters (the default inside Azure), which opens 11000-11999 to them, or "
        "1433-65535 to a private endpoint.",
        "proxy",
        choices=("proxy", "redirect"),
    ),
    Option(
        "clusters",
        "clients",
        "For redirect and dac: the networks of all Azure SQL addresses of the region, or the subnet of the managed "
        "instance; no inventory hosts. If omitted, the same as gateways.",
    ),
    Option(
        "private_endpoint",
        "bool",
        "The addresses in gateways are private endpoints in your own virtual network.",
        False,
    ),
    Option(
        "dac",
        "bool",
        "Opens 1434, and 14000-14999 of Azure SQL Database, for the dedicated administrator connection. Leave it out "
        "on hosts that do not administer.",
        False,
    ),
    Option(
        "public_endpoint",
        "bool",
        "This host uses the public endpoint of a managed instance: opens 3342 instead of 1433.",
        False,
    ),
)


def _out(
    name: str,
    port: str,
    purpose: str,
    *when: str,
    to: str = "gateways",
    citation: str = _SOURCE,
) -> FlowSpec:
    return FlowSpec(name, "tcp", port, purpose, citation, initiator="server", responder=to, when=when, foreign=True)


FLOWS = (
    _out("gateway", "1433", "This host connects to the gateway of Azure SQL Database", "service=database"),
    _out(
        "redirect",
        "11000-11999",
        "This host is redirected to the cluster of its database",
        "service=database",
        "connection_policy=redirect",
        "!private_endpoint",
        to="clusters",
    ),
    _out(
        "private_redirect",
        "1433-65535",
        "This host is redirected to another port of the private endpoint",
        "service=database",
        "connection_policy=redirect",
        "private_endpoint",
        citation=_PRIVATE,
    ),
    _out(
        "dac",
        "1434",
        "This host uses the dedicated administrator connection",
        "dac",
        citation=f"{_SOURCE}; Azure SQL blog, Non-scenarios with private endpoints to Azure SQL Managed Instance",
    ),
    _out(
        "dac_cluster",
        "14000-14999",
        "The dedicated administrator connection is redirected to the cluster",
        "service=database",
        "dac",
        to="clusters",
    ),
    _out(
        "managed_instance",
        "1433",
        "This host connects to the managed instance",
        "service=managed_instance",
        "!public_endpoint",
        citation=_INSTANCE,
    ),
    _out(
        "managed_instance_redirect",
        "11000-11999",
        "This host is redirected within the managed instance's network",
        "service=managed_instance",
        "connection_policy=redirect",
        to="clusters",
        citation=_INSTANCE,
    ),
    _out(
        "managed_instance_public",
        "3342",
        "This host connects to the managed instance's public endpoint",
        "service=managed_instance",
        "public_endpoint",
        citation="Use Azure SQL Managed Instance securely with public endpoints",
    ),
)


def _check(server: Values) -> None:
    """Refuse what contradicts itself."""
    instance, redirect = server["service"] == "managed_instance", server["connection_policy"] == "redirect"
    proxied = instance and (server["private_endpoint"] or server["public_endpoint"])
    wrong = (
        ("public_endpoint", not instance, "only a managed instance has a public endpoint of its own"),
        ("public_endpoint", server["private_endpoint"], "an endpoint is either private or public"),
        ("dac", proxied, "this connection needs the endpoint inside the managed instance's network"),
        ("connection_policy", proxied and redirect, "this endpoint of a managed instance always works as a proxy"),
        ("clusters", server["private_endpoint"], "behind a private endpoint hosts are never sent to other addresses"),
    )
    for name, refused, reason in wrong:
        if server[name] and refused:
            raise DbportsError(
                reason, code="contradiction", path=name, value=written(server[name]), fix=f"Remove {name}"
            )


def normalize(server: Values, instances: list[Values]) -> list[EngineWarning]:
    """Settle where the flows go; see :class:`Engine`."""
    if not server["gateways"]:
        raise DbportsError(
            "no gateway is named to connect to",
            code="missing",
            path="gateways",
            fix="List addresses and networks; names are never resolved",
        )
    _check(server)
    warnings = []
    redirect = server["connection_policy"] == "redirect" and not server["private_endpoint"]
    if redirect and not server["clusters"]:
        where = "of the region" if server["service"] == "database" else "of the managed instance's subnet"
        warnings.append(
            EngineWarning(
                "redirect_without_clusters",
                f"redirect can lead to any Azure SQL address {where}, but without clusters only the addresses in "
                f"gateways are planned ({_SOURCE if server['service'] == 'database' else _INSTANCE})",
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
        "The hosts that connect to it declare it. It only adds to their outbound rules, which count with "
        "dbports_filter_outbound and on gateways.",
        "11000-11999 and 14000-14999 are destination ports in Azure: nothing has to be opened inbound on the client.",
    ),
)
