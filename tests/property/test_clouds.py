# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for clouds against plans that no inventory would make: equal to the plan in both directions.

Where a form is wider, which its documentation says, it is so by exactly that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import translator
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_rules import ALL_PORTS, CALLS, EVERYONE, GROUPS, NO_ICMP, READERS
from drawn_statements import boxes, plans
from gateway_plans import example_plan
from intervals import ANY_FLAGS, NO_FLAGS, Box, Intervals, addresses, disagree

MEMBERS = ["192.0.2.7", "198.51.100.3", "203.0.113.9", "2001:db8::7", "2001:db8:3::2", "192.0.2.8/30"]


def drawn(platform: str, stateful: bool, most: int = 4) -> st.SearchStrategy[GatewayPlan]:
    """Draw plans whose statements a platform can express at all."""

    def fit(plan: GatewayPlan) -> GatewayPlan:
        found = [item for item in plan.statements if platform not in NO_ICMP or item.protocol != "icmp"]
        return plan._replace(statements=tuple(found), stateful=stateful)

    return plans(platform, most=most).map(fit)


def call(platform: str, plan: GatewayPlan, **options: Any) -> Any:
    """Return what a filter gives for the data center."""
    name, needed = CALLS[platform]
    return translator(name).function(plan, protects="dc", **{**needed, **options})


def meet(mine: Intervals, other: Intervals) -> Intervals:
    """Return what is in both."""
    pairs = [(max(a, c), min(b, d)) for a, b in mine for c, d in other]
    return tuple((first, last) for first, last in pairs if first <= last)


def wanted(plan: GatewayPlan, local: dict[int, Intervals] | None, exact: bool = False) -> list[Box]:
    """Return what passes between the data center and the others, of these local addresses.

    :param exact: with source ports and flags, which rules with one end do not know.
    """
    found = []
    for side, where in (("destination", "to"), ("source", "from")):
        for box in boxes(plan, **{where: "dc"}):
            here = box
            if local is not None:
                here = here._replace(**{side: meet(getattr(box, side), local.get(box.family, ()))})
            if not exact and box.protocol != "icmp":
                here = here._replace(sport=ALL_PORTS, flags=ANY_FLAGS if box.protocol == "tcp" else NO_FLAGS)
            if getattr(here, side):
                found.append(here)
    return found


def without_port_0(found: Iterable[Box]) -> list[Box]:
    """Return boxes without the destination port 0, at which nothing listens; OpenStack's ranges begin at 1."""
    return [
        box if box.protocol == "icmp" else box._replace(dport=tuple((max(first, 1), last) for first, last in box.dport))
        for box in found
    ]


@pytest.mark.parametrize(("platform", "stateful"), [*((name, True) for name in GROUPS), ("openstack", False)])
def test_a_group_permits_a_member_what_the_plan_permits_it(platform: str, stateful: bool) -> None:
    @settings(max_examples=40)
    @given(drawn(platform, stateful), st.sampled_from(MEMBERS))
    def same(plan: GatewayPlan, member: str) -> None:
        local = addresses([member])
        mine = without_port_0(wanted(plan, local))
        try:
            found = list(READERS[platform](call(platform, plan, members=[member]), local))
        except DbportsError as error:
            # Not in the plan at all, or a network that it permits something only a part of.
            assert error.code == "not_in_plan" or (error.code == "cannot_encode" and "/" in member)
            if "/" not in member:
                assert not mine
            return
        assert not disagree(without_port_0(found), mine)

    same()


@pytest.mark.parametrize("platform", GROUPS)
def test_a_group_of_all_is_the_plan_or_refused(platform: str) -> None:
    @settings(max_examples=40)
    @given(drawn(platform, True, 2))
    def same(plan: GatewayPlan) -> None:
        everyone: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for side, where in (("destination", "to"), ("source", "from")):
            for box in boxes(plan, **{where: "dc"}):
                everyone[box.family] += getattr(box, side)
        local = {family: tuple(items) for family, items in everyone.items() if items}
        try:
            found = list(READERS[platform](call(platform, plan), local))
        except DbportsError as error:
            assert error.code == "cannot_encode"
            assert len({span for spans in local.values() for span in spans}) > 1
            return
        assert not disagree(without_port_0(found), without_port_0(wanted(plan, None)))

    same()


@settings(max_examples=60)
@given(drawn("azure", True))
def test_azure_permits_what_the_plan_permits(plan: GatewayPlan) -> None:
    assert not disagree(READERS["azure"](call("azure", plan), {}), wanted(plan, None, exact=True))


@settings(max_examples=60)
@given(drawn("aws_network_acl", False))
def test_a_network_acl_is_wider_by_the_subnet_and_by_what_stateless_entries_lack(plan: GatewayPlan) -> None:
    expected = [
        box._replace(**{side: EVERYONE[box.family]})
        for side, where in (("destination", "to"), ("source", "from"))
        for box in wanted(plan._replace(statements=_only(plan, where)), None)
    ]
    assert not disagree(READERS["aws_network_acl"](call("aws_network_acl", plan), EVERYONE), expected)


def _only(plan: GatewayPlan, where: str) -> Any:
    return tuple(item for item in plan.statements if (item.target if where == "to" else item.origin) == "dc")


@settings(max_examples=80)
@given(drawn("aws_security_group", True), drawn("azure", True))
def test_descriptions_hold_what_the_cloud_takes(aws: GatewayPlan, azure: GatewayPlan) -> None:
    """AWS: 255 of these characters (EC2 API, IpRange.Description); Azure: 140."""
    for item in aws.statements:
        one = aws._replace(statements=(item._replace(destination=item.destination[:1], source=item.source[:1]),))
        found = call("aws_security_group", one)
        for rule in found["rules"] + found["rules_egress"]:
            assert re.fullmatch(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=;{}!$*]{1,255}", rule["rule_desc"])
    for rule in call("azure", azure)["rules"]:
        assert 1 <= len(rule["description"]) <= 140
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]", rule["name"])


def test_a_rule_that_is_missing_or_wider_is_found() -> None:
    """The reader and the evaluator see what a translator could get wrong."""
    plan = example_plan("aws_security_group")
    local = addresses(["198.51.100.10"])
    data = call("aws_security_group", plan, members=["198.51.100.10"])
    assert not disagree(READERS["aws_security_group"](data, local), wanted(plan, local))
    for key, value in (("to_port", 1434), ("cidr_ip", ["192.0.2.0/24"]), ("proto", "udp")):
        wrong = {**data, "rules": [{**data["rules"][0], key: value}, *data["rules"][1:]]}
        assert disagree(READERS["aws_security_group"](wrong, local), wanted(plan, local))
