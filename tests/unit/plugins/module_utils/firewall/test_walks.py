# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to add a firewall: a backend that lives only in this file goes through the transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import (
    BACKENDS,
    Backend,
    choose_backend,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import Runner
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import (
    Kept,
    KeptFile,
    Observed,
    Script,
    State,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import (
    RemoveFile,
    RunCommand,
    Step,
    WriteFile,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply

from firewall_cases import CASES, case

BOOT_FILE = "/etc/memory/rules"
LOAD = ("load",)
RULES = {json.dumps(CASES[name]): case(name) for name in CASES}
"""This firewall's language: the text of each ruleset that it knows."""
NOTHING = next(text for text, ruleset in RULES.items() if not ruleset)


class Memory:
    """A firewall that keeps its rules in memory, and one file; ``fails`` names what does not work.

    It has one command: ``load`` takes its standard input for the rules.
    """

    name = "memory"
    forwards = True
    exclusive = True

    def __init__(self, root: Path, fails: str = "") -> None:
        self.here = True
        self.rules = NOTHING
        self.file = root / BOOT_FILE.lstrip("/")
        self.fails = fails
        self.runner = Runner(str(root), self.run)

    def run(self, argv: Sequence[str], text: str) -> tuple[int, str, str]:
        if tuple(argv) != LOAD:
            return 1, "", "no such command"
        if self.fails == "read back":
            return 0, "", ""
        if self.fails == "load":
            self.fails = ""
            return 1, "", "load does not work"
        if self.fails == "a bug":
            self.fails = ""
            raise ZeroDivisionError
        self.rules = text
        return 0, "", ""

    def governs(self) -> str | None:
        return "the test says so" if self.here else None

    def carries(self) -> bool:
        return self.rules != NOTHING or self.file.exists()

    def observe(self) -> Observed:
        return {"rules": self.rules, "file": self.file.read_text() if self.file.exists() else ""}

    def decode(self, observed: Observed) -> State:
        return State(RULES[observed["rules"]], _kept(observed["file"]))

    def encode(self, wanted: Ruleset, observed: Observed, *, persist: bool) -> Script:
        text = next(text for text, ruleset in RULES.items() if ruleset == wanted)
        file = text if persist and wanted else ""
        keep = (RunCommand(("nothing",)),) if self.fails == "keep" else _file_steps(file)
        return Script(load=(RunCommand(LOAD, text),), keep=keep, kept=_kept(file))

    def check(self, script: Script) -> None:
        if self.fails == "check":
            raise DbportsError("check does not work", code="command_failed")

    def undo(self, observed: Observed) -> tuple[Step, ...]:
        return (RunCommand(LOAD, observed["rules"]), *_file_steps(observed["file"]))


def _file_steps(content: str) -> tuple[Step, ...]:
    return (WriteFile(BOOT_FILE, 0o600, content) if content else RemoveFile(BOOT_FILE, parent=True),)


def _kept(content: str) -> Kept:
    return Kept((KeptFile(BOOT_FILE, 0o600, content),)) if content else Kept()


def wish(name: str, **more: Any) -> DesiredState:
    """Return the wish for a case."""
    return DesiredState(case(name), allow_shrink=True, **more)


@pytest.fixture
def backend(tmp_path: Path) -> Memory:
    """Return a host that carries one of the cases."""
    memory = Memory(tmp_path)
    assert bring(wish("sql602"), memory)["changed"] is True
    return memory


def bring(wanted: DesiredState, memory: Memory, check: bool = False) -> dict[str, Any]:
    """Apply a wish to a host with this firewall."""
    return apply(wanted, check=check, backend=memory, runner=memory.runner)


def test_it_is_picked_up(tmp_path: Path) -> None:
    """A backend that governs a host is taken; without one it is an error."""
    memory = Memory(tmp_path)
    known: tuple[Backend, ...] = (memory, *(item.load() for item in BACKENDS))
    assert choose_backend("auto", backends=[memory]).backend is memory
    assert choose_backend("memory", backends=known).reason == "it was asked for"
    memory.here = False
    with pytest.raises(DbportsError) as caught:
        choose_backend(backends=[memory])
    assert caught.value.code == "program_missing"


def test_a_change_and_then_none(backend: Memory) -> None:
    """The second run finds what the first one brought."""
    result = bring(wish("mssql"), backend)
    assert (result["changed"], result["in_sync"], result["backend"]) == (True, False, "memory")
    assert (result["persistent"], result["persisted_files"]) == (True, [BOOT_FILE])
    assert [entry["after_header"] for entry in result["diff"]] == ["rules", "kept for the next boot"]
    again = bring(wish("mssql"), backend)
    assert (again["changed"], again["in_sync"], again["diff"]) == (False, True, [])


def test_check_mode_predicts(backend: Memory) -> None:
    """The result of a check is that of the run, and nothing is changed by it."""
    before = backend.observe()
    predicted = bring(wish("mssql"), backend, check=True)
    assert backend.observe() == before
    assert bring(wish("mssql"), backend) == predicted


@pytest.mark.parametrize("fails", ["check", "load", "keep", "read back"])
def test_a_failure_restores(backend: Memory, fails: str) -> None:
    """Whatever fails, the host carries what it carried."""
    before = backend.observe()
    backend.fails = fails
    with pytest.raises(DbportsError):
        bring(wish("mssql"), backend)
    assert backend.observe() == before


def test_a_bug_restores_too(backend: Memory) -> None:
    """Also an exception that is not ours leaves nothing half done."""
    before = backend.observe()
    backend.fails = "a bug"
    with pytest.raises(ZeroDivisionError):
        bring(wish("mssql"), backend)
    assert backend.observe() == before


def test_absent(backend: Memory, tmp_path: Path) -> None:
    """No trace stays, and a second run has nothing to do."""
    absent = DesiredState(Ruleset(), absent=True)
    assert bring(absent, backend)["changed"] is True
    assert backend.observe() == Memory(tmp_path / "other").observe()
    assert not list(tmp_path.rglob("*memory*"))
    assert bring(absent, backend)["changed"] is False


def test_losses_are_refused(backend: Memory) -> None:
    """By the same judge as on every other firewall."""
    with pytest.raises(DbportsError) as caught:
        bring(DesiredState(case("mssql")), backend)
    assert caught.value.code == "would_lose"
