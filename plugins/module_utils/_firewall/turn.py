# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change of a host at a time: whoever has its turn finishes what a killed run left, and undoes what fails."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import exclusive
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import (
    BOOT_UNIT,
    POLL,
    STATE,
    TIMEOUT,
    WAITING,
    Journal,
    Runner,
    StepError,
    network,
    now,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import Step, to_json


@contextmanager
def taking_turn(runner: Runner) -> Iterator[tuple[str, ...]]:
    """Wait until no other run is at work or waits for its confirmation, and finish what a killed one left.

    :returns: warnings about that.
    :raises DbportsError: when it takes longer than :data:`TIMEOUT` seconds.
    """
    left = 0.0
    for _attempt in range(round(TIMEOUT / POLL)):
        with exclusive():
            journal = runner.journal()
            if journal is None or journal.expired:
                yield _repair(runner, journal)
                if journal and runner.journal() == journal:  # it could not be undone, and this run is right without it
                    runner.clear()
                return
            left = max(0, journal.deadline - now())
        time.sleep(POLL)
    raise DbportsError(
        f"a change of another run waits to be confirmed, for {left:.0f} s more at most",
        code="busy",
        fix="Run again when it has ended: a change that is not confirmed is undone at its time-out",
    )


def commit_steps(
    runner: Runner, script: Sequence[Step], undo: Sequence[Step], read_back: Callable[[], None], timeout: float = 0
) -> str:
    """Run the steps of a change and see that it is there; on an error undo it and raise the error.

    :param undo: the steps that bring back the old state.
    :param read_back: raises DbportsError where the change is not there.
    :param timeout: seconds after which it is undone unless it is confirmed; with 0 it is finished at once.
    :returns: the token of a change that waits to be confirmed, else nothing.
    """
    # Only a change needs it.
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.arming import arm, signals_are_errors

    with signals_are_errors() as deafen:
        journal = arm(runner, undo, script, timeout)
        try:
            runner.do(to_json(script))
            read_back()
            if timeout:
                runner.write_journal(journal._replace(phase=WAITING, deadline=now() + timeout))
            deafen()
            if not timeout and (failed := runner.clear(journal.reload)):
                raise StepError("; ".join(failed))
        except BaseException as error:
            deafen()
            _roll_back(runner, journal, error)
            raise
        return journal.token if timeout else ""


def remains(runner: Runner) -> bool:
    """Tell whether anything is left of a change; its directory may have been removed by hand."""
    return runner.leftovers() or runner.at(BOOT_UNIT).exists()


def _repair(runner: Runner, journal: Optional[Journal]) -> tuple[str, ...]:
    """Undo the change that a run did not finish; returns a warning about it."""
    if runner.leftovers():
        _refuse_strange_place(runner.at(STATE))
    if journal is None:
        if remains(runner):
            runner.clear()
        return ()
    if journal.network != network() and not journal.interrupted:
        raise DbportsError(
            "a run in another network namespace of this machine did not finish its change",
            code="busy",
            fix="Wait for it",
        )
    failed = runner.rollback(journal)
    if failed:
        # It is kept until a run succeeds: what is undone then, or at the next boot, is what was whole.
        return (f"an earlier run was interrupted, and its old state could not be brought back: {'; '.join(failed)}",)
    return ("an earlier run was interrupted; the state before it was brought back first",)


def _refuse_strange_place(place: Path) -> None:
    """Refuse to run as root what others may have written.

    :raises DbportsError: when the directory of the journal is a link, or others may write to it.
    """
    there = place.lstat()
    if stat.S_ISDIR(there.st_mode) and there.st_uid == os.geteuid() and not there.st_mode & 0o022:
        return
    raise DbportsError(
        f"{place} is no directory that only root may write to, and what is in it would be run as root",
        code="not_ours",
        fix=f"Look at what made it, and remove it on the host: rm -r {place}",
    )


def _roll_back(runner: Runner, journal: Journal, error: BaseException) -> None:
    """Bring back the old state because of ``error``, and raise what an edge can report: both where that fails too."""
    failed = runner.rollback(journal)
    first = error.reason if isinstance(error, DbportsError) else str(error)
    if failed:
        raise DbportsError(
            f"{first}; and the old state could not be brought back: {'; '.join(failed)}", code="command_failed"
        ) from error
    if isinstance(error, (StepError, OSError)):
        fix = "Put that right and run again; the host has its old rules and files again"
        raise DbportsError(first, code="command_failed", fix=fix) from None
