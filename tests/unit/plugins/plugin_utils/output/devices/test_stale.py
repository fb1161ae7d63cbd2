# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own rules of clouds that are no longer planned: found by name or description and number, and no other rule."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import translator
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.stale import stale_rules

from cloud_answers import AWS_OTHERS, INFO, OTHERS
from cloud_rules import CALLS
from gateway_plans import HOSTS, gateway_plan

PLATFORMS = sorted(INFO)


def wanted(platform: str, drop: int = 0) -> Any:
    """Return what a filter gives for a plan, without the last rules."""
    plan = gateway_plan(platform, {name: HOSTS[name] for name in ("erp-db", "office-1")})
    name, needed = CALLS[platform]
    members = {} if platform == "azure" else {"members": ["198.51.100.10", "2001:db8:2::10"]}
    found = translator(name).function(plan, protects="dc", **needed, **members)
    rules = found if isinstance(found, list) else found["rules"]
    del rules[max(len(rules) - drop, 0) :]
    return found


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_planned_stays(platform: str) -> None:
    found = stale_rules(wanted(platform), INFO[platform](wanted(platform)), platform)
    assert not found["changed"]
    assert found["remove"] == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_no_longer_planned_is_found(platform: str) -> None:
    there = INFO[platform](wanted(platform))
    found = stale_rules(wanted(platform, 1), there, platform)
    assert found["changed"]
    assert found["remove"]
    assert len(found["remove"]) < len(stale_rules(wanted(platform, 99), there, platform)["remove"])


def test_openstack_removes_exactly_the_rules_that_were_made() -> None:
    there = INFO["openstack"](wanted("openstack"))
    gone = stale_rules([], there, "openstack")["remove"]
    made = [{**rule, "security_group": "0f1e2d3c-group", "state": "absent"} for rule in wanted("openstack")]
    assert gone == made


def test_azure_removes_by_name() -> None:
    there = INFO["azure"](wanted("azure"))
    (first, *_rest) = stale_rules({"rules": []}, there, "azure")["remove"]
    assert first == {
        "provider": "Network",
        "resource_type": "networkSecurityGroups",
        "resource_name": "dc",
        "subresource": [{"type": "securityRules", "name": "dbports-in-1000"}],
        "state": "absent",
    }


def test_aws_keeps_all_other_rules_as_they_are() -> None:
    there = INFO["aws_security_group"](wanted("aws_security_group"))
    nothing = {"rules": [], "rules_egress": []}
    found = stale_rules(nothing, there, "aws_security_group")
    assert (found["rules"], found["rules_egress"]) == AWS_OTHERS
    assert found["remove"] == wanted("aws_security_group")["rules"] + wanted("aws_security_group")["rules_egress"]
    assert found["purge_rules"]
    assert found["purge_rules_egress"]


def test_aws_does_not_write_twice_what_another_rule_permits() -> None:
    there = INFO["aws_security_group"](wanted("aws_security_group"))
    entry = there["ip_permissions"][-1]
    for key in ("ip_ranges", "ipv6_ranges"):
        for item in entry[key]:
            item["description"] = "by hand"
    found = stale_rules(wanted("aws_security_group"), there, "aws_security_group")
    assert not found["changed"]
    assert len(found["rules"]) == len(AWS_OTHERS[0]) + len(wanted("aws_security_group")["rules"])


@pytest.mark.parametrize("platform", PLATFORMS)
def test_numbers_decide_and_not_texts(platform: str) -> None:
    """A network that is written in another way, and a number that is a text."""
    there = INFO[platform](wanted(platform))
    if platform == "openstack":
        for rule in there[len(OTHERS[platform]) :]:
            rule["port_range_min"] = rule["port_range_min"] and str(rule["port_range_min"])
            rule["remote_ip_prefix"] = rule["remote_ip_prefix"].replace("2001:db8:", "2001:0DB8:")
    elif platform == "aws_security_group":
        for permission in there["ip_permissions"]:
            for item in permission.get("ipv6_ranges", []):
                item["cidr_ipv6"] = item["cidr_ipv6"].replace("2001:db8:", "2001:0db8:")
    assert not stale_rules(wanted(platform), there, platform)["changed"]


HOSTILE: tuple[Any, ...] = (None, 5, "x", [], {}, [None], ["x"], [[]], {"name": "dc"}, {"rules": [None]})


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("answer", HOSTILE)
def test_what_is_no_answer_of_a_cloud_is_an_error(platform: str, answer: Any) -> None:
    if answer == [] and platform == "openstack":
        assert not stale_rules([], answer, platform)["changed"], "a group without rules"
        return
    with pytest.raises(DbportsError) as caught:
        stale_rules(wanted(platform), answer, platform)
    assert (caught.value.code, caught.value.path) == ("wrong_type", "current")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"protocol": "sctp"}, "not_ours"),
        ({"direction": "up"}, "not_ours"),
        ({"remote_group_id": "0f1e"}, "not_ours"),
        ({"port_range_min": None}, "not_ours"),
        ({"remote_ip_prefix": "everywhere"}, "not_an_address"),
        ({"port_range_max": 70000}, "wrong_type"),
        ({"security_group_id": "a b"}, "wrong_type"),
    ],
)
def test_openstack_what_the_module_could_not_remove_is_an_error(change: dict[str, Any], code: str) -> None:
    there = INFO["openstack"](wanted("openstack"))
    there[-1] = {**there[-1], "port_range_max": 9, **change}
    with pytest.raises(DbportsError) as caught:
        stale_rules([], there, "openstack")
    assert caught.value.code == code


@pytest.mark.parametrize(
    "permission",
    [
        {"ip_protocol": "50", "ip_ranges": [{"cidr_ip": "192.0.2.0/24"}]},
        {"ip_protocol": "-1", "user_id_group_pairs": [{"user_id": "999", "group_id": "sg-1"}]},
    ],
)
def test_aws_what_the_module_could_not_keep_is_an_error(permission: dict[str, Any]) -> None:
    there = copy.deepcopy(INFO["aws_security_group"](wanted("aws_security_group")))
    there["ip_permissions"].append(permission)
    with pytest.raises(DbportsError, match="cannot keep") as caught:
        stale_rules(wanted("aws_security_group"), there, "aws_security_group")
    assert caught.value.code == "cannot_encode"


def test_the_platforms_are_named() -> None:
    with pytest.raises(DbportsError) as caught:
        stale_rules([], [], "gcp")
    assert caught.value.fix == "Write aws_security_group or azure or openstack or panos or fortios"


def test_other_rules_are_never_removed() -> None:
    for platform in PLATFORMS:
        there = INFO[platform](wanted(platform, 99))
        empty: Any = [] if platform == "openstack" else {"rules": [], "rules_egress": []}
        assert OTHERS[platform]
        assert stale_rules(empty, there, platform)["remove"] == []
