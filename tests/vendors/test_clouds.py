# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data for clouds against the vendors' modules: their argument specs, and the functions that read the data.

The specs are those of the modules' documentation, and functions are taken from the source, so that no SDK is needed.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import translator
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.stale import stale_rules
from hypothesis import given, settings

from cloud_answers import INFO
from cloud_rules import CALLS, NO_ICMP
from drawn_statements import plans
from gateway_plans import HOSTS, example_plan, gateway_plan
from vendor_classes import VENDORS

ROOT = Path(__file__).resolve().parents[2]
MODULES: dict[str, tuple[str, dict[str, Any]]] = {
    "aws_security_group": ("amazon/aws/ec2_security_group", {"name": "db", "description": "db"}),
    "aws_network_acl": ("amazon/aws/ec2_vpc_nacl", {"name": "db", "vpc_id": "vpc-1"}),
    "azure": ("azure/azcollection/azure_rm_securitygroup", {"name": "db", "resource_group": "db"}),
    "gcp": ("google/cloud/gcp_compute_firewall", {"auth_kind": "application"}),
    "openstack": ("openstack/cloud/security_group_rule", {}),
}
"""The module of each platform, and what a play says besides."""

SPEC_KEYS = ("type", "required", "choices", "elements", "default", "aliases")


def source(place: str) -> ast.Module:
    """Return a module's source, parsed."""
    collection, _slash, name = place.rpartition("/")
    path = VENDORS / "ansible_collections" / collection / "plugins" / "modules" / f"{name}.py"
    return ast.parse(path.read_text(encoding="utf-8"))


def argument_spec(options: dict[str, Any]) -> dict[str, Any]:
    """Return documented options as an argument spec."""
    found = {}
    for name, option in options.items():
        spec = {key: option[key] for key in SPEC_KEYS if key in option}
        if "suboptions" in option:
            spec["options"] = argument_spec(option["suboptions"])
        found[name] = spec
    return found


def documented(platform: str) -> dict[str, Any]:
    """Return the argument spec of a platform's module."""
    return documented_at(MODULES[platform][0])


def documented_at(place: str) -> dict[str, Any]:
    """Return the argument spec that a module documents."""
    for node in source(place).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTATION":
            return argument_spec(yaml.safe_load(ast.literal_eval(node.value))["options"])
    raise AssertionError(place)


@cache
def functions(platform: str, *names: str) -> Any:
    """Return a module of some functions and constants of a vendor's module, without what that imports."""
    wanted: list[ast.stmt] = [
        node
        for node in ast.walk(source(MODULES[platform][0]))
        if (isinstance(node, ast.FunctionDef) and node.name in names)
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in names)
    ]
    text = "from typing import Any, Dict, List\n" + ast.unparse(ast.Module(wanted, []))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"vendor_{platform}.py"
        path.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def call(platform: str, plan: GatewayPlan, **options: Any) -> Any:
    """Return what a filter gives for the data center."""
    name, needed = CALLS[platform]
    return translator(name).function(plan, protects="dc", **{**needed, **options})


def full_plan(platform: str) -> GatewayPlan:
    """Return a plan of both families with everything that the platform can express."""
    return gateway_plan(platform, {name: HOSTS[name] for name in HOSTS if name != "sql-db" or platform not in NO_ICMP})


@pytest.mark.parametrize("platform", sorted(MODULES))
def test_the_module_takes_the_data(platform: str) -> None:
    """Through Ansible's own validation with the module's argument spec, each option and suboption."""
    members = {"members": ["198.51.100.10", "2001:db8:2::10"]} if platform not in ("azure", "aws_network_acl") else {}
    for plan, options in ((example_plan(platform), {}), (full_plan(platform), members)):
        data = call(platform, plan, **options)
        assert data
        for parameters in data if isinstance(data, list) else [data]:
            validator = ArgumentSpecValidator(documented(platform))
            found = validator.validate({**MODULES[platform][1], **parameters})
            assert not found.error_messages


def test_the_play_of_the_page_has_only_options_of_the_modules() -> None:
    texts = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "clouds.md").read_text(encoding="utf-8"), re.DOTALL)
    tasks = [task for text in texts for play in yaml.safe_load(text) for task in play["tasks"]]
    checked = set()
    for platform, (path, _common) in MODULES.items():
        name = path.replace("/", ".")
        for task in tasks:
            if name in task:
                assert set(task[name]) <= set(documented(platform))
                checked.add(platform)
    assert checked == set(MODULES)


STALE = {
    "azure": ("azure/azcollection/azure_rm_resource", {"resource_group": "databases"}),
    "openstack": ("openstack/cloud/security_group_rule", {}),
}
"""The modules that remove single rules."""


@pytest.mark.parametrize("platform", sorted(INFO))
def test_the_module_takes_what_removes_stale_rules(platform: str) -> None:
    there = INFO[platform](call(platform, example_plan(platform)))
    empty: Any = [] if platform == "openstack" else {"rules": [], "rules_egress": []}
    found = stale_rules(empty, there, platform)
    assert found["remove"]
    if platform in STALE:
        path, common = STALE[platform]
        spec, given = documented_at(path), [{**common, **item} for item in found["remove"]]
    else:
        spec = documented(platform)
        given = [{**MODULES[platform][1], **{key: found[key] for key in found if key not in ("changed", "remove")}}]
    for item in given:
        assert not ArgumentSpecValidator(spec).validate(item).error_messages


def test_the_module_of_openstack_finds_the_stale_rule_and_no_other() -> None:
    made = call("openstack", example_plan("openstack"))
    for item in stale_rules([], INFO["openstack"](made), "openstack")["remove"]:
        rule = {key: value for key, value in item.items() if key != "state"}
        same = {**rule, "description": "by hand"}
        assert finds(rule, [same, rule]) == [shown(rule)]


def test_the_validation_sees_what_is_wrong() -> None:
    validator = ArgumentSpecValidator(documented("azure"))
    rule = call("azure", example_plan("azure"))["rules"][0]
    for key, value in (("protocol", "sctp"), ("priority", "high"), ("ports", [1433])):
        given = {**MODULES["azure"][1], "rules": [{**rule, key: value}]}
        assert validator.validate(given).error_messages


@settings(max_examples=40)
@given(plans("aws_network_acl", most=4))
def test_the_module_sends_the_entries_that_are_meant(plan: GatewayPlan) -> None:
    """Types, codes and ports of what the module makes of each list of positions."""
    vendor = functions("aws_network_acl", "process_rule_entry", "is_ipv6", "icmp_present", "PROTOCOL_NUMBERS")
    lists = call("aws_network_acl", plan)
    for entry in lists["ingress"] + lists["egress"]:
        sent = vendor.process_rule_entry(entry)
        assert sent.pop("Ipv6CidrBlock" if ":" in entry[3] else "CidrBlock") == entry[3]
        if entry[1] in ("icmp", "ipv6-icmp"):
            assert sent == {"IcmpTypeCode": {"Type": entry[4], "Code": entry[5]}}
            assert (entry[4], entry[5]) in [(8, 0), (0, 0), (3, 4), (128, 0), (129, 0), (2, -1)]
        else:
            assert sent == {"PortRange": {"From": entry[6], "To": entry[7]}}, "AWS requires ports for TCP and UDP"
        assert vendor.PROTOCOL_NUMBERS[entry[1]] in (1, 6, 17, 58)


def shown(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a rule as Neutron shows it."""
    found = {"port_range_min": None, "port_range_max": None, **rule}
    found["ethertype"] = found.pop("ether_type")
    found["security_group_id"] = found.pop("security_group")
    return found


def finds(rule: dict[str, Any], existing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return which of the group's rules the module takes for the one that it was given."""
    prototype = dict(rule)
    prototype["security_group_id"] = prototype.pop("security_group")
    group = SimpleNamespace(security_group_rules=[shown(item) for item in existing])
    network = SimpleNamespace(get_security_group=lambda name: group)
    module = SimpleNamespace(_define_prototype=lambda: prototype, conn=SimpleNamespace(network=network))
    found: list[dict[str, Any]] = functions("openstack", "_find_matches")._find_matches(module)
    return found


@pytest.mark.parametrize(
    "ports", [(), (PortRange(1, 65535),), (PortRange(1024, 65535),), (PortRange(1, 1023),), (PortRange(1433, 1433),)]
)
def test_the_module_finds_the_rule_and_no_other(ports: tuple[PortRange, ...]) -> None:
    plan = example_plan("openstack")
    rules = call("openstack", plan._replace(statements=(plan.statements[0]._replace(destination_ports=ports),)))
    others = [
        {**rules[0], "port_range_min": first, "port_range_max": last}
        for first, last in ((1, 22), (22, 22), (1024, 2000), (2, 1023), (60000, 65535), (1, 65535))
    ]
    strangers = [item for item in others if item not in rules]
    for rule in rules:
        assert finds(rule, strangers) == [], "a rule that is missing is made"
        assert finds(rule, strangers + rules) == [shown(rule)], "a rule that is there is found"


def test_a_range_up_to_the_last_port_would_find_another_rule() -> None:
    """What the form avoids; when this fails, the module can tell them apart and the form is needed no more."""
    (rule,) = call("openstack", example_plan("openstack"))
    wide, narrow = ({**rule, "port_range_min": 1024, "port_range_max": last} for last in (65535, 2000))
    assert finds(wide, [narrow]) == [shown(narrow)]
