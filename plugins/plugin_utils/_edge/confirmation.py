# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change a host's rules, and keep the change only if the host answers over a new connection.

All of it happens in one call of an action: as separate tasks the two halves come apart under every strategy. The host
has armed its way back before it changed anything, so that whatever happens here, and wherever it stops, the host
restores its old rules unless it is told not to.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import ConnectionBase
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import (
    NOT_BACK,
    OLD_RULES_BACK,
    read_timeout,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.slots import slot

Call = Callable[[dict[str, Any]], dict[str, Any]]
"""Calls the module that writes rulesets with these arguments beside its own."""

RunOnHost = Callable[[list[str]], bool]
"""Runs a command on the host, and tells whether it ended with success."""

LONGEST = 300
"""Seconds after which a call is given up that gets no answer: several times what the module itself waits for."""

ATTEMPT = 30
"""The same for a call that only confirms."""

PAUSE = 1.0
"""Seconds between two attempts to come back."""

AFTERWARDS = 60
"""Seconds for which a host that was locked out is tried after it should have restored its old rules."""


def change_and_confirm(call: Call, run: RunOnHost, connection: ConnectionBase, timeout: int) -> dict[str, Any]:
    """Call the module and, if something changed, confirm it over a new connection.

    The host names a command that confirms, because it takes far less than a second call of the module, and a busy
    controller has to be back in time. Without a command, or where it fails, the module is called. For the same reason
    only some hosts of a run are changed at a time, see :mod:`slots`; the others wait before they are called.

    :param timeout: seconds after which the host restores its old rules; 0 asks for no confirmation.
    :returns: the module's result, with ``confirmed`` when a change was confirmed.
    :raises DbportsError: when the host could not be reached any more; it says what became of the old rules.
    """
    timeout = read_timeout(timeout)
    with slot() as leave:
        result = _change(call, timeout)
        token, command = result.pop("confirm", ""), result.pop("confirm_command", [])
        if not token or result.get("failed"):
            return result

        def confirm() -> dict[str, Any]:
            return {} if command and run(command) else call({"confirm": token})

        answer, why = _come_back(confirm, connection, timeout, leave)
    if answer is not None and not answer.get("failed"):
        warnings = [*result.get("warnings", []), *answer.get("warnings", [])]
        return {**result, **({"warnings": warnings} if warnings else {}), "confirmed": True}
    raise _locked_out(timeout, why, answer)


def _change(call: Call, timeout: int) -> dict[str, Any]:
    try:
        with limit(timeout + LONGEST):
            return call({})
    except AnsibleConnectionFailure as error:
        text = f"If its rules were changed already, it restores the old ones by itself within {timeout} s."
        # Ansible would append the cause's text.
        raise AnsibleConnectionFailure(f"{str(error).rstrip(' .:')}. {text}" if timeout else str(error)) from None


def _come_back(
    call: Callable[[], dict[str, Any]], connection: ConnectionBase, timeout: int, leave: Callable[[], None]
) -> tuple[Any, str]:
    """Call until the host answers; returns its answer, None without one, and why the last attempt failed before.

    It is tried beyond the time-out too: then the answer says whether the host has restored its old rules.

    :param leave: gives the slot to another host, since this one waits from then on.
    """
    why = ""
    end = time.monotonic() + timeout + AFTERWARDS
    while True:
        try:
            with limit(ATTEMPT):
                _reset(connection)
                return call(), why
        except AnsibleConnectionFailure as error:
            why = str(error)
            leave()
        except AnsibleError as error:  # a wrong password, for example: trying again could lock the account
            raise _unconfirmed(timeout, str(error)) from error
        if time.monotonic() >= end:
            return None, why
        time.sleep(PAUSE)


def _locked_out(timeout: int, why: str, answer: Any) -> DbportsError:
    """Return the error of a host that did not come back in time."""
    reason = f"the host could not be reached over a new connection after the change ({why.strip().rstrip('.')})"
    if answer is None:
        return DbportsError(
            f"{reason}; it restores its old rules by itself {timeout} s after the change, and did not answer "
            f"until {AFTERWARDS} s after that",
            code="would_lock_out",
            fix="Look at it on its console; nothing waits to be done for these rules",
        )
    if not str(answer.get("msg") or "").startswith((OLD_RULES_BACK, NOT_BACK)):
        return _unconfirmed(timeout, str(answer.get("msg") or "it gave no reason"))
    return DbportsError(
        f"{str(answer.get('msg') or '').rstrip('.')}{f'; {reason}' if why else ''}",
        code="would_lock_out",
        fix="Find out what the new rules, together with others on the way, do to the connection of Ansible; "
        "a host that only needs more time gets it with confirm_timeout (dbports_confirm_timeout)",
    )


def _unconfirmed(timeout: int, why: str) -> DbportsError:
    """Return the error of a host that answers and where the confirmation fails all the same."""
    return DbportsError(
        f"the change could not be confirmed ({why.strip().rstrip('.')}); the host restores its old rules by itself "
        f"within {timeout} s",
        code="not_confirmed",
        fix="Find out what keeps a second call from the host, such as become or Python there",
    )


def _reset(connection: ConnectionBase) -> None:
    """End the connection, so that the next call needs a new one.

    Plugins without a reset of their own start a process for every call, which is a new connection.
    """
    if type(connection).reset is ConnectionBase.reset:
        connection.close()
    else:
        connection.reset()


@contextmanager
def limit(seconds: int) -> Iterator[None]:
    """Give up after so many seconds, and end what was started meanwhile: a dead connection may never say so.

    Where a signal cannot be had, there is no limit. A limit of the task itself that comes first stays as it is.

    :raises AnsibleConnectionFailure: when the time is up.
    """

    def give_up(_number: int, _frame: object) -> None:
        _end_children(before)
        raise AnsibleConnectionFailure(f"The host did not answer within {seconds} s.")

    before = _children()
    usable = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    left = signal.getitimer(signal.ITIMER_REAL)[0] if usable else 0.0
    if not usable or 0 < left <= seconds:
        yield
        return
    started = time.monotonic()
    handler = signal.signal(signal.SIGALRM, give_up)
    # Again every second: the plugin ssh takes the first error for one more reason to try again.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - started)))


def _children() -> set[int]:
    """Return the processes that this one started; none where that cannot be told."""
    try:
        return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()}
    except OSError:
        return set()


def _end_children(before: set[int]) -> None:
    for pid in _children() - before:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)
