# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for what a host forwards: what they mean for a target, what a change loses, and which sessions they cut."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, parse_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import BACKENDS
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.evaluate import Evaluator, FlowKey
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.connections import Connection, Verdicts
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.losses import losses
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Forward, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import State
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import plan_change
from ansible_collections.dbports.firewall.plugins.module_utils._ports import parse_ports

from firewall_cases import ruleset


def rule(ports: str, peers: str, targets: str = "", **more: Any) -> dict[str, Any]:
    """Return a rule for a router; without targets for published ports."""
    ends = {"targets": targets.split()} if targets else {"published": True}
    return {"direction": "forward", "protocol": "tcp", "ports": [ports], "peers": peers.split(), **ends, **more}


RULES = [
    rule("1433", "192.0.2.21 192.0.2.22", "198.51.100.10 198.51.100.12"),
    rule("1433", "192.0.2.66", "198.51.100.12/31"),
    rule("1433", "192.0.2.77"),
    rule("5022", "192.0.2.21", "198.51.100.10", source_ports=["32768-60999"], stateful=False),
]
BUILT = ruleset(RULES)


@pytest.mark.parametrize(
    ("ports", "targets", "peer", "verdict"),
    [
        ("1433", "198.51.100.10", "192.0.2.21", "accepts"),
        ("1433", "198.51.100.10", "192.0.2.66", "refuses"),
        ("1433", "198.51.100.12", "192.0.2.66", "accepts"),
        ("1433", "198.51.100.12", "192.0.2.21", "accepts"),
        ("1433", "198.51.100.13", "192.0.2.21", "refuses"),
        ("1433", "198.51.100.10 198.51.100.12", "192.0.2.66", "refuses"),
        ("1433", "198.51.100.14", "192.0.2.66", "accepts"),
        ("1434", "198.51.100.10", "192.0.2.66", "accepts"),
        ("1433", "", "192.0.2.77", "accepts"),
        ("1433", "", "192.0.2.21", "refuses"),
        ("5022", "198.51.100.10", "192.0.2.21", "refuses"),
    ],
)
def test_a_target_decides_beside_port_and_peer(ports: str, targets: str, peer: str, verdict: str) -> None:
    """Of overlapping targets each piece has the rules that are for it, and unguarded ones have none; ports that are
    published are a place of their own, and requests from any port are more than a stateless rule accepts.
    """
    flow = FlowKey("forward", "tcp", parse_ports(ports), Forward(parse_addresses(targets.split())))
    assert Evaluator(BUILT, Ruleset()).decide(flow, parse_addresses([peer])).verdict == verdict


def test_the_source_ports_of_a_stateless_rule() -> None:
    """A flow from a part of them is accepted."""
    flow = FlowKey(
        "forward", "tcp", parse_ports("5022"), Forward(parse_addresses(["198.51.100.10"]), parse_ports("40000-50000"))
    )
    assert Evaluator(BUILT, BUILT).decide(flow, parse_addresses(["192.0.2.21"])).verdict == "accepts"
    assert Evaluator(BUILT, BUILT).strangers(flow, ()) == parse_addresses(["192.0.2.21"])


def test_what_is_lost_names_its_target() -> None:
    """A port that is no longer guarded for one target, and most of the peers of another."""
    new = ruleset([rule("1433", "192.0.2.21", "198.51.100.12"), *RULES[2:]])
    assert losses(BUILT, new) == [
        "forward tcp 1433 altogether to 198.51.100.10",
        "2 of 3 IPv4 peer addresses of forward tcp 1433 to 198.51.100.12",
        "forward tcp 1433 altogether to 198.51.100.13",
    ]
    assert losses(BUILT, BUILT) == []
    assert losses(Ruleset(), BUILT) == []
    assert losses(ruleset(RULES[2:3]), ruleset([])) == ["forward tcp 1433 altogether"]


WIDE = ruleset([rule("1433", "192.0.2.21", "198.51.100.10"), rule("50100-50199", "192.0.2.21", "198.51.100.10")])


@pytest.mark.parametrize(
    ("peer", "port", "cut"),
    [("192.0.2.21", 1433, False), ("192.0.2.66", 1433, True), ("192.0.2.66", 22, False), ("192.0.2.66", 50150, False)],
)
@pytest.mark.parametrize("turned", [False, True])
def test_which_sessions_through_a_router_end(peer: str, port: int, cut: bool, turned: bool) -> None:
    """Also where tracking took the wrong side for the opener; segments of older ones pass into a wide range."""
    client, server = AddressRange.parse(peer), AddressRange.parse("198.51.100.10")
    ends = (server, port, client, 40000) if not turned else (client, 40000, server, port)
    assert Verdicts(WIDE).cuts(Connection("tcp", *ends, "peer", through=ends[1])) is cut


def test_a_session_through_a_published_port() -> None:
    """The container's port is another one than the client asked for."""
    container, client = AddressRange.parse("203.0.113.2"), AddressRange.parse("192.0.2.66")
    rules = Verdicts(ruleset(RULES[2:3]))
    came = Connection("tcp", container, 14330, client, 40000, "peer", through=1433, translated=True)
    assert rules.cuts(came)
    assert not rules.cuts(came._replace(local_port=1433, through=8080))
    # What a container opens to the same port elsewhere came through no published port.
    assert not rules.cuts(Connection("tcp", client, 1433, container, 40000, "peer", through=1433))


class Other:
    """A backend that has no such rules."""

    name = "other"
    forwards = False

    def decode(self, observed: Any) -> State:
        return State(Ruleset())

    def encode(self, wanted: Ruleset, observed: Any, *, persist: bool) -> Any:
        raise AssertionError("nothing is written")


def test_other_firewalls_refuse_them() -> None:
    """Instead of guarding less than was asked for."""
    with pytest.raises(DbportsError, match="other carries no rules for what this host forwards") as caught:
        plan_change(Other(), {}, DesiredState.from_arguments({"rules": RULES}))
    assert caught.value.code == "cannot_encode"
    assert all(item.load().forwards for item in BACKENDS)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"direction": "in"}, "contradiction"),
        ({"targets": []}, "missing"),
        ({"published": True}, "contradiction"),
        ({"targets": [], "published": True, "stateful": False}, "contradiction"),
        ({"targets": "198.51.100.10"}, "wrong_type"),
        ({"targets": ["moon"]}, "not_an_address"),
        ({"source_ports": ["x"]}, "not_a_port"),
    ],
)
def test_a_malformed_rule(more: dict[str, Any], code: str) -> None:
    """Only rules for what is forwarded have targets, and these have them or are published."""
    with pytest.raises(DbportsError) as caught:
        ruleset([{**rule("1433", "192.0.2.21", "198.51.100.10"), **more}])
    assert caught.value.code == code
