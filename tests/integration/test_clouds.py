# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plays of docs/clouds.md as they stand, with modules in the vendors' place that return what they are given."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import translator

from cloud_answers import AWS_OTHERS, INFO
from cloud_rules import CALLS
from gateway_plans import example_plan, file_data

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "aws-group": "aws_security_group",
    "aws-acl": "aws_network_acl",
    "azure": "azure",
    "gcp": "gcp",
    "openstack": "openstack",
    "kubernetes": "kubernetes",
}
FAKE = """from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({{name: {{"type": "raw"}} for name in {names!r}}}, supports_check_mode=True)
module.exit_json(given={{key: value for key, value in module.params.items() if value is not None}})
"""

PLAYS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "clouds.md").read_text(encoding="utf-8"), re.DOTALL)
GATEWAYS = {
    f"dbports-plan/gateways/{name}.json": json.dumps(file_data(example_plan(platform)))
    for name, platform in FILES.items()
}


def fake(task: dict[str, Any], answer: Any = None) -> tuple[str, str]:
    """Return the path and the source of a module in place of the one that a task names.

    :param answer: what the module returns besides what it is given.
    """
    (module,) = (key for key in task if key.count(".") == 2)
    namespace, collection, name = module.split(".")
    path = f"collections/ansible_collections/{namespace}/{collection}/plugins/modules/{name}.py"
    source = FAKE.format(names=sorted(task[module]))
    return path, source if answer is None else source.replace("given=", f"**{answer!r}, given=")


def test_the_play_gives_the_modules_what_the_filters_return(run_playbook: Callable[..., Any]) -> None:
    """In check mode, as the page says; a looped task gives one result for each rule."""
    text = PLAYS[0]
    (play,) = yaml.safe_load(text)
    files = {**GATEWAYS, **dict(fake(task) for task in play["tasks"])}
    result = run_playbook(text, {"all": {"hosts": {"localhost": {}}}}, "--check", files=files)
    assert result.rc == 0, result.text
    given = {}
    for task in play["tasks"]:
        (answer,) = result.of(task["name"])
        given[task["name"]] = [item["given"] for item in answer.get("results", [answer])]

    group = translator("aws_security_group").function(example_plan("aws_security_group"), "dc")
    assert given["AWS security group"][0].items() >= group.items()
    own = [100, "tcp", "allow", "203.0.113.0/24", None, None, 22, 22]
    acl = translator("aws_network_acl").function(example_plan("aws_network_acl"), "dc", ingress=[own])
    assert given["AWS network ACL, with an entry of our own"][0].items() >= acl.items()
    azure = translator("azure_rules").function(example_plan("azure"), "dc")
    assert given["Azure network security group"][0].items() >= azure.items()
    rules = translator("gcp_rules").function(example_plan("gcp"), "erp", "dc", target_tags=["erp-db"])
    common = {"project": "databases", "auth_kind": "application"}
    assert given["Google Cloud firewall rules"] == [{**common, **rule} for rule in rules]
    openstack = translator("openstack_rules").function(example_plan("openstack"), "erp-db", "dc")
    assert given["OpenStack security group"] == openstack
    pods = {"matchLabels": {"app": "erp-db"}}
    policies = translator("kubernetes_policies").function(example_plan("kubernetes"), "erp-db", "prod", "dc", pods)
    assert given["Kubernetes network policies"] == [{"definition": policy} for policy in policies]


def test_the_play_removes_what_is_no_longer_planned(run_playbook: Callable[..., Any]) -> None:
    """Of each cloud one rule that was made for an earlier plan, and nothing that another owner has."""
    (play,) = yaml.safe_load(PLAYS[1])
    made = {
        platform: translator(name).function(example_plan(platform), **{**CALLS[platform][1], "protects": "dc"})
        for platform, name in (("openstack", "openstack_rules"), ("azure", "azure_rules"))
    }
    made["aws"] = translator("aws_security_group").function(example_plan("aws_security_group"), "dc")
    old = {
        "openstack": {**made["openstack"][0], "port_range_min": 1500, "port_range_max": 1500},
        "azure": {**made["azure"]["rules"][0], "name": "dbports-in-1777", "priority": 1777},
        "aws": {**made["aws"]["rules"][0], "from_port": 1500, "to_port": 1500},
    }
    answers = {
        "Ask OpenStack": {"security_group_rules": INFO["openstack"]([*made["openstack"], old["openstack"]])},
        "Ask Azure": {"securitygroups": [INFO["azure"]({"rules": [*made["azure"]["rules"], old["azure"]]})]},
        "Ask AWS": {
            "security_groups": [
                INFO["aws_security_group"]({**made["aws"], "rules": [*made["aws"]["rules"], old["aws"]]})
            ]
        },
    }
    files = {path: source for task in play["tasks"] for path, source in [fake(task, answer=answers.get(task["name"]))]}
    result = run_playbook(PLAYS[1], {"all": {"hosts": {"localhost": {}}}}, "--check", files={**GATEWAYS, **files})
    assert result.rc == 0, result.text
    (openstack,) = result.of("OpenStack")
    (gone,) = openstack["results"]
    assert gone["given"] == {**old["openstack"], "security_group": "0f1e2d3c-group", "state": "absent"}
    (azure,) = result.of("Azure")
    (gone,) = azure["results"]
    assert gone["given"]["subresource"] == [{"type": "securityRules", "name": "dbports-in-1777"}]
    (aws,) = result.of("AWS, which removes what is not in the lists")
    assert aws["given"]["rules"] == AWS_OTHERS[0] + made["aws"]["rules"]
