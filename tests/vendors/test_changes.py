# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What acl_changes says of ASA and Junos, through what the vendors' own modules gather and send."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import acl_changes, translator
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from acl_texts import read_asa
from drawn_statements import boxes, plans
from gateway_plans import gateway_plan
from intervals import disagree
from simulated_asa import SimulatedAsa
from vendor_classes import VENDORS, commands, gathered

THEIRS = [
    "remark what the owner wrote",
    "extended permit object-group web object-group users object-group servers",
    "extended permit icmp any any",
    "extended permit tcp any4 host 198.51.100.7 eq 443",
    "extended deny ip any4 host 198.51.100.200",
]


def config(plan: GatewayPlan, **options: Any) -> Any:
    """Return the config of a plan."""
    return translator("asa_aces").function(plan, "acl", **options)


def changed(device: SimulatedAsa, wanted: Any, mode: str = "entries") -> Any:
    """Do what acl_changes says, by the vendor's module and then by a config module; return what it said."""
    todo = acl_changes(wanted, gathered("asa", device), "asa", "acl", mode=mode)
    for state, data in (("merged", todo["add"]), ("replaced", todo["replace"])):
        if data:
            for command in commands("asa", device, data, state):
                device.run(command)
    for block in todo["remove"]:
        for command in block["lines"]:
            device.run(command)
    return todo


def theirs(device: SimulatedAsa) -> list[str]:
    """Return the lines of the list's owner."""
    return [line for line in device.lines if line in THEIRS]


def permitted(device: SimulatedAsa) -> Any:
    """Return what our lines permit."""
    lines = [f"access-list acl {line}" for line in device.lines if line not in THEIRS]
    return [box for ace in read_asa(lines) for box in ace.boxes]


def test_asa_gets_a_plan_and_another_one_and_none() -> None:
    plan = gateway_plan("asa")
    device = SimulatedAsa("acl", list(THEIRS))
    for statements in (plan.statements, plan.statements[3:], plan.statements[:-2], plan.statements[:1]):
        wanted = plan._replace(statements=statements)
        assert changed(device, config(wanted, first=3))["changed"]
        assert not changed(device, config(wanted, first=3))["changed"]
        assert not disagree(permitted(device), boxes(wanted))
        assert theirs(device) == THEIRS
    nothing = config(plan._replace(statements=()))
    assert changed(device, nothing)["remove"]
    assert device.lines == THEIRS


def as_asa(plan: GatewayPlan) -> GatewayPlan:
    """Return a plan with echo requests only: ASA needs no other ICMP, and asa_acls reads echo replies as requests."""
    return plan._replace(statements=tuple(item for item in plan.statements if item.icmp_type in (None, 8, 128)))


@settings(max_examples=5, phases=[Phase.generate])
@given(plans("asa", most=1), plans("asa", most=2), st.integers(1, 6))
def test_asa_goes_from_any_plan_to_any_other(before: GatewayPlan, after: GatewayPlan, first: int) -> None:
    device = SimulatedAsa("acl", list(THEIRS))
    for plan in (before, after):
        wanted = config(as_asa(plan), first=first)
        changed(device, wanted)
        assert not acl_changes(wanted, gathered("asa", device), "asa", "acl")["changed"]
        assert theirs(device) == THEIRS


@pytest.mark.parametrize("end", ["permit", "deny"])
def test_a_whole_list_of_asa_is_replaced_by_the_module(end: str) -> None:
    wanted = config(gateway_plan("asa"), mode="whole", end=end)
    device = SimulatedAsa("acl", list(THEIRS))
    assert changed(device, wanted, "whole")["replace"]
    assert not changed(device, wanted, "whole")["changed"]
    assert not theirs(device)


def test_what_junos_acls_gathers_is_not_enough() -> None:
    """When this fails, acl_changes could take what the module gathers."""
    base = VENDORS / "ansible_collections" / "junipernetworks" / "junos" / "plugins" / "module_utils" / "network"
    for part in ("facts", "argspec", "config"):
        source = (base / "junos" / part / "acls" / "acls.py").read_text(encoding="utf-8")
        assert "established" not in source
        assert "next-header" not in source
