# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain for what a host forwards: what stands in the place of its rules, and what other tables do to its flows."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.foreign import judge_saved
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.listing import read_tables
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.decode import decode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.encode import encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.foreign import judge_foreign
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import listing_of

from firewall_cases import case, listing, ruleset

ROUTER: dict[str, Any] = {
    "direction": "forward",
    "protocol": "tcp",
    "ports": ["1433"],
    "peers": ["192.0.2.0/24"],
    "targets": ["198.51.100.10"],
    "purpose": "SQL",
}
DROP: dict[str, Any] = {"drop": None}
ACCEPT: dict[str, Any] = {"accept": None}


def match(kind: str, what: Any, right: Any, op: str = "==") -> dict[str, Any]:
    """Return a match expression for a field of a packet or of connection tracking."""
    left = {"ct": {"key": what}} if kind == "ct" else {"payload": {"protocol": kind, "field": what}}
    return {"match": {"op": op, "left": left, "right": right}}


NEW = [match("tcp", "dport", 1433), ACCEPT]
KNOWN = [match("ct", "state", ["established", "related"], "in"), ACCEPT]
ANSWERS = [match("tcp", "sport", 1433), ACCEPT]
ACK = [match("tcp", "sport", 1433), match("tcp", "flags", ["ack"], "in"), ACCEPT]
NO_SYN = [match("tcp", "sport", 1433), match("tcp", "flags", "syn", "!"), ACCEPT]
HIDE = [{"notrack": None}]


def judge(*rules: list[Any], policy: str = "drop", hook: str = "forward", **more: Any) -> list[tuple[str, str, str]]:
    """Return what a foreign table does to the flow of a router: verdict, text and fix."""
    place = {"family": "inet", "table": "theirs"}
    chains = [("fwd_chain", hook, policy), ("pre", "prerouting", "accept")]
    objects: list[dict[str, Any]] = [
        {"chain": {**place, "name": name, "type": "filter", "hook": at, "prio": 0, "policy": end}}
        for name, at, end in chains
    ]
    for rule in rules:
        objects.append({"rule": {**place, "chain": "pre" if rule is HIDE else "fwd_chain", "expr": rule}})
    found = judge_foreign(listing_of(objects), ruleset([{**ROUTER, **more}]))
    return [(item.verdict, item.text, item.fix) for item in found]


INSERT = "nft insert rule inet theirs fwd_chain"
REQUEST = f"{INSERT} ip saddr 192.0.2.0/24 ip daddr 198.51.100.10 tcp dport 1433 accept"
REPLY = f"{INSERT} ip saddr 198.51.100.10 ip daddr 192.0.2.0/24 tcp sport 1433 accept"


class TestForeign:
    """A drop of the request, or of its answer, in another table is named with what its owner has to add."""

    def test_a_stateful_table_that_does_not_know_the_flow(self) -> None:
        text = "inet theirs fwd_chain drops tcp 1433 from 192.0.2.1 to 198.51.100.10: policy drop"
        assert judge(KNOWN) == [("drops", text, REQUEST)]

    def test_a_stateless_table_forgets_the_answers(self) -> None:
        text = "inet theirs fwd_chain drops the answer to tcp 1433 from 192.0.2.1 to 198.51.100.10: policy drop"
        assert judge(NEW) == [("drops", text, REPLY)]

    def test_a_table_that_drops_both(self) -> None:
        assert [fix for _verdict, _text, fix in judge()] == [f"{REQUEST}; {REPLY}"]

    @pytest.mark.parametrize("rules", [[NEW, KNOWN], [NEW, ANSWERS], [NEW, ACK]])
    def test_a_table_that_lets_both_pass(self, rules: list[list[Any]]) -> None:
        assert judge(*rules) == []

    def test_without_syn_is_not_established(self) -> None:
        """The first answer of a connection has the flag SYN as well."""
        assert [verdict for verdict, _text, _fix in judge(NEW, NO_SYN)] == ["drops"]

    def test_nobody_knows_the_state_of_what_a_notrack_may_have_hidden(self) -> None:
        assert [verdict for verdict, _text, _fix in judge(NEW, KNOWN, HIDE)] == ["unknown"]

    def test_an_unanswered_flow_has_no_answer(self) -> None:
        assert judge(NEW, answered=False) == []

    def test_the_hooks_of_the_host_itself_do_not_matter(self) -> None:
        assert judge(hook="input") == []

    def test_where_a_published_port_leads_is_not_known(self) -> None:
        """The port and the address behind it are the container's."""
        published = {"targets": [], "published": True}
        assert [(verdict, fix) for verdict, _text, fix in judge(NEW, **published)] == [("unknown", "")]
        translated = [match("ct", "status", "dnat", "in"), ACCEPT]
        assert judge(translated, **published) == []

    def test_legacy_rules(self) -> None:
        """A chain FORWARD of iptables-legacy, which nft does not list."""
        tables = read_tables("*filter\n:FORWARD DROP [0:0]\n-A FORWARD -p tcp -m tcp --dport 1433 -j ACCEPT\nCOMMIT\n")
        found = judge_saved(tables, 4, ruleset([{**ROUTER, "answered": False}]), "iptables-legacy")
        assert found == []
        closed = judge_saved(tables, 4, ruleset([{**ROUTER, "ports": ["1434"]}]), "iptables-legacy")
        place = "iptables-legacy -t filter -I FORWARD"
        assert [(item.verdict, item.fix) for item in closed] == [
            (
                "drops",
                f"{place} -s 192.0.2.0/24 -d 198.51.100.10 -p tcp -m tcp --dport 1434 -j ACCEPT; "
                f"{place} -s 198.51.100.10 -d 192.0.2.0/24 -p tcp -m tcp --sport 1434 "
                "-m tcp ! --tcp-flags RST,ACK NONE -j ACCEPT",
            )
        ]

    def test_legacy_rules_for_the_answers(self) -> None:
        """A port that answers come from is known, too; where a published port leads to is not."""
        lines = "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -p tcp -m tcp --{} 1433 -j ACCEPT\nCOMMIT\n".format
        both = read_tables(lines("dport") + lines("sport"))
        assert judge_saved(both, 4, ruleset([ROUTER]), "iptables-legacy") == []
        published = ruleset([{**ROUTER, "targets": [], "published": True}])
        found = judge_saved(read_tables(lines("dport")), 4, published, "iptables-legacy")
        assert [(item.verdict, item.fix) for item in found] == [("unknown", "")]

    @pytest.mark.parametrize(
        ("condition", "verdicts"),
        [
            ("--ctstate DNAT", []),
            ("! --ctstate DNAT", ["drops"]),
            ("--ctstate RELATED,DNAT", ["unknown"]),
            ("--ctstate RELATED", ["drops"]),
        ],
    )
    def test_legacy_rules_for_what_is_translated(self, condition: str, verdicts: list[str]) -> None:
        """A translated destination is a state of its own to iptables, and none to nft."""
        text = f"*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack {condition} -j ACCEPT\nCOMMIT\n"
        published = ruleset([{**ROUTER, "targets": [], "published": True}])
        assert [item.verdict for item in judge_saved(read_tables(text), 4, published, "iptables")] == verdicts


def changed(index: int, rule: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return nft's listing of a router with another rule, or none, in the place of one."""
    objects = copy.deepcopy(listing("router"))
    rules = [number for number, item in enumerate(objects) if "rule" in item]
    if rule is None:
        del objects[rules[index]]
    else:
        objects[rules[index]]["rule"].update(rule)
    return objects


@pytest.mark.parametrize("index", range(9))
def test_a_rule_that_is_gone_is_noticed(index: int) -> None:
    """Each of them matters: what is left is another ruleset, or none of ours."""
    found = decode(listing_of(changed(index, None)))
    assert found != case("router")


@pytest.mark.parametrize(
    "rule",
    [
        {"expr": []},
        {"expr": [DROP]},
        {"expr": [{"counter": {"packets": 0, "bytes": 0}}, ACCEPT]},
        {"expr": [match("tcp", "dport", 1433), {"counter": {"packets": 0}}, ACCEPT]},
        {"expr": [match("ip", "saddr", "@gone"), match("tcp", "dport", 1433), {"counter": {"packets": 0}}, ACCEPT]},
        {"expr": [match("tcp", "dport", "0x5 [invalid type]"), {"counter": {"packets": 0}}, ACCEPT]},
        {"expr": [match("ct", "mark", 1), match("tcp", "dport", 1433), {"counter": {"packets": 0}}, ACCEPT]},
        {"comment": "dbports: answers, stateless"},
    ],
)
@pytest.mark.parametrize("index", [7, 8, -1])
def test_a_rule_that_is_not_ours_is_unexpected(rule: dict[str, Any], index: int) -> None:
    """Whatever somebody writes into the chain."""
    found = decode(listing_of(changed(index, rule)))
    assert found.unexpected


def test_flags_are_read_in_any_order() -> None:
    """nft 1.0.6 prints ``rst,ack`` for what it was told as ``ack,rst``."""
    objects = copy.deepcopy(listing("router"))
    turned = 0
    for item in objects:
        for node in item.get("rule", {}).get("expr", ()):
            right = node.get("match", {}).get("right")
            if isinstance(right, list):
                right.reverse()
                turned += 1
    assert turned
    assert decode(listing_of(objects)) == case("router")


def test_no_set_of_original_ports_is_written() -> None:
    """nft 1.0.6 lists it as ``{ 0x599 [invalid type] }``, which neither nft nor anybody else reads."""
    published = {"direction": "forward", "protocol": "tcp", "ports": ["1433", "5000-5010"], "published": True}
    lines = [
        line for line in encode(ruleset([{**published, "peers": ["192.0.2.1"]}])).splitlines() if "proto-dst" in line
    ]
    assert len(lines) == 4
    assert not any("{" in line.partition("proto-dst")[2] for line in lines)
