# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenStack security groups, as parameters of openstack.cloud.security_group_rule, one rule a task.

The module compares a rule's description, and Neutron does not: a changed one is "already exists", so it is always the
same, by which the rules are known again.
It takes an upper end of 65535, and a lower end of 1, for no end when it looks for a rule (_find_matches), and may find
another rule in its place. Ranges with such an end are written as two or three that cannot be mistaken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT, PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import PREFIX
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import Limits, check_count
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.one_sided import (
    Rule,
    number,
    permits_of_group,
    prefix,
)

LIMITS = Limits(255, 255, 100, "Neutron, quota_security_group_rule: 100 by default, of a project")
_MOST = 2147483647


def parameters(
    plan: GatewayPlan, security_group: str, protects: str, members: Any = None, quota: int = LIMITS.entries
) -> list[dict[str, Any]]:
    """Return the parameters of each rule, once."""
    if not isinstance(security_group, str) or not 1 <= len(security_group) <= LIMITS.name:
        raise DbportsError(
            f"expected a name of 1 to {LIMITS.name} characters or an id",
            code="not_a_name",
            path="security_group",
            value=security_group,
        )
    most = number(quota, "quota", 1, _MOST)
    rules = {rule: None for item in permits_of_group(plan, protects, members) for rule in _apart(item.rule)}
    check_count(most, len(rules), "rules", "quota")
    return [{"security_group": security_group, **_parameters(rule)} for rule in rules]


def _apart(rule: Rule) -> Iterator[Rule]:
    """Yield a rule as rules whose ranges have no end that the module takes for none, but for single ports."""
    if rule.protocol == "icmp":
        yield rule
        return
    first, last = rule.ports or (1, MAX_PORT)
    if first == last:
        yield rule
        return
    if first == 1:
        yield rule._replace(ports=PortRange(1, 1))
        first = 2
    if last == MAX_PORT:
        yield rule._replace(ports=PortRange(MAX_PORT, MAX_PORT))
        last = MAX_PORT - 1
    if first <= last:
        yield rule._replace(ports=PortRange(first, last))


def _parameters(rule: Rule) -> dict[str, Any]:
    ipv6 = rule.family == "ipv6"
    found: dict[str, Any] = {
        "description": PREFIX,
        "direction": rule.direction,
        "ether_type": "IPv6" if ipv6 else "IPv4",
        "remote_ip_prefix": prefix(rule.remote),
        "protocol": rule.protocol,
    }
    if rule.ports:
        return {**found, "port_range_min": rule.ports.first, "port_range_max": rule.ports.last}
    code = {} if rule.icmp_code is None else {"port_range_max": rule.icmp_code}
    return {**found, "protocol": "ipv6-icmp" if ipv6 else "icmp", "port_range_min": rule.icmp_type, **code}
