# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure network security groups, as rules of azure.azcollection.azure_rm_securitygroup.

A rule is known by its name, and its priority is its own in its direction. Names are made of the priority, so that an
own rule of an earlier plan never holds the priority of a new one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import as_networks
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Statement
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import (
    PREFIX,
    remark,
    statements_between,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import Limits, check_count
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.one_sided import (
    DIRECTIONS,
    Direction,
    is_whole,
    number,
    prefix,
)

LIMITS = Limits(80, 140, 1000, "Azure subscription and service limits, quotas, and constraints: networking limits")
LOWEST, HIGHEST, FIRST = 100, 4096, 1000
ADDRESSES = 4000
"""So many networks has a group at each side (same page)."""


def rules(plan: GatewayPlan, protects: str, mode: str = "entries", first: int = FIRST) -> dict[str, Any]:
    """Return the rules of a group, one for each statement, priorities from ``first`` on in each direction."""
    whole, start = is_whole(mode), number(first, "first", LOWEST, HIGHEST)
    if not protects:
        fix = f"Name one of {', '.join(plan.between)}"
        raise DbportsError("the rules are those of one network", code="missing", path="protects", fix=fix)
    found: list[dict[str, Any]] = []
    permitted: list[Statement] = []
    for direction in DIRECTIONS:
        where = {"target" if direction == "ingress" else "origin": protects}
        mine = list(_once(statements_between(plan, **where)))
        last = start + len(mine) - 1
        check_count(HIGHEST, last, "is the last priority", "first", "Choose a lower first")
        permitted += mine
        found += [_rule(item, direction, start + index) for index, item in enumerate(mine)]
    check_count(LIMITS.entries, len(found), "rules", "entries")
    for side in ("source", "destination"):
        count = sum(len(as_networks(getattr(item, side))) for item in permitted)
        check_count(ADDRESSES, count, f"{side} networks", "entries")
    return {"rules": found, "purge_rules": whole}


def _once(statements: tuple[Statement, ...]) -> Iterator[Statement]:
    """Yield the statements without those that permit the same as an earlier one."""
    seen = set()
    for item in statements:
        if item.protocol == "icmp":
            raise DbportsError(
                f"ICMP type {item.icmp_type}: a rule of Azure permits all types of ICMP or none",
                code="cannot_encode",
                value=item.host,
                fix="Declare the server with ping: false",
            )
        ends = (item.protocol, item.source_ports, item.destination_ports, item.source, item.destination)
        if ends not in seen:
            seen.add(ends)
            yield item


def _rule(item: Statement, direction: Direction, priority: int) -> dict[str, Any]:
    inward = direction == "ingress"
    return {
        "name": f"{PREFIX}-{'in' if inward else 'out'}-{priority}",
        "description": remark(item, LIMITS.remark),
        "direction": "Inbound" if inward else "Outbound",
        "access": "Allow",
        "priority": priority,
        "protocol": item.protocol.capitalize(),
        "source_address_prefix": _one_or_more([prefix(network) for network in as_networks(item.source)]),
        "source_port_range": _ports(item.source_ports),
        "destination_address_prefix": _one_or_more([prefix(network) for network in as_networks(item.destination)]),
        "destination_port_range": _ports(item.destination_ports),
    }


def _ports(ports: tuple[PortRange, ...]) -> str | list[str]:
    return _one_or_more([str(part) for part in ports]) if ports else "*"


def _one_or_more(texts: list[str]) -> str | list[str]:
    """Return one as itself: the module compares it with the singular field that Azure has for it."""
    return texts[0] if len(texts) == 1 else texts
