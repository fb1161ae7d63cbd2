# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules carry the inventory name that they belong to, and no other name changes them."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import runner
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import exclusive
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import owner_text, quoted
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState, decide
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.decode import decode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.encode import encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import listing_of
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import Lock
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Script, State
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import RunCommand
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import plan_change
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import OWNER

from firewall_cases import case, listing

RULE = {"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.21"]}
NAMES = [
    "db-1",
    "db.example.org",
    "x" * 80,
    "x" * 81,
    "x" * 300,
    'a"b',
    "a b",
    "a  b",
    " a",
    "br\u00fccke",
    "\ud800",
    "a\nb",
]


def test_names_stay_apart_and_fit_into_a_comment() -> None:
    texts = [owner_text(name) for name in NAMES]
    assert len(set(texts)) == len(NAMES)
    assert texts[:3] == NAMES[:3]
    for text in texts:
        wanted = Ruleset(case("mssql").accepts, case("mssql").guards, owner=text)
        assert f'"lo" accept comment "{quoted(OWNER + text)}"' in encode(wanted)


@pytest.mark.parametrize("name", ["mssql", "sql602_outbound"])
def test_the_owner_is_read_back(name: str) -> None:
    """Of every chain; where two chains differ, it is not what encode writes."""
    objects: list[dict[str, Any]] = listing(name)
    seen: set[str] = set()
    firsts = []
    for item in objects:
        chain = item.get("rule", {}).get("chain")
        if chain and chain not in seen:
            seen.add(chain)
            firsts.append(item["rule"])
    for rule in firsts:
        rule["comment"] = f"{OWNER}db-1"
    read = decode(listing_of(objects))
    assert (read.owner, read.unexpected) == ("db-1", ())
    assert read == case(name).of("db-1")
    assert read.render().startswith("of inventory host db-1\n")
    firsts[-1]["comment"] = f"{OWNER}db-2"
    read = decode(listing_of(objects))
    assert bool(read.unexpected) is (len(firsts) > 1)
    assert read != case(name).of("db-1")


@pytest.mark.parametrize(
    ("there", "arguments", "refused"),
    [
        ("", {"owner": "db-1"}, False),
        ("db-1", {"owner": "db-1"}, False),
        ("db-1", {"owner": "db-2"}, True),
        ("db-1", {"owner": "db-2", "rules": []}, False),
        ("db-1", {"owner": "db-2", "state": "absent"}, True),
        ("db-1", {"owner": "db-2", "former_name": "db-1"}, False),
        ("db-1", {"owner": "db-2", "former_name": "db-3"}, True),
        ("db-1", {"owner": "db-2", "allow_shrink": True}, True),
        ("db-1", {}, False),
    ],
)
def test_another_name_is_refused(there: str, arguments: dict[str, Any], refused: bool) -> None:
    wish = DesiredState.from_arguments({"rules": [RULE], "allow_shrink": True, **arguments})
    before = State(DesiredState.from_arguments({"rules": [RULE], "owner": there}).ruleset)
    change = decide(before, wish, Script())
    if refused:
        assert change.refusal is not None
        assert change.refusal.code == "other_owner"
        said = str(change.refusal)
        assert "db-1" in said
        assert "db-2" in said
        assert "set dbports_former_name (former_name) to db-1" in said
    else:
        assert change.refusal is None


class Memory:
    """A firewall that shows a ruleset and writes what it is told as text."""

    forwards = True

    def __init__(self, there: Ruleset) -> None:
        self.there = there

    def decode(self, observed: Any) -> State:
        return State(self.there)

    def encode(self, wanted: Ruleset, observed: Any, *, persist: bool) -> Script:
        return Script((RunCommand(("load",), wanted.render()),))


def test_a_run_without_a_name_keeps_the_name() -> None:
    there = DesiredState.from_arguments({"rules": [RULE], "owner": "db-1"}).ruleset
    backend: Any = Memory(there)
    change = plan_change(backend, backend, DesiredState.from_arguments({"rules": [RULE]}))
    assert (change.in_sync, change.refusal) == (True, None)
    other = {**RULE, "peers": ["192.0.2.22"]}
    change = plan_change(backend, backend, DesiredState.from_arguments({"rules": [other], "allow_shrink": True}))
    assert change.wish.ruleset.owner == "db-1"


def test_nothing_belongs_to_nobody() -> None:
    assert DesiredState.from_arguments({"owner": "db-1"}).ruleset == Ruleset()


class TestExclusive:
    """One run at a time on a firewall."""

    def test_a_second_one_waits(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        place = tmp_path / "namespace"
        place.touch()
        monkeypatch.setattr(runner, "LOCK", place)
        waits: list[float] = []
        with place.open("rb") as holder:
            fcntl.flock(holder, fcntl.LOCK_EX)

            def let_go(seconds: float) -> None:
                waits.append(seconds)
                if len(waits) == 3:
                    fcntl.flock(holder, fcntl.LOCK_UN)

            monkeypatch.setattr(runner.time, "sleep", let_go)
            with exclusive():
                assert len(waits) == 3

    def test_it_does_not_wait_for_ever(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        place = tmp_path / "namespace"
        place.touch()
        monkeypatch.setattr(runner, "LOCK", place)
        monkeypatch.setattr(runner.time, "sleep", lambda seconds: None)
        with exclusive(), pytest.raises(DbportsError, match="another run"), exclusive():
            pass

    def test_no_other_user_can_hold_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Everyone may open the namespace and lock it: runs, and what undoes them, would wait for ever."""
        assert runner.LOCK.stat().st_mode & 0o077 == 0
        for name in ("LOCK", "NETWORK"):
            (tmp_path / name).touch()
            monkeypatch.setattr(runner, name, tmp_path / name)
        with runner.NETWORK.open("rb") as holder:
            fcntl.flock(holder, fcntl.LOCK_EX)
            with Lock.taken(0) as got:
                assert got
                with Lock.taken(0) as again:
                    assert not again

    def test_a_kernel_without_that_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is the namespace itself, then."""
        monkeypatch.setattr(runner, "LOCK", tmp_path / "nowhere")
        (tmp_path / "namespace").touch()
        monkeypatch.setattr(runner, "NETWORK", tmp_path / "namespace")
        with Lock.taken(0) as got, Lock.taken(0) as again:
            assert (got, again) == (True, False)

    def test_a_host_without_namespaces(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runner, "LOCK", tmp_path / "nowhere")
        monkeypatch.setattr(runner, "NETWORK", tmp_path / "nowhere")
        with exclusive():
            assert not (tmp_path / "nowhere").exists()

    def test_after_an_error_others_may(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        place = tmp_path / "namespace"
        place.touch()
        monkeypatch.setattr(runner, "LOCK", place)
        with pytest.raises(KeyError), exclusive():
            raise KeyError
        with exclusive():
            assert place.exists()
