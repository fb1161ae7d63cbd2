# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make sure that a change is undone, whatever happens to the module that is about to make it."""

from __future__ import annotations

import inspect
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import runner as runner_module
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import (
    BOOT_UNIT,
    BOOT_WISH,
    NETWORK,
    RUNNING,
    SOURCE,
    STATE,
    Journal,
    Runner,
    StepError,
    boot_marker,
    call,
    network,
    now,
    source_command,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import (
    RunCommand,
    Step,
    WriteFile,
    to_json,
)

_BOOT_UNIT_TEXT = """\
# Written by the Ansible collection dbports.firewall, for as long as a change of the firewall is not finished.
[Unit]
Description=Undo a change of dbports.firewall that was not finished
DefaultDependencies=no
RequiresMountsFor={state} /etc
After=systemd-remount-fs.service local-fs.target
Before=nftables.service iptables.service ip6tables.service netfilter-persistent.service ufw.service firewalld.service
Before=dbports-firewall.service dbports-iptables.service sysinit.target network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=-{python} -IBS {source} boot
ExecStart=/bin/sh -c '[ ! -e {source} ] || exec python3 -IBS {source} boot'
TimeoutStartSec=180
"""

_BOOT_WISH_TEXT = f"[Unit]\nWants={Path(BOOT_UNIT).name}\n"

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def arm(runner: Runner, undo: Sequence[Step], script: Sequence[Step], timeout: float) -> Journal:
    """Write down how a change is undone, and start what undoes it when the module does not finish it.

    :param undo: the steps that bring back the old state.
    :param script: the steps of the change.
    :param timeout: seconds that its confirmation may take.
    :raises DbportsError: when that is not possible; nothing is left behind then.
    """
    systemd = _systemd(runner)
    reload = RunCommand(("systemctl", "daemon-reload")) in script
    token = secrets.token_hex(8)
    earlier = runner.journal()  # a change that could not be undone: what it brings back was whole
    back = earlier.undo if earlier else to_json(undo)
    journal = Journal(token, RUNNING, now() + timeout, boot_marker(), network(), reload, back)
    try:
        runner.do(to_json([WriteFile(SOURCE, 0o600, inspect.getsource(runner_module))]))
        runner.write_journal(journal)
        if systemd:
            _prepare_boot(runner, needed=any(map(_outlasts_a_boot, script)))
        if runner.at("/") == Path("/"):
            _start(runner, token, systemd)
    except BaseException as error:
        if not earlier:
            runner.clear()
        if isinstance(error, StepError):
            raise DbportsError(
                f"cannot prepare the way back: {error}",
                code="not_written",
                fix=f"Nothing was changed; see that {STATE} and, with systemd, {Path(BOOT_UNIT).parent} can be written",
            ) from None
        raise
    return journal


def _prepare_boot(runner: Runner, needed: bool) -> None:
    """Write the unit that undoes the change at the next boot.

    :param needed: whether anything of the change is still there then; else a read-only /etc is no reason to refuse it.
    :raises StepError: when it is needed and cannot be written.
    """
    text = _BOOT_UNIT_TEXT.format(state=STATE, python=_quoted(sys.executable), source=SOURCE)
    steps = (WriteFile(BOOT_UNIT, 0o644, text), WriteFile(BOOT_WISH, 0o644, _BOOT_WISH_TEXT))
    try:
        runner.do(to_json(steps))
    except StepError:
        if needed:
            raise


def _quoted(path: str) -> str:
    """Return a path as a word of a command in a unit, systemd.syntax(7), for a Python that may be anywhere."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("%", "%%").replace("$", "$$") + '"'


def _outlasts_a_boot(step: Step) -> bool:
    """Tell whether a step changes files; what other commands do is in force until the next boot."""
    return not isinstance(step, RunCommand) or step.argv[0] == "systemctl"


def _systemd(runner: Runner) -> bool:
    """Tell whether systemd runs here and its processes have the network of this one."""
    try:
        return runner.at("/run/systemd/system").is_dir() and NETWORK.readlink() == Path("/proc/1/ns/net").readlink()
    except OSError:
        return False


def confirm_command(token: str) -> list[str]:
    """Return the command that confirms a change on the host: the fewest bytes and imports that can do it."""
    return source_command("confirm", token)


def _start(runner: Runner, token: str, systemd: bool) -> None:
    """Start the process that watches, outside of everything that ends with a session."""
    if systemd and runner.start_watching(token):
        return
    status, _stdout, stderr = call(source_command("watch", token))
    if status:
        raise StepError(f"the process that undoes the change does not start: {stderr[:600]}")


@contextmanager
def signals_are_errors() -> Iterator[Callable[[], None]]:
    """Raise an error where a signal would end this process; yields a function after whose call signals do nothing."""
    old: dict[signal.Signals, Any] = {}

    def raise_error(number: int, _frame: object) -> None:
        raise DbportsError(f"interrupted by {signal.Signals(number).name}", code="command_failed")

    def deafen() -> None:
        for number in old:
            signal.signal(number, lambda _number, _frame: None)

    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                old[number] = signal.signal(number, raise_error)
    try:
        yield deafen
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
