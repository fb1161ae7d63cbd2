# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Google Cloud VPC firewall rules, as parameters of google.cloud.gcp_compute_firewall, one rule a task.

A rule has networks of one family. One of ingress has no destination: it holds for the instances that have its target
tags or service accounts, as one of egress does. A rule is known by its name, which lasts while its clients change.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import PREFIX
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import (
    Limits,
    check_count,
    check_name,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.one_sided import (
    Permit,
    no_icmp,
    number,
    permits_of_group,
    prefix,
)

LIMITS = Limits(
    63,
    2048,
    256,
    "google.cloud.gcp_compute_firewall, name; aerleon, lib/gce.py: 256 addresses a rule",
    (r"[a-z]([-a-z0-9]*[a-z0-9])?", "lower case letters, digits and hyphens, a letter first and no hyphen at the end"),
)
_LAST = 65535


def parameters(
    plan: GatewayPlan,
    name: str,
    protects: str,
    members: Any = None,
    target_tags: Any = None,
    target_service_accounts: Any = None,
    network: str = "global/networks/default",
    priority: int = 1000,
) -> list[dict[str, Any]]:
    """Return the parameters of a rule for each direction, family, protocol and range of ports."""
    start = check_name(LIMITS, name, "name")
    targets = _targets(target_tags, target_service_accounts)
    rank = number(priority, "priority", 0, _LAST)
    permits = permits_of_group(plan, protects, members)
    no_icmp(permits, "a rule of Google Cloud permits all types of ICMP or none")
    together: dict[str, list[Permit]] = {}
    for item in permits:
        together.setdefault(check_name(LIMITS, f"{start}-{_words(item)}", "name"), []).append(item)
    found = []
    for full, items in together.items():
        remotes = [prefix(item.rule.remote) for item in items]
        check_count(LIMITS.entries, len(remotes), f"networks in {full}", "entries")
        rule = items[0].rule
        ports = {} if rule.ports is None else {"ports": [str(rule.ports)]}
        found.append(
            {
                "name": full,
                "description": f"{PREFIX} {plan.name}: {rule.direction} of {protects}",
                "network": {"selfLink": network},
                "direction": rule.direction.upper(),
                "priority": rank,
                "allowed": [{"ip_protocol": rule.protocol, **ports}],
                "source_ranges" if rule.direction == "ingress" else "destination_ranges": remotes,
                **targets,
            }
        )
    return found


def _words(item: Permit) -> str:
    rule = item.rule
    return f"{'in' if rule.direction == 'ingress' else 'out'}-v{rule.family[-1]}-{rule.protocol}-{rule.ports or 'any'}"


def _targets(tags: Any, accounts: Any) -> dict[str, list[str]]:
    """Return what a rule holds for; without any it would hold for every instance of the network.

    :raises DbportsError: for none or both, which Google Cloud refuses.
    """
    given = {"target_tags": tags, "target_service_accounts": accounts}
    found = {key: value for key, value in given.items() if value}
    if len(found) != 1:
        raise DbportsError(
            "a rule holds for target tags or for target service accounts",
            code="contradiction",
            path="target_tags",
            value=tags,
            fix="Write the tags or the service accounts of the members, and not both",
        )
    for key, value in found.items():
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item for item in value):
            raise DbportsError("expected a list of names", code="wrong_type", path=key, value=value)
    return {key: list(map(str, value)) for key, value in found.items()}
