# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stale rules of clouds, whatever a cloud answers: an error, or data that remove own rules and nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import translator
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.stale import stale_rules
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_answers import AWS_OTHERS, INFO, OTHERS
from cloud_rules import CALLS, NO_ICMP
from drawn_statements import plans

EMPTY: dict[str, Any] = {
    "openstack": [],
    "azure": {"rules": []},
    "aws_security_group": {"rules": [], "rules_egress": []},
}
WORDS = ["dbports", "dbports x", "tcp", "-1", "ingress", "IPv4", "192.0.2.0/24", "::/0", "; rm", "\n", "sg-1"]
KEYS = [
    "name",
    "rules",
    "description",
    "direction",
    "ether_type",
    "protocol",
    "remote_ip_prefix",
    "port_range_min",
    "port_range_max",
    "security_group_id",
    "ip_permissions",
    "ip_permissions_egress",
    "ip_ranges",
    "cidr_ip",
    "ip_protocol",
    "from_port",
    "to_port",
    "user_id_group_pairs",
    "group_id",
    "owner_id",
    "user_id",
]


def wanted(platform: str, plan: GatewayPlan) -> Any:
    """Return what a filter gives for a plan; for its first statement where members need different rules."""
    found = tuple(item for item in plan.statements if platform not in NO_ICMP or item.protocol != "icmp")
    name, needed = CALLS[platform]
    for statements in (found, found[:1]):
        one = plan._replace(statements=statements, stateful=True)
        try:
            return translator(name).function(one, protects="dc", **needed)
        except DbportsError as error:
            assert error.code == "cannot_encode"
    return EMPTY[platform]


@pytest.mark.parametrize("platform", sorted(INFO))
def test_from_any_plan_to_any_other_own_rules_go_and_no_other(platform: str) -> None:
    @settings(max_examples=30)
    @given(plans(platform, most=2), plans(platform, most=2))
    def leads(before: GatewayPlan, after: GatewayPlan) -> None:
        old, new = wanted(platform, before), wanted(platform, after)
        found = stale_rules(new, INFO[platform](old), platform)
        rules = old if isinstance(old, list) else old["rules"] + old.get("rules_egress", [])
        assert len(found["remove"]) <= len(rules)
        assert len(stale_rules(EMPTY[platform], INFO[platform](old), platform)["remove"]) == len(rules)
        if platform == "aws_security_group":
            there = {key: [rule for rule in found[key] if rule not in found["remove"]] for key in EMPTY[platform]}
            assert there["rules"][: len(AWS_OTHERS[0])] == AWS_OTHERS[0]
            assert not stale_rules(new, INFO[platform]({**new, **_own(there)}), platform)["changed"]
        elif platform == "azure":
            names = {item["subresource"][0]["name"] for item in found["remove"]}
            assert all(re.fullmatch(r"dbports-(in|out)-\d+", name) for name in names)
            assert not names & {rule["name"] for rule in new["rules"] + OTHERS["azure"]}
        else:
            left = [
                rule
                for rule in old
                if {**rule, "security_group": "0f1e2d3c-group", "state": "absent"} not in found["remove"]
            ]
            assert not stale_rules(new, INFO[platform](left), platform)["changed"]

    leads()


def _own(rules: dict[str, Any]) -> dict[str, Any]:
    return {
        key: [rule for rule in value if str(rule.get("rule_desc", "")).startswith("dbports ")]
        for key, value in rules.items()
    }


values = st.recursive(
    st.none() | st.integers() | st.booleans() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8),
    max_leaves=12,
)


@settings(max_examples=150)
@given(values, st.sampled_from(sorted(INFO)))
def test_any_answer_is_an_error_or_plain_data(answer: Any, platform: str) -> None:
    try:
        found = stale_rules(EMPTY[platform], answer, platform)
    except DbportsError as error:
        assert error.path in ("current", None, "")
        return
    for item in found["remove"]:
        texts = re.findall(r"[^\w .:/{}\[\]',-]", repr(item))
        assert not texts or platform == "aws_security_group"
