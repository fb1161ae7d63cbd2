# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways of small plans, as values and as the data of their files, for everything that writes rules from them."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import GATEWAY_SCHEMA
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import codec
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

NETWORKS = {"office": ["192.0.2.0/24", "2001:db8:1::/48"], "dc": ["198.51.100.0/24", "2001:db8:2::/48"]}
HOSTS: dict[str, Any] = {
    "erp-db": {
        "dbports_addresses": ["198.51.100.10", "2001:db8:2::10"],
        "dbports_os": "windows",
        "dbports_servers": [
            {"engine": "mssql", "clients": ["office-1", "192.0.2.64/26"], "instances": [{"tcp_port": [1433, 1500]}]}
        ],
    },
    "sql-db": {
        "dbports_addresses": ["198.51.100.11"],
        "dbports_servers": [{"engine": "sql602", "clients": ["office-1"], "ping": True}],
    },
    "office-1": {"dbports_addresses": ["192.0.2.21", "2001:db8:1::21"], "dbports_os": "linux"},
}
"""Both families, both protocols, echo requests, a network as a client, ports in ones, ranges and pairs."""


def gateway_plan(platform: str | None, hosts: dict[str, Any] | None = None, **gateway: Any) -> GatewayPlan:
    """Return the plan of the one filter between two networks."""
    declared = {"name": "acl-1", "kind": "filter", "between": list(NETWORKS), "platform": platform, **gateway}
    variables = {"dbports_networks": NETWORKS, "dbports_gateways": [declared]}
    plan = build_plan(PlainInventory({"hosts": HOSTS if hosts is None else hosts, "vars": variables}))
    return plan.gateways[0]


def file_data(plan: GatewayPlan) -> dict[str, Any]:
    """Return what ``from_json`` makes of a gateway's file."""
    return {"schema": GATEWAY_SCHEMA, **json.loads(codec(GatewayPlan).write(plan))}


def example_plan(platform: str) -> GatewayPlan:
    """Return the gateway that the examples of the filters are about: one client and one server, of IPv4."""
    hosts = {
        "erp-db": {
            "dbports_addresses": ["198.51.100.10"],
            "dbports_servers": [{"engine": "mssql", "clients": ["app-01"]}],
        },
        "app-01": {"dbports_addresses": ["192.0.2.21"], "dbports_os": "linux"},
    }
    return gateway_plan(platform, hosts)
