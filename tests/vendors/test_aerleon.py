# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""aerleon as a second opinion: the same statements, compiled by somebody else, permit the same packets.

Compared by meaning, because the texts differ. Where aerleon is wrong, the test says why.
"""

from __future__ import annotations

from typing import Any

import pytest
from absl import logging as absl_logging
from aerleon import api
from aerleon.lib import naming
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Statement
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import translator

from acl_texts import READERS, Words, read_ace
from drawn_statements import boxes
from gateway_plans import gateway_plan
from intervals import ANY_FLAGS, ESTABLISHED, Box, disagree
from vendor_classes import rendered

TARGETS = {"ios": "cisco", "nxos": "cisconx", "iosxr": "ciscoxr", "eos": "arista", "asa": "ciscoasa"}
ICMP = {(8, 0): "echo-request", (0, 0): "echo-reply"}


def term(item: Statement, number: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return a statement as aerleon's term, networks and services."""
    found: dict[str, Any] = {
        "name": f"t{number}",
        "source-address": f"S{number}",
        "destination-address": f"D{number}",
        "protocol": item.protocol,
        "action": "accept",
    }
    networks = {
        f"{letter}{number}": {"values": [{"address": text} for text in format_addresses(ranges)]}
        for letter, ranges in (("S", item.source), ("D", item.destination))
    }
    services = {}
    for key, ports in (("source-port", item.source_ports), ("destination-port", item.destination_ports)):
        if ports:
            name = f"{key[0].upper()}P{number}"
            services[name] = [{"protocol": item.protocol, "port": text} for text in format_ports(ports).split(",")]
            found[key] = name
    if item.established:
        found["option"] = "tcp-established"
    return found, networks, services


def compiled(platform: str, plan: GatewayPlan) -> list[str]:
    """Return the lines that aerleon makes of a plan's IPv4 statements about ports."""
    absl_logging.set_verbosity(absl_logging.FATAL)
    names, terms = naming.Naming(), []
    networks: dict[str, Any] = {}
    services: dict[str, Any] = {}
    for number, item in enumerate(plan.statements):
        found, own_networks, own_services = term(item, number)
        terms.append(found)
        networks.update(own_networks)
        services.update(own_services)
    names.ParseDefinitionsObject({"networks": networks, "services": services}, "test")
    words = "acl" if platform == "asa" else "acl extended"
    header = {"targets": {TARGETS[platform]: words}}
    (text,) = api.Generate([{"filename": "test", "filters": [{"header": header, "terms": terms}]}], names).values()
    return [line.strip() for line in str(text).splitlines()]


def permitted(platform: str, lines: list[str]) -> list[Box]:
    """Return what aerleon's lines permit."""
    found = []
    for line in lines:
        words = Words(line.removeprefix("access-list acl extended "))
        while words.left and words.left[0].isdigit():
            words.next()
        if words.left and words.left[0] == "permit":
            found += read_ace(words, 4, inverted=platform != "asa")[1]
    return found


def plan_of(platform: str) -> GatewayPlan:
    """Return the statements that both can say: of IPv4, with ports."""
    plan = gateway_plan(platform)
    kept = tuple(item for item in plan.statements if item.family == "ipv4" and item.protocol != "icmp")
    return plan._replace(statements=kept)


@pytest.mark.parametrize("platform", TARGETS)
def test_somebody_else_permits_the_same(platform: str) -> None:
    plan = plan_of(platform)
    theirs = permitted(platform, compiled(platform, plan))
    ours = [
        box
        for ace in READERS[platform](rendered(platform, translator(f"{platform}_aces").function(plan, "acl")))
        for box in ace.boxes
    ]
    assert len(theirs) >= len(plan.statements)
    assert not disagree(theirs, ours)
    assert not disagree(theirs, boxes(plan))


def test_where_aerleon_is_wrong_it_drops_established_on_asa() -> None:
    """Without a word: a reply rule then admits connections too. Ours has none on ASA, which tracks connections."""
    plan = plan_of("ios")
    replies = plan._replace(statements=tuple(item for item in plan.statements if item.established)[:1])
    theirs, right = permitted("asa", compiled("asa", replies)), boxes(replies)
    assert {box.flags for box in theirs} == {ANY_FLAGS}
    assert {box.flags for box in right} == {ESTABLISHED}
    assert disagree(theirs, right)
    assert not disagree([box._replace(flags=ESTABLISHED) for box in theirs], right)
