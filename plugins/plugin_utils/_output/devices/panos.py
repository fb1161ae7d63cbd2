# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security rules of PAN-OS, with their service objects. Each rule names its service and asks for no application:
``application-default`` and the App-ID ``mssql-db`` would not match a port that was moved. Ping is an application.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import as_networks
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Statement
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.acl import Data, cannot_write
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import remark
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import Limits
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.policies import (
    ANY_PORT,
    Policy,
    once,
    policies_of,
    service_name,
    words,
)

LIMITS = Limits(63, 1024, 0, "PAN-OS Web Interface Help: rule names up to 63, descriptions up to 1024 characters")
_ZONE = Limits(
    31, 0, 0, "PAN-OS Web Interface Help: zone names up to 31", (r"[A-Za-z0-9][A-Za-z0-9 _.-]*", "letters and digits")
)
_PING = {("ipv4", 8): "ping", ("ipv6", 128): "ping6"}


def rules(plan: GatewayPlan, zones: dict[str, Any]) -> Data:
    """Return service objects and security rules.

    :param zones: the zone of each network, or a list of zones.
    """
    policies = policies_of(plan, zones, "zones", LIMITS, _ZONE)
    return {
        "services": once(_service(item.statement) for item in policies if item.statement.protocol != "icmp"),
        "rules": [_rule(item) for item in policies],
    }


def _service(item: Statement) -> Data:
    found: Data = {
        "name": service_name(item, LIMITS),
        "protocol": item.protocol,
        "destination_port": words(item.destination_ports or ANY_PORT, ","),
    }
    if item.source_ports:
        found["source_port"] = words(item.source_ports, ",")
    return found


def _rule(policy: Policy) -> Data:
    item = policy.statement
    application, service = "any", service_name(item, LIMITS)
    if item.protocol == "icmp":
        application, service = _ping(item), "application-default"
    return {
        "rule_name": policy.name,
        "source_zone": policy.origin,
        "source_ip": format_addresses(as_networks(item.source)),
        "destination_zone": policy.target,
        "destination_ip": format_addresses(as_networks(item.destination)),
        "application": [application],
        "service": [service],
        "action": "allow",
        "description": remark(item, LIMITS.remark),
    }


def _ping(item: Statement) -> str:
    found = _PING.get((item.family, item.icmp_type or 0))
    if not found:
        raise cannot_write(
            f"ICMP type {item.icmp_type}",
            "only echo requests are an application of PAN-OS",
            "Plan again with platform: panos",
        )
    return found
