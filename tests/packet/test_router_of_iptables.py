# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers whose firewall is iptables, in both variants, or ufw, and whose owner lets through next to nothing.

nftables is swept on all ports in test_router.py; these carry the same rules, around the ports that they are for.
Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_router_of_iptables.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from guarded import apply
from lab import Lab, LabHost
from routed import (
    CLIENT,
    LISTENING,
    OUTSIDE,
    SERVER,
    SESSIONS,
    listen,
    reaches,
    routed,
    router_rules,
    swept,
)
from talking import passes, talk
from ufw_host import INSTALL

THEIRS = """\
*filter
:FORWARD DROP [0:0]
-A FORWARD -p icmp -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 22 -j ACCEPT
-A FORWARD -p tcp -m tcp --sport 22 -j ACCEPT
COMMIT
"""
"""What the owner of iptables lets through, without connection tracking."""

THEIRS_OF_UFW = "ufw route allow proto tcp to any port 22"
"""The same of ufw, which drops by default what it forwards, and lets answers pass."""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A client and its neighbour on one side of a router, a server on the other."""
    with routed() as lab:
        yield lab


def govern(host: LabHost, firewall: str) -> None:
    """Let a firewall govern a host: ``ufw``, or a variant of iptables."""
    if firewall == "ufw":
        host.run(["sh", "-c", INSTALL, "install", "nft"])
        host.run(["sh", "-c", f"{THEIRS_OF_UFW} && ufw reload"])
        return
    links = [
        f"ln -sf /usr/sbin/{name}-{firewall}{part} /etc/alternatives/{name}{part}"
        for name in ("iptables", "ip6tables")
        for part in ("", "-save", "-restore")
    ]
    host.run(["sh", "-c", " && ".join(["rm /etc/alternatives && cp -a /run/etc-below/alternatives /etc/", *links])])
    for program in ("iptables", "ip6tables"):
        host.run([f"{program}-restore"], input=THEIRS.replace("icmp", "icmp" if program == "iptables" else "ipv6-icmp"))


def shown(host: LabHost) -> str:
    """Return all rules of iptables and ip6tables, and ufw's files, without counters and times."""
    text = host.run(["sh", "-c", "iptables-save; ip6tables-save; cat /etc/ufw/*.rules 2>/dev/null || :"]).stdout
    lines = [line for line in text.splitlines() if not line.startswith("# ")]
    return re.sub(r"\[\d+:\d+\]", "", "\n".join(lines))


def changed(host: LabHost, firewall: str, **arguments: Any) -> dict[str, Any]:
    """Apply rules; a check says the same before and changes nothing, and once more there is nothing to change."""
    backend = "ufw" if firewall == "ufw" else "iptables"
    arguments = {"backend": backend, "allow_shrink": True, **arguments}
    before = shown(host)
    predicted = apply(host, check=True, **arguments)
    assert shown(host) == before
    result = apply(host, **arguments)
    assert result == predicted
    assert result["changed"]
    again = apply(host, **arguments)
    assert (again["changed"], again["diff"], again["in_sync"]) == (False, [], True)
    return result


@pytest.mark.parametrize(("firewall", "stateful"), [("nft", True), ("legacy", False), ("ufw", True)])
def test_ports(lab: Lab, firewall: str, stateful: bool) -> None:
    """What is declared passes although the owner's rules drop it; without rules every byte is as before."""
    router, client, neighbour, server = (lab.hosts[name] for name in ("fw-1", "app-01", "app-66", "db"))
    listen(server, *LISTENING)
    listen(client, "udp/5002", "udp/5003", "udp/5004")
    govern(router, firewall)
    before = shown(router)
    assert not changed(router, firewall, rules=router_rules(stateful=stateful), owner="fw-1")["foreign"]
    assert ("conntrack" in ours(router)) == stateful
    sweeps = [
        (client, "tcp", SERVER, "1430-1436"),
        (client, "tcp", SERVER, "50090-50210"),
        (neighbour, "tcp", SERVER, "1430-1436"),
        (neighbour, "tcp", SERVER, "50090-50210"),
        (client, "udp", SERVER, "1430-1436"),
        (neighbour, "udp", SERVER, "1430-1436"),
        (server, "udp", CLIENT, "5001-5005"),
        (server, "tcp", CLIENT, "5001-5005"),
        (neighbour, "tcp", SERVER, "20-24"),
    ]
    with ThreadPoolExecutor(len(sweeps)) as pool:
        found = [answers for answers, _silent in pool.map(lambda one: swept(*one), sweeps)]
    told = "5002,5004" if stateful and firewall == "ufw" else "5002"
    assert found == ["1433", "50123", "", "", "1434", "", told, "", "22"]
    changed(router, firewall, state="absent")
    assert shown(router) == before
    assert not reaches(client, 1433)


def ours(host: LabHost) -> str:
    """Return the own rules in force, without comments."""
    lines = [
        line for line in host.run(["iptables-save"]).stdout.splitlines() if re.match("-A (DBPORTS|ufw-dbports)", line)
    ]
    return "\n".join(lines)


@pytest.mark.parametrize(("firewall", "stateful"), [("nft", False), ("legacy", True), ("ufw", True)])
def test_sessions_older_than_the_rules(lab: Lab, firewall: str, stateful: bool) -> None:
    """Held open over the load: those that are declared go on, whoever speaks first; the owner decides on others."""
    alive = {
        "a client's of a dynamic instance": True,
        "the server's own, from a guarded range": False,
        "a neighbour's": False,
    }
    held = {
        name: talk((lab.hosts[opener[0]], opener[1], opener[2] + number), (lab.hosts[listener[0]], *listener[1:]))
        for number, name in enumerate(alive)
        for opener, listener, _alive in [SESSIONS[name]]
    }
    govern(lab.hosts["fw-1"], firewall)
    changed(lab.hosts["fw-1"], firewall, rules=router_rules(stateful=stateful))
    for name, expected in alive.items():
        here, there = held[name]
        assert passes(there, here, "60" if expected else "1") == ("heard" if expected else "silence"), name
        if expected:
            assert passes(here, there, "60") == "heard"


@pytest.mark.parametrize("firewall", ["legacy"])
def test_a_foreign_drop_is_named_with_what_its_owner_has_to_add(lab: Lab, firewall: str) -> None:
    """In another table an accept of ours ends nothing, and a policy in the same one is none of it."""
    router, client = lab.hosts["fw-1"], lab.hosts["app-01"]
    listen(lab.hosts["db"], *LISTENING)
    govern(router, firewall)
    router.run(["iptables", "-t", "mangle", "-A", "FORWARD", "-s", SERVER, "-p", "tcp", "-j", "DROP"])
    found = changed(router, firewall, rules=router_rules(stateful=True))["foreign"]
    assert [(item["table"], item["chain"], item["purpose"]) for item in found] == [("mangle", "FORWARD", "SQL")]
    assert not reaches(client, 1433)
    router.run(["sh", "-c", found[0]["fix"]])
    assert apply(router, rules=router_rules(stateful=True))["foreign"] == []
    assert reaches(client, 1433)
    assert not reaches(lab.hosts["app-66"], 1433)


DOCKER = """\
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i to-db -p tcp -m tcp --dport 1433 -j DNAT --to-destination 198.51.100.10:14330
-A DOCKER ! -i to-db -p tcp -m tcp --dport 8080 -j DNAT --to-destination 198.51.100.10:1433
COMMIT
*filter
:DOCKER - [0:0]
-I FORWARD -o to-db -j DOCKER
-I FORWARD -i to-db -j ACCEPT
-A DOCKER -d 198.51.100.10 -p tcp -m multiport --dports 1433,14330 -j ACCEPT
COMMIT
"""
"""As Docker publishes 1433:14330 and 8080:1433 of a container, before the rules that are there."""

PUBLISHED = {"direction": "forward", "published": True, "protocol": "tcp", "ports": ["1433"], "peers": [CLIENT]}


@pytest.mark.parametrize("firewall", ["nft", "ufw"])
def test_published_ports_of_a_container(lab: Lab, firewall: str) -> None:
    """Guarded by the port that clients use, before Docker's rules accept; where ufw comes behind them it is said."""
    host, client, neighbour = (lab.hosts[name] for name in ("fw-1", "app-01", "app-66"))
    listen(lab.hosts["db"], "tcp/14330", "tcp/1433")
    govern(host, firewall)
    host.run(["iptables-restore", "--noflush"], input=DOCKER)
    if firewall == "ufw":
        said = apply(host, rules=[PUBLISHED])["error"]
        assert "other rules may accept what this host forwards before ufw is asked" in said
        for program, chain in (("iptables", "ufw-before-forward"), ("ip6tables", "ufw6-before-forward")):
            host.run([program, "-I", "FORWARD", "-j", chain])
    before = shown(host)
    assert reaches(neighbour, 1433, OUTSIDE)
    assert changed(host, firewall, rules=[PUBLISHED])["foreign"] == []
    assert [reaches(one, port, OUTSIDE) for one in (client, neighbour) for port in (1433, 8080)] == [
        *(True, True),
        *(False, True),
    ]
    # Docker puts its rules first again whenever it starts, or makes a network.
    host.run(["iptables", "-I", "FORWARD", "-j", "DOCKER"])
    if firewall == "ufw":
        assert "before ufw is asked" in apply(host, rules=[PUBLISHED])["error"]
        return
    assert [reaches(one, 1433, OUTSIDE) for one in (client, neighbour)] == [True, False]
    changed(host, firewall, rules=[PUBLISHED])
    assert not reaches(neighbour, 1433, OUTSIDE)
    host.run(["iptables", "-D", "FORWARD", "-j", "DOCKER"])
    changed(host, firewall, state="absent")
    assert shown(host) == before
