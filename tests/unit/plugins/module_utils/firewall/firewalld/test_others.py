# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that reloads firewalld, run by a real shell with programs that note how they are called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.others import (
    has_rules,
    reload_script,
)

NAME = "org.fedoraproject.FirewallD1"
RULES = (
    '*filter\n:INPUT ACCEPT [0:0]\n:f2b - [0:0]\n-A INPUT -j f2b\n-A f2b -m comment --comment "it\'s $(id)" -j DROP\n'
)

SETTINGS: dict[str, Any] = {
    "zones": {
        "public": {
            "target": {"type": "s", "data": "default"},
            "services": {"type": "as", "data": ["ssh"]},
            "ports": {"type": "a(ss)", "data": [["7777", "tcp"]]},
            "interfaces": {"type": "as", "data": ["eth0"]},
            "rules_str": {"type": "as", "data": ['rule family="ipv4" source address="203.0.113.9" reject # $(id) \'']},
            "forward": {"type": "b", "data": True},
        }
    },
    "policies": {
        "theirs": {"ingress_zones": {"type": "as", "data": ["ANY"]}, "egress_zones": {"type": "as", "data": ["HOST"]}},
    },
    "ipsets": {
        "theirs": ["", "", "", "hash:net", {"family": "inet"}, ["192.0.2.1"]],
        "passing": ["", "", "", "hash:ip", {"timeout": "60"}, []],
    },
    "direct": {
        "Chains": [["ipv4", "filter", "mine"]],
        "Rules": [["ipv4", "filter", "INPUT", -1, ["-p", "tcp", "--dport", "666", "-j", "DROP"]]],
        "Passthroughs": [["ipv4", ["-A", "INPUT"]]],
    },
    "same": [],
}

NOTE = """#!{python}
import json, os, sys
with open(os.environ["NOTES"], "a") as notes:
    said = sys.stdin.read() if sys.argv[0].endswith("-restore") else ""
    notes.write(json.dumps([os.path.basename(sys.argv[0]), sys.argv[1:], said]) + "\\n")
if "NameHasOwner" in sys.argv:
    print("b " + os.environ["RUNNING"])
if sys.argv[0].endswith("-save"):
    shown = os.environ["SAVED"].split("\\f")
    with open(os.environ["NOTES"]) as notes:
        looks = notes.read().count('["iptables-save"')
    print("# the time\\n" + shown[min(looks, len(shown)) - 1], end="")
sys.exit(any(word in sys.argv for word in os.environ["FAILING"].split()))
"""


class World:
    """A directory of programs that note how they are called.

    :param folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "notes"
        self.path = folder / "bin"
        self.path.mkdir()
        for name in ("busctl", "iptables-save", "iptables-restore", "sleep"):
            (self.path / name).write_text(NOTE.format(python=sys.executable), encoding="utf-8")
            (self.path / name).chmod(0o755)

    def run(self, script: str, *, running: str = "true", failing: str = "nothing", saved: Sequence[str] = ("",)) -> int:
        """Run a script and return its exit status; ``saved`` is what iptables-save prints, time after time."""
        self.notes.write_text("", encoding="utf-8")
        more = {"NOTES": str(self.notes), "RUNNING": running, "FAILING": failing, "SAVED": "\f".join(saved)}
        path = f"{self.path}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-s"], input=script, text=True, check=False, env={**os.environ, **more, "PATH": path}
        )
        return done.returncode

    def calls(self) -> list[tuple[str, list[str], str]]:
        """Return program, arguments and standard input of each call."""
        return [tuple(json.loads(line)) for line in self.notes.read_text(encoding="utf-8").splitlines()]

    def asked(self, method: str) -> list[list[str]]:
        """Return the arguments of the calls of a method of firewalld."""
        found = []
        for _program, words, _said in self.calls():
            if method in words:
                at = words.index(method)
                assert words[at + 2 : at + 3] in ([], ["--"])
                found.append(words[at + 3 :])
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a new world."""
    return World(tmp_path)


def test_what_others_had_is_set_again(world: World) -> None:
    """After the reload, all of it, every word as it was."""
    assert world.run(reload_script(SETTINGS, {"iptables": RULES})) == 0
    assert world.asked("reload") == [[]]
    assert world.asked("changeZoneOfInterface") == [["public", "eth0"]]
    (zone,) = world.asked("setZoneSettings2")
    assert zone[:2] == ["public", "12"]
    for part in (
        ["services", "as", "1", "ssh"],
        ["ports", "a(ss)", "1", "7777", "tcp"],
        ["rules_str", "as", "1", SETTINGS["zones"]["public"]["rules_str"]["data"][0]],
        ["sources", "as", "0"],
        ["forward", "b", "true"],
        ["masquerade", "b", "false"],
    ):
        at = zone.index(part[0])
        assert zone[at : at + len(part)] == part
    (policy,) = world.asked("setPolicySettings")
    assert policy[0] == "theirs"
    assert policy[policy.index("egress_zones") :][:4] == ["egress_zones", "as", "1", "HOST"]
    assert world.asked("setEntries") == [["theirs", "1", "192.0.2.1"]]
    assert world.asked("addChain") == [["ipv4", "filter", "mine"]]
    assert world.asked("addRule") == [
        ["ipv4", "filter", "INPUT", "-1", "6", "-p", "tcp", "--dport", "666", "-j", "DROP"]
    ]
    assert world.asked("addPassthrough") == [["ipv4", "2", "-A", "INPUT"]]
    assert world.calls()[-1] == ("iptables-restore", [], RULES)


def test_tables_that_a_reload_left_alone_stay_alone(world: World) -> None:
    """firewalld 2 does not empty them; only packets were counted in the meantime."""
    counted = RULES.replace("[0:0]", "[17:4711]")
    assert world.run(reload_script(SETTINGS, {"iptables": RULES}), saved=[counted]) == 0
    assert world.calls()[-1][0] == "iptables-save"


MINE = "-A INPUT -p tcp -m tcp --dport 7 -j DROP\n"


@pytest.mark.parametrize(
    ("saved", "waited", "restored"),
    [
        ([""], 0, True),
        (["*filter\n:INPUT ACCEPT [0:0]\n"], 0, True),
        ([MINE, MINE, RULES, RULES], 2, False),
        ([MINE, MINE, MINE, RULES], 1, False),
        ([MINE, MINE, RULES, RULES, RULES, RULES + MINE], 2, True),
        ([MINE], 1, True),
        ([f"{MINE * number}" for number in range(1, 40)], 10, True),
    ],
    ids=["all emptied", "chains emptied", "written again", "at the last moment", "one too many", "others", "no end"],
)
def test_owners_who_write_their_rules_again_are_waited_for(
    saved: list[str], waited: int, restored: bool, world: World
) -> None:
    """Docker and libvirt do so after a reload: what is restored in between, they would write twice."""
    assert world.run(reload_script(SETTINGS, {"iptables": RULES}), saved=saved) == 0
    programs = [program for program, _words, _said in world.calls()]
    assert programs.count("sleep") == waited
    assert programs.count("iptables-restore") == restored


def test_nothing_is_done_where_firewalld_does_not_run(world: World) -> None:
    """So the way back works before firewalld is up."""
    script = reload_script(SETTINGS, {"iptables": RULES})
    assert world.run(script, running="false", failing="reload") == 0
    assert ["reload" in words for _program, words, _said in world.calls()] == [True, False]


def test_what_a_reload_leaves_alone_is_not_set_again(world: World) -> None:
    """Each of it would take longer than to ask for it."""
    assert world.run(reload_script({**SETTINGS, "same": ["public"]}, {})) == 0
    assert (world.asked("setZoneSettings2"), world.asked("changeZoneOfInterface")) == ([], [])
    assert len(world.asked("setPolicySettings")) == 1


@pytest.mark.parametrize(("failing", "calls_on"), [("reload", False), ("setZoneSettings2", True), ("addRule", True)])
def test_failures(failing: str, calls_on: bool, world: World) -> None:
    """Without a reload nothing has to come back; a direct rule may be there already; anything else is an error."""
    status = world.run(reload_script(SETTINGS, {"iptables": RULES}), failing=failing)
    assert status == (0 if failing == "addRule" else 1)
    assert bool(world.asked("setEntries")) is calls_on


@pytest.mark.parametrize(
    ("saved", "found"),
    [
        ("", False),
        ("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", False),
        ("*filter\n:INPUT DROP [0:0]\nCOMMIT\n", True),
        ("*filter\n:INPUT ACCEPT [0:0]\n:mine - [0:0]\nCOMMIT\n", True),
        (RULES, True),
    ],
)
def test_whether_there_is_something_to_lose(saved: str, found: bool) -> None:
    """Empty chains of the kernel's own are nothing."""
    assert has_rules(saved) is found
