# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guarded ports on a host that ufw governs: the real ufw in a lab host, with /etc/ufw of its own, and real packets.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_ufw.py``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import guarded
from guarded import CLIENT, CLIENT6, INTRUDER, SERVER, SERVER6, Session, as_predicted, echo, guarded_lab, reaches, swept
from hostile import INTACT
from lab import Lab, LabHost
from ufw_host import INSTALL

LISTENING = ["tcp/22", "tcp/1433", "tcp/1500", "tcp/5002", "tcp/50123", "udp/53", "udp/1434", "udp/5001"]

RULES: list[dict[str, Any]] = [
    {"protocol": "tcp", "ports": ["1433", "5002", "50100-50199"], "peers": [CLIENT, CLIENT6], "purpose": "SQL"},
    {"protocol": "udp", "ports": ["1434", "5001"], "peers": [CLIENT, "2001:db8::20/124"], "purpose": "search"},
    {"protocol": "tcp", "ports": ["1500-1501"], "peers": [], "purpose": "nobody"},
    {"protocol": "icmp", "peers": [CLIENT, CLIENT6], "purpose": "ping"},
]
GUARDED = {"tcp": "1433,1500-1501,5002,50100-50199", "udp": "1434,5001"}

SHOWN = (
    "iptables-save; ip6tables-save; ls -ln /etc/ufw /etc/default | awk '{ print $1, $3, $4, $5, $9 }'; "
    "cd /etc/ufw; tail -n +1 *.* applications.d/* /etc/default/ufw; ufw status numbered; ufw show added"
)
"""Every rule in force, every byte and mode of ufw's files, and what ufw says of itself."""


apply = partial(guarded.apply, allow_shrink=True)
"""What a run loses here is meant."""


def shell(host: LabHost, command: str) -> str:
    """Run a command line on a host and return what it printed."""
    return host.run(["sh", "-c", command]).stdout


def shown(host: LabHost) -> str:
    """Return all that :data:`SHOWN` shows, without times and counters."""
    lines = shell(host, SHOWN).splitlines()
    return "\n".join(line for line in lines if not line.startswith("# "))


@pytest.fixture(params=["nft"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A server with listeners and an active ufw, a declared client and an intruder."""
    with guarded_lab(*LISTENING) as lab:
        lab.hosts["erp-db"].run(["sh", "-c", INSTALL, "install", request.param])
        yield lab


BOTH = pytest.mark.parametrize("lab", ["nft", "legacy"], indirect=True)
"""Both kinds of iptables: over nftables, and the older one."""


def test_ports(lab: Lab) -> None:
    """The client reaches the guarded ports, the intruder none of them; Molecule sweeps all ports."""
    host, client, intruder = lab.hosts["erp-db"], lab.hosts["app-01"], lab.hosts["intruder"]
    targets = [(protocol, server, "1400-1550") for protocol in ("tcp", "udp") for server in (SERVER, SERVER6)]
    targets.append(("tcp", SERVER, "50090-50210"))
    assert not reaches(client, 5002)
    result = apply(host, rules=RULES)
    assert (result["backend"], result["guarded"], result["warnings"]) == ("ufw", GUARDED, [])
    # By default ufw lets no one in; without that a sweep waits only for what the guard drops.
    assert (reaches(client, 5002), reaches(intruder, 5002)) == (True, False)
    shell(host, "ufw default allow incoming")

    allowed = [swept(client, *target) for target in targets]
    assert [found["answers"] for found in allowed] == ["1433", "1433", "1434", "1434", "50123"]
    assert [found["silent"] for found in allowed] == ["1500-1501", "1500-1501", "", "", ""]
    refused = [swept(intruder, *target) for target in targets]
    assert [found["answers"] for found in refused] == [""] * 5
    assert [found["silent"] for found in refused] == ["1433,1500-1501"] * 2 + ["1434"] * 2 + ["50100-50199"]


@BOTH
def test_absent_leaves_nothing(lab: Lab) -> None:
    """A check says what a run then does and does nothing; the last run restores every byte and every rule."""
    host = lab.hosts["erp-db"]
    shell(host, "ufw reload")
    before = shown(host)
    for arguments in (
        {"rules": RULES, "owner": "erp-db"},
        {"rules": RULES[:1], "policy": "open", "persist": False},
        {"state": "absent"},
    ):
        as_predicted(partial(apply, host, **arguments), partial(shown, host))
    assert shown(host) == before


ADMINISTRATION = [
    "ufw reload",
    "ufw disable && ufw --force enable",
    "ufw insert 1 allow 5002/tcp",
    "ufw prepend allow from any to any port 1433 proto tcp",
    "ufw --force delete 1",
    "for what in '' delete; do ufw $what allow from 192.0.2.21 to any port 1433 proto tcp; done",
    "ufw logging medium",
    "ufw app update App",
    "ufw default allow incoming",
]


OURS = "(iptables-save; ip6tables-save; cat /etc/ufw/before*.rules) | grep dbports"
"""What is ours in force and in the files."""


def test_an_administrator_goes_on_with_ufw(lab: Lab) -> None:
    """Whatever else is done with ufw, the guarded ports stay as they are and ufw's own numbers stay its own."""
    host, client, intruder = lab.hosts["erp-db"], lab.hosts["app-01"], lab.hosts["intruder"]
    apply(host, rules=RULES)
    assert "dbports" not in shell(host, "ufw show added")
    ours = shell(host, OURS)
    for command in ADMINISTRATION:
        shell(host, command)
        assert shell(host, OURS) == ours, command
    assert apply(host, rules=RULES)["changed"] is False
    # Whose rule is now the first of ufw and allows everyone in, by an open default.
    assert "5002/tcp" in shell(host, "ufw status numbered")
    assert [reaches(intruder, port) for port in (1433, 5002)] == [False, False]
    assert [reaches(client, port) for port in (1433, 5002)] == [True, True]


MEDDLING = [
    "iptables -I ufw-dbports-IN -p tcp --dport 1433 -j ACCEPT",
    "ip6tables -A ufw-dbports-IN -p tcp --dport 1433 -j ACCEPT",
    "iptables -A ufw-dbports-FROM1 -s 192.0.2.66 -j ACCEPT",
    "iptables -F ufw-dbports-IN; ip6tables -D ufw6-before-input -j ufw-dbports-IN",
    "iptables -I ufw-before-input -p tcp --dport 99 -j ACCEPT",
    "iptables -I ufw-user-input -j ufw-dbports-IN",
    "iptables -N ufw-dbports-FROM99",
    "sed -i /dbports-FROM1/d /etc/ufw/before.rules",
    "sed -i '/^# BEGIN dbports/,/^# END dbports/d' /etc/ufw/before6.rules && ufw reload",
    "ufw --force reset && ufw --force enable",
]


def test_meddling_is_seen_and_put_right(lab: Lab) -> None:
    """Whatever somebody changes of ours, in force or in the files, the next run puts right."""
    host = lab.hosts["erp-db"]
    apply(host, rules=RULES)
    ours = shell(host, OURS)
    for meddling in MEDDLING:
        shell(host, meddling)
        assert apply(host, rules=RULES)["changed"] is True, meddling
        assert shell(host, OURS) == ours, meddling
    assert apply(host, rules=RULES)["changed"] is False


ATTEMPTS = """
import select, socket, sys
came, total = 0, 0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    with socket.socket() as peer:
        peer.settimeout(float(sys.argv[2]))
        total += 1
        came += peer.connect_ex((sys.argv[1], 1433)) == 0
print(came, total)
"""
"""Connects until it is told to end, and prints how often that worked, and how often it tried."""


def test_no_moment_is_open_or_shut(lab: Lab) -> None:
    """While rules are replaced, no stranger gets in and no client is kept out."""
    host = lab.hosts["erp-db"]
    apply(host, rules=RULES)
    more = [{**RULES[0], "peers": [CLIENT, CLIENT6, "198.51.100.0/24"]}, *RULES[1:]]
    trying = {}
    for name, seconds in {"app-01": "60", "intruder": "0.02"}.items():
        program = [sys.executable, "-c", ATTEMPTS, SERVER, seconds]
        trying[name] = lab.hosts[name].popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        output = trying[name].stdout
        assert output is not None
        assert output.readline() == "ready\n"
    for rules in (more, RULES, more, RULES):
        assert apply(host, rules=rules)["changed"] is True
    came, total = map(int, trying["app-01"].communicate("\n", timeout=120)[0].split())
    assert came == total > 0
    came, total = map(int, trying["intruder"].communicate("\n", timeout=120)[0].split())
    assert (came, total > 0) == (0, True)


def test_sessions_follow_the_declaration(lab: Lab) -> None:
    """A declared client's session goes on through new rules and a reload; one that is taken out ends, both families."""
    host = lab.hosts["erp-db"]
    app, intruder = (Session(lab.hosts[name]) for name in ("app-01", "intruder"))
    again = Session(lab.hosts["app-01"], SERVER6)
    apply(host, rules=RULES)
    assert [app.becomes("alive"), again.becomes("alive"), intruder.becomes("cut")] == ["alive", "alive", "cut"]
    shell(host, "ufw reload")
    assert [app.becomes("alive"), again.becomes("alive")] == ["alive", "alive"]
    apply(host, rules=[{**RULES[0], "peers": [CLIENT6]}, *RULES[1:]], allow_shrink=True)
    assert [app.becomes("cut"), again.becomes("alive")] == ["cut", "alive"]


OWN = """
import socket, sys
peer = socket.create_connection((sys.argv[1], 7000), 60, (sys.argv[2], 50150))
peer.sendall(b"out"); assert peer.recv(9) == b"out"
"""


def test_outbound_and_own_connections(lab: Lab) -> None:
    """The host's own connections out of a guarded range get answers; filtered outbound reaches declared servers."""
    host, client, intruder = (lab.hosts[name] for name in ("erp-db", "app-01", "intruder"))
    for other in (client, intruder):
        echo(other, "tcp/7000")
    out = {"direction": "out", "protocol": "tcp", "ports": ["7000", "32768-60999"], "peers": [CLIENT, CLIENT6]}
    apply(host, rules=[*RULES, out])
    host.python(OWN, INTRUDER, SERVER)
    apply(host, rules=[*RULES, out], filter_outbound=True)
    assert apply(host, rules=[*RULES, out], filter_outbound=True)["changed"] is False
    assert [reaches(host, 7000, address) for address in (CLIENT, CLIENT6, INTRUDER)] == [True, True, False]
    assert (reaches(client, 1433), reaches(intruder, 22)) == (True, True)


def test_ipv6_switched_off_and_on(lab: Lab) -> None:
    """Declared IPv6 clients are named while ufw drops IPv6, and get in when it no longer does."""
    host, client, intruder = (lab.hosts[name] for name in ("erp-db", "app-01", "intruder"))
    shell(host, "sed -i s/^IPV6=yes/IPV6=no/ /etc/default/ufw && ufw disable && ufw --force enable")
    result = apply(host, rules=RULES)
    assert {(item["peer"], item["verdict"]) for item in result["foreign"]} == {
        (CLIENT6, "drops"),
        ("2001:db8::21", "drops"),
    }
    assert all("IPV6=yes" in text for text in result["warnings"])
    assert apply(host, rules=RULES)["changed"] is False
    assert (reaches(client, 1433), reaches(client, 1433, SERVER6)) == (True, False)
    shell(host, "sed -i s/^IPV6=no/IPV6=yes/ /etc/default/ufw && ufw disable && ufw --force enable")
    again = apply(host, rules=RULES)
    assert (again["changed"], again["foreign"]) == (False, [])
    assert (reaches(client, 1433, SERVER6), reaches(intruder, 1433, SERVER6)) == (True, False)


def test_what_drops_before_ufw_is_named_with_what_lets_in(lab: Lab) -> None:
    """The command in the finding is the one that its owner has to run: the client gets in, the intruder does not."""
    host, client, intruder = (lab.hosts[name] for name in ("erp-db", "app-01", "intruder"))
    shell(
        host,
        "iptables -I INPUT -p tcp --dport 1433 -j DROP; iptables -I ufw-before-output -p tcp --sport 1433 -j DROP; "
        "iptables -t raw -A PREROUTING -p tcp --dport 1433 -j DROP; "
        "nft 'table inet theirs { chain in { type filter hook input priority 5; tcp dport 1433 drop; }; }'",
    )
    result = apply(host, rules=RULES[:1])
    found = [item for item in result["foreign"] if item["family"] != "ip6"]
    assert {(item["table"], item["verdict"]) for item in found} == {
        (name, "drops") for name in ("filter", "raw", "theirs")
    }
    assert not reaches(client, 1433)
    for item in found:
        if item["fix"]:
            shell(host, item["fix"])
    if not all(item["fix"] for item in found):
        shell(host, "nft delete table inet theirs")
    assert apply(host, rules=RULES[:1])["foreign"] == []
    assert (reaches(client, 1433), reaches(intruder, 1433)) == (True, False)


def test_names_do_nothing(lab: Lab, tmp_path: Path) -> None:
    """Whatever a purpose or an inventory name says, it arrives as a comment, also through ufw's own reload."""
    host = lab.hosts["erp-db"]
    shell(host, "ufw reload")
    before = shown(host)
    hostile = [name.replace("{0}", str(tmp_path / "a")) for name in INTACT]
    rules = [{**RULES[0], "ports": [str(port)], "purpose": name} for port, name in enumerate(hostile, 5000)]
    owners = ["line\nCOMMIT\n*nat\n-A INPUT -j ACCEPT", *hostile[:6]]
    for former, owner in zip(["", *owners], owners):
        assert apply(host, rules=rules, owner=owner, former_name=former)["changed"] is True
    shell(host, "ufw reload")
    assert apply(host, rules=rules, owner=owners[-1])["changed"] is False
    apply(host, state="absent")
    # Had a shell or iptables-restore understood a name, a rule would be gone or a file be there.
    assert shown(host) == before
    assert not list(tmp_path.iterdir())
