# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that the firewall core runs on a host: found, without a shell, with one kind of error."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorCode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import (
    PATH,
    TIMEOUT,
    LateError,
    Lock,
    StepError,
    call,
    failure,
)

LATE = -1
"""The status of a command that was ended because it took too long."""


class Output(NamedTuple):
    """How a command ended: exit status and what it said."""

    status: int
    stdout: str
    stderr: str


Run = Callable[[Sequence[str], str], Output]
"""Runs a command with a text on its standard input."""


def find(name: str) -> Optional[str]:
    """Return the path of a program, also from the directories that a user's PATH may lack."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), PATH]))


@contextmanager
def exclusive() -> Iterator[None]:
    """Keep others waiting who change the same firewall: a second name of this machine, or another controller.

    :raises DbportsError: when another run takes longer than :data:`TIMEOUT` seconds, and where a file of a firewall
        cannot be read: by another user than root, from a broken disk, with too many open files.
    """
    with Lock.taken(TIMEOUT) as got:
        if not got:
            from ansible_collections.dbports.firewall.plugins.module_utils._firewall.busy import held

            raise held(TIMEOUT)
        try:
            yield
        except OSError as error:
            raise unreadable(error) from None


def require_root() -> None:
    """Refuse to ask or tell a firewall anything as another user.

    :raises DbportsError: when this process is not root's.
    """
    if os.geteuid() != 0:
        raise DbportsError("only root may read or change the firewall", code="not_permitted", fix="Set become: true")


def unreadable(error: OSError) -> DbportsError:
    """Return the error of a file that this process cannot read."""
    reason = f"cannot read {error.filename}: {error.strerror}" if error.filename else str(error)
    if isinstance(error, PermissionError):
        return DbportsError(reason, code="not_permitted", fix="Set become: true")
    return DbportsError(reason, code="unreadable", fix="Put that right on the host and run again")


def run(argv: Sequence[str], text: str = "", timeout: float = TIMEOUT) -> Output:
    """Run a command.

    :param timeout: seconds after which it is ended; with less than :data:`TIMEOUT` it then has the status :data:`LATE`.
    :raises DbportsError: when it cannot be started or takes too long.
    """
    try:
        return Output(*call(argv, text, timeout=timeout))
    except StepError as error:
        if isinstance(error, LateError) and timeout < TIMEOUT:
            return Output(LATE, "", "")
        raise DbportsError(str(error), code="command_failed") from None


def run_checked(
    argv: Sequence[str], text: str = "", *, runner: Run = run, hint: Callable[[str], Optional[str]] = lambda _said: None
) -> str:
    """Run a command that has to succeed, and return what it printed.

    :param hint: returns what the user can do about what the command said.
    :raises DbportsError: with the command's words when it fails.
    """
    status, stdout, stderr = runner(argv, text)
    if status == 0:
        return stdout
    said = stderr or stdout
    code: ErrorCode = "not_permitted" if "Operation not permitted" in said else "command_failed"
    raise DbportsError(failure(argv, status, stdout, stderr), code=code, fix=hint(said))
