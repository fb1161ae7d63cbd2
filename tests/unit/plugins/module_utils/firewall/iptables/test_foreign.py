# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other tables of iptables do to an accepted flow: drop it, may drop it, or nothing."""

from __future__ import annotations

from typing import Union

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables import foreign
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.foreign import (
    judge_answers,
    judge_saved,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.listing import (
    Table,
    read_tables,
    without,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import LAYOUT
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import Listing
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import ForeignFinding

from firewall_cases import ruleset

Finding = Union[ForeignFinding, None]
RULE = {"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.0/24"], "purpose": "SQL"}
FLOWS = ruleset([RULE])


def judge(rules: str = "-p udp", *, policy: str = "ACCEPT", table: str = "filter", skip: str = "") -> Finding:
    """Judge a chain INPUT that begins with some rules; ``sub`` is a chain that drops port 1433."""
    lines = [f"*{table}", f":INPUT {policy} [0:0]", ":sub - [0:0]", f"-A INPUT {rules}"]
    tables = read_tables("\n".join([*lines, "-A sub -p tcp -m tcp --dport 1433 -j DROP", "COMMIT"]))
    found = judge_saved(tables, 4, FLOWS, "iptables-legacy", skip=[skip])
    return found[0] if found else None


DROPS = [
    "-p tcp -m tcp --dport 1433 -j DROP",
    "-p tcp -m multiport --dports 22,1400:1500 -j REJECT --reject-with icmp-port-unreachable",
    "-s 192.0.2.0/25 -j DROP",
    "-m iprange --src-range 192.0.2.1-192.0.2.9 -j DROP",
    "-m conntrack --ctstate NEW -j DROP",
    "-m state --state INVALID,NEW -j DROP",
    '-m comment --comment "-j ACCEPT" -j DROP',
    "! -s 198.51.100.0/24 -j DROP",
    "! -i lo -j DROP",
    "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP",
    "-p tcp -m tcp --tcp-flags ALL SYN -j DROP",
    "-p tcp -m tcp --tcp-flags RST,ACK NONE -j DROP",
    "-p tcp -j sub",
    "-g sub",
    "-p 6 -j DROP",
    "-j LOG --log-prefix x\n-A INPUT -j DROP",
    "-j sub\n-A INPUT -j ACCEPT",
]
PASSES = [
    "-p udp -j DROP",
    "-p tcp -m tcp --dport 22 -j DROP",
    "-s 198.51.100.0/24 -j DROP",
    "-i lo -j DROP",
    "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP",
    "-p tcp -m tcp --tcp-flags ALL NONE -j DROP",
    "-p udp -m tcp --tcp-flags SYN SYN -j DROP",
    "-m conntrack --ctstate RELATED,ESTABLISHED -j DROP",
    "-p tcp -m tcp --dport 1433 -j ACCEPT\n-A INPUT -j DROP",
    "-j RETURN\n-A INPUT -j DROP",
    "-p tcp -j LOG",
    "-p tcp",
    "! -p tcp -j DROP",
    "! -s 192.0.2.0/24 -j DROP",
    "-p tcp -m tcp ! --dport 1433 -j DROP",
    "-p udp -j sub",
    "-m rt --rt-type 0 -j DROP",
    "-m rt ! --rt-type 0 -j DROP",
    "-m esp --espspi 1:500 -j DROP",
]
UNKNOWN = [
    "-m set --match-set bad src -j DROP",
    "-m limit --limit 3/min -j DROP",
    "-i eth0 -j DROP",
    "-m socket -j DROP",
    "-j TARPIT",
    "-m conntrack --ctstate NEW -m recent --update -j DROP",
    "-p tcp -m tcp --dport x -j DROP",
    "-j NFQUEUE --queue-num 1",
]


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [*((rule, "drops") for rule in DROPS), *((rule, "") for rule in PASSES), *((rule, "unknown") for rule in UNKNOWN)],
)
def test_a_rule(rule: str, verdict: str) -> None:
    """What is known of the packet and of the rule is enough, or the verdict says that it is not."""
    found = judge(rule)
    assert (found.verdict if found else "") == verdict


def test_a_policy_is_named_with_what_its_owner_has_to_add() -> None:
    found = judge(policy="DROP")
    assert found
    assert found.text == "iptables-legacy: ip filter INPUT drops tcp 1433 from 192.0.2.1: policy drop"
    assert found.fix == "iptables-legacy -t filter -I INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 1433 -j ACCEPT"
    assert found.place["chain"] == "INPUT"


def test_every_peer_is_in_what_has_to_be_added() -> None:
    """Networks in one command, other ranges in one of their own."""
    peers = ["192.0.2.21", "198.51.100.0/24", "203.0.113.5-203.0.113.9", "2001:db8::/32"]
    flows = ruleset([{**RULE, "peers": peers}])
    found = judge_saved(read_tables("*raw\n:PREROUTING DROP [0:0]\n"), 4, flows, "iptables")
    tail = "-p tcp -m tcp --dport 1433 -j ACCEPT"
    assert [item.fix for item in found] == [
        f"iptables -t raw -I PREROUTING -s 192.0.2.21,198.51.100.0/24 {tail}; "
        f"iptables -t raw -I PREROUTING -m iprange --src-range 203.0.113.5-203.0.113.9 {tail}"
    ]


@pytest.mark.parametrize("table", ["raw", "mangle", "security", "nat"])
def test_the_other_tables(table: str) -> None:
    """All of them may drop but nat; the table in which our accept comes first may not."""
    assert (judge("-j DROP", table=table) is None) == (table == "nat")
    assert judge("-j DROP", table=table, skip=table) is None


def test_every_client_and_port_counts() -> None:
    """Also one of many that the owner of a chain has forgotten, and the last port of a range."""
    flows = ruleset([{**RULE, "ports": ["1433", "50100-50199"], "peers": ["192.0.2.21", "192.0.2.23"]}])
    for rule, dropped in (
        ("-s 192.0.2.23 -p tcp -j DROP", "tcp 1433 from 192.0.2.23"),
        ("-p tcp -m multiport --dports 50150:50160 -j DROP", "tcp 50150 from 192.0.2.21"),
    ):
        found = judge_saved(
            read_tables(f"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING {rule}\n"), 4, flows, "iptables"
        )
        assert [item.verdict for item in found] == ["drops"]
        assert f" drops {dropped}: " in found[0].text


@pytest.mark.parametrize(
    ("direction", "text", "fix"),
    [
        (
            "in",
            ":OUTPUT DROP\n:INPUT DROP",
            "iptables -t filter -I OUTPUT -d 192.0.2.21 -p tcp -m tcp --sport 1433 -j ACCEPT",
        ),
        ("in", ":OUTPUT DROP\n-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", ""),
        ("in", ":OUTPUT DROP\n-A OUTPUT -p tcp -m tcp --sport 1433 -j ACCEPT", ""),
        ("in", ":OUTPUT ACCEPT\n:DBPORTS_OUT -\n-A OUTPUT -j DBPORTS_OUT\n-A DBPORTS_OUT -j DROP", ""),
        (
            "out",
            ":OUTPUT DROP\n:INPUT DROP",
            "iptables -t filter -I INPUT -s 192.0.2.21 -p tcp -m tcp --sport 1433 -j ACCEPT",
        ),
    ],
)
def test_answers_have_to_pass_the_table_of_the_own_chains(direction: str, text: str, fix: str) -> None:
    """There nothing of ours accepts them: a client whose answer does not get out is not let in."""
    flows = ruleset([{**RULE, "direction": direction, "peers": ["192.0.2.21"]}], outbound=True)
    found = judge_answers(read_tables(f"*filter\n{text}\n"), 4, flows, LAYOUT)
    assert [(item.verdict, item.fix) for item in found] == ([("drops", fix)] if fix else [])


ESTABLISHED = "*filter\n:OUTPUT DROP\n-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\nCOMMIT\n"
HIDES = ["-p tcp -m tcp --sport 1433 -j CT --notrack", "-p tcp -j NOTRACK"]


@pytest.mark.parametrize("rule", HIDES)
def test_an_answer_that_tracking_does_not_know_is_not_established(rule: str) -> None:
    """A rule of another table may hide the connection: whether the owner's rule lets its answers out is not known."""
    raw = f"*raw\n:OUTPUT ACCEPT\n-A OUTPUT {rule}\nCOMMIT\n"
    for text, verdicts in ((ESTABLISHED, []), (raw + ESTABLISHED, ["unknown"])):
        tables = read_tables(text)
        assert [item.verdict for item in judge_answers(tables, 4, FLOWS, LAYOUT)] == verdicts


def test_only_the_chain_that_answers_pass_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with 20,000 rules that block addresses asked each of them twice more for answers that never pass there."""
    seen: list[str] = []
    judged = foreign.judge_foreign

    def judge_foreign(listing: Listing, wanted: Ruleset) -> list[ForeignFinding]:
        seen.extend(str(body["chain"]) for kind, body in listing if kind == "rule")
        return judged(listing, wanted)

    monkeypatch.setattr(foreign, "judge_foreign", judge_foreign)
    rules = ["-A INPUT -s 203.0.113.7 -j DROP", "-A OUTPUT -j theirs", "-A theirs -d 203.0.113.7 -j DROP"]
    text = "\n".join(["*filter", ":INPUT ACCEPT", ":OUTPUT ACCEPT", ":theirs -", *rules, ""])
    flows = ruleset([{"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["203.0.113.7"]}])
    found = judge_answers(read_tables(text), 4, flows, LAYOUT)
    assert [item.verdict for item in found] == ["drops"]
    assert seen == ["OUTPUT", "theirs"]


def test_chains_that_are_left_out_are_not_there() -> None:
    """What nothing leads to need not be judged, however many rules it has."""
    lines = ["*filter", ":INPUT DROP [0:0]", ":DBPORTS_IN - [0:0]", "-A INPUT -j DBPORTS_IN", "-A DBPORTS_IN -j DROP"]
    left = without(read_tables("\n".join(lines))["filter"], LAYOUT.is_own)
    assert left == Table({"INPUT": "DROP"}, {"INPUT": []})
