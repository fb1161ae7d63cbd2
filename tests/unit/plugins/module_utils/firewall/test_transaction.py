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
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import command, transaction
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Nft, Output
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import build_ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.codec import DELETE, encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.persist import Persistence, State
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import DesiredState, apply

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "support"))

from firewall_cases import CASES, listing

OTHERS = [{"table": {"family": "inet", "name": "theirs"}}]


class FakeNft:
    """Holds the table of one of the cases; knows their texts and listings, and fails at a call that it is told."""

    def __init__(self, case: str = "nothing", fails: str = "") -> None:
        self.case = case
        self.fails = fails
        self.calls: list[str] = []
        self.texts = {encode(build_ruleset(rules, **settings)): name for name, (rules, settings) in CASES.items()}

    def __call__(self, argv: Sequence[str], text: str) -> Output:
        call = " ".join(argv[1:])
        self.calls.append(call)
        if call == self.fails:
            self.fails = ""
            return Output(1, "", "Error: it does not work")
        if call == "-s list table inet dbports":
            return Output(0, f"old {self.case}", "")
        if call.startswith("-j"):
            return Output(0, json.dumps({"nftables": listing(self.case) + OTHERS}), "")
        name = text[len(DELETE + "old ") :] if text.startswith(DELETE + "old ") else self.texts[text]
        if call == "-f -":
            self.case = name
        return Output(0, "", "")


class FakePersistence(Persistence):
    """Keeps the state in memory and fails when it is told to."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__(root="/nonexistent")
        self.state = State()
        self.fails = fails

    def current(self) -> State:
        return self.state

    def wanted(self, text: str | None) -> State:
        return State(unit_enabled=text is not None)

    def write(self, state: State) -> None:
        self.state = state
        if self.fails:
            self.fails = False
            raise DbportsError("the disk is full")


def wish(case: str, **more: Any) -> DesiredState:
    """Return the wish for a case."""
    rules, settings = CASES[case]
    return DesiredState(build_ruleset(rules, **settings), outbound=settings["outbound"], **more)


def run(
    nft: FakeNft, wanted: DesiredState, store: FakePersistence | None = None, check: bool = False
) -> dict[str, Any]:
    """Apply a wish to the fakes."""
    return apply(wanted, check=check, nft=Nft("nft", nft), persistence=store or FakePersistence())


def test_load_after_a_dry_run_and_look_at_it() -> None:
    """The order of the calls is the transaction."""
    nft = FakeNft()
    assert run(nft, wish("mssql"))["changed"] is True
    assert nft.calls == ["-j list ruleset", "-c -f -", "-f -", "-j list table inet dbports"]
    nft.calls.clear()
    assert run(nft, wish("mssql"), None)["in_sync"] is True
    assert nft.calls == ["-j list ruleset"]


@pytest.mark.parametrize("check", [True, False])
def test_a_failing_dry_run_changes_nothing(check: bool) -> None:
    """With and without check the error has nft's words."""
    nft, store = FakeNft("sql602", fails="-c -f -"), FakePersistence()
    with pytest.raises(DbportsError, match="it does not work"):
        run(nft, wish("mssql", allow_shrink=True), store, check)
    assert (nft.case, store.state) == ("sql602", State())


@pytest.mark.parametrize("start", ["nothing", "sql602"])
@pytest.mark.parametrize("step", ["-f -", "-j list table inet dbports", "persist"])
def test_a_failing_step_goes_back(start: str, step: str) -> None:
    """After any step that fails the old table and the old files are there."""
    nft, store = FakeNft(start, fails=step), FakePersistence(fails=step == "persist")
    with pytest.raises(DbportsError, match=r"it does not work|the disk is full"):
        run(nft, wish("mssql", allow_shrink=True), store)
    assert (nft.case, store.state) == (start, State())


def test_a_table_that_is_not_the_wanted_one_afterwards_goes_back() -> None:
    """Loading without an error is not enough."""
    nft = FakeNft("sql602")
    nft.texts = {text: "sql602_open" if name == "mssql" else name for text, name in nft.texts.items()}
    with pytest.raises(DbportsError, match="not the wanted one"):
        run(nft, wish("mssql", allow_shrink=True))
    assert nft.case == "sql602"


def test_going_back_fails_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then both errors are told."""
    nft, store = FakeNft("sql602"), FakePersistence()

    def fail(_state: State) -> None:
        nft.fails = "-f -"
        raise DbportsError("the disk is full")

    monkeypatch.setattr(store, "write", fail)
    with pytest.raises(
        DbportsError, match=r"the disk is full; and the old table could not be loaded.*it does not work"
    ):
        run(nft, wish("mssql", allow_shrink=True), store)


def test_check_changes_nothing_and_predicts() -> None:
    """The result of a check is that of the run."""
    nft, store = FakeNft("sql602"), FakePersistence()
    predicted = run(nft, wish("sql602_open"), store, check=True)
    assert (nft.case, store.state) == ("sql602", State())
    assert predicted["changed"] is True
    assert run(nft, wish("sql602_open"), store) == predicted
    assert nft.case == "sql602_open"


def test_only_the_files_differ() -> None:
    """The table is not loaded again for them."""
    nft = FakeNft("sql602")
    result = run(nft, wish("sql602"))
    assert (result["changed"], result["in_sync"]) == (True, True)
    assert [entry["after_header"] for entry in result["diff"]] == ["kept for the next boot"]
    assert nft.calls == ["-j list ruleset"]


def test_losses_are_refused_until_they_are_meant() -> None:
    """Allowed losses and absent pass."""
    nft = FakeNft("sql602")
    with pytest.raises(DbportsError, match=r"in tcp 5002 altogether.*dbports_allow_shrink"):
        run(nft, wish("mssql"), check=True)
    assert run(nft, wish("nothing", absent=True))["changed"] is True
    assert nft.case == "nothing"


def test_absent_without_nft_removes_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nft is gone there is no table, but there may be files."""
    monkeypatch.setattr(transaction, "find", lambda _name: None)
    store = FakePersistence()
    store.state = State(unit_enabled=True)
    assert apply(wish("nothing", absent=True), persistence=store)["changed"] is True
    assert store.state == State()


@pytest.mark.parametrize(("found", "uid", "text"), [(None, 0, "package nftables"), ("/sbin/nft", 1000, "become: true")])
def test_nft_is_missing_or_forbidden(monkeypatch: pytest.MonkeyPatch, found: str | None, uid: int, text: str) -> None:
    """The error says what to do."""
    monkeypatch.setattr(command, "find", lambda _name: found)
    monkeypatch.setattr(command.os, "geteuid", lambda: uid)
    with pytest.raises(DbportsError, match=text):
        apply(wish("mssql"))


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
        Nft("nft", lambda _argv, _text: output).objects()


def test_a_host_without_any_table() -> None:
    """Old versions of nft print nothing at all."""
    assert Nft("nft", lambda _argv, _text: Output(0, "", "")).objects() == []


def test_a_program_that_cannot_be_started() -> None:
    """It is an error of ours, not a traceback."""
    with pytest.raises(DbportsError, match="cannot run /nonexistent/nft"):
        command.run(["/nonexistent/nft"])


def test_arguments_have_the_modules_defaults() -> None:
    """Also where they are handed over without Ansible."""
    assert DesiredState.from_arguments({}) == DesiredState(build_ruleset([], policy="guard", outbound=False))
    assert (
        DesiredState.from_arguments({"state": "absent", "rules": CASES["mssql"][0]}).ruleset == wish("nothing").ruleset
    )
