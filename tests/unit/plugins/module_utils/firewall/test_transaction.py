# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of it or nothing: the transaction with an nft that is a stand-in and fails where it is told to."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import command
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Output
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables import program
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.backend import Nftables
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.encode import encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import read_listing
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import DELETE
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.persist import BootPlace, Persistence
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Kept, Service
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "support"))

from firewall_cases import CASES, case, listing

OTHERS = [{"table": {"family": "inet", "name": "theirs"}}]
UNIT = Kept(services=(Service("unit", enabled=True, active=False),))
LIST, LIST_OWN, CHECK, LOAD = "-j list ruleset", "-s list table inet dbports", "-c -f -", "-f -"


class FakeNft:
    """Holds the table of one of the cases; knows their texts and listings, and fails at the named call.

    :param after: how many of these calls succeed before.
    """

    def __init__(self, name: str = "nothing", fails: str = "", after: int = 0) -> None:
        self.name = name
        self.fails = fails
        self.after = after
        self.calls: list[str] = []
        self.texts = {encode(case(name)): name for name in CASES}

    def __call__(self, argv: Sequence[str], text: str) -> Output:
        call = " ".join(argv[1:])
        self.calls.append(call)
        if call == self.fails:
            self.after -= 1
            if self.after < 0:
                self.fails = ""
                return Output(1, "", "Error: it does not work")
        if call == LIST_OWN:
            return Output(0, f"old {self.name}", "")
        if call == LIST:
            return Output(0, json.dumps({"nftables": listing(self.name) + OTHERS}), "")
        name = text[len(DELETE + "old ") :] if text.startswith(DELETE + "old ") else self.texts[text]
        if call == LOAD:
            self.name = name
        return Output(0, "", "")


class FakePersistence(Persistence):
    """Keeps the state in memory and fails when it is told to."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__(root="/nonexistent")
        self.kept = Kept()
        self.fails = fails

    def current(self) -> Kept:
        return self.kept

    def write(self, kept: Kept) -> None:
        self.kept = kept
        if self.fails:
            self.fails = False
            raise DbportsError("the disk is full")


@pytest.fixture(autouse=True)
def _place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BootPlace, "wanted", lambda _place, text: UNIT if text else Kept())
    monkeypatch.setattr(BootPlace, "reason", None)


def wish(name: str, **more: Any) -> DesiredState:
    """Return the wish for a case."""
    return DesiredState(case(name), outbound=CASES[name][1]["outbound"], **more)


def run(
    nft: FakeNft, wanted: DesiredState, store: FakePersistence | None = None, check: bool = False
) -> dict[str, Any]:
    """Apply a wish to the fakes."""
    return apply(wanted, check=check, backend=Nftables(Nft("nft", nft), store or FakePersistence()))


def test_load_after_a_dry_run_and_look_at_it() -> None:
    """The order of the calls is the transaction."""
    nft, store = FakeNft(), FakePersistence()
    assert run(nft, wish("mssql"), store)["changed"] is True
    assert nft.calls == [LIST, CHECK, LOAD, LIST, LIST_OWN]
    nft.calls.clear()
    assert run(nft, wish("mssql"), store)["in_sync"] is True
    assert nft.calls == [LIST, LIST_OWN]


@pytest.mark.parametrize("check", [True, False])
def test_a_failing_dry_run_changes_nothing(check: bool) -> None:
    """With and without check the error has nft's words."""
    nft, store = FakeNft("sql602", fails=CHECK), FakePersistence()
    with pytest.raises(DbportsError, match="it does not work"):
        run(nft, wish("mssql", allow_shrink=True), store, check)
    assert (nft.name, store.kept) == ("sql602", Kept())


@pytest.mark.parametrize("start", ["nothing", "sql602"])
@pytest.mark.parametrize(("step", "after"), [(LOAD, 0), (LIST, 1), (LIST_OWN, 1), ("persist", 0)])
def test_a_failing_step_goes_back(start: str, step: str, after: int) -> None:
    """After any step that fails the old table and the old files are there."""
    after -= step == LIST_OWN and start == "nothing"
    nft, store = FakeNft(start, fails=step, after=after), FakePersistence(fails=step == "persist")
    with pytest.raises(DbportsError, match=r"it does not work|the disk is full"):
        run(nft, wish("mssql", allow_shrink=True), store)
    assert (nft.name, store.kept) == (start, Kept())


def test_a_table_that_is_not_the_wanted_one_afterwards_goes_back() -> None:
    """Loading without an error is not enough."""
    nft = FakeNft("sql602")
    nft.texts = {text: "sql602_open" if name == "mssql" else name for text, name in nft.texts.items()}
    with pytest.raises(DbportsError, match="not the wanted ones"):
        run(nft, wish("mssql", allow_shrink=True))
    assert nft.name == "sql602"


def test_going_back_fails_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then both errors are told."""
    nft, store = FakeNft("sql602"), FakePersistence()

    def fail(_kept: Kept) -> None:
        nft.fails = LOAD
        raise DbportsError("the disk is full")

    monkeypatch.setattr(store, "write", fail)
    with pytest.raises(
        DbportsError, match=r"the disk is full; and the old rules could not be loaded.*it does not work"
    ):
        run(nft, wish("mssql", allow_shrink=True), store)


def test_check_changes_nothing_and_predicts() -> None:
    """The result of a check is that of the run."""
    nft, store = FakeNft("sql602"), FakePersistence()
    predicted = run(nft, wish("sql602_open"), store, check=True)
    assert (nft.name, store.kept) == ("sql602", Kept())
    assert predicted["changed"] is True
    assert run(nft, wish("sql602_open"), store) == predicted
    assert nft.name == "sql602_open"


def test_only_the_files_differ() -> None:
    """The table is not loaded again for them."""
    nft = FakeNft("sql602")
    result = run(nft, wish("sql602"))
    assert (result["changed"], result["in_sync"]) == (True, True)
    assert [entry["after_header"] for entry in result["diff"]] == ["kept for the next boot"]
    assert LOAD not in nft.calls
    assert CHECK not in nft.calls


def test_losses_are_refused_until_they_are_meant() -> None:
    """Allowed losses and absent pass."""
    nft = FakeNft("sql602")
    with pytest.raises(DbportsError, match=r"in udp 5001 altogether.*dbports_allow_shrink"):
        run(nft, wish("mssql"), check=True)
    assert run(nft, wish("nothing", absent=True))["changed"] is True
    assert nft.name == "nothing"


def test_absent_without_nft_removes_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nft is gone there is no table, but there may be files."""
    monkeypatch.setattr(program, "find", lambda _name: None)
    store = FakePersistence()
    store.kept = UNIT
    assert apply(wish("nothing", absent=True), backend=Nftables(persistence=store))["changed"] is True
    assert store.kept == Kept()


@pytest.mark.parametrize(("found", "uid", "text"), [(None, 0, "package nftables"), ("/sbin/nft", 1000, "become: true")])
def test_nft_is_missing_or_forbidden(monkeypatch: pytest.MonkeyPatch, found: str | None, uid: int, text: str) -> None:
    """The error says what to do."""
    monkeypatch.setattr(program, "find", lambda _name: found)
    monkeypatch.setattr(program.os, "geteuid", lambda: uid)
    with pytest.raises(DbportsError, match=text):
        apply(wish("mssql"), backend=Nftables(persistence=FakePersistence()))


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (Output(1, "", "Error: Operation not permitted\n(you must be root)"), "CAP_NET_ADMIN"),
        (Output(1, "", "Error: JSON support not compiled-in"), "built with JSON"),
        (Output(0, "table inet x {}", ""), "printed no JSON"),
        (Output(0, "[]", ""), "printed no JSON"),
    ],
)
def test_an_nft_that_cannot_list(output: Output, text: str) -> None:
    """What the host lacks is named."""
    with pytest.raises(DbportsError, match=text):
        read_listing(Nft("nft", lambda _argv, _text: output).listing())


def test_a_host_without_any_table() -> None:
    """Old versions of nft print nothing at all."""
    assert read_listing(Nft("nft", lambda _argv, _text: Output(0, "", "")).listing()) == []


def test_a_program_that_cannot_be_started() -> None:
    """It is an error of ours, not a traceback."""
    with pytest.raises(DbportsError, match="cannot run /nonexistent/nft"):
        command.run(["/nonexistent/nft"])


def test_arguments_have_the_modules_defaults() -> None:
    """Also where they are handed over without Ansible."""
    assert DesiredState.from_arguments({}) == DesiredState(Ruleset())
    assert (
        DesiredState.from_arguments({"state": "absent", "rules": CASES["mssql"][0]}).ruleset == wish("nothing").ruleset
    )
