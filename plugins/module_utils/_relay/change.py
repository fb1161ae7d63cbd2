# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a SOCKS host to exactly the rules of its gateway: all of it or nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import exclusive
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import Runner
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import (
    EditFile,
    RemoveFile,
    RunCommand,
    Step,
    WriteFile,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.turn import commit_steps, taking_turn
from ansible_collections.dbports.firewall.plugins.module_utils._relay import dante, sshd
from ansible_collections.dbports.firewall.plugins.module_utils._relay.model import Permits, RelayRules, lost
from ansible_collections.dbports.firewall.plugins.module_utils._relay.server import Server, main_processes

SERVERS: dict[str, Server] = {item.SERVER.platform: item.SERVER for item in (dante, sshd)}
"""By the platform of the gateway."""

KEPT = "/etc/dbports/{name}.before"
"""What was in the place of the own file, for the day on which that is taken away."""

PATIENCE, LOOK, STEADY = 30.0, 0.1, 5
"""Seconds for a server to be there again, between two looks, and how many looks in a row have to find it: one that
refuses its new file ends a moment after it was told to read it."""


@dataclass(frozen=True)
class DesiredRelay:
    """What a host's relay should be.

    :param rules: None to take away what is ours.
    :param take_over: a foreign file is replaced, and kept.
    :param allow_shrink: clients may lose whole servers.
    """

    server: Server
    rules: Optional[RelayRules]
    take_over: bool = False
    allow_shrink: bool = False

    @classmethod
    def from_arguments(cls, values: Mapping[str, Any]) -> DesiredRelay:
        """Read the arguments of the module dbports.firewall.socks_config.

        :raises DbportsError: for a wrong value.
        """
        rules = RelayRules.from_arguments(values) if values["state"] == "present" else None
        return cls(SERVERS[values["platform"]], rules, values["take_over"], values["allow_shrink"])


@dataclass(frozen=True)
class _File:
    """A file as it is; both None where it is missing."""

    path: str
    text: Optional[str]
    mode: int

    @classmethod
    def read(cls, runner: Runner, path: str) -> _File:
        place = runner.at(path)
        try:
            return cls(path, place.read_bytes().decode("utf-8", "surrogateescape"), place.stat().st_mode & 0o777)
        except FileNotFoundError:
            return cls(path, None, 0o644)
        except OSError as error:
            raise DbportsError(
                f"cannot be read: {error.strerror}", code="not_permitted", path=path, fix="Set become: true"
            ) from None

    def back(self) -> Step:
        """Return the step that brings it back."""
        return RemoveFile(self.path) if self.text is None else EditFile(self.path, self.mode, self.text)


@dataclass(frozen=True)
class Change:
    """What has to be done with a host.

    :param after: the text of the server's file afterwards; None where it is removed.
    :param runs: the server has to have a process afterwards.
    """

    before: _File
    after: Optional[str]
    script: tuple[Step, ...]
    undo: tuple[Step, ...]
    runs: bool = False

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.script)


def apply(wish: DesiredRelay, *, check: bool = False, runner: Optional[Runner] = None) -> dict[str, Any]:
    """Bring the host to the wish, or leave it as it was.

    With ``check`` nothing is changed; the program's own dry run is made all the same.

    :returns: ``changed``, ``diff``, ``path``, ``started`` (whether the server was started) and ``warnings``.
    :raises DbportsError: when something is missing, the file is not ours, its parser refuses the new one, too much
        would be lost or the server does not come back; the host is then as before.
    """
    runner = runner or Runner()
    if check:
        with exclusive():
            return _result(wish, prepare(wish, runner))
    with taking_turn(runner) as warnings:
        change = prepare(wish, runner)
        if change.changed:
            commit_steps(runner, change.script, change.undo, lambda: _read_back(wish, change))
    return _result(wish, change, warnings)


def bring(values: Mapping[str, Any], *, check: bool = False, runner: Optional[Runner] = None) -> dict[str, Any]:
    """Do what the arguments of the module dbports.firewall.socks_config say.

    :returns: as :func:`apply`. If more than one server is changed, ``path`` and ``platform`` are those of the first.
    :raises DbportsError: as :func:`apply`.
    """
    named = [values["platform"]] if values["platform"] else []
    others = [name for name in SERVERS if name not in named] if values["exclusive"] or not named else []
    if not named and values["state"] == "present":
        raise DbportsError("no server is named", code="missing", path="platform", fix="Write dante or sshd")
    wishes = [DesiredRelay.from_arguments({**values, "platform": name}) for name in named]
    results = [apply(wish, check=check, runner=runner) for wish in wishes]
    results += [apply(DesiredRelay(SERVERS[name], None), check=check, runner=runner) for name in others]
    first = next((one for one in results if one["changed"]), results[0])
    joined = {key: [item for one in results for item in one[key]] for key in ("diff", "warnings")}
    return {**first, **joined}


def prepare(wish: DesiredRelay, runner: Runner) -> Change:
    """Return what has to be done, after the program's own dry run.

    :raises DbportsError: when it may not be done.
    """
    server = wish.server
    before = _File.read(runner, server.path)
    kept = _File.read(runner, KEPT.format(name=before.path.rpartition("/")[2]))
    ours = before.text is not None and before.text.startswith(server.mark)
    if wish.rules is None:
        return _removal(server, before, kept, runner) if ours else Change(before, before.text, (), ())
    after = server.encode(wish.rules)
    if not ours:
        _refuse_foreign(wish, before)
    elif not wish.allow_shrink:
        _refuse_loss(server.decode(before.text or ""), wish.rules.permits)
    server.check(after, wish.rules)
    running = main_processes(server.program)
    if after == before.text and (running or not server.starts):
        return Change(before, after, (), ())
    script: list[Step] = [EditFile(server.path, 0o644, after)]
    undo: list[Step] = [before.back()]
    if not ours and before.text is not None:
        script.insert(0, WriteFile(kept.path, before.mode, before.text))
        undo.append(kept.back())
    more, back = _commands(server, running, runner, serving=True)
    return Change(before, after, (*script, *more), (*undo, *back), bool(running) or server.starts)


def _removal(server: Server, before: _File, kept: _File, runner: Runner) -> Change:
    """Return what takes the own file away, and brings back what was there before it."""
    serving = kept.text is not None and server.serves(kept.text)
    if kept.text is not None:
        if serving:
            server.check(kept.text, None)
        script: list[Step] = [EditFile(server.path, kept.mode, kept.text), RemoveFile(kept.path, parent=True)]
    else:
        script = [RemoveFile(server.path)]
    more, back = _commands(server, main_processes(server.program), runner, serving=serving)
    return Change(before, kept.text, (*script, *more), (before.back(), kept.back(), *back))


def _commands(
    server: Server, running: list[int], runner: Runner, *, serving: bool
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Return what lets the server follow its file, and what lets it follow the old one again.

    :param serving: whether the new file serves anyone; a server that others need is never stopped.
    """
    systemd = runner.at("/run/systemd/system").is_dir()

    def service(verb: str) -> str:
        return f"systemctl {verb} {server.service}" if systemd else f"service {server.service} {verb}"

    def shell(text: str, may_fail: bool = False) -> tuple[Step, ...]:
        return (RunCommand(("sh", "-c", text), "", may_fail),)

    told = "; ".join(f"kill -HUP {pid}" for pid in running)  # running sessions go on, also those whose rule is gone
    if not server.starts:
        return (shell(told), shell(told, may_fail=True)) if told else ((), ())
    stop = shell(service("stop"), may_fail=True)
    back = shell(f"{told} 2>/dev/null || {service('restart')}", may_fail=False) if told else stop
    if not serving:
        return stop, back
    return (shell(told) if told else shell(service("restart"))), back


def _refuse_foreign(wish: DesiredRelay, before: _File) -> None:
    """Refuse to replace a foreign file that is in use, unless the user says so."""
    if before.text is None or wish.take_over or not wish.server.serves(before.text):
        return
    raise DbportsError(
        "this file was not written by this collection, and the SOCKS host serves clients with it",
        code="not_ours",
        path=before.path,
        fix="Set take_over (dbports_socks_take_over) to replace it; it is kept, and state: absent brings it back",
    )


def _refuse_loss(before: Permits, after: Permits) -> None:
    """Refuse what clients would lose: a plan from half an inventory looks just like it."""
    gone = lost(before, after)
    if gone:
        more = f" and {len(gone) - 6} more" if len(gone) > 6 else ""
        raise DbportsError(
            f"clients would lose {', '.join(gone[:6])}{more}",
            code="would_lose",
            path="rules",
            fix="If it is meant, set allow_shrink (dbports_allow_shrink) to true",
        )


def _read_back(wish: DesiredRelay, change: Change) -> None:
    """Wait until the server follows its new file.

    :raises DbportsError: when it does not in time.
    """
    if wish.rules is None:
        return
    server, seen = wish.server, 0
    for _look in range(round(PATIENCE / LOOK)):
        there = server.listens(wish.rules) and (main_processes(server.program) or not change.runs)
        seen = seen + 1 if there else 0
        if seen == STEADY:
            server.prove(wish.rules)
            return
        time.sleep(LOOK)
    raise DbportsError(
        f"{server.program} does not follow its new configuration",
        code="not_loaded",
        path=server.path,
        fix="Look at what it said in the system's log",
    )


def _result(wish: DesiredRelay, change: Change, warnings: tuple[str, ...] = ()) -> dict[str, Any]:
    path = change.before.path
    diff = {
        "before_header": path,
        "after_header": path,
        "before": change.before.text or "",
        "after": change.after or "",
    }
    return {
        "changed": change.changed,
        "diff": [diff] if change.before.text != change.after else [],
        "path": path,
        "platform": wish.server.platform,
        "warnings": list(warnings),
    }
