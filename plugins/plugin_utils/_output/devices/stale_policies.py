# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own policies that a firewall shows and that are no longer planned, and the numbers that the planned ones get.

A policy's name begins with dbports and ends in the digest of what it permits, so that one with another client is
another policy, and the old one goes on to permit what it did.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import PREFIX

Data = dict[str, Any]
_OURS = re.compile(rf"{PREFIX}-(?:[a-z0-9-]*-)?[0-9a-f]{{12}}", re.ASCII)


def stale_panos(wanted: Any, current: Any) -> Data:
    """Return parameters of panos_security_rule for each rule to remove.

    :param current: ``gathered`` of panos_security_rule.
    """
    planned = {rule["rule_name"] for rule in wanted["rules"]}
    names = [str(rule.get("rule_name") or rule["name"]) for rule in _listed(current)]
    gone = [name for name in names if _OURS.fullmatch(name) and name not in planned]
    return {"changed": bool(gone), "remove": [{"rule_name": name, "state": "absent"} for name in gone]}


def stale_fortios(wanted: Any, current: Any) -> Data:
    """Return the policies with the numbers that they have or that are free, and the numbers of those to remove.

    A name belongs to one policy of a VDOM (FortiOS Handbook, Policy names), so that one that is there keeps its number.

    :param current: ``results`` of the firewall_policy selector of fortios_configuration_fact.
    """
    taken = {int(policy["policyid"]): str(policy.get("name") or "") for policy in _listed(current)}
    numbers = {name: number for number, name in taken.items() if name}
    planned = {policy["name"] for policy in wanted["policies"]}
    policies = []
    free = min((policy["policyid"] for policy in wanted["policies"]), default=1)
    for policy in wanted["policies"]:
        number = numbers.get(policy["name"])
        if number is None:
            while free in taken:
                free += 1
            number, free = free, free + 1
        policies.append({**policy, "policyid": number})
    gone = [number for number, name in sorted(taken.items()) if _OURS.fullmatch(name) and name not in planned]
    return {"changed": bool(gone), "remove": [{"policyid": number} for number in gone], "policies": policies}


def _listed(current: Any) -> Sequence[Data]:
    if not isinstance(current, (list, tuple)):
        raise TypeError
    return current
