# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies of FortiOS, with the addresses and services that they name: a policy holds no literal ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges, as_networks, masks
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Statement
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.acl import FIRST, Data, number
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import PREFIX, remark
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import Limits, check_count
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.policies import (
    ANY_PORT,
    Policy,
    once,
    policies_of,
    service_name,
)

LIMITS = Limits(35, 1023, 0, "FortiOS Administration Guide: policy names up to 35, comments up to 1023 characters")
_OBJECT = Limits(79, 255, 0, "FortiOS CLI Reference, firewall address and service custom: names up to 79 characters")
_INTERFACE = Limits(
    35, 0, 0, "FortiOS CLI Reference: names of zones up to 35", (r"[A-Za-z0-9][A-Za-z0-9 _.-]*", "letters and digits")
)
_LAST = 4294967294
"""The highest policyid (FortiOS CLI Reference, firewall policy)."""


def policies(plan: GatewayPlan, interfaces: dict[str, Any], first: int = FIRST) -> Data:
    """Return addresses, services and policies.

    :param interfaces: the interface or zone of each network, or a list of them.
    :param first: the first policyid of the reserved block.
    """
    start = number(first, "first", _LAST)
    found = policies_of(plan, interfaces, "interfaces", LIMITS, _INTERFACE)
    check_count(_LAST, start + len(found) - 1, "is the last policyid", "first", "Choose a lower first")
    items = [policy.statement for policy in found]
    ranges = [network for item in items for side in (item.source, item.destination) for network in as_networks(side)]
    return {
        "addresses": once(_address(item) for item in ranges if item.family == 4 and not _is_all(item)),
        "addresses6": once(
            {"name": _name(item), "ip6": _prefix(item)} for item in ranges if item.family == 6 and not _is_all(item)
        ),
        "services": once(_service(item) for item in items),
        "policies": [_policy(policy, start + at) for at, policy in enumerate(found)],
    }


def _is_all(item: AddressRange) -> bool:
    return str(item) in ("0.0.0.0/0", "::/0")


def _prefix(item: AddressRange) -> str:
    text = str(item)
    return text if "/" in text else f"{text}/{32 if item.family == 4 else 128}"


def _name(item: AddressRange) -> str:
    return "all" if _is_all(item) else f"{PREFIX}-{str(item).replace('/', '_').replace(':', '.')}"


def _address(item: AddressRange) -> Data:
    found = masks(item)
    return {"name": _name(item), "type": "ipmask", "subnet": f"{found.address} {found.netmask}"}


def _service(item: Statement) -> Data:
    name = service_name(item, _OBJECT)
    if item.protocol == "icmp":
        found: Data = {
            "name": name,
            "protocol": "ICMP6" if item.family == "ipv6" else "ICMP",
            "icmptype": item.icmp_type,
        }
        return found if item.icmp_code is None else {**found, "icmpcode": item.icmp_code}
    return {"name": name, "protocol": "TCP/UDP/SCTP", f"{item.protocol}_portrange": " ".join(_ports(item))}


def _ports(item: Statement) -> Iterator[str]:
    """Yield pairs of destination and source ports, as FortiOS takes them."""
    for there in item.destination_ports or ANY_PORT:
        if not item.source_ports:
            yield str(there)
        for here in item.source_ports:
            yield f"{there}:{here}"


def _policy(policy: Policy, policyid: int) -> Data:
    item = policy.statement
    six = "6" if item.family == "ipv6" else ""
    return {
        "policyid": policyid,
        "name": policy.name,
        "srcintf": [{"name": name} for name in policy.origin],
        "dstintf": [{"name": name} for name in policy.target],
        f"srcaddr{six}": _named(item.source),
        f"dstaddr{six}": _named(item.destination),
        "service": [{"name": service_name(item, _OBJECT)}],
        "action": "accept",
        "schedule": "always",
        "comments": remark(item, LIMITS.remark),
    }


def _named(ranges: Ranges) -> list[Data]:
    return [{"name": _name(item)} for item in as_networks(ranges)]
