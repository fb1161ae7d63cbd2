# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS security groups, as rules and rules_egress of amazon.aws.ec2_security_group."""

from __future__ import annotations

from typing import Any

from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import remark
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import Limits, check_count
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.one_sided import (
    DIRECTIONS,
    Permit,
    is_whole,
    number,
    permits_of_group,
    port_ends,
    prefix,
)

LIMITS = Limits(255, 255, 60, "Amazon VPC User Guide, Amazon VPC quotas: inbound or outbound rules per security group")
_MOST = 1000
"""Rules of a group by the groups of an interface are at most so many (same page)."""


def rules(
    plan: GatewayPlan, protects: str, members: Any = None, mode: str = "entries", quota: int = LIMITS.entries
) -> dict[str, Any]:
    """Return the rules of a group with one network each, because each network counts as a rule, and IPv4 and IPv6 are
    counted apart. The module takes one kind of peer in a rule.
    """
    whole, most = is_whole(mode), number(quota, "quota", 1, _MOST)
    permits = permits_of_group(plan, protects, members)
    for direction in DIRECTIONS:
        for family in ("ipv4", "ipv6"):
            count = sum((item.rule.direction, item.rule.family) == (direction, family) for item in permits)
            check_count(most, count, f"{direction} rules for {family}", "quota")
    return {
        "rules": [_rule(item) for item in permits if item.rule.direction == "ingress"],
        "rules_egress": [_rule(item) for item in permits if item.rule.direction == "egress"],
        "purge_rules": whole,
        "purge_rules_egress": whole,
    }


def _rule(item: Permit) -> dict[str, Any]:
    rule = item.rule
    ipv6 = rule.family == "ipv6"
    found: dict[str, Any] = {
        "cidr_ipv6" if ipv6 else "cidr_ip": [prefix(rule.remote)],
        "rule_desc": remark(item.statement, LIMITS.remark),
    }
    if rule.protocol == "icmp":
        code = -1 if rule.icmp_code is None else rule.icmp_code
        return {"proto": "icmpv6" if ipv6 else "icmp", "icmp_type": rule.icmp_type, "icmp_code": code, **found}
    first, last = port_ends(rule.ports)
    return {"proto": rule.protocol, "from_port": first, "to_port": last, **found}
