# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guarded ports of a host whose firewall is iptables, in both variants: real packets to every port.

Its owner refuses by default: what is declared gets in all the same, and nothing else does.
Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_iptables.py``.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.script import script

import guarded
from guarded import (
    CLIENT,
    CLIENT6,
    INTRUDER,
    INTRUDER6,
    SERVER,
    SERVER6,
    Session,
    as_predicted,
    echo,
    guarded_lab,
    reaches,
    swept,
)
from lab import Lab, LabHost

LISTENING = ["tcp/22", "tcp/1433", "tcp/1500", "tcp/5002", "tcp/50123", "tcp/8080", "udp/53", "udp/1434", "udp/5001"]
MANY = [str(port) for port in range(20000, 20080, 2)]
RULES: list[dict[str, Any]] = [
    {"protocol": "tcp", "ports": ["1433", "5002", "50100-50199"], "peers": [CLIENT, CLIENT6], "purpose": "SQL"},
    {"protocol": "udp", "ports": ["1434", "5001"], "peers": [CLIENT, "2001:db8::20/124"], "purpose": "it's -j ACCEPT"},
    {"protocol": "tcp", "ports": ["1500-1501"], "peers": [], "purpose": "nobody"},
    {"protocol": "tcp", "ports": MANY, "peers": ["192.0.2.20-192.0.2.30", "2001:db8::20-2001:db8::31"]},
    {"protocol": "icmp", "peers": [CLIENT, CLIENT6], "purpose": "ping"},
]
OUT = {"direction": "out", "protocol": "tcp", "ports": ["7000", "50100-50199"], "peers": [CLIENT, CLIENT6]}

THEIRS = """\
*filter
:INPUT DROP [0:0]
:f2b - [0:0]
:DBPORTS_ADMIN - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m comment --comment "it's theirs; -j DBPORTS" -j f2b
-A INPUT -p tcp -m multiport --dports 22,8080 -j ACCEPT
-A INPUT -p udp -m udp --dport 53 -j ACCEPT
-A INPUT -p {icmp} -j ACCEPT
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A INPUT -j REJECT
-A f2b -j DBPORTS_ADMIN
-A DBPORTS_ADMIN -s {banned} -j DROP
COMMIT
*mangle
-A PREROUTING -p tcp -m tcp --dport 81 -j MARK --set-mark 7
COMMIT
"""
OURS = re.compile("DBPORTS_(?!ADMIN)")
"""In every line of ours; the owner has a chain with a name like ours."""

OPEN = {"tcp": "22,8080", "udp": "53"}
"""What the rules of the owner let everyone reach."""

apply = partial(guarded.apply, backend="iptables")


def saved(host: LabHost) -> dict[str, list[str]]:
    """Return what iptables-save and ip6tables-save print, without counters and the lines that tell the time."""
    found = {}
    for name in ("iptables", "ip6tables"):
        lines = host.run([f"{name}-save"]).stdout.splitlines()
        found[name] = [re.sub(r" \[\d+:\d+\]$", "", line) for line in lines if not line.startswith("#")]
    return found


def use(host: LabHost, variant: str) -> None:
    """Let a variant of iptables govern a host."""
    script = ["if [ -L /etc/alternatives ]; then rm /etc/alternatives && cp -a /run/etc-below/alternatives /etc/; fi"]
    for name in ("iptables", "ip6tables"):
        for part in ("", "-save", "-restore"):
            script.append(f"ln -sf /usr/sbin/{name}-{variant}{part} /etc/alternatives/{name}{part}")
    host.run(["sh", "-c", " && ".join(script)])


@pytest.fixture(params=["nft", "legacy"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A server with listeners whose owner refuses by default, a declared client and an intruder."""
    with guarded_lab(*LISTENING) as lab:
        server = lab.hosts["erp-db"]
        use(server, request.param)
        for program, icmp, banned in (("iptables", "icmp", "203.0.113.9"), ("ip6tables", "ipv6-icmp", "2001:db8:9::9")):
            server.run([f"{program}-restore"], input=THEIRS.format(icmp=icmp, banned=banned))
        yield lab


def test_every_port(lab: Lab, request: pytest.FixtureRequest) -> None:
    """The client reaches what is declared and what was open, the intruder only what was open."""
    host, client, intruder = lab.hosts["erp-db"], lab.hosts["app-01"], lab.hosts["intruder"]
    # The variants differ in nothing that a packet meets: each is swept in one family.
    address = SERVER if "legacy" in request.node.name else SERVER6
    assert apply(host, rules=RULES)["backend"] == "iptables"
    allowed = {protocol: swept(client, protocol, address) for protocol in OPEN}
    assert (allowed["tcp"]["answers"], allowed["tcp"]["silent"]) == ("22,1433,5002,8080,50123", "1500-1501")
    assert (allowed["udp"]["answers"], allowed["udp"]["silent"]) == ("53,1434,5001", "")
    refused = {protocol: swept(intruder, protocol, address) for protocol in OPEN}
    assert {protocol: found["answers"] for protocol, found in refused.items()} == OPEN
    assert refused["tcp"]["silent"] == ",".join(["1433", "1500-1501", "5002", *MANY, "50100-50199"])
    assert refused["udp"]["silent"] == "1434,5001"


def test_check_predicts_and_absent_leaves_nothing(lab: Lab) -> None:
    """A check tells what a run then does and does nothing; a second run changes nothing; absent restores every byte."""
    host = lab.hosts["erp-db"]
    before = saved(host)
    for arguments in (
        {"rules": RULES},
        {"rules": [*RULES, OUT], "filter_outbound": True},
        {"rules": RULES[:1], "policy": "open", "allow_shrink": True},
        {"state": "absent"},
    ):
        as_predicted(partial(apply, host, **arguments), partial(saved, host))
        theirs = {name: [line for line in lines if not OURS.search(line)] for name, lines in saved(host).items()}
        assert theirs == before
    assert saved(host) == before


def test_outbound(lab: Lab) -> None:
    """With filter_outbound a guarded destination port leads to the declared servers only, and answers still go out."""
    host, client, intruder = (lab.hosts[name] for name in ("erp-db", "app-01", "intruder"))
    for other in (client, intruder):
        echo(other, "tcp/7000", "tcp/7100")
    apply(host, rules=[*RULES, OUT], filter_outbound=True)
    found = [reaches(host, 7000, address) for address in (CLIENT, CLIENT6, INTRUDER, INTRUDER6)]
    assert found == [True, True, False, False]
    assert reaches(host, 7100, INTRUDER)
    assert reaches(client, 1433)
    assert reaches(intruder, 22)
    assert all(reaches(host, 1500, address) for address in ("127.0.0.1", "::1", SERVER, SERVER6)), "loopback passes"


OWN = """
import socket, sys
peer = socket.create_connection((sys.argv[1], 7000), 60, (sys.argv[2], 50150))
peer.sendall(b"out"); assert peer.recv(9) == b"out"
"""


def test_own_connections_from_a_guarded_dynamic_range(lab: Lab) -> None:
    """The server's own connection gets its answers although its source port is guarded; the way in stays shut."""
    host, intruder = lab.hosts["erp-db"], lab.hosts["intruder"]
    echo(intruder, "tcp/7000")
    apply(host, rules=RULES)
    for own, other in ((SERVER, INTRUDER), (SERVER6, INTRUDER6)):
        host.python(OWN, other, own)
        assert not reaches(intruder, 50123, own)


def test_an_established_connection_follows_the_declaration(lab: Lab) -> None:
    """A client that stays declared keeps its session; one that is taken out loses it, whatever the owner accepts."""
    host, client = lab.hosts["erp-db"], lab.hosts["app-01"]
    apply(host, rules=RULES)
    for kept, expected in ((True, "alive"), (False, "cut")):
        session = Session(client)
        peers = [CLIENT if kept else "192.0.2.22", CLIENT6, "198.51.100.1" if kept else "198.51.100.2"]
        assert apply(host, rules=[{**RULES[0], "peers": peers}, *RULES[1:]], allow_shrink=True)["changed"] is True
        assert session.becomes(expected) == expected


MEDDLINGS = [
    "-I INPUT -p tcp -j ACCEPT",
    "-A DBPORTS_FROM1 -s 192.0.2.66 -j ACCEPT",
    "-D INPUT -j DBPORTS_IN",
    "-F",
]


def test_meddling_is_seen_and_put_right(lab: Lab) -> None:
    """Whatever somebody changes in our chains or before them shows as a difference, and the next run puts it right."""
    host, intruder = lab.hosts["erp-db"], lab.hosts["intruder"]
    apply(host, rules=RULES)
    for meddling in MEDDLINGS:
        host.run(["iptables", *meddling.split()])
        assert apply(host, rules=RULES, check=True)["in_sync"] is False, meddling
        assert apply(host, rules=RULES, allow_shrink=True)["changed"] is True, meddling
    assert apply(host, rules=RULES)["changed"] is False
    assert not reaches(intruder, 1433)


def test_what_still_drops_is_named_and_the_fix_is_right(lab: Lab, request: pytest.FixtureRequest) -> None:
    """Tables before ours and the other variant: the command in the finding is what its owner has to run."""
    host, client = lab.hosts["erp-db"], lab.hosts["app-01"]
    other = "iptables-nft" if "legacy" in request.node.name else "iptables-legacy"
    host.run(["iptables", "-t", "raw", "-A", "PREROUTING", "-p", "tcp", "--dport", "1433", "-j", "DROP"])
    host.run([other, "-P", "INPUT", "DROP"])
    result = apply(host, rules=RULES[:1], owner="erp-db")
    found = [item for item in result["foreign"] if item["verdict"] == "drops"]
    assert [(item["table"], item["chain"]) for item in found] == [("raw", "PREROUTING"), ("filter", "INPUT")]
    assert result["warnings"][0] == (
        "erp-db: iptables: ip raw PREROUTING drops tcp 1433 from 192.0.2.21: l4proto tcp th dport 1433 drop (required "
        "for SQL); nothing was changed there; its owner has to add: iptables -t raw -I PREROUTING -s 192.0.2.21 "
        "-p tcp -m multiport --dports 1433,5002,50100:50199 -j ACCEPT"
    )
    assert not reaches(client, 1433)
    for item in found:
        host.run(["sh", "-c", item["fix"]])
    assert reaches(client, 1433)
    assert not [item for item in apply(host, rules=RULES[:1])["foreign"] if item["verdict"] == "drops"]


def test_rules_that_a_switch_left_behind_are_refused(lab: Lab, request: pytest.FixtureRequest) -> None:
    """When another variant becomes iptables, ours stay in force in the first one: nothing says that they are gone."""
    host, client = lab.hosts["erp-db"], lab.hosts["app-01"]
    first, second = ("legacy", "nft") if "legacy" in request.node.name else ("nft", "legacy")
    assert apply(host, rules=RULES[:1])["backend"] == "iptables"
    use(host, second)
    for arguments in ({"rules": RULES[:1]}, {"state": "absent"}):
        said = apply(host, **arguments)["error"]
        assert f"still in force in iptables-{first}" in said
        assert f"Let update-alternatives choose iptables-{first} again" in said
    use(host, first)
    assert reaches(client, 1433)
    assert apply(host, state="absent")["changed"] is True
    use(host, second)
    assert apply(host, state="absent")["changed"] is False


def test_a_failed_load_leaves_everything(lab: Lab) -> None:
    """What iptables-restore refuses changes nothing, in neither family."""
    host = lab.hosts["erp-db"]
    apply(host, rules=RULES)
    # A chain with a name of ours that a rule of somebody else calls in a way that the script does not know.
    host.run(["ip6tables", "-N", "DBPORTS_TO99"])
    host.run(["ip6tables", "-A", "FORWARD", "-m", "comment", "--comment", "two\nlines", "-j", "DBPORTS_TO99"])
    before = saved(host)
    assert "failed" in apply(host, rules=RULES[:1], allow_shrink=True)["error"]
    assert saved(host) == before


def test_a_table_that_was_made_goes_also_after_a_kill() -> None:
    """Between the commit without our rules and the removal of the empty table; the script is run again after that."""
    with Lab() as bare:
        host = bare.host("erp-db", [f"{SERVER}/24"])
        use(host, "nft")
        apply(host, rules=RULES)
        absent = script({"filter": {4: [], 6: []}})
        killed = absent.replace("unmake() {", "unmake() {\n  kill -KILL $$", 1)
        assert host.run(["sh", "-s"], input=killed, check=False).returncode == -signal.SIGKILL
        assert "table ip filter" in host.run(["nft", "list", "tables"]).stdout
        host.run(["sh", "-s"], input=absent)
        assert host.run(["nft", "list", "tables"]).stdout == ""


def test_another_firewall_beside_it_is_refused(lab: Lab) -> None:
    """Rules of ours are in one firewall at a time, and auto keeps to it."""
    host = lab.hosts["erp-db"]
    apply(host, rules=RULES)
    assert "rules of this collection are in iptables already" in apply(host, rules=RULES, backend="nftables")["error"]
    result = apply(host, rules=RULES, backend="auto")
    assert (result["backend"], result["backend_reason"]) == ("iptables", "rules of this collection are already in it")
    host.run(["nft", "add table inet dbports"])
    assert "are in nftables and iptables at once" in apply(host, rules=RULES, backend="auto")["error"]
    assert apply(host, state="absent", backend="nftables")["changed"] is True
    assert apply(host, rules=RULES, backend="auto")["changed"] is False
