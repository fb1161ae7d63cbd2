# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of docs/running.md that take everything away by hand: ours is gone, what is only named alike stays.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_by_hand.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import guarded
from guarded import CLIENT, CLIENT6
from lab import Lab, LabHost
from ufw_host import INSTALL

LAB = Path(__file__).resolve().parent.parent / "lab"
TEXT = (LAB.parents[1] / "docs" / "running.md").read_text(encoding="utf-8")
RULES: list[dict[str, Any]] = [
    {"protocol": "tcp", "ports": ["1433", "50100-50199"], "peers": [CLIENT, CLIENT6, "198.51.100.0/24"]},
    {"direction": "out", "protocol": "tcp", "ports": ["7000"], "peers": [CLIENT, CLIENT6]},
    {"direction": "forward", "protocol": "tcp", "ports": ["5432"], "peers": [CLIENT], "targets": ["198.51.100.9"]},
]
ALIKE = """
set -e
nft 'table inet dbports_mine { chain inbound { tcp dport 99 drop; }; set dbports { type ipv4_addr; }; }'
for program in iptables ip6tables; do
  for chain in DBPORTS_ADMIN DBPORTS_IN2 DBPORTS_FROM DBPORTS_FROM1x ufw-dbports-ADMIN ufw-dbports-IN2; do
    $program -N $chain
    $program -A $chain -p tcp --dport 99 -j DROP
    $program -A INPUT -j $chain
  done
done
mkdir -p /etc/dbports /etc/nftables.d /etc/systemd/system/{nftables,netfilter-persistent}.service.d
mkdir -p /etc/firewalld/policies /etc/firewalld/ipsets
touch /etc/dbports/mine /etc/nftables.d/dbports-mine.nft /etc/systemd/system/dbports-mine.service \
  /etc/systemd/system/{nftables,netfilter-persistent}.service.d/dbports-mine.conf \
  /etc/firewalld/policies/dbports-in{-mine.xml,.xmlx} \
  /etc/firewalld/ipsets/dbports-{9lives-v4.xml,1-v4.xml.bak,a-v4.xml}
"""
"""What the owner of a host may have beside ours, run by bash."""

UNITS = "/etc/systemd/system"
KEPT = {
    "nftables": [
        *(f"/etc/dbports/{name}" for name in ("ruleset.nft", "ruleset.sh", "refused.nft")),
        *("/etc/nftables.d/dbports.nft", f"{UNITS}/dbports-firewall.service"),
        f"{UNITS}/nftables.service.d/dbports.conf",
    ],
    "iptables": [
        *("/etc/dbports/iptables.sh", f"{UNITS}/dbports-iptables.service"),
        *(f"{UNITS}/{name}.service.d/dbports.conf" for name in ("netfilter-persistent", "iptables", "ip6tables")),
    ],
    "firewalld": [
        *(f"/etc/firewalld/policies/dbports-{name}.xml" for name in ("in", "out", "forward")),
        "/etc/firewalld/policies/dbports-out.xml.old",
        *(f"/etc/firewalld/ipsets/dbports-{name}.xml" for name in ("1-v4", "12-v6")),
        "/etc/firewalld/ipsets/dbports-12-v6.xml.old",
    ],
    "ufw": [],
}
"""The files that ours has where systemd or firewalld runs; a lab host has neither."""

ABSENT = "systemctl() { :; }; firewall-cmd() { :; }; "
"""Stand-ins for what a lab host has not."""

SHOWN = (
    "iptables-save; ip6tables-save; nft -s list ruleset; find /etc/dbports /etc/nftables.d /etc/systemd/system "
    "/etc/firewalld | sort; cat /etc/ufw/*.rules"
)


def commands(after: str) -> str:
    """Return the first commands in the page behind some words."""
    lines = TEXT.split(after, 1)[1].split("\n\n    ", 1)[1].split("\n\n", 1)[0]
    return ABSENT + lines


def bash(host: LabHost, command: str) -> str:
    """Run a command line on a host and return what it printed."""
    return host.run(["bash", "-c", command]).stdout


def shown(host: LabHost) -> list[str]:
    """Return all rules and files, without times and counters."""
    lines = bash(host, SHOWN).splitlines()
    return [line.partition(" [")[0] for line in lines if not line.startswith("# ")]


@pytest.fixture
def host() -> Iterator[LabHost]:
    """A host with an active ufw, whose owner likes our names."""
    with Lab() as lab:
        host = lab.host("erp-db", ["192.0.2.10/24", "2001:db8::10/64"])
        host.run(["sh", "-c", INSTALL, "install", "nft"])
        bash(host, ALIKE)
        yield host


BY_HAND = {
    "nftables": "### Take it away by hand",
    "iptables": "On a host with iptables",
    "ufw": "On a host with ufw",
    "firewalld": "On a host with firewalld",
}


def by_hand(host: LabHost, backend: str) -> None:
    """Run what the page says, in both families where it says so."""
    text = commands(BY_HAND[backend])
    if backend == "iptables":
        assert "the same with `ip6tables` for IPv6" in TEXT
        rules = text[text.index("    for table in") :]
        text = f"{text}\n{rules.replace('iptables', 'ip6tables')}"
    bash(host, f"{text}\ntrue")


@pytest.mark.parametrize("backend", BY_HAND)
def test_by_hand(host: LabHost, backend: str) -> None:
    """The host is as it was, to the byte, with all that is only named like ours."""
    bash(host, "ufw reload" if backend == "ufw" else "ufw disable")
    before = shown(host)
    if backend != "firewalld":
        result = guarded.apply(host, rules=RULES, filter_outbound=True, backend=backend)
        assert result.get("changed") is True, result
    for path in KEPT[backend]:
        host.run(["install", "-D", "/dev/null", path])
    assert shown(host) != before
    by_hand(host, backend)
    assert shown(host) == before


SAVES = {
    "nftables": "{ echo flush ruleset; nft list ruleset; } > /etc/nftables.conf",
    "iptables": "mkdir -p /etc/iptables; cd /etc/iptables; iptables-save > rules.v4; ip6tables-save > rules.v6",
}
"""How an owner keeps the rules of the host, nft(8) and netfilter-persistent(8)."""


@pytest.mark.parametrize("backend", SAVES)
def test_what_the_owner_saved_with_his_rules_is_named_when_ours_go(host: LabHost, backend: str) -> None:
    """The next boot would bring it back: absent says so, also a second time, until the rules are saved again."""
    apply = partial(guarded.apply, host, backend=backend)
    bash(host, "ufw disable")
    files = {"nftables": "/etc/nftables.conf", "iptables": "/etc/iptables/rules.v4, /etc/iptables/rules.v6"}[backend]
    apply(rules=RULES)
    bash(host, SAVES[backend])
    assert not any("saved" in text for text in apply(rules=RULES)["warnings"])
    for _again in range(2):
        said = apply(state="absent", check=True)["warnings"]
        assert apply(state="absent")["warnings"] == said
        assert [text.partition(": rules of this collection were saved there")[0] for text in said] == [files]
    bash(host, SAVES[backend])
    assert apply(state="absent")["warnings"] == []
