# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other tables do to an accepted flow: drops it, may drop it, or nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables import foreign, packets
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.expressions import Elements, equal
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.foreign import judge_foreign
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import (
    listing_of,
    read_listing,
)

from firewall_cases import ruleset as build_ruleset


def judge(objects: list[dict[str, Any]], flows: Ruleset) -> list[dict[str, Any]]:
    """Return what the module says of foreign tables."""
    return [item.as_dict() for item in judge_foreign(listing_of(objects), flows)]


FLOWS = build_ruleset(
    [{"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.1"], "purpose": "SQL"}]
)
ACCEPT: dict[str, Any] = {"accept": None}
DROP: dict[str, Any] = {"drop": None}


def match(left: dict[str, Any], right: Any, op: Any = "==") -> dict[str, Any]:
    """Return a match expression."""
    return {"match": {"op": op, "left": left, "right": right}}


def field(protocol: Any, name: str) -> dict[str, Any]:
    """Return a packet's field."""
    return {"payload": {"protocol": protocol, "field": name}}


def meta(key: str) -> dict[str, Any]:
    """Return a packet's property."""
    return {"meta": {"key": key}}


CAUGHT = {"elem": {"val": "192.0.2.1", "timeout": 600, "expires": 599}}
DPORT, SADDR, STATE = field("tcp", "dport"), field("ip", "saddr"), {"ct": {"key": "state"}}
PORT_AND_SOURCE = {"concat": [SADDR, DPORT]}


def ruleset(*rules: list[Any], policy: str = "accept", **more: Any) -> list[dict[str, Any]]:
    """Return nft's listing of a foreign table with one base chain and a chain ``sub`` that drops port 1433."""
    place = {"family": more.pop("family", "inet"), "table": "theirs"}
    chain = {**place, "name": "in", "type": "filter", "hook": "input", "prio": 0, "policy": policy, **more}
    return [
        {"table": {"family": place["family"], "name": "theirs"}},
        {
            "set": {
                **place,
                "name": "office",
                "type": "ipv4_addr",
                "elem": [{"prefix": {"addr": "192.0.2.0", "len": 24}}],
            }
        },
        {"set": {**place, "name": "banned", "type": "ipv4_addr", "flags": ["timeout"], "elem": ["203.0.113.1"]}},
        {"set": {**place, "name": "caught", "type": "ipv4_addr", "flags": ["timeout"], "elem": [CAUGHT]}},
        {"map": {**place, "name": "byport", "type": "inet_service", "map": "verdict", "elem": [[1433, DROP]]}},
        {"chain": chain},
        {"chain": {**place, "name": "sub"}},
        *({"rule": {**place, "chain": "in", "expr": rule}} for rule in rules),
        {"rule": {**place, "chain": "sub", "expr": [match(DPORT, 1433), DROP]}},
    ]


def verdict(*rules: list[Any], flows: Ruleset = FLOWS, **more: Any) -> str:
    """Return the verdict on the flow, ``passes`` when nothing is said."""
    found = judge(ruleset(*rules, **more), flows)
    assert len(found) <= 1
    return str(found[0]["verdict"]) if found else "passes"


CONDITIONS = [
    (match(DPORT, 1433), True),
    (match(DPORT, 1434), False),
    (match(DPORT, 1433, "!="), False),
    (match(DPORT, {"range": [1000, 2000]}), True),
    (match(DPORT, {"set": [22, {"range": [1000, 2000]}]}), True),
    (match(DPORT, {"set": [22, 80]}), False),
    (match(DPORT, 1024, ">="), True),
    (match(DPORT, 1024, "<"), False),
    (match(field("th", "dport"), 1433), True),
    (match(field("udp", "dport"), 1433), False),
    (match(field("udp", "dport"), 1433, "!="), False),
    (match(field("tcp", "sport"), 1433), None),
    (match(SADDR, "192.0.2.1"), True),
    (match(SADDR, "198.51.100.1", "!="), True),
    (match(SADDR, {"prefix": {"addr": "192.0.2.0", "len": 24}}), True),
    (match(SADDR, {"prefix": {"addr": "198.51.100.0", "len": 24}}), False),
    (match(SADDR, {"range": ["192.0.2.0", "192.0.2.9"]}), True),
    (match(SADDR, "@office"), True),
    (match(SADDR, "@office", "!="), False),
    (match(SADDR, "@banned"), None),
    (match(SADDR, "@caught"), True),
    (match(SADDR, "@caught", "!="), False),
    (match({"exthdr": {"name": "rt", "field": "type"}}, 0), False),
    (match({"exthdr": {"name": "frag"}}, True), False),
    (match({"exthdr": {"name": "frag"}}, False), True),
    (match(SADDR, "@missing"), None),
    (match(SADDR, {"set": [{"elem": {"val": "192.0.2.1", "counter": {}}}]}), True),
    (match(field("ip6", "saddr"), "2001:db8::1"), False),
    (match(field("ip", "daddr"), "192.0.2.10"), None),
    (match(PORT_AND_SOURCE, {"set": [{"concat": ["192.0.2.1", 1433]}]}), True),
    (match(PORT_AND_SOURCE, {"set": [{"concat": ["192.0.2.1", 22]}]}), False),
    (match(STATE, ["new", "untracked"], "in"), True),
    (match(STATE, ["established", "related"], "in"), False),
    (match(STATE, {"set": ["established", "related"]}), False),
    (match(STATE, "new", "!="), False),
    (match(STATE, "invalid", "in"), False),
    (match({"ct": {"key": "direction"}}, "reply"), False),
    (match({"ct": {"key": "mark"}}, 1), None),
    (match({"ct": {"key": "status"}}, "dnat", "in"), False),
    (match({"ct": {"key": "status"}}, ["dnat", "snat"], "in"), False),
    (match(meta("pkttype"), "host"), True),
    (match(meta("pkttype"), {"set": ["broadcast", "multicast"]}), False),
    (match(meta("l4proto"), "tcp"), True),
    (match(meta("l4proto"), {"set": ["icmp", "ipv6-icmp"]}), False),
    (match(meta("nfproto"), "ipv6"), False),
    (match(meta("protocol"), "ip"), True),
    (match(meta("iifname"), "lo"), False),
    (match(meta("iif"), "lo", "!="), True),
    (match(meta("iifname"), "eth0"), None),
    (match(meta("iifname"), {"set": ["lo", "eth*"]}), None),
    (match(meta("mark"), 1), None),
    (match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), True),
    (match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, False), None),
    (match({"&": [field("tcp", "flags"), ["fin", "syn", "rst", "ack"]]}, "syn"), True),
    (match({"&": [field("tcp", "flags"), ["fin", "syn", "rst", "ack"]]}, "syn", "!="), False),
    (match(field("tcp", "flags"), ["syn", "ack"], "in"), True),
    (match({"&": [field("tcp", "flags"), {"|": ["fin", "syn", "rst", "ack"]}]}, "syn"), True),
    (match({"&": [field("tcp", "flags"), {"|": ["fin", "syn"]}]}, {"|": ["fin", "ack"]}), False),
    (match(field("tcp", "flags"), {"set": ["syn", "ack"]}), None),
    (match({"fib": {"result": "type", "flags": "daddr"}}, "local"), True),
    (match({"something": "new"}, 1), None),
    (match(field(["tcp"], "dport"), 1433), None),
    (match({"&": None}, 1), None),
    (match({"fib": None}, 1), None),
    (match({"concat": None}, 1), None),
    (match(PORT_AND_SOURCE, {"concat": None}), None),
    (match(SADDR, {"prefix": {"len": 8}}), None),
    (match(SADDR, {"range": None}), None),
    (match(SADDR, {"set": None}), False),
    (match(SADDR, {"elem": None}), None),
    (match(DPORT, {"range": ["a", []]}), None),
    (match(DPORT, 1433, ["=="]), None),
    ({"match": None}, None),
    ({"limit": {"rate": 1, "per": "day"}}, None),
    ({"counter": {"packets": 0, "bytes": 0}}, True),
    ({"log": {"prefix": "x"}}, True),
]


@pytest.mark.parametrize(("condition", "true"), CONDITIONS)
def test_conditions(condition: dict[str, Any], true: bool | None) -> None:
    """A condition decides whether a drop drops and whether an accept saves from the policy; both ways round."""
    assert verdict([condition, DROP]) == {True: "drops", False: "passes", None: "unknown"}[true]
    assert verdict([condition, ACCEPT], policy="drop") == {True: "passes", False: "drops", None: "unknown"}[true]


JUMP, GOTO = {"jump": {"target": "sub"}}, {"goto": {"target": "sub"}}


@pytest.mark.parametrize(
    ("rules", "policy", "expected"),
    [
        ([], "accept", "passes"),
        ([], "drop", "drops"),
        ([[{"reject": {"type": "tcp reset"}}]], "accept", "drops"),
        ([[ACCEPT], [DROP]], "drop", "passes"),
        ([[JUMP], [ACCEPT]], "accept", "drops"),
        ([[match(DPORT, 22), JUMP]], "accept", "passes"),
        ([[{"return": None}], [DROP]], "accept", "passes"),
        ([[{"return": None}], [ACCEPT]], "drop", "drops"),
        ([[match(meta("iifname"), "eth0"), GOTO], [GOTO]], "accept", "drops"),
        ([[{"continue": None}], [DROP]], "accept", "drops"),
        ([[{"queue": {"num": 0}}]], "accept", "unknown"),
        ([[{"xt": {"type": "match", "name": "comment"}}, DROP]], "accept", "unknown"),
        ([[None, DROP]], "accept", "unknown"),
        ([[{"jump": {"target": "in"}}]], "accept", "unknown"),
        ([[{"jump": {"target": "in"}}]] * 9, "accept", "unknown"),
        ([[{"jump": None}]], "accept", "unknown"),
        ([[{"vmap": None}]], "accept", "unknown"),
        ([[{"vmap": {"key": DPORT, "data": {"set": [1433, [1, 2, 3]]}}}]], "accept", "unknown"),
        ([[{"vmap": {"key": DPORT, "data": {"set": [[1433, None]]}}}]], "accept", "unknown"),
        ([[{"vmap": {"key": DPORT, "data": {"set": [[22, ACCEPT], [1433, JUMP]]}}}]], "accept", "drops"),
        ([[{"vmap": {"key": DPORT, "data": {"set": [[22, DROP]]}}}]], "accept", "passes"),
        ([[{"vmap": {"key": STATE, "data": {"set": [["established", ACCEPT], ["new", DROP]]}}}]], "accept", "drops"),
        ([[{"vmap": {"key": DPORT, "data": "@byport"}}]], "accept", "drops"),
        ([[{"vmap": {"key": DPORT, "data": "@missing"}}]], "accept", "unknown"),
        (
            [[{"vmap": {"key": meta("iifname"), "data": {"set": [["lo", ACCEPT], ["eth0", DROP]]}}}]],
            "accept",
            "unknown",
        ),
        ([[{"vmap": {"key": field("udp", "dport"), "data": {"set": [[1433, DROP]]}}}]], "accept", "passes"),
    ],
)
def test_verdicts(rules: list[list[Any]], policy: str, expected: str) -> None:
    """Jumps come back, goto and return leave, maps choose, and what cannot be told is said to be unknown."""
    assert verdict(*rules, policy=policy) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"family": "ip"}, "drops"),
        ({"family": "ip6"}, "passes"),
        ({"family": "netdev", "hook": "ingress"}, "unknown"),
        ({"family": "arp"}, "passes"),
        ({"hook": "forward"}, "passes"),
        ({"hook": "output"}, "drops"),
        ({"hook": "prerouting"}, "drops"),
        ({"type": "nat"}, "passes"),
    ],
)
def test_which_chains_count(more: dict[str, Any], expected: str) -> None:
    """Only filter chains of its family that the packet passes on its way in, or its answer on its way out."""
    assert verdict([DROP], **more) == expected


def prefix(address: str, length: int) -> dict[str, Any]:
    """Return a network."""
    return {"prefix": {"addr": address, "len": length}}


PEERS = ["192.0.2.21", "192.0.2.23", "192.0.2.40-192.0.2.42", "198.51.100.0/24", "2001:db8::21", "2001:db8:1::/64"]
"""Hosts, some of them side by side, and networks."""

EVERY = [SADDR, {"set": [prefix("192.0.2.0", 24), prefix("198.51.100.0", 24)]}]
EVERY6 = [field("ip6", "saddr"), prefix("2001:db8::", 32)]


@pytest.mark.parametrize(
    ("rules", "policy", "dropped"),
    [
        ([[match(SADDR, "192.0.2.23"), DROP]], "accept", "1433 from 192.0.2.23"),
        ([[match(SADDR, {"set": ["192.0.2.40", "192.0.2.44"]}), DROP]], "accept", "1433 from 192.0.2.40"),
        ([[match(SADDR, "192.0.2.42"), DROP]], "accept", "1433 from 192.0.2.42"),
        ([[match(SADDR, prefix("198.51.100.128", 25)), DROP]], "accept", "1433 from 198.51.100.254"),
        ([[match(SADDR, "@office"), ACCEPT], [match(*EVERY6), ACCEPT]], "drop", "1433 from 198.51.100.1"),
        ([[match(*EVERY), ACCEPT], [match(*EVERY6), ACCEPT]], "drop", ""),
        ([[match(*EVERY), ACCEPT], [match(EVERY6[0], "2001:db8::21"), ACCEPT]], "drop", "1433 from 2001:db8:1::1"),
        ([[match(DPORT, {"set": [1433, {"range": [50000, 50149]}]}), ACCEPT]], "drop", "50150 from 192.0.2.21"),
        ([[match(DPORT, {"range": [50120, 50129]}), DROP]], "accept", "50120 from 192.0.2.21"),
        ([[match(SADDR, "192.0.2.23"), match(DPORT, 50150), DROP]], "accept", "50150 from 192.0.2.23"),
        (
            [[match(PORT_AND_SOURCE, {"set": [{"concat": ["192.0.2.23", {"range": [50190, 50200]}]}]}), DROP]],
            "accept",
            "50190 from 192.0.2.23",
        ),
        ([[{"vmap": {"key": SADDR, "data": {"set": [["192.0.2.23", DROP]]}}}]], "accept", "1433 from 192.0.2.23"),
        # A single address of a network may be refused on purpose, as fail2ban does.
        ([[match(SADDR, "198.51.100.77"), DROP]], "accept", ""),
    ],
)
def test_every_client_and_port_counts(rules: list[list[Any]], policy: str, dropped: str) -> None:
    """Also when it is one of many that the owner of a chain has forgotten, or refuses."""
    wanted = {"direction": "in", "protocol": "tcp", "ports": ["1433", "50100-50199"], "peers": PEERS, "purpose": "SQL"}
    found = judge(ruleset(*rules, policy=policy), build_ruleset([wanted]))
    assert [item["verdict"] for item in found] == ["drops"] * bool(dropped)
    assert all(f" drops tcp {dropped}: " in item["text"] for item in found)


def test_what_no_rule_tells_apart_is_walked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a hundred rules with hundreds of clients cost no more than a few."""
    walked = []

    class Counting(foreign._Walk):
        def base_chain(self, body: Mapping[str, object]) -> Any:
            walked.append(body)
            return super().base_chain(body)

    monkeypatch.setattr(foreign, "_Walk", Counting)
    peers = [f"198.51.{number // 100}.{2 * (number % 100)}" for number in range(200)]
    wanted = [
        {"direction": "in", "protocol": "tcp", "ports": [str(port)], "peers": peers} for port in range(2400, 2600, 2)
    ]
    found = judge(ruleset([match(DPORT, 2500), match(SADDR, "198.51.1.198"), DROP]), build_ruleset(wanted))
    assert [(item["ports"], item["peer"]) for item in found] == [("2500", "198.51.1.198")]
    assert len(walked) == 6


def test_a_host_with_a_rule_for_each_client_is_judged_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that tell all of a hundred clients of a hundred ports apart: fewer packets are taken, and evenly."""
    met = []

    class Counting(foreign._Walk):
        def _rule(self, rule: Mapping[str, object], depth: int) -> Any:
            met.append(rule)
            return super()._rule(rule, depth)

    monkeypatch.setattr(foreign, "_Walk", Counting)
    peers = [f"198.51.100.{number}" for number in range(1, 201, 2)]
    ports = [str(port) for port in range(2400, 2600, 2)]
    wanted = [{"direction": "in", "protocol": "tcp", "ports": [port], "peers": peers} for port in ports]
    rules = [[match(SADDR, peer), match(DPORT, int(port)), ACCEPT] for peer, port in zip(peers, ports)]
    found = judge(ruleset(*rules, policy="drop"), build_ruleset(wanted))
    assert [item["ports"] for item in found] == ports
    assert 10_000 < len(met) <= 2 * packets._WORK


SETS = [
    (["192.0.2.21"], True),
    ([prefix("192.0.2.24", 29), "2001:db8::21"], False),
    ([prefix("192.0.2.20", 30), "203.0.113.1"], True),
    ([{"range": ["192.0.2.1", "192.0.2.20"]}, {"range": ["192.0.2.22", "192.0.2.30"]}], False),
    ([{"range": ["192.0.2.1", "192.0.2.21"]}], True),
    ([{"elem": {"val": "192.0.2.21", "counter": {"packets": 0, "bytes": 0}}}], True),
    ([], False),
    (["192.0.2.22", "2001:db8::21"], False),
    (["192.0.2.22", {"newer": "words"}], None),
]


@pytest.mark.parametrize(("elements", "found"), SETS)
def test_an_address_is_found_in_a_set(elements: list[Any], found: bool | None) -> None:
    """By halves and by a look at each element alike."""
    peer = AddressRange.parse("192.0.2.21")
    for read in (Elements(elements), elements):
        assert equal(peer, "@them", {"them": read}) is found


@pytest.mark.parametrize(
    ("direction", "hook", "rule", "fix"),
    [
        (
            "in",
            "output",
            [match(field("tcp", "sport"), 1433), DROP],
            "nft insert rule inet theirs in ip daddr 192.0.2.1 tcp sport 1433 accept",
        ),
        ("in", "output", [match(STATE, "established", "in"), ACCEPT], ""),
        ("in", "postrouting", [match(STATE, "new", "in"), DROP], ""),
        ("in", "output", [match(field("ip", "daddr"), "192.0.2.1"), ACCEPT], ""),
        (
            "out",
            "input",
            [match(field("tcp", "sport"), 1433), DROP],
            "nft insert rule inet theirs in ip saddr 192.0.2.1 tcp sport 1433 accept",
        ),
        ("out", "input", [match(STATE, "established", "in"), ACCEPT], ""),
    ],
)
def test_answers_have_to_pass_as_well(direction: str, hook: str, rule: list[Any], fix: str) -> None:
    """A client whose request gets in and whose answer does not get out is not let in."""
    wanted = {"direction": direction, "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.1"]}
    flows = build_ruleset([wanted], policy="guard", outbound=True)
    policy = "drop" if rule[-1] == ACCEPT else "accept"
    found = judge(ruleset(rule, policy=policy, hook=hook), flows)
    assert [(item["verdict"], item["fix"]) for item in found] == ([("drops", fix)] if fix else [])
    assert all(" drops the answer to tcp 1433 " in item["text"] for item in found)


def test_the_rule_that_surely_drops_is_named() -> None:
    """And not the one before it that may, such as a set that packets change."""
    (found,) = judge(ruleset([match(SADDR, "@banned"), DROP], [match(SADDR, "192.0.2.1"), DROP]), FLOWS)
    assert found["verdict"] == "drops"
    assert found["text"].endswith(": ip saddr 192.0.2.1 drop")


def test_outbound_flows_are_judged_in_output() -> None:
    """With the destination as the peer."""
    rule = {"direction": "out", "protocol": "udp", "ports": ["5002"], "peers": ["2001:db8::21"], "purpose": "x"}
    flows = build_ruleset([rule], policy="guard", outbound=True)
    drop = [match(field("ip6", "daddr"), "2001:db8::21"), match(field("udp", "dport"), 5002), DROP]
    assert verdict(drop, flows=flows, hook="output") == "drops"
    assert verdict(drop, flows=flows) == "passes"


def test_the_worst_of_both_families_and_all_port_ranges_is_told_once() -> None:
    """One finding a chain and rule, with what a reader needs."""
    rule = {"direction": "in", "protocol": "tcp", "ports": ["22", "1433"], "peers": ["192.0.2.1", "2001:db8::1"]}
    flows = build_ruleset([{**rule, "need": "optional", "purpose": "SQL"}], policy="guard", outbound=False)
    (found,) = judge(ruleset([match(field("tcp", "dport"), 1433), DROP]), flows)
    assert (found["ports"], found["peer"], found["required"]) == ("22,1433", "192.0.2.1", False)
    assert found["text"] == "inet theirs in drops tcp 1433 from 192.0.2.1: tcp dport 1433 drop"


def test_a_chain_like_firewallds_is_judged() -> None:
    """What it lets pass first is not this flow, and what comes last rejects it on every interface."""
    like = [
        [match(STATE, {"set": ["established", "related"]}), ACCEPT],
        [match({"ct": {"key": "status"}}, "dnat", "in"), ACCEPT],
        [match(meta("iifname"), "lo"), ACCEPT],
        [match(STATE, "invalid", "in"), DROP],
        [match(meta("iifname"), "eth0"), match(DPORT, 22), ACCEPT],
        [{"reject": {"type": "icmpx", "expr": "admin-prohibited"}}],
    ]
    assert verdict(*like) == "drops"


def test_no_rule_is_advised_in_a_table_of_firewalld() -> None:
    """It would be gone at the next reload."""
    text = json.dumps(ruleset(policy="drop")).replace('"theirs"', '"firewalld"')
    (found,) = judge(json.loads(text), FLOWS)
    assert (found["verdict"], found["fix"]) == ("drops", "")
    assert found["text"].endswith("policy drop; firewalld governs this host, so these rules belong into it")


def test_the_command_for_the_owner_names_all_peers_and_both_families() -> None:
    """For everyone it asks for the family only."""
    rule = {"direction": "in", "protocol": "tcp", "ports": ["22", "1433"], "purpose": "SQL"}
    peers = ["192.0.2.1", "192.0.2.64/26", "2001:db8::1"]
    for wanted, expected in (
        (
            {**rule, "peers": peers},
            "nft insert rule inet theirs in ip saddr { 192.0.2.1, 192.0.2.64/26 } tcp dport { 22, 1433 } accept; "
            "nft insert rule inet theirs in ip6 saddr 2001:db8::1 tcp dport { 22, 1433 } accept",
        ),
        (
            {**rule, "ports": ["1433"], "peers": ["0.0.0.0/0"]},
            "nft insert rule inet theirs in meta nfproto ipv4 tcp dport 1433 accept",
        ),
        (
            {"direction": "in", "protocol": "icmp", "ports": [], "peers": ["2001:db8::1"]},
            "nft insert rule inet theirs in ip6 saddr 2001:db8::1 icmpv6 type echo-request accept",
        ),
    ):
        flows = build_ruleset([wanted], policy="guard", outbound=False)
        assert judge(ruleset([DROP]), flows)[0]["fix"] == expected


def test_ping_is_judged_too() -> None:
    """An echo request of either family meets rules on icmp types."""
    flows = build_ruleset(
        [{"direction": "in", "protocol": "icmp", "ports": [], "peers": ["2001:db8::1"]}], policy="guard", outbound=False
    )
    drop = [match(field("icmpv6", "type"), {"set": ["echo-request", "echo-reply"]}), DROP]
    assert verdict(drop, flows=flows) == "drops"
    assert verdict([match(field("icmp", "type"), "echo-request"), DROP], flows=flows) == "passes"


def test_the_own_table_is_not_foreign() -> None:
    """The refusals of the own table are wanted."""
    own = [
        {kind: {**body, "table": "dbports", "name": body.get("name")} for kind, body in item.items()}
        for item in ruleset([DROP])
    ]
    assert judge(own, FLOWS) == []


def test_a_listing_is_read_once() -> None:
    """It is observed and judged, and takes seconds where rules are very many."""
    text = '{"nftables": [{"table": {"family": "inet", "name": "theirs"}}]}'
    assert read_listing(text) is read_listing("".join(text))
