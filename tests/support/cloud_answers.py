# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clouds show once rules were made, in the form of the info modules' documentation, with rules of other owners."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

ACCOUNT = "123456789012"
OTHERS: dict[str, Any] = {
    "aws_security_group": [
        {"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "ip_ranges": [{"cidr_ip": "203.0.113.0/24"}]},
        {
            "ip_protocol": "-1",
            "ip_ranges": [],
            "ipv6_ranges": [],
            "prefix_list_ids": [{"prefix_list_id": "pl-0a1b", "description": "dbportsish"}],
            "user_id_group_pairs": [{"group_id": "sg-0a1b", "user_id": ACCOUNT, "description": "us"}],
        },
    ],
    "azure": [
        {"name": "AllowSSH", "priority": 100, "direction": "Inbound", "protocol": "Tcp"},
        {"name": "dbports-in-1000-copy", "priority": 101, "direction": "Inbound", "protocol": "Tcp"},
    ],
    "openstack": [
        {"id": "0", "description": "", "direction": "egress", "ether_type": "IPv4", "protocol": None},
        {"id": "1", "description": "dbports by hand", "direction": "egress", "ether_type": "IPv6", "protocol": "tcp"},
    ],
}
AWS_OTHERS: tuple[list[Any], list[Any]] = (
    [
        {"proto": "tcp", "from_port": 22, "to_port": 22, "cidr_ip": ["203.0.113.0/24"]},
        {"proto": "all", "ip_prefix": ["pl-0a1b"], "rule_desc": "dbportsish"},
        {"proto": "all", "group_id": ["sg-0a1b"], "rule_desc": "us"},
    ],
    [],
)
"""The same rules of AWS as the module takes them."""


def _aws(data: Any) -> Any:
    found: dict[str, Any] = {"group_id": "sg-1", "group_name": "erp-db", "owner_id": ACCOUNT}
    for key, there in (("rules", "ip_permissions"), ("rules_egress", "ip_permissions_egress")):
        found[there] = copy.deepcopy(OTHERS["aws_security_group"]) if key == "rules" else []
        for rule in data[key]:
            first, last = ("icmp_type", "icmp_code") if "icmp_type" in rule else ("from_port", "to_port")
            permission = {"ip_protocol": rule["proto"], "from_port": rule[first], "to_port": rule[last]}
            permission.update(ip_ranges=[], ipv6_ranges=[], prefix_list_ids=[], user_id_group_pairs=[])
            for name, ranges in (("cidr_ip", "ip_ranges"), ("cidr_ipv6", "ipv6_ranges")):
                for text in rule.get(name, []):
                    permission[ranges].append({name: text, "description": rule["rule_desc"]})
            found[there].append(permission)
    return found


def _azure(data: Any) -> Any:
    return {"name": "dc", "rules": copy.deepcopy(OTHERS["azure"] + data["rules"])}


def _openstack(data: Any) -> Any:
    made = [
        {
            "port_range_min": None,
            "port_range_max": None,
            "remote_group_id": None,
            **rule,
            "id": f"r{number}",
            "security_group_id": "0f1e2d3c-group",
        }
        for number, rule in enumerate(data)
    ]
    return copy.deepcopy(OTHERS["openstack"]) + made


INFO: dict[str, Callable[[Any], Any]] = {"aws_security_group": _aws, "azure": _azure, "openstack": _openstack}
"""What the info module of a platform returns of a group, from what the filter returned."""
