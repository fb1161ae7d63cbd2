# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What exceeds a limit is an error that names the gateway, the limit, the number and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import (
    TRANSLATORS,
    from_data,
    translator,
)

from gateway_plans import example_plan, file_data

NAMED: dict[str, tuple[dict[str, Any], str, int]] = {
    "ios_aces": ({"name": "a" * 65}, "characters", 64),
    "nxos_aces": ({"name": "a" * 65}, "characters", 64),
    "iosxr_aces": ({"name": "a" * 65}, "characters", 64),
    "eos_aces": ({"name": "a" * 101}, "characters", 100),
    "asa_aces": ({"name": "a" * 242}, "characters", 241),
    "junos_terms": ({"name": "a" * 65}, "characters", 64),
    "panos_rules": ({"zones": {"office": "z" * 32, "dc": "z"}}, "characters", 31),
    "fortios_policies": ({"interfaces": {"office": "p" * 36, "dc": "p"}}, "characters", 35),
    "aws_security_group": ({"protects": "dc"}, "ingress rules for ipv4", 60),
    "aws_network_acl": ({"protects": "dc"}, "ingress entries, default deny included", 20),
    "azure_rules": ({"protects": "dc"}, "rules", 1000),
    "gcp_rules": ({"protects": "dc", "name": "x", "target_tags": ["x"]}, "networks in x-in-v4-tcp-1433", 256),
    "openstack_rules": ({"protects": "dc", "security_group": "x"}, "rules", 100),
    "kubernetes_policies": (
        {"protects": "dc", "name": "k" * 254, "namespace": "x", "pod_selector": {}},
        "characters",
        253,
    ),
}
"""Of each filter, arguments, what is counted, and the limit. What is counted of rules is made one too many."""

MANY = ("aws_security_group", "aws_network_acl", "gcp_rules", "openstack_rules")


def plan_for(name: str, limit: int) -> GatewayPlan:
    """Return a plan with one rule more than a platform takes, where rules are what is counted."""
    plan = example_plan(translator(name).platform)
    first, *rest = sorted(plan.statements, key=lambda item: item.kind != "request")
    if name == "azure_rules":
        ports = (PortRange(1433, 1433),)
        made = [
            first._replace(source=(AddressRange.parse(f"192.0.{n // 250}.{n % 250 + 1}"),), destination_ports=ports)
            for n in range(limit + 1)
        ]
        return plan._replace(statements=tuple(made))
    if name in MANY:
        networks = tuple(AddressRange.parse(f"192.0.{n // 100}.{2 * (n % 100) + 1}") for n in range(limit + 1))
        return plan._replace(statements=(first._replace(source=networks), *rest))
    return plan


def test_every_translator_is_here() -> None:
    assert set(NAMED) == {item.name for item in TRANSLATORS}


@pytest.mark.parametrize("name", NAMED)
def test_the_error_says_all_that_is_needed(name: str) -> None:
    options, what, limit = NAMED[name]
    with pytest.raises(DbportsError) as caught:
        from_data(translator(name))(file_data(plan_for(name, limit)), **options)
    error = caught.value
    assert (error.code, error.host) == ("over_limit", "acl-1")
    assert error.reason == f"{error.value} {what}, and the platform takes {limit}"
    assert limit < error.value <= limit + 3
    assert error.fix
    assert str(error).startswith("acl-1: ")
