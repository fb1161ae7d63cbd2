# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one plan to another on firewalls with policies: a removed client gets in no longer, and nothing clashes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import translator
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.stale import stale_rules

from gateway_plans import HOSTS, gateway_plan

ZONES = {"office": "trust", "dc": "servers"}
PLANS: dict[str, Any] = {
    "all": HOSTS,
    "one server": {name: HOSTS[name] for name in ("erp-db", "office-1")},
    "one client": {
        **HOSTS,
        "erp-db": {**HOSTS["erp-db"], "dbports_servers": [{"engine": "mssql", "clients": ["office-1"]}]},
    },
    "the other server": {name: HOSTS[name] for name in ("sql-db", "office-1")},
    "nothing": {"office-1": HOSTS["office-1"]},
}
THEIRS: dict[str, list[dict[str, Any]]] = {
    "panos": [{"rule_name": "dbports-by-hand"}, {"rule_name": "allow-dns"}],
    "fortios": [{"policyid": 1, "name": "dns"}, {"policyid": 50003, "name": "dbports by hand"}, {"policyid": 50001}],
}


def wanted(platform: str, plan: str) -> Any:
    """Return what a filter gives for a plan."""
    name = {"panos": "panos_rules", "fortios": "fortios_policies"}[platform]
    return translator(name).function(gateway_plan(platform, PLANS[plan]), ZONES)


class Firewall:
    """Rules by their key; a name belongs to one policy of FortiOS."""

    def __init__(self, platform: str) -> None:
        self.platform = platform
        self.key = {"panos": "rule_name", "fortios": "policyid"}[platform]
        self.rules = {rule[self.key]: rule for rule in THEIRS[platform]}

    def write(self, rules: list[dict[str, Any]]) -> None:
        """Do what the vendor's module does with each rule."""
        for rule in rules:
            others = {other.get("name") for key, other in self.rules.items() if key != rule[self.key]}
            assert self.platform == "panos" or rule["name"] not in others, f"{rule['name']} is used by another policy"
            self.rules[rule[self.key]] = rule

    def follow(self, plan: Any) -> Any:
        """Bring it to a plan as docs/devices.md says, and return what was to be removed."""
        todo = stale_rules(plan, list(self.rules.values()), self.platform)
        self.write(todo.get("policies") or plan.get("rules") or [])
        for item in todo["remove"]:
            del self.rules[item[self.key]]
        return todo["remove"]

    def own(self) -> list[dict[str, Any]]:
        """Return what is not of the owner, without its numbers, by name."""
        found = [
            {key: value for key, value in rule.items() if key != "policyid"}
            for rule in self.rules.values()
            if rule not in THEIRS[self.platform]
        ]
        return sorted(found, key=str)


@pytest.mark.parametrize("platform", sorted(THEIRS))
@pytest.mark.parametrize("before", sorted(PLANS))
@pytest.mark.parametrize("after", sorted(PLANS))
def test_a_firewall_goes_from_one_plan_to_another(platform: str, before: str, after: str) -> None:
    there, new = Firewall(platform), Firewall(platform)
    there.follow(wanted(platform, before))
    there.follow(wanted(platform, after))
    new.follow(wanted(platform, after))
    assert there.own() == new.own()
    assert all(there.rules[rule[there.key]] == rule for rule in THEIRS[platform])
    assert there.follow(wanted(platform, after)) == []


def test_the_numbers_of_a_later_plan_alone_would_clash_on_fortios() -> None:
    there = Firewall("fortios")
    there.rules.clear()
    there.write(wanted("fortios", "all")["policies"])
    with pytest.raises(AssertionError, match="is used by another policy"):
        there.write(wanted("fortios", "the other server")["policies"])


@pytest.mark.parametrize("platform", sorted(THEIRS))
@pytest.mark.parametrize("answer", [None, 5, "x", {}, [None], ["x"], [[]], [{"policyid": "x"}]])
def test_what_is_no_list_of_policies_is_an_error(platform: str, answer: Any) -> None:
    with pytest.raises(DbportsError) as caught:
        stale_rules(wanted(platform, "all"), answer, platform)
    assert (caught.value.code, caught.value.path) == ("wrong_type", "current")
