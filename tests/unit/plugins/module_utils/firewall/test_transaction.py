# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of it or nothing: the transaction with an nft that is a stand-in and fails where it is told to."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import command, transaction
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Output
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables import program
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.backend import Nftables
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.encode import encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import read_listing
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import DELETE
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.persist import Persistence
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import Runner, StepError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply
from ansible_collections.dbports.firewall.plugins.module_utils._observe import ruleset_state

from firewall_cases import CASES, case, listing

OTHERS = [{"table": {"family": "inet", "name": "theirs"}}]
KEPT = "etc/nftables.d/dbports.nft"
LIST, LIST_OWN, CHECK, LOAD = "-j -t list ruleset", "-s list table inet dbports", "-c -f -", "-f -"


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

    def __call__(self, argv: Sequence[str], text: str) -> tuple[int, str, str]:
        call = " ".join(argv[1:])
        self.calls.append(call)
        if call == self.fails:
            self.after -= 1
            if self.after < 0:
                self.fails = ""
                return 1, "", "Error: it does not work"
        if call == LIST_OWN:
            return 0, f"old {self.name}", ""
        if call == LIST:
            return 0, json.dumps({"nftables": listing(self.name) + OTHERS}), ""
        name = text[len(DELETE + "old ") :] if text.startswith(DELETE + "old ") else self.texts[text]
        if call == LOAD:
            self.name = name
        return 0, "", ""


class Host(Runner):
    """A host with a fake nft and a file system of its own, where the next boot reads a directory.

    :ivar full: whether the next file cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self.nft = FakeNft()
        super().__init__(str(root), self.nft)
        self.root = root
        self.full = False
        (root / "etc/nftables.d").mkdir(parents=True)
        (root / "etc/nftables.conf").write_text('include "/etc/nftables.d/*.nft"\n', encoding="utf-8")

    def carry(self, name: str, **nft: Any) -> Host:
        """Let the host carry a case, with a file for the next boot."""
        self.nft.name = name
        if name != "nothing":
            (self.root / KEPT).write_text(f"old {name}", encoding="utf-8")
        for key, value in nft.items():
            setattr(self.nft, key, value)
        return self

    @property
    def carried(self) -> tuple[str, str]:
        """What is in force and what is kept."""
        file = self.root / KEPT
        return self.nft.name, file.read_text(encoding="utf-8") if file.exists() else ""

    def do(self, steps: Any) -> None:
        for step in steps:
            if self.full and step[:2] == ["WriteFile", f"/{KEPT}"]:
                self.full = False
                raise StepError("the disk is full")
            super().do([step])

    def bring(self, wanted: DesiredState, check: bool = False, **more: Any) -> dict[str, Any]:
        """Apply a wish."""
        backend = Nftables(Nft("nft", lambda argv, text: Output(*self.nft(argv, text))), Persistence(str(self.root)))
        return apply(wanted, check=check, backend=backend, runner=self, **more)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return a host that carries nothing."""
    return Host(tmp_path)


def wish(name: str, **more: Any) -> DesiredState:
    """Return the wish for a case."""
    return DesiredState(case(name), outbound=CASES[name][1]["outbound"], **more)


def test_load_after_a_dry_run_and_look_at_it(host: Host) -> None:
    """The order of the calls is the transaction."""
    assert host.bring(wish("mssql"))["changed"] is True
    assert host.nft.calls == [LIST, CHECK, LOAD, LIST, LIST_OWN]
    host.nft.calls.clear()
    assert host.bring(wish("mssql"))["in_sync"] is True
    assert host.nft.calls == [LIST, LIST_OWN]


@pytest.mark.parametrize("check", [True, False])
def test_a_failing_dry_run_changes_nothing(host: Host, check: bool) -> None:
    """With and without check the error has nft's words."""
    before = host.carry("sql602", fails=CHECK).carried
    with pytest.raises(DbportsError, match="it does not work"):
        host.bring(wish("mssql", allow_shrink=True), check)
    assert host.carried == before


@pytest.mark.parametrize("start", ["nothing", "sql602"])
@pytest.mark.parametrize(("step", "after"), [(LOAD, 0), (LIST, 1), (LIST_OWN, 1), ("persist", 0)])
def test_a_failing_step_goes_back(host: Host, start: str, step: str, after: int) -> None:
    """After any step that fails the old table and the old files are there."""
    after -= step == LIST_OWN and start == "nothing"
    before = host.carry(start, fails=step, after=after).carried
    host.full = step == "persist"
    with pytest.raises(DbportsError, match=r"it does not work|the disk is full"):
        host.bring(wish("mssql", allow_shrink=True))
    assert host.carried == before


def test_a_table_that_is_not_the_wanted_one_afterwards_goes_back(host: Host) -> None:
    """Loading without an error is not enough."""
    before = host.carry("sql602").carried
    host.nft.texts = {text: "sql602_open" if name == "mssql" else name for text, name in host.nft.texts.items()}
    with pytest.raises(DbportsError, match="not the wanted ones"):
        host.bring(wish("mssql", allow_shrink=True))
    assert host.carried == before


def test_going_back_fails_too(host: Host) -> None:
    """Then both errors are told, and the files come back all the same."""
    before = host.carry("sql602").carried
    host.full = True
    host.nft.fails, host.nft.after = LOAD, 1
    with pytest.raises(DbportsError, match=r"the disk is full; and the old state could not be.*it does not work"):
        host.bring(wish("mssql", allow_shrink=True))
    assert host.carried == ("mssql", before[1])


def test_check_changes_nothing_and_predicts(host: Host) -> None:
    """The result of a check is that of the run."""
    before = host.carry("sql602").carried
    predicted = host.bring(wish("sql602_open"), check=True)
    assert host.carried == before
    assert predicted["changed"] is True
    assert host.bring(wish("sql602_open")) == predicted
    assert host.nft.name == "sql602_open"


@pytest.mark.parametrize("start", ["mssql", "nothing"])
def test_what_is_remembered_belongs_to_the_last_run(host: Host, monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    """It is remembered before others get their turn, also where nothing changed, and not in check mode."""
    held: list[bool] = []
    remembered: list[bool] = []

    @contextmanager
    def turn(_runner: Runner) -> Iterator[tuple[str, ...]]:
        held.append(True)
        yield ()
        held.clear()

    monkeypatch.setattr(transaction, "taking_turn", turn)
    host.carry(start)
    for check in (True, False):
        host.bring(wish("mssql"), check, remember=lambda: remembered.extend(held))
    assert remembered == [True]


def test_only_the_files_differ(host: Host) -> None:
    """The table is not loaded again for them."""
    host.carry("sql602")
    result = host.bring(wish("sql602"))
    assert (result["changed"], result["in_sync"]) == (True, True)
    assert [entry["after_header"] for entry in result["diff"]] == ["kept for the next boot"]
    assert LOAD not in host.nft.calls
    assert CHECK not in host.nft.calls


def test_losses_are_refused_until_they_are_meant(host: Host) -> None:
    """Allowed losses and absent pass."""
    host.carry("sql602")
    with pytest.raises(DbportsError, match=r"in udp 5001 altogether.*dbports_allow_shrink"):
        host.bring(wish("mssql"), check=True)
    assert host.bring(wish("nothing", absent=True))["changed"] is True
    assert host.carried == ("nothing", "")


@pytest.mark.parametrize("check", [True, False])
def test_absent_without_nft_says_that_it_could_not_look(
    host: Host, monkeypatch: pytest.MonkeyPatch, check: bool
) -> None:
    """Where nft is gone there may be a table in force all the same: that is no success, and nothing is changed."""
    monkeypatch.setattr(program, "find", lambda _name: None)
    before = host.carry("sql602").carried
    backend = Nftables(persistence=Persistence(str(host.root)))
    with pytest.raises(DbportsError, match="nft is missing, and without it nothing tells") as caught:
        apply(wish("nothing", absent=True), backend=backend, runner=host, check=check)
    assert caught.value.code == "program_missing"
    assert host.carried == before


@pytest.mark.parametrize(("found", "uid", "text"), [(None, 0, "package nftables"), ("/sbin/nft", 1000, "become: true")])
def test_nft_is_missing_or_forbidden(
    host: Host, monkeypatch: pytest.MonkeyPatch, found: str | None, uid: int, text: str
) -> None:
    """The error says what to do."""
    monkeypatch.setattr(program, "find", lambda _name: found)
    monkeypatch.setattr("os.geteuid", lambda: uid)
    with pytest.raises(DbportsError, match=text):
        apply(wish("mssql"), backend=Nftables(persistence=Persistence(str(host.root))), runner=host)


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (Output(1, "", "Error: Operation not permitted\n(you must be root)"), "CAP_NET_ADMIN"),
        (Output(1, "", "Error: JSON support not compiled-in"), "built with JSON"),
        (Output(139, "", "Segmentation fault"), "Update nftables"),
        (Output(0, "table inet x {}", ""), "printed no JSON"),
        (Output(0, "[]", ""), "printed no JSON"),
    ],
)
def test_an_nft_that_cannot_list(output: Output, text: str) -> None:
    """What the host lacks is named."""
    with pytest.raises(DbportsError, match=text):
        read_listing(Nft("nft", lambda _argv, _text: output).listing())


def test_files_of_a_firewall_that_only_root_may_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of firewalld, whatever looks at them first: no traceback, and verify reports that it may not look."""

    def refuse(_name: str, *, absent: bool) -> None:
        raise PermissionError(13, "Permission denied", "/etc/firewalld/ipsets")

    monkeypatch.setattr(transaction, "choose_backend", refuse)
    with pytest.raises(DbportsError, match="cannot read /etc/firewalld/ipsets: Permission denied") as caught:
        apply(DesiredState(case("mssql")))
    assert (caught.value.code, caught.value.fix) == ("not_permitted", "Set become: true")
    assert ruleset_state({"rules": []})["permitted"] is False


@pytest.mark.parametrize("look", [1, 2])
def test_a_file_that_cannot_be_read(host: Host, monkeypatch: pytest.MonkeyPatch, look: int) -> None:
    """As from a broken disk, before the change or when it is read back: no traceback, and the old state."""
    host.carry("sql602")
    before, looks = host.carried, iter(range(1, 9))
    listing_of = Nft.listing

    def fail_once(nft: Nft) -> str:
        if next(looks) == look:
            raise OSError(errno.EIO, os.strerror(errno.EIO), "/etc/hosts")
        return listing_of(nft)

    monkeypatch.setattr(Nft, "listing", fail_once)
    with pytest.raises(DbportsError, match=r"/etc/hosts.*error|error.*/etc/hosts") as caught:
        host.bring(wish("mssql", allow_shrink=True))
    assert host.carried == before
    assert caught.value.code == ("unreadable" if look == 1 else "command_failed")
    assert "run again" in str(caught.value)


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
