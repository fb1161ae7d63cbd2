# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which firewall gets the rules of a host: the one that governs it, and never a second one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import backend
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import (
    BACKENDS,
    CHOICES,
    Choice,
    Known,
    backends_of_host,
    choose_backend,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables import idle as iptables_idle
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import LAYOUT as IPTABLES_LAYOUT
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.persist import own_files
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw import idle as ufw_idle
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw.files import BEGIN
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw.names import FILES as UFW_FILES
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw.names import LAYOUT as UFW_LAYOUT


@dataclass
class Firewall:
    """What the choice asks of a backend.

    :ivar why: why it governs; empty when it does not.
    :ivar later: whether it starts at boot.
    :ivar asked: how often it was asked whether it governs.
    """

    name: str
    why: str = ""
    ours: bool = False
    exclusive: bool = False
    later: bool = False
    asked: int = 0

    def governs(self) -> str | None:
        self.asked += 1
        return self.why or None

    def carries(self) -> bool:
        return self.ours

    def starts_at_boot(self) -> bool:
        return self.later


def chosen(
    name: str = "auto",
    *,
    running: str = "",
    active: str = "",
    ours: str = "",
    absent: bool = False,
    nft: str = "yes",
    later: str = "",
) -> Choice:
    """Choose on a host with nft and iptables.

    :param running: whether firewalld is running, :param active: whether ufw is active, each by any text.
    :param ours: the names of the firewalls that carry rules of ours; :param later: of those that start at boot.
    """
    backends = host_with(running=running, active=active, ours=ours, nft=nft, later=later)
    return choose_backend(name, absent=absent, backends=cast(Any, backends))


def host_with(
    *, running: str = "", active: str = "", ours: str = "", nft: str = "yes", later: str = ""
) -> list[Firewall]:
    """Return the firewalls of a host, as :func:`chosen` takes them."""
    return [
        Firewall("firewalld", running and "firewalld is running", "firewalld" in ours, True, "firewalld" in later),
        Firewall("ufw", active and "ufw is active", "ufw" in ours, True, "ufw" in later),
        Firewall("nftables", "nft is installed" if nft else "", "nftables" in ours),
        Firewall("iptables", "iptables is installed", "iptables" in ours),
    ]


def choose(name: str = "auto", **host: Any) -> tuple[str, str]:
    """Choose as :func:`chosen` does; return the name and the reason, or the code and the whole error."""
    try:
        choice = chosen(name, **host)
    except DbportsError as error:
        return error.code, str(error)
    return choice.backend.name, choice.reason


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ({"running": "yes", "active": "yes"}, ("firewalld", "firewalld is running")),
        ({"active": "yes"}, ("ufw", "ufw is active")),
        ({}, ("nftables", "nft is installed")),
        ({"nft": ""}, ("iptables", "iptables is installed")),
    ],
)
def test_auto_takes_what_governs(host: dict[str, Any], expected: tuple[str, str]) -> None:
    """In this order, and says why."""
    assert choose(**host) == expected


@pytest.mark.parametrize("name", ["auto", "nftables", "firewalld"])
@pytest.mark.parametrize("host", [{}, {"ours": "nftables"}, {"running": "yes"}, {"later": "firewalld"}])
def test_each_is_asked_once_whether_it_governs(name: str, host: dict[str, str]) -> None:
    """One that is stopped starts three programs to be sure of it."""
    backends = host_with(**host)
    with suppress(DbportsError):
        choose_backend(name, backends=cast(Any, backends))
    assert max(item.asked for item in backends) <= 1


@pytest.mark.parametrize("state", [{}, {"absent": True}])
def test_auto_keeps_to_the_one_with_our_rules(state: dict[str, Any]) -> None:
    """Also when another one came later."""
    reason = "rules of this collection are already in it"
    assert choose(ours="iptables", **state) == ("iptables", reason)
    assert choose(ours="nftables", running="yes", **state) == ("nftables", reason)


@pytest.mark.parametrize(
    ("governing", "state", "said"),
    [
        ({"running": "yes"}, {}, "firewalld is running"),
        ({"active": "yes"}, {}, "ufw is active"),
        ({}, {}, ""),
        ({"running": "yes"}, {"absent": True}, ""),
    ],
)
def test_the_way_to_a_firewall_that_came_later_is_named(
    governing: dict[str, str], state: dict[str, Any], said: str
) -> None:
    """A host without firewalld gets one: what its owner adds there for our clients is gone at the next reload."""
    warning = chosen(ours="nftables", **governing, **state).warning
    assert warning.startswith(said)
    assert ("dbports_state=absent and dbports_backend=nftables, then run apply again" in warning) is bool(said)
    assert not chosen(running="yes", ours="firewalld").warning


@pytest.mark.parametrize("host", [{}, {"ours": "nftables"}, {"name": "nftables"}])
@pytest.mark.parametrize("later", ["firewalld", "ufw", ""])
def test_a_firewall_that_takes_over_at_the_next_boot_is_named(host: dict[str, str], later: str) -> None:
    """Before the first rules come into another one, and as long as they are there."""
    warning = chosen(later=later, **host).warning
    assert warning.startswith(later and f"{later} is enabled and does not run now: after the next boot it may refuse")
    assert ("Disable it, or start it now, run apply on this host with dbports_state=absent" in warning) is bool(later)
    assert not chosen(later=later, absent=True, **{**host, "ours": "nftables"}).warning
    assert not chosen(running="yes", later="firewalld").warning


def test_a_second_firewall_is_refused() -> None:
    """Beside firewalld and ufw, and beside the one that carries our rules; the fix names both ways out."""
    code, text = choose("nftables", running="yes")
    assert code == "wrong_backend"
    assert "firewalld is running, and nftables would be a second firewall beside it" in text
    assert "Set backend (dbports_backend) to auto or firewalld; or stop and disable firewalld first" in text
    assert choose("iptables", active="yes")[0] == "wrong_backend"
    code, text = choose("iptables", ours="nftables")
    assert code == "wrong_backend"
    assert "rules of this collection are in nftables already" in text
    assert "dbports_state=absent and dbports_backend=nftables" in text


def test_a_firewall_that_is_not_there_is_refused() -> None:
    """Rules in it would guard nothing; so it is with our own rules in a firewall that was switched off."""
    code, text = choose("ufw", running="yes")
    assert code == "wrong_backend"
    assert "ufw does not govern this host: firewalld is running" in text
    code, text = choose(ours="ufw")
    assert code == "wrong_backend"
    assert "rules of this collection are kept in ufw, which does not govern this host" in text
    assert "install ufw and turn it on (ufw enable)" in text


def test_the_choice_of_the_user_is_kept() -> None:
    """Where nothing speaks against it, and wherever rules are only to be removed."""
    assert choose("iptables") == ("iptables", "it was asked for")
    assert choose("firewalld", running="yes", ours="firewalld")[0] == "firewalld"
    assert choose("nftables", running="yes", ours="nftables,firewalld", absent=True)[0] == "nftables"
    assert choose(ours="ufw", absent=True)[0] == "ufw"


@pytest.mark.parametrize("name", ["auto", "nftables"])
def test_rules_in_two_firewalls_are_reported_with_the_fix(name: str) -> None:
    """Whichever is asked for."""
    code, text = choose(name, ours="nftables,iptables")
    assert code == "wrong_backend"
    assert "rules of this collection are in nftables and iptables at once" in text
    assert "Keep one of them, such as nftables: run apply on this host with dbports_state=absent and" in text
    assert "dbports_backend=iptables" in text


def test_no_such_firewall() -> None:
    assert choose("pf")[0] == "not_a_choice"


def test_every_registered_firewall_can_be_chosen() -> None:
    """By the names that the documentation lists, in the order in which they are asked."""
    names = [item.name for item in BACKENDS]
    assert names == [name for name in CHOICES if name in names]


def test_only_what_may_be_here_is_loaded(tmp_path: Path) -> None:
    """By its program or by a file, also where rules are kept of a firewall whose program is gone."""
    kept = tmp_path / "kept"
    known = Known("pf", "no-such-program", (str(kept),), lambda: pytest.fail("it was loaded"))
    assert not known.may_be_here()
    kept.touch()
    assert known.may_be_here()
    assert Known("pf", "sh", (), known.load).may_be_here()


IDLE = {known.name: known.idle for known in BACKENDS}
IPTABLES, UFW = next(item for item in BACKENDS if item.name == "iptables"), "ENABLED=no\nLOGLEVEL=low\n"


def told(monkeypatch: pytest.MonkeyPatch, name: str, files: dict[str, str], saved: str, *, nft: bool = True) -> bool:
    """Tell whether a firewall is idle on a host with these files and rules in force."""
    monkeypatch.setattr(iptables_idle, "find", lambda _name: "/usr/sbin/nft" if nft else None)
    monkeypatch.setattr(ufw_idle, "_text", lambda path: files.get(path, ""))
    monkeypatch.setattr(Path, "exists", lambda path: str(path) in files)
    return IDLE[name](lambda: saved)


@pytest.mark.parametrize(
    ("files", "saved", "idle"),
    [
        ({}, "", True),
        ({"/etc/ufw/ufw.conf": UFW}, "*filter\n:INPUT ACCEPT [0:0]\n:DBPORTS_IN - [0:0]\n", True),
        ({"/etc/ufw/ufw.conf": UFW + "ENABLED=yes\n"}, "", False),
        ({"/etc/ufw/ufw.conf": ' ENABLED="YES"\n'}, "", False),
        ({"/etc/ufw/ufw.conf": "#ENABLED=yes\n"}, "", True),
        ({UFW_FILES[6]: f"*filter\n{BEGIN}\n"}, "", False),
        ({}, f"*filter\n:{UFW_LAYOUT.chain('in')} - [0:0]\n", False),
    ],
)
def test_ufw_is_loaded_only_where_it_matters(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, str], saved: str, idle: bool
) -> None:
    """It is enabled, or something of ours is in its files or in force."""
    assert told(monkeypatch, "ufw", files, saved) is idle


@pytest.mark.parametrize(
    ("files", "saved", "nft", "idle"),
    [
        ([], "*filter\n:ufw-dbports-IN - [0:0]\n", True, True),
        ([], "", False, False),
        ([], f"*filter\n:{IPTABLES_LAYOUT.chain('in')} - [0:0]\n", True, False),
        *(([path], "", True, False) for path in (*own_files(True).paths, own_files(True).unit_file)),
    ],
)
def test_iptables_is_loaded_only_where_it_matters(
    monkeypatch: pytest.MonkeyPatch, files: list[str], saved: str, nft: bool, idle: bool
) -> None:
    """There is no nft, or something of ours is in its files or in force."""
    assert told(monkeypatch, "iptables", dict.fromkeys(files, ""), saved, nft=nft) is idle


def test_what_is_idle_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is asked for."""
    idle = Known("ufw", "sh", (), lambda: pytest.fail("it was loaded"), lambda _saved: True)
    monkeypatch.setattr(backend, "BACKENDS", (idle, IPTABLES._replace(program="sh", idle=lambda _saved: False)))
    assert [item.name for item in backends_of_host()] == ["iptables"]
    monkeypatch.setattr(backend, "BACKENDS", (IPTABLES._replace(idle=lambda _saved: True),))
    assert [item.name for item in backends_of_host("iptables")] == ["iptables"]


def test_the_one_that_is_asked_for_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the error can say why it does not govern the host."""
    monkeypatch.setattr(Known, "may_be_here", lambda _self: False)
    assert [item.name for item in backends_of_host("firewalld")] == ["firewalld"]
    assert backends_of_host() == ()
    with pytest.raises(DbportsError, match="no supported firewall on this host: firewalld, ufw, nftables, iptables"):
        choose_backend()
