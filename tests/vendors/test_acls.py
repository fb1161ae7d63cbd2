# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access lists through the vendors' own classes: they take the data, write it, and read back what they wrote.

What the written lines permit is decided by readers and an evaluator of our own, for every packet.
"""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import (
    DIALECTS,
    acl_changes,
    translator,
)
from hypothesis import assume, given, settings

from acl_texts import READERS, Ace
from drawn_statements import boxes, plans
from gateway_plans import gateway_plan
from intervals import Box, disagree
from vendor_classes import NAMESPACES, argument_spec, lists, parsed, rendered, shown

PLATFORMS = sorted(NAMESPACES)
SLOW = {"asa": 2, "ios": 4}
"""So many lines of any plan are read back: expressions of these classes try very many ways, half a second a line."""


def config_of(platform: str, plan: GatewayPlan, **options: Any) -> Any:
    """Return the config of a plan."""
    return translator(f"{platform}_aces").function(plan, "acl-1", **options)


def permitted(aces: list[Ace]) -> list[Box]:
    """Return what lines permit; nothing is refused before them."""
    assert all(ace.permits for ace in aces)
    return [box for ace in aces for box in ace.boxes]


def check(platform: str, plan: GatewayPlan, most: int = 1000) -> None:
    """Compare what the vendor's class writes with the plan and, of so many lines, with what it reads back."""
    config = config_of(platform, plan)
    lines = rendered(platform, config)
    assert not disagree(permitted(READERS[platform](lines)), boxes(plan))
    if len(lines) > most:
        return
    again = rendered(platform, parsed(platform, shown(platform, lines)))
    assert lists(again) == lists(lines)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_module_takes_the_config(platform: str) -> None:
    """Through Ansible's own validation with the module's argument spec."""
    for mode in ({"mode": "entries"}, {"mode": "whole", "end": "permit"}, {"mode": "whole", "end": "deny"}):
        config = config_of(platform, gateway_plan(platform), **mode)
        found = ArgumentSpecValidator(argument_spec(platform)).validate({"config": config, "state": "merged"})
        assert not found.error_messages


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_plan_survives_the_module(platform: str) -> None:
    check(platform, gateway_plan(platform))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_any_plan_survives_the_module(platform: str) -> None:
    @settings(max_examples=25)
    @given(plans(platform, platform != "ios", 3))
    def survives(plan: GatewayPlan) -> None:
        assume(platform != "nxos" or not any(item.protocol == "udp" and "80" in str(item) for item in plan.statements))
        check(platform, plan, SLOW.get(platform, 1000))

    survives()


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("end", ["permit", "deny"])
def test_a_whole_list_ends_as_it_says(platform: str, end: str) -> None:
    plan = gateway_plan(platform)
    lines = rendered(platform, config_of(platform, plan, mode="whole", end=end))
    aces = READERS[platform](lines)
    entries = READERS[platform](rendered(platform, config_of(platform, plan)))
    families = {box.family: 0 for ace in entries for box in ace.boxes}
    for ace in aces:
        families[ace.boxes[0].family] += 1
    for family in families:
        mine = [ace for ace in aces if ace.boxes[0].family == family]
        rest = mine[sum(entry.boxes[0].family == family for entry in entries) :]
        words = [(ace.permits, ace.boxes[0].protocol, ace.boxes[0].sport) for ace in rest]
        if end == "permit":
            assert [ace.permits for ace in rest] == [True]
        elif family == 6 and platform in ("ios", "nxos", "iosxr"):
            assert words == [], "the device lets neighbor discovery pass and refuses the rest of its own accord"
        else:
            assert [ace.permits for ace in rest][-1] is False
            assert [word[2] for word in words[:-1]] == (
                [((135, 135),), ((136, 136),)] if family == 6 and platform == "eos" else []
            )
        if rest:
            assert {box.protocol for box in rest[-1].boxes} == {"tcp", "udp", "icmp"}


@pytest.mark.parametrize("platform", sorted(DIALECTS))
@pytest.mark.parametrize("mode", [{}, {"mode": "whole", "end": "deny"}])
def test_what_the_module_gathers_of_it_needs_no_change(platform: str, mode: dict[str, str]) -> None:
    config = config_of(platform, gateway_plan(platform), **mode)
    lines = shown(platform, rendered(platform, config)).splitlines()
    forms = [lines]
    if platform == "ios":
        forms.append([line.replace("range 1433 1433", "eq 1433") for line in lines])
    for form in forms:
        gathered = parsed(platform, "\n".join(form))
        found = acl_changes(config, gathered, platform, "acl-1", mode=mode.get("mode", "entries"))
        assert not found["changed"]
        assert mode or found["kept"] > 20


class TestWhatTheModulesDoWrong:
    """The forms that are avoided: without these errors the forms could go, and these tests say so."""

    @staticmethod
    def line(platform: str, source: dict[str, str], destination: dict[str, str]) -> str:
        """Return the line that a module writes for one entry."""
        ace = {
            "sequence": 10,
            "grant": "permit",
            "protocol": "tcp",
            "source": {"any": True, **({"port_protocol": source} if source else {})},
            "destination": {"any": True, **({"port_protocol": destination} if destination else {})},
        }
        return rendered(platform, [{"afi": "ipv4", "acls": [{"name": "x", "aces": [ace]}]}])[-1]

    @pytest.mark.parametrize(("port", "name"), [("5001", "onep-plain"), ("5002", "onep-tls")])
    def test_ios_names_a_single_port_wrongly(self, port: str, name: str) -> None:
        assert self.line("ios", {}, {"eq": port}).endswith(f"eq {name}")

    def test_nxos_takes_13_for_login_and_names_ranges(self) -> None:
        assert self.line("nxos", {}, {"eq": "13"}).endswith("eq login")
        assert self.line("nxos", {}, {"range": {"start": "13", "end": "25"}}).endswith("range login smtp")

    def test_eos_asks_the_controller_for_the_name_of_a_source_port(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("socket.getservbyport", lambda port: f"name-of-{port}")
        assert self.line("eos", {"eq": "1433"}, {}) == "10 permit tcp any eq name-of-1433 any"
        assert (
            self.line("eos", {"range": "1433 1433"}, {"eq": "1433"}) == "10 permit tcp any range 1433 1433 any eq 1433"
        )
