# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guarded ports let through and what they stop: real packets to all 65,535 TCP and UDP ports.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_guard.py``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from guarded import (
    CLIENT,
    CLIENT6,
    INTRUDER,
    INTRUDER6,
    SERVER,
    SERVER6,
    WAIT,
    Session,
    apply,
    as_predicted,
    echo,
    guarded_lab,
    reaches,
    swept,
)
from lab import Lab, LabHost

LISTENING = ["tcp/22", "tcp/445", "tcp/1433", "tcp/1500", "tcp/5002", "tcp/50123", "udp/53", "udp/1434", "udp/5001"]
"""22 and 53 are nobody's business here; 1500 is guarded against everyone; 50123 is in the guarded dynamic range."""

RULES: list[dict[str, Any]] = [
    {"protocol": "tcp", "ports": ["1433", "5002", "50100-50199"], "peers": [CLIENT, CLIENT6], "purpose": "SQL"},
    {"protocol": "udp", "ports": ["1434", "5001"], "peers": [CLIENT, "2001:db8::20/124"], "purpose": "search"},
    {"protocol": "tcp", "ports": ["1500-1501"], "peers": [], "purpose": "nobody"},
    {"protocol": "tcp", "ports": ["445"], "peers": [CLIENT], "guarded": False, "purpose": "also used by others"},
    {"protocol": "icmp", "peers": [CLIENT, CLIENT6], "purpose": "ping"},
]
GUARDED = {"tcp": "1433,1500-1501,5002,50100-50199", "udp": "1434,5001"}

FOREIGN = """
table inet theirs {
  set office { type ipv4_addr; flags interval; elements = { 198.51.100.0/24 }
  }
  chain in { type filter hook input priority 0; policy accept;
    ip saddr @office tcp dport { 1433, 8080 } accept
    tcp dport 81 drop
  }
}
table ip nat {
  chain pre { type nat hook prerouting priority -100; policy accept;
    tcp dport 8443 redirect to :22
  }
}
"""


def foreign_rules(host: LabHost) -> str:
    """Return the text of all tables but ours."""
    text = host.run(["nft", "list", "ruleset"]).stdout
    return "\n".join(part for part in text.split("\ntable ") if not part.startswith("inet dbports")).strip()


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A server with listeners and foreign tables, a declared client and an intruder."""
    with guarded_lab(*LISTENING) as lab:
        lab.hosts["erp-db"].run(["nft", "-f", "-"], input=FOREIGN)
        yield lab


@pytest.mark.parametrize(("server", "family"), [(SERVER, "ipv4"), (SERVER6, "ipv6")])
def test_every_port(lab: Lab, server: str, family: str) -> None:
    """Of all ports the client reaches what listens, the intruder nothing guarded; unguarded ports do not change."""
    host, client, intruder = lab.hosts["erp-db"], lab.hosts["app-01"], lab.hosts["intruder"]
    rules_before = host.run(["nft", "list", "ruleset"]).stdout
    before = {protocol: swept(intruder, protocol, server) for protocol in ("tcp", "udp")}
    # 8443 is redirected to 22, for IPv4; 81 is dropped by the foreign table.
    tcp_before = "22,445,1433,1500,5002,8443,50123" if family == "ipv4" else "22,445,1433,1500,5002,50123"
    assert (before["tcp"]["answers"], before["tcp"]["silent"]) == (tcp_before, "81")
    assert (before["udp"]["answers"], before["udp"]["silent"]) == ("53,1434,5001", "")

    assert apply(host, rules=RULES)["guarded"] == GUARDED

    allowed = {protocol: swept(client, protocol, server) for protocol in ("tcp", "udp")}
    assert allowed["tcp"]["answers"] == tcp_before.replace("1500,", "")
    assert allowed["tcp"]["silent"] == "81,1500-1501"
    assert allowed["udp"] == before["udp"]
    refused = {protocol: swept(intruder, protocol, server) for protocol in ("tcp", "udp")}
    assert refused["tcp"]["silent"] == "81,1433,1500-1501,5002,50100-50199"
    assert refused["tcp"]["answers"] == ("22,445,8443" if family == "ipv4" else "22,445")
    assert (refused["udp"]["answers"], refused["udp"]["silent"]) == ("53", "1434,5001")

    apply(host, state="absent")
    assert host.run(["nft", "list", "ruleset"]).stdout == rules_before, "and with the same rules goes the same"


def test_open_only_accepts(lab: Lab) -> None:
    """With the policy open nobody is refused."""
    apply(lab.hosts["erp-db"], rules=RULES, policy="open")
    assert all(reaches(lab.hosts[name], port) for name in ("app-01", "intruder") for port in (1433, 1500))


def test_everyone_as_a_peer(lab: Lab) -> None:
    """All addresses of a family are one rule, and the other family stays out."""
    host, intruder = lab.hosts["erp-db"], lab.hosts["intruder"]
    rules = [{"protocol": "tcp", "ports": ["1433"], "peers": ["0.0.0.0/0"]}]
    apply(host, rules=rules)
    assert apply(host, rules=rules)["changed"] is False
    assert reaches(intruder, 1433)
    assert not reaches(intruder, 1433, SERVER6)


def test_check_predicts_and_the_second_run_changes_nothing(lab: Lab) -> None:
    """A check tells what a run then does and does nothing; foreign tables stay byte for byte; absent leaves nothing."""
    host = lab.hosts["erp-db"]
    theirs, all_before = foreign_rules(host), host.run(["nft", "list", "ruleset"]).stdout
    for arguments in (
        {"rules": RULES},
        {"rules": [*RULES[:2], RULES[3], {"protocol": "tcp", "ports": ["1500-1501"], "peers": ["198.51.100.0/24"]}]},
        {"rules": RULES[:1], "policy": "open", "allow_shrink": True},
        {"state": "absent"},
    ):
        as_predicted(partial(apply, host, **arguments), lambda: host.run(["nft", "-s", "list", "ruleset"]).stdout)
        assert foreign_rules(host) == theirs
    assert host.run(["nft", "list", "ruleset"]).stdout == all_before


@pytest.mark.parametrize(("kept", "expected"), [(True, "alive"), (False, "cut")])
def test_an_established_connection_follows_the_declaration(lab: Lab, kept: bool, expected: str) -> None:
    """A client that stays declared keeps its connection through a new ruleset; one that is taken out loses it."""
    host, client = lab.hosts["erp-db"], lab.hosts["app-01"]
    apply(host, rules=RULES)
    session = Session(client)
    peers = [CLIENT if kept else "192.0.2.22", "2001:db8::/64"]
    assert apply(host, rules=[{**RULES[0], "peers": peers}, *RULES[1:]])["changed"] is True
    assert session.becomes(expected) == expected


PUSH = """
import socket, sys
server = socket.create_server(("", 1600)); print("ready", flush=True)
peer = server.accept()[0]
peer.sendall(b"hello"); peer.recv(9); print("connected", flush=True); sys.stdin.readline()
peer.settimeout(float(sys.argv[1]))
try: peer.sendall(b"push"); print("alive" if peer.recv(9) == b"push" else "closed")
except OSError: print("cut")
"""
SEND_BACK = """
import socket, sys
peer = socket.create_connection((sys.argv[1], 1600), 60)
while True: peer.sendall(peer.recv(9))
"""


@pytest.mark.parametrize(("peer", "expected"), [("app-01", "alive"), ("intruder", "cut")])
def test_a_session_older_than_the_table_where_the_server_speaks_first(lab: Lab, peer: str, expected: str) -> None:
    """A declared client's long query gets its answer; an undeclared client's session ends, whoever speaks."""
    host = lab.hosts["erp-db"]
    server = host.popen([sys.executable, "-c", PUSH, WAIT[expected]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    lab.hosts[peer].popen([sys.executable, "-c", SEND_BACK, SERVER])
    assert server.stdout.readline() == "connected\n"
    apply(host, rules=[{"protocol": "tcp", "ports": ["1600"], "peers": [CLIENT]}])
    assert server.communicate("\n", timeout=120)[0].strip() == expected


OWN = """
import socket, sys
peer = socket.create_connection((sys.argv[1], 7000), 60, (sys.argv[2], 50150))
peer.sendall(b"out"); assert peer.recv(9) == b"out"
"""


@pytest.mark.parametrize(("own", "other"), [(SERVER, INTRUDER), (SERVER6, INTRUDER6)])
def test_own_connections_from_a_guarded_dynamic_range(lab: Lab, own: str, other: str) -> None:
    """The server's own connection gets its answers although its source port is guarded; the way in stays shut."""
    host, intruder = lab.hosts["erp-db"], lab.hosts["intruder"]
    echo(intruder, "tcp/7000")
    apply(host, rules=RULES)
    host.python(OWN, other, own)
    assert not reaches(intruder, 50123, own)


def test_loopback_passes(lab: Lab) -> None:
    """The host reaches its own guarded ports by every address of its own."""
    host = lab.hosts["erp-db"]
    apply(host, rules=RULES)
    assert all(reaches(host, 1500, address) for address in ("127.0.0.1", "::1", SERVER, SERVER6))


def test_ping_is_refused_to_nobody(lab: Lab) -> None:
    """An accept for echo requests counts them for its peers; everyone else may ping all the same."""
    host = lab.hosts["erp-db"]
    apply(host, rules=RULES)
    for name in ("app-01", "intruder"):
        for address in (SERVER, SERVER6):
            code = (
                "from ansible_collections.dbports.firewall.plugins.module_utils._probe.run import run_probes\n"
                f"print(run_probes([dict(id='x', kind='icmp_echo', address='{address}')], 2.0)[0]['verdict'])"
            )
            assert lab.hosts[name].python(code).stdout.strip() == "answers"


def test_outbound(lab: Lab) -> None:
    """With filter_outbound a guarded destination port leads to the declared servers only, and answers still go out."""
    host, client, intruder = (lab.hosts[name] for name in ("erp-db", "app-01", "intruder"))
    for other in (client, intruder):
        echo(other, "tcp/7000", "tcp/7100")
    out = {"direction": "out", "protocol": "tcp", "ports": ["7000", "32768-60999"], "peers": [CLIENT, CLIENT6]}
    apply(host, rules=[*RULES, out])
    assert reaches(host, 7000, INTRUDER)
    apply(host, rules=[*RULES, out], filter_outbound=True)
    assert [reaches(host, 7000, address) for address in (CLIENT, CLIENT6, INTRUDER, INTRUDER6)] == [
        True,
        True,
        False,
        False,
    ]
    assert reaches(host, 7100, INTRUDER)
    assert reaches(client, 1433)
    assert reaches(intruder, 22)


def test_a_loss_is_refused_and_changes_nothing(lab: Lab) -> None:
    """A plan that forgets a port or most peers is refused unless that is meant; the old rules stay in force."""
    host, client = lab.hosts["erp-db"], lab.hosts["app-01"]
    apply(host, rules=RULES)
    assert "udp 1434,5001 altogether" in apply(host, rules=RULES[:1] + RULES[2:])["error"]
    assert "dbports_allow_shrink" in apply(host, rules=[])["error"]
    assert "IPv4 peer addresses" in apply(host, rules=[{**RULES[0], "peers": [CLIENT6]}, *RULES[1:]])["error"]
    assert reaches(client, 1433)
    assert apply(host, rules=RULES)["changed"] is False
    assert apply(host, rules=[], allow_shrink=True)["changed"] is True
    assert "dbports" not in host.run(["nft", "list", "ruleset"]).stdout


@pytest.mark.parametrize(
    "meddling",
    [
        "insert rule inet dbports inbound tcp dport 1433 accept",
        "add rule inet dbports inbound tcp dport 1433 accept",
        "add element inet dbports peers1_v4 { 192.0.2.66 }",
        "flush chain inet dbports inbound",
        "add chain inet dbports more",
        "add set inet dbports more { type ipv4_addr; flags interval; }",
        "add table inet dbports { flags dormant; }",
        "add chain inet dbports inbound { policy drop; }",
        "delete table inet dbports",
    ],
)
def test_meddling_is_seen_and_put_right(lab: Lab, meddling: str) -> None:
    """Whatever somebody changes in our table shows as a difference, and the next run puts it right."""
    host, intruder = lab.hosts["erp-db"], lab.hosts["intruder"]
    apply(host, rules=RULES)
    host.run(["nft", "-f", "-"], input=meddling + "\n")
    # What is unexpected in our table may well be a port: whatever replaces it is meant.
    assert apply(host, rules=RULES, check=True)["in_sync"] is False
    assert apply(host, rules=RULES)["changed"] is True
    assert apply(host, rules=RULES)["changed"] is False
    assert not reaches(intruder, 1433)


FILTERS = [
    ("policy drop", "ct state established,related accept; tcp dport { 22, 5002 } accept", ["1433"], ["5002"]),
    ("policy accept", "ip saddr 192.0.2.0/24 tcp dport 1433 drop", ["1433"], ["5002"]),
    ("policy drop", "tcp dport vmap { 1433 : accept, 5002 : jump more }", ["5002"], ["1433"]),
    ("policy drop", "iifname eth0 tcp dport 1433 accept; tcp dport 5002 reject", ["5002"], []),
    ("policy drop", "ip saddr . tcp dport { 192.0.2.19 . 1433, 192.0.2.21 . 1433 } accept", ["5002"], ["1433"]),
    ("policy accept", "ip saddr 192.0.2.21 tcp dport 5002 drop", ["5002"], ["1433"]),
    ("policy accept", "tcp flags & (fin | syn | rst | ack) == syn tcp dport 1433-5002 drop", ["1433", "5002"], []),
    ("policy accept", "udp dport 1433 drop; ip6 nexthdr tcp drop; ct state invalid drop", [], ["1433", "5002"]),
    ("policy accept", "limit rate over 1/day tcp dport 5002 drop", [], ["1433"]),
]


@pytest.mark.parametrize(("policy", "rules", "dropped", "passing"), FILTERS)
def test_what_foreign_chains_do_is_what_was_said(
    lab: Lab, policy: str, rules: str, dropped: list[str], passing: list[str]
) -> None:
    """A flow said to be dropped by a foreign chain is, and one of which nothing is said passes."""
    host, client = lab.hosts["erp-db"], lab.hosts["app-01"]
    lines = "\n".join(part.strip() for part in rules.split(";"))
    more = "chain more { return\n}\n" if "more" in rules else ""
    chain = f"chain in {{ type filter hook input priority 10; {policy};\n{lines}\n}}\n"
    host.run(["nft", "-f", "-"], input=f"table inet their_filter {{\n{more}{chain}}}\n")
    wanted = [
        {"protocol": "tcp", "ports": [port], "peers": ["192.0.2.19", CLIENT], "purpose": port}
        for port in ("1433", "5002")
    ]
    result = apply(host, rules=wanted)
    said = {item["ports"]: item["verdict"] for item in result["foreign"]}
    assert sorted(port for port, verdict in said.items() if verdict == "drops") == dropped
    assert [port for port in ("1433", "5002") if port not in said] == passing
    assert [reaches(client, int(port)) for port in dropped] == [False] * len(dropped)
    assert [reaches(client, int(port)) for port in passing] == [True] * len(passing)
    warned = [text for text in result["warnings"] if "their_filter" in text]
    assert len(warned) == len(dropped)


LIKE_UFW = """
table inet like_ufw {
  chain logging { limit rate 3/minute burst 10 packets log prefix "[BLOCK] "
  }
  chain not_local { fib daddr type { local, multicast, broadcast } return
    limit rate 3/minute burst 10 packets jump logging
    drop
  }
  chain user { tcp dport 22 accept
    tcp dport 1433 ct state new accept
    tcp dport 1500 ct state new limit rate 6/minute burst 3 packets accept
    ip saddr 198.51.100.0/24 tcp dport 5002 accept
  }
  chain before { iifname "lo" accept
    ct state established,related accept
    ct state invalid jump logging
    ct state invalid drop
    icmp type echo-request accept
    jump not_local
    jump user
  }
  chain after { udp dport { 137, 138 } goto skip
    fib daddr type broadcast jump skip
  }
  chain skip { drop
  }
  chain in { type filter hook input priority filter; policy drop;
    jump before
    jump after
    limit rate 3/minute burst 10 packets jump logging
    tcp dport 5002 reject with tcp reset
  }
}
"""


def test_a_foreign_table_full_of_jumps_is_judged_right(lab: Lab) -> None:
    """One like ufw's, with states, limits and logs: what is said to pass passes, and what is said to be dropped is."""
    host, client = lab.hosts["erp-db"], lab.hosts["app-01"]
    host.run(["nft", "-f", "-"], input=LIKE_UFW)
    wanted = [{"protocol": "tcp", "ports": [port], "peers": [CLIENT]} for port in ("1433", "1500", "5002", "50123")]
    result = apply(host, rules=wanted)
    said = {item["ports"]: item["verdict"] for item in result["foreign"]}
    assert said == {"1500": "unknown", "5002": "drops", "50123": "drops"}
    assert [reaches(client, port) for port in (1433, 5002, 50123)] == [True, False, False]


def test_rules_of_iptables_beside_the_own_table_are_judged_by_their_matches(lab: Lab) -> None:
    """nft does not say what a match of iptables compares; iptables-save does."""
    host, client = lab.hosts["erp-db"], lab.hosts["app-01"]
    for rule in (
        "-p tcp -m multiport --dports 5002,5022 -m conntrack --ctstate NEW -m comment --comment theirs -j DROP",
        "-p tcp -m multiport --dports 80,443 -j DROP",
        "-p tcp -m iprange --src-range 198.51.100.1-198.51.100.9 -j DROP",
    ):
        host.run(["iptables-nft", "-A", "INPUT", *rule.split()])
    wanted = [{"protocol": "tcp", "ports": [port], "peers": [CLIENT]} for port in ("1433", "5002")]
    result = apply(host, rules=wanted, backend="nftables")
    assert {item["ports"]: item["verdict"] for item in result["foreign"]} == {"5002": "drops"}
    assert result["foreign"][0]["fix"] == (
        "iptables-nft -t filter -I INPUT -s 192.0.2.21 -p tcp -m tcp --dport 5002 -j ACCEPT"
    )
    assert [reaches(client, port) for port in (1433, 5002)] == [True, False]
    host.run(result["foreign"][0]["fix"].split())
    assert reaches(client, 5002)


def test_what_the_owner_has_to_add_lets_the_clients_in(lab: Lab) -> None:
    """The command in the result, run as it is, opens the foreign chain for the declared peers and for nobody else."""
    host, client, intruder = (lab.hosts[name] for name in ("erp-db", "app-01", "intruder"))
    head = "type filter hook input priority 0; policy drop; ct status dnat accept; icmpv6 type { 135, 136 } accept;"
    host.run(["nft", "-f", "-"], input=f"table inet their_filter {{\nchain in {{ {head}\n}}\n}}\n")
    rules = [{"protocol": "tcp", "ports": ["1433", "5002"], "peers": [CLIENT, CLIENT6]}]
    (found,) = apply(host, rules=rules, owner="erp-db")["foreign"]
    assert found["verdict"] == "drops"
    assert not reaches(client, 1433)
    host.run(["sh", "-c", found["fix"]])
    assert apply(host, rules=rules, owner="erp-db")["foreign"] == []
    assert [reaches(client, 1433), reaches(client, 1433, SERVER6), reaches(intruder, 1433)] == [True, True, False]
