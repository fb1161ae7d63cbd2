# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots for the hosts of a run that are changed at once, taken by real processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible import constants
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge import slots
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.slots import slot

FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def two_slots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give the run two slots and a directory of its own."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(slots, "PER_PROCESSOR", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0}, raising=False)


class Fork:
    """A process that takes a slot, says so, and does what it is told next: ``leave`` or ``end``."""

    def __init__(self) -> None:
        self.pipe, theirs = FORK.Pipe()
        self.process = FORK.Process(target=_hold, args=(theirs,))
        self.process.start()
        theirs.close()

    def has_slot(self, seconds: float = 60) -> bool:
        return self.pipe.poll(seconds) and self.pipe.recv() == "taken"

    def end(self) -> None:
        self.pipe.send("end")
        self.process.join(60)


def _hold(pipe: Any) -> None:
    with slot() as leave:
        pipe.send("taken")
        while pipe.recv() != "end":
            leave()


def leaves(fork: Fork) -> None:
    fork.pipe.send("leave")


def ends(fork: Fork) -> None:
    fork.end()


def is_killed(fork: Fork) -> None:
    assert fork.process.pid
    os.kill(fork.process.pid, signal.SIGKILL)
    fork.process.join(60)


@pytest.mark.parametrize("happens", [leaves, ends, is_killed])
def test_a_third_host_waits_until_one_is_done(happens: Callable[[Fork], None]) -> None:
    """Whatever becomes of the fork that holds the slot."""
    first, second = Fork(), Fork()
    assert first.has_slot() and second.has_slot()
    third = Fork()
    assert not third.has_slot(3 * slots.PAUSE)
    happens(first)
    assert third.has_slot()
    for fork in (first, second, third):
        if fork.process.is_alive():
            fork.end()


def test_a_run_has_more_slots_with_more_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processors allow four."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1}, raising=False)
    forks = [Fork() for _number in range(4)]
    assert all(fork.has_slot() for fork in forks)
    last = Fork()
    assert not last.has_slot(3 * slots.PAUSE)
    for fork in forks:
        fork.end()
    assert last.has_slot()
    last.end()
