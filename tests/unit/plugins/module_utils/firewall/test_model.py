# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From rules to the neutral ruleset, and what one ruleset takes away from another."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import parse_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.losses import losses
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    Accept,
    Guard,
    Ruleset,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import parse_ports

from counting import assert_linear, steps
from firewall_cases import ruleset


def rule(ports: str, *peers: str, **more: Any) -> dict[str, Any]:
    """Return an inbound TCP rule."""
    return {"direction": "in", "protocol": "tcp", "ports": ports, "peers": list(peers), **more}


def build(*rules: dict[str, Any], policy: str = "guard", outbound: bool = False) -> Ruleset:
    """Build a ruleset of rules."""
    return ruleset(rules, policy=policy, outbound=outbound)


def test_what_others_use_as_well_is_accepted_and_not_guarded() -> None:
    built = build(rule("445", "192.0.2.1", guarded=False), rule("1433", "192.0.2.1"))
    assert {item.ports for item in built.accepts} == {parse_ports("445"), parse_ports("1433")}
    assert built.guarded("in", "tcp") == parse_ports("1433")
    assert built.ports("in", "tcp") == parse_ports("445,1433")


def test_a_port_that_one_rule_guards_is_guarded() -> None:
    built = build(rule("445", "192.0.2.1", guarded=False), rule("445", "192.0.2.2"), rule("440-450"))
    assert built.guarded("in", "tcp") == parse_ports("440-450")


def test_rules_with_the_same_ports_merge() -> None:
    """However the ports are written, one accept has the peers and purposes of all."""
    merged = build(
        rule("5001,5002", "192.0.2.0", purpose="b", need="optional"),
        {**rule("", "192.0.2.1", purpose="a"), "ports": ["5001-5002"]},
    )
    ports = parse_ports("5001-5002")
    assert merged.accepts == (Accept("in", "tcp", ports, parse_addresses(["192.0.2.0/31"]), "a; b"),)
    assert merged.accepts[0].required
    assert merged.guards == (Guard("in", "tcp", ports),)


def test_order_of_rules_does_not_matter() -> None:
    """The same rules are the same ruleset."""
    rules = [rule("1433", "192.0.2.1"), rule("1433-1434", "192.0.2.2"), {**rule("1434"), "protocol": "udp"}]
    assert build(*rules) == build(*reversed(rules))


def test_a_rule_without_peers_guards() -> None:
    """Nobody is accepted, everyone is refused; with the policy open that is nothing at all."""
    assert build(rule("1433")) == Ruleset((), (Guard("in", "tcp", parse_ports("1433")),))
    assert build(rule("1433"), policy="open") == Ruleset()
    assert not build()


def test_out_counts_only_where_outbound_is_filtered() -> None:
    """Rules out are left out, or guarded as rules in are."""
    out = {**rule("5002", "192.0.2.1"), "direction": "out"}
    assert build(out) == Ruleset()
    assert build(out, outbound=True).guards == (Guard("out", "tcp", parse_ports("5002")),)


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ({"direction": "up"}, "a direction is one of in, out, forward"),
        ({"protocol": "sctp"}, "a protocol is one of tcp, udp, icmp"),
        ({"ports": []}, "at least one port"),
        ({"ports": ["0"]}, "a port is a number"),
        ({"ports": ["1433 accept"]}, "not a port"),
        ({"protocol": "icmp"}, "icmp has no ports"),
        ({"peers": ["192.0.2.1/24"]}, "192.0.2.0/24"),
        ({"peers": ['192.0.2.1"; drop']}, "not an IPv4 or IPv6 address"),
        ({"peers": ["app-01"]}, "not an IPv4 or IPv6 address"),
        ({"peers": "192.0.2.1"}, "expected a list of addresses"),
    ],
)
def test_a_malformed_rule(bad: dict[str, Any], text: str) -> None:
    """The error names the rule."""
    with pytest.raises(DbportsError) as caught:
        build(rule("1433"), {**rule("1433", "192.0.2.1"), **bad})
    assert text in str(caught.value)
    assert "rules[1]" in str(caught.value)


def test_an_unknown_policy() -> None:
    """Only guard and open exist."""
    with pytest.raises(DbportsError, match="guard, open"):
        build(policy="drop")


NET = rule("1433", "192.0.2.0/29")


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ([NET], [NET], []),
        ([NET], [rule("1433", "192.0.2.0/30")], []),
        ([NET], [rule("1433", "192.0.2.0-192.0.2.2")], ["5 of 8 IPv4 peer addresses of in tcp 1433"]),
        ([NET], [rule("1433")], ["8 of 8 IPv4 peer addresses of in tcp 1433"]),
        ([NET], [], ["in tcp 1433 altogether"]),
        ([rule("1430-1440", "192.0.2.1")], [rule("1433", "192.0.2.1")], ["in tcp 1430-1432,1434-1440 altogether"]),
        ([NET], [rule("1400-1500", "192.0.2.0/29")], []),
        ([NET], [rule("1433", "192.0.2.0/30"), rule("1433-1434", "192.0.2.4/30")], []),
        (
            [rule("1433", "192.0.2.0/29", "2001:db8::/64")],
            [rule("1433", "192.0.2.0/24", "2001:db8::/66")],
            [f"{2**64 - 2**62} of {2**64} IPv6 peer addresses of in tcp 1433"],
        ),
        ([rule("1433")], [rule("1433", "192.0.2.1")], []),
        ([rule("1433"), rule("1434")], [rule("1433")], ["in tcp 1434 altogether"]),
        # Moved: the new port serves those whom the old one served, and each new port replaces one old one.
        ([NET], [rule("14330", "192.0.2.0/29")], []),
        ([rule("49152-65535", "192.0.2.0/29")], [rule("14330", "192.0.2.0/29")], []),
        ([NET], [rule("14330", "192.0.2.0-192.0.2.2")], ["in tcp 1433 altogether"]),
        ([NET], [rule("14330", "203.0.113.0/24")], ["in tcp 1433 altogether"]),
        ([NET], [rule("14330")], ["in tcp 1433 altogether"]),
        ([NET, rule("1500", "192.0.2.0/29")], [rule("14330", "192.0.2.0/29")], ["in tcp 1500 altogether"]),
        ([NET, rule("1500")], [NET, rule("1600")], []),
        ([NET, rule("1500")], [NET, rule("1600", "192.0.2.0/29")], ["in tcp 1500 altogether"]),
    ],
)
def test_losses(old: list[dict[str, Any]], new: list[dict[str, Any]], lost: list[str]) -> None:
    """A port that disappears without another in its place, and one that loses more than half of its addresses."""
    assert losses(build(*old), build(*new)) == lost


def test_opening_is_no_loss_and_outbound_counts_where_it_is_asked_for() -> None:
    """The policy open keeps the ports; a host that no longer filters outbound loses nothing."""
    out = {**rule("7000", "192.0.2.1"), "direction": "out"}
    old = build(NET, out, outbound=True)
    assert losses(old, build(NET, policy="open"), directions=["in"]) == []
    assert losses(build(NET, rule("1434")), build(NET, rule("1434"), policy="open")) == []
    assert losses(old, build(NET), directions=["in", "out"]) == ["out tcp 7000 altogether"]


def test_render_has_a_line_a_peer() -> None:
    """So a diff shows one line for one more client."""
    before, after = (build(rule("1433", *peers)).render() for peers in (["192.0.2.1"], ["192.0.2.1", "192.0.2.9"]))
    assert set(after.splitlines()) - set(before.splitlines()) == {"  from 192.0.2.9"}
    assert "refuse in tcp 1433" in before


def test_what_is_lost_takes_work_in_proportion_to_the_rules() -> None:
    """A first run loses nothing, but adds every rule; each later one compares all of them."""

    def work(count: int) -> int:
        rules = [rule(str(3 * number + 1), f"198.51.100.{number % 250}") for number in range(count)]
        few, many = build(*rules[1:]), build(*rules)
        return steps(lambda: [losses(build(), many), losses(few, many), losses(many, few)])

    assert_linear(work(count) for count in (100, 200, 400))
