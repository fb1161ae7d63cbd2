# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a router is seen to carry, on its way from the host to the findings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils import _observe
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import Change, DesiredState, decide
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.foreign import judge_foreign
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import listing_of
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Script, State
from ansible_collections.dbports.firewall.plugins.module_utils._observe import ruleset_state
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.ruleset import observed_ruleset
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import read_observation
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.verdicts import finding_sentence
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

from firewall_cases import ROUTER, case, ruleset

PUBLISHED: dict[str, Any] = {
    "direction": "forward",
    "published": True,
    "protocol": "tcp",
    "ports": ["1433"],
    "peers": ["192.0.2.21"],
    "purpose": "container",
}
CLOSED = {"family": "inet", "table": "theirs", "name": "c", "type": "filter", "hook": "forward", "prio": 0}


@pytest.mark.parametrize("rules", [ROUTER, [PUBLISHED], [*ROUTER, PUBLISHED]])
def test_rules_and_foreign_drops_arrive_as_they_are(rules: list[dict[str, Any]]) -> None:
    """Through JSON, with targets, source ports and whether tracking is asked."""
    there = ruleset(rules).of("fw-1")
    foreign = listing_of([{"chain": {**CLOSED, "policy": "drop"}}])

    def look(wish: DesiredState) -> Change:
        return decide(State(there, foreign=lambda wanted: judge_foreign(foreign, wanted)), wish, Script())

    state = json.loads(json.dumps(ruleset_state({"rules": [], "sent": rules}, look)))
    found = read_observation({"ruleset": state}).ruleset
    assert found is not None
    assert found.carried is not None
    assert found.carried.ruleset() == there
    assert {item.verdict for item in found.foreign} == {"drops"}
    assert {item.targets for item in found.foreign} == {item.forward.targets for item in there.accepts if item.forward}


def test_nothing_is_said_of_a_router_in_sync() -> None:
    """As of any other host."""
    there = case("router")
    state = ruleset_state({"rules": ROUTER}, lambda wish: decide(State(there), wish, Script()))
    assert state == {"in_sync": True, "foreign": []}


SETTINGS = {
    "dbports_networks": {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"]},
    "dbports_gateways": [
        {"name": "edge", "kind": "filter", "between": ["office", "dc"], "platform": "linux", "host": "fw-1"}
    ],
}
EDGE, TCP = "edge to 198.51.100.10", "tcp 1433"


def router(*clients: str) -> PortSet:
    """Plan a server behind a router, and return what the router has to do."""
    server = {"engine": "mssql", "clients": list(clients), "instances": [{}]}
    hosts = {
        "db": {"ansible_host": "198.51.100.10", "dbports_servers": [server]},
        "app": {"ansible_host": "192.0.2.21"},
        "web": {"ansible_host": "192.0.2.22"},
        "fw-1": {"ansible_host": "192.0.2.1"},
    }
    return build_plan(PlainInventory({"hosts": hosts, "vars": SETTINGS})).hosts["fw-1"]


def judged(planned: PortSet, loaded: PortSet | None, *foreign: dict[str, Any]) -> list[Finding]:
    """Return what is found on the router with the rules of some plan, and chains of somebody else."""
    arguments = observed_ruleset(planned)
    there = DesiredState.from_arguments(observed_ruleset(loaded)).ruleset if loaded else case("nothing")
    listing = listing_of([*foreign])

    def look(wish: DesiredState) -> Change:
        return decide(State(there, foreign=lambda wanted: judge_foreign(listing, wanted)), wish, Script())

    state = json.loads(json.dumps(ruleset_state(arguments, look)))
    return judge(planned, read_observation({"ruleset": state}))


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have settings of the kernel of our own, with forwarding on."""
    for name in ("net/ipv4/ip_forward", "net/ipv4/conf/eth0/forwarding", "net/ipv6/conf/all/forwarding"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("1\n", encoding="ascii")
    monkeypatch.setattr(_observe, "SETTINGS", tmp_path)
    return tmp_path


def test_what_passes_a_router_is_found() -> None:
    """Everything as planned."""
    port_set = router("app")
    found = judged(port_set, port_set)
    assert {(one.endpoint, one.port, one.code, one.verdict) for one in found} == {(EDGE, TCP, "configured", "ok")}
    assert {finding_sentence(one) for one in found} == {
        "1 peer is let in (accept forward tcp 1433 to 198.51.100.10 # Clients connect to instance MSSQLSERVER)"
    }


def test_a_foreign_chain_that_drops_names_host_chain_and_what_to_add() -> None:
    """For the peers only of whom it is true."""
    port_set = router("app", "web")
    chain = {"chain": {**CLOSED, "policy": "accept"}}
    matches = [
        {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "192.0.2.21"}},
        {"drop": None},
    ]
    rule = {"rule": {"family": "inet", "table": "theirs", "chain": "c", "handle": 2, "expr": matches}}
    found = {one.code: one for one in judged(port_set, port_set, chain, rule)}
    assert set(found) == {"blocked", "configured"}
    assert (found["blocked"].host, found["blocked"].verdict, found["blocked"].peers) == (
        "fw-1",
        "fail",
        ("192.0.2.21",),
    )
    assert found["configured"].peers == ("192.0.2.22",)
    said = finding_sentence(found["blocked"])
    assert "inet theirs c drops tcp 1433 from 192.0.2.21 to 198.51.100.10" in said
    assert (
        "its owner has to add: nft insert rule inet theirs c ip saddr 192.0.2.21 ip daddr 198.51.100.10 "
        "tcp dport 1433 accept" in said
    )
    assert said.endswith("change that rule on fw-1, which is not of this collection")


@pytest.mark.parametrize(
    ("loaded", "codes"),
    [
        (None, {"rules_missing", "unguarded"}),
        (["web"], {"rules_differ", "closed", "accepts_too_many"}),
        (["app", "web"], {"rules_differ", "configured", "accepts_too_many"}),
    ],
)
def test_other_rules_than_the_planned_ones(loaded: list[str] | None, codes: set[str]) -> None:
    """None at all, and those of another plan."""
    found = judged(router("app"), router(*loaded) if loaded else None)
    assert {one.code for one in found} == codes
    strangers = [one.peers for one in found if one.code == "accepts_too_many"]
    assert strangers == ([("192.0.2.22",)] if "accepts_too_many" in codes else [])


@pytest.mark.parametrize(
    ("on", "off"),
    [
        ({"net/ipv4/ip_forward": "0", "net/ipv4/conf/eth0/forwarding": "0"}, ["net.ipv4.ip_forward"]),
        ({"net/ipv4/ip_forward": "0"}, []),
        ({"net/ipv6/conf/all/forwarding": "0"}, ["net.ipv6.conf.all.forwarding"]),
        ({"net/ipv4/ip_forward": ""}, []),
        ({}, []),
    ],
)
def test_a_router_that_does_not_forward(settings: Path, on: dict[str, str], off: list[str]) -> None:
    """Single interfaces may forward IPv4; what nobody can read is not off."""
    for name, value in on.items():
        (settings / name).write_text(value, encoding="ascii")
    there = case("router")
    state = ruleset_state({"rules": ROUTER}, lambda wish: decide(State(there), wish, Script()))
    assert state.get("not_forwarding", []) == off
    published = ruleset_state({"rules": [PUBLISHED]}, lambda wish: decide(State(there), wish, Script()))
    assert "not_forwarding" not in published
    found = judge(router("app"), read_observation({"ruleset": {"in_sync": True, "not_forwarding": off}}))
    assert [finding_sentence(one) for one in found if one.code == "not_forwarding"] == [
        f"the host is a gateway of the plan and forwards nothing: {name} is off: turn it on, now and in /etc/sysctl.d "
        "for the next boot"
        for name in off
    ]
