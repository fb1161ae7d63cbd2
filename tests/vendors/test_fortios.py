# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies of FortiOS through the argument specs of the vendor's own modules."""

from __future__ import annotations

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import translator

from gateway_plans import gateway_plan
from vendor_classes import fortios_spec

MODULES = {
    "addresses": "fortios_firewall_address",
    "addresses6": "fortios_firewall_address6",
    "services": "fortios_firewall_service_custom",
    "policies": "fortios_firewall_policy",
}


@pytest.mark.parametrize("kind", MODULES)
def test_the_module_takes_every_object(kind: str) -> None:
    data = translator("fortios_policies").function(gateway_plan("fortios"), {"office": "port1", "dc": "port2"})
    spec = fortios_spec(MODULES[kind])
    assert data[kind]
    for item in data[kind]:
        assert not ArgumentSpecValidator(spec).validate(item).error_messages


def test_the_spec_refuses_what_it_does_not_know() -> None:
    found = ArgumentSpecValidator(fortios_spec("fortios_firewall_policy")).validate({"policyid": 1, "source": "x"})
    assert found.error_messages
