# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for devices whose text is written here, against plans that no inventory would make."""

from __future__ import annotations

import re

import pytest
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import entries_of, remark
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import translator
from hypothesis import given, settings

from acl_texts import read_junos
from drawn_statements import boxes, plans
from gateway_plans import gateway_plan
from intervals import Box, disagree
from policy_texts import read_fortios, read_panos


@settings(max_examples=50)
@given(plans("junos"))
def test_terms_permit_what_the_plan_permits(plan: GatewayPlan) -> None:
    aces = read_junos(translator("junos_terms").function(plan, "acl"))
    assert all(ace.permits for ace in aces)
    assert not disagree([box for ace in aces for box in ace.boxes], boxes(plan))


def with_all_ports(found: list[Box]) -> list[Box]:
    """Return boxes without port 0, which no flow has and these firewalls cannot name."""
    span = {(0, 65535): (1, 65535)}
    return [
        box
        if box.protocol == "icmp"
        else box._replace(
            sport=tuple(span.get(item, item) for item in box.sport),
            dport=tuple(span.get(item, item) for item in box.dport),
        )
        for box in found
    ]


@settings(max_examples=50)
@given(plans("panos"), plans("fortios"))
def test_policies_permit_what_the_plan_permits(panos: GatewayPlan, fortios: GatewayPlan) -> None:
    """Also between the right zones, and whatever the names of objects are."""
    panos = panos._replace(statements=tuple(item for item in panos.statements if item.icmp_type in (None, 8, 128)))
    rules = translator("panos_rules").function(panos, {"office": "a", "dc": ["b", "c"]})
    policies = translator("fortios_policies").function(fortios, {"office": "port1", "dc": "port2"})
    for origin, target in (("office", "dc"), ("dc", "office")):
        zones = {"office": ["a"], "dc": ["b", "c"]}
        wanted = boxes(panos, **{"from": origin})
        assert not disagree(read_panos(rules, (zones[origin], zones[target])), with_all_ports(wanted))
        ports = {"office": ["port1"], "dc": ["port2"]}
        found = read_fortios(policies, (ports[origin], ports[target]))
        assert not disagree(found, with_all_ports(boxes(fortios, **{"from": origin})))
    for item in rules["rules"]:
        assert re.fullmatch(r"dbports-[a-z0-9-]{,55}", item["rule_name"])
        assert len(item["description"]) <= 1024
    for item in policies["policies"]:
        assert re.fullmatch(r"dbports-[a-z0-9-]{,27}", item["name"])


@settings(max_examples=50)
@given(plans("junos"))
def test_directions_are_the_whole(plan: GatewayPlan) -> None:
    halves = [box for origin in plan.between for box in boxes(plan, **{"from": origin})]
    both = [entry.meaning for origin in plan.between for entry in entries_of(plan, origin)]
    assert set(both) == {entry.meaning for entry in entries_of(plan)}
    assert not disagree(halves, boxes(plan))


@settings(max_examples=80)
@given(plans("ios"))
def test_remarks_hold_nothing_that_a_console_or_a_module_takes_for_a_command(plan: GatewayPlan) -> None:
    for statement in plan.statements:
        text = remark(statement, 100)
        assert re.fullmatch(r"dbports [A-Za-z0-9 ._:/,()=+-]{,92}", text)
        assert not re.search(r"ipv6|permit|deny|access-list|standard|remark|fragment-rules|matches|\s\s", text)


@pytest.mark.parametrize(
    "line", ["from tcp-established", "from source-port 1433", "from source-address 198.51.100.10/32"]
)
def test_a_condition_that_is_missing_is_found(line: str) -> None:
    """Of one term: the reader and the evaluator see what the renderer could forget."""
    plan = gateway_plan("junos")
    lines = translator("junos_terms").function(plan, "acl")
    at = next(number for number, text in enumerate(lines) if text.endswith(line) and "inet6" not in text)
    aces = read_junos([*lines[:at], *lines[at + 1 :]])
    term = [box for ace in aces for box in ace.boxes if box not in boxes(plan)]
    assert disagree(term, boxes(plan)[:1])


def test_a_condition_without_its_protocol_is_refused_by_the_reader() -> None:
    lines = [
        text
        for text in translator("junos_terms").function(gateway_plan("junos"), "acl")
        if not text.endswith("protocol tcp")
    ]
    with pytest.raises(AssertionError, match="a condition without its protocol"):
        read_junos(lines)
