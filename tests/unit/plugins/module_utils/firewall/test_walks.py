# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to add a firewall: a backend that lives only in this file goes through the transaction."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import (
    BACKENDS,
    Backend,
    governing_backend,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import (
    Kept,
    KeptFile,
    Observed,
    Script,
    State,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "support"))

from firewall_cases import CASES, case

BOOT_FILE = "/etc/memory/rules"
RULES = {json.dumps(CASES[name]): case(name) for name in CASES}
"""This firewall's language: the text of each ruleset that it knows."""
NOTHING = next(text for text, ruleset in RULES.items() if not ruleset)


class Memory:
    """A firewall that keeps its rules and its one file in memory; ``fails`` names the step that does not work."""

    name = "memory"

    def __init__(self, fails: str = "") -> None:
        self.here = True
        self.rules = NOTHING
        self.file = ""
        self.fails = fails

    def governs(self) -> bool:
        return self.here

    def observe(self) -> Observed:
        self._step("observe")
        return {"rules": self.rules, "file": self.file}

    def decode(self, observed: Observed) -> State:
        return State(RULES[observed["rules"]], _kept(observed["file"]))

    def encode(self, wanted: Ruleset, observed: Observed, *, persist: bool) -> Script:
        text = next(text for text, ruleset in RULES.items() if ruleset == wanted)
        return Script(text, _kept(text if persist and wanted else ""))

    def check(self, script: Script) -> None:
        self._step("check")

    def commit(self, script: Script) -> None:
        if script.load is not None:
            self.rules = NOTHING if self.fails == "load" else script.load
        self._step("commit")
        self.file = script.kept.files[0].content if script.kept.files else ""

    def restore(self, observed: Observed) -> None:
        self._step("restore")
        self.rules, self.file = observed["rules"], observed["file"]

    def _step(self, name: str) -> None:
        if name == self.fails:
            raise DbportsError(f"{name} does not work", code="command_failed")


def _kept(content: str) -> Kept:
    return Kept((KeptFile(BOOT_FILE, 0o600, content),)) if content else Kept()


def wish(name: str, **more: Any) -> DesiredState:
    """Return the wish for a case."""
    return DesiredState(case(name), allow_shrink=True, **more)


@pytest.fixture
def backend() -> Memory:
    """Return a host that carries one of the cases."""
    memory = Memory()
    assert apply(wish("sql602"), backend=memory)["changed"] is True
    return memory


def test_it_is_picked_up() -> None:
    """The first backend that governs a host is taken; without one it is an error."""
    memory = Memory()
    known: tuple[Backend, ...] = (memory, *BACKENDS)
    assert governing_backend(known) is memory
    memory.here = False
    assert governing_backend(known) is BACKENDS[0]
    with pytest.raises(DbportsError) as caught:
        governing_backend([memory])
    assert caught.value.code == "program_missing"


def test_a_change_and_then_none(backend: Memory) -> None:
    """The second run finds what the first one brought."""
    result = apply(wish("mssql"), backend=backend)
    assert (result["changed"], result["in_sync"], result["backend"]) == (True, False, "memory")
    assert (result["persistent"], result["persisted_files"]) == (True, [BOOT_FILE])
    assert [entry["after_header"] for entry in result["diff"]] == ["rules", "kept for the next boot"]
    again = apply(wish("mssql"), backend=backend)
    assert (again["changed"], again["in_sync"], again["diff"]) == (False, True, [])


def test_check_mode_predicts(backend: Memory) -> None:
    """The result of a check is that of the run, and nothing is changed by it."""
    before = backend.observe()
    predicted = apply(wish("mssql"), check=True, backend=backend)
    assert backend.observe() == before
    assert apply(wish("mssql"), backend=backend) == predicted


@pytest.mark.parametrize("fails", ["commit", "load", "check"])
def test_a_failure_restores(backend: Memory, fails: str) -> None:
    """Whatever fails, the host carries what it carried."""
    before = backend.observe()
    backend.fails = fails
    with pytest.raises(DbportsError):
        apply(wish("mssql"), backend=backend)
    assert backend.observe() == before


def test_a_bug_restores_too(backend: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also an exception that is not ours leaves nothing half done."""
    before = backend.observe()
    monkeypatch.setattr(backend, "_step", lambda name: 1 / 0 if name == "commit" else None)
    with pytest.raises(ZeroDivisionError):
        apply(wish("mssql"), backend=backend)
    assert backend.observe() == before


def test_absent(backend: Memory) -> None:
    """No trace stays, and a second run has nothing to do."""
    absent = DesiredState(Ruleset(), absent=True)
    assert apply(absent, backend=backend)["changed"] is True
    assert backend.observe() == Memory().observe()
    assert apply(absent, backend=backend)["changed"] is False


def test_losses_are_refused(backend: Memory) -> None:
    """By the same judge as on every other firewall."""
    with pytest.raises(DbportsError) as caught:
        apply(DesiredState(case("mssql")), backend=backend)
    assert caught.value.code == "would_lose"
