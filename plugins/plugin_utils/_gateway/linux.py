# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux routers: what a gateway has to permit as rules of the inventory host that it is."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import ForwardRule
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan

PLATFORM = "linux"


def forward_rules(plan: GatewayPlan) -> Iterator[ForwardRule]:
    """Yield a rule for each request that a router has to let pass; what answers it follows from the rule.

    Errors of ICMP need none: the host drops nothing but the ports that it guards.
    """
    replies = {
        (item.endpoint, item.protocol, item.destination, item.destination_ports, item.source, item.source_ports)
        for item in plan.statements
        if item.kind == "reply"
    }
    for item in plan.statements:
        if item.kind not in ("request", "unrelated"):
            continue
        asked = (item.endpoint, item.protocol, item.source, item.source_ports, item.destination, item.destination_ports)
        yield ForwardRule(
            plan.name,
            item.protocol,
            item.destination_ports,
            item.source,
            item.destination,
            item.source_ports,
            plan.stateful,
            item.kind == "request" if plan.stateful else asked in replies,
            True,
            item.reason,
            item.need,
        )
