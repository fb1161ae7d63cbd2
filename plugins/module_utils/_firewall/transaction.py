# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a host to a wanted ruleset through any backend: all of it or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import (
    BACKENDS,
    Backend,
    Choice,
    Translator,
    choose_backend,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import exclusive
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import (
    Change,
    DesiredState,
    decide,
    with_live,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.connections import (
    NAMED,
    Verdicts,
    sentence,
    told_by_direction,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.sessions import Sessions
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import (
    WAITING,
    Runner,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Observed
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.turn import carry_out, taking_turn
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.way_in import WayIn, refuse_lock_out
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports

OLD_RULES_BACK = "the old rules are back, because"
"""How the failure of a change begins that was undone. It comes first, because a play with many hosts shows the
beginning of each host's failure."""


def apply(
    wish: DesiredState,
    *,
    check: bool = False,
    confirm_timeout: float = 0,
    confirm: str = "",
    way_in: Optional[WayIn] = None,
    backend: Optional[Backend] = None,
    runner: Optional[Runner] = None,
    sessions: Optional[Sessions] = None,
) -> dict[str, Any]:
    """Bring the host to the wish, or leave it as it was.

    With ``check`` nothing is changed, the dry run is made all the same and the result is what the
    run would give.

    :param confirm_timeout: seconds after which a change is undone unless it is confirmed; 0 asks for no confirmation.
    :param confirm: confirms the change that returned this token for the same wish, and changes nothing.
    :param way_in: the connection that may not be cut, see :func:`find_way_in`.
    :param backend: the host's firewall, for tests; None chooses it.
    :param runner: what runs the steps, for tests.
    :param sessions: the connections of the host, for tests.
    :returns: ``changed``, ``diff``, ``state``, ``backend``, ``backend_reason``, ``in_sync`` (whether the rules in
        force already were the wanted ones), ``persistent``, ``persisted_files``, ``guarded`` (port lists by
        protocol, inbound), ``foreign`` (see :class:`ForeignFinding`), ``cut`` (the established connections that
        the rules end, see :class:`Connection`), ``warnings`` and ``confirm``, the token of a
        change that waits for its confirmation, else empty.
    :raises DbportsError: when something is missing, the dry run fails, too much would be lost or a
        step fails; the host is then as before.
    """
    runner, sessions = runner or Runner(), sessions or Sessions()
    if confirm and not check:
        return _confirm(backend, wish, confirm, runner, sessions)
    if check:
        with exclusive():
            choice = _choice(backend, wish)
            return _result(_prepare(choice.backend, wish, sessions, way_in)[0], choice)
    with taking_turn(runner) as warnings:
        choice = _choice(backend, wish)
        change, observed = _prepare(choice.backend, wish, sessions, way_in)
        token, left = "", []
        if change.changed:
            sessions.remember(told_by_direction(change.live, change.wish.ruleset))
            token = commit(choice.backend, change, observed, runner, confirm_timeout)
            left = _after_load(sessions, change, end=not token)
    return _result(replace(change, warnings=(*warnings, *change.warnings, *left)), choice, token)


def read_timeout(value: int) -> int:
    """Read the option ``confirm_timeout``.

    :raises DbportsError: when it is less than 0 or more than a day.
    """
    if 0 <= value <= 86400:
        return value
    raise DbportsError("expected 0 to 86400 seconds", code="out_of_range", path="confirm_timeout", value=value)


def _choice(backend: Optional[Backend], wish: DesiredState) -> Choice:
    return Choice(backend, "it was given") if backend else choose_backend(wish.backend, absent=wish.absent)


def _prepare(
    backend: Backend, wish: DesiredState, sessions: Sessions, way_in: Optional[WayIn]
) -> tuple[Change, Observed]:
    """Return what has to be done with this host, after the firewall's dry run, and what the host showed."""
    observed = backend.observe()
    change = plan_change(backend, observed, wish)
    if change.script.load and change.wish.ruleset.guards:
        change = with_live(change, sessions.look(change.wish.ruleset))
    if change.refusal:
        raise change.refusal
    if not change.in_sync:
        refuse_lock_out(change.wish.ruleset, way_in)
    backend.check(change.script)
    return change, observed


def _after_load(sessions: Sessions, change: Change, *, end: bool = True) -> list[str]:
    """Settle what the rules that are in force now mean for the connections of the host.

    Those that were opened while the rules were loaded are older than the kernel's tracking as well.

    :param end: whether sessions that the rules exclude are ended.
    :returns: a warning about those that could not be.
    """
    ruleset = change.wish.ruleset
    if not ruleset.guards:
        return []
    live, verdicts = sessions.look(ruleset).connections, Verdicts(ruleset)
    sessions.remember(told_by_direction(live, ruleset))
    left = sessions.end(one for one in live if verdicts.cuts(one)) if end else []
    if not left:
        return []
    host = f"{change.wish.owner}: " if change.wish.owner else ""
    commands = "; ".join(one.command for one in left[:NAMED])
    return [f"{host}the kernel did not end {sentence(left)}. End them on the host: {commands}"]


def _confirm(
    backend: Optional[Backend], wish: DesiredState, token: str, runner: Runner, sessions: Sessions
) -> dict[str, Any]:
    """Keep the change with this token; where it is no longer there, tell from the rules what became of it."""
    with exclusive():
        journal = runner.journal()
        mine = journal if journal and journal.token == token else None
        waits = mine is not None and mine.phase == WAITING and not mine.interrupted
        failed: list[str] = []
        if mine and waits:
            runner.clear(mine.reload)
        elif mine:
            failed = runner.go_back(mine)
        choice = _choice(backend, wish)
        change = plan_change(choice.backend, choice.backend.observe(), wish)
    if change.changed and not waits:
        what = f"the old state could not be brought back: {'; '.join(failed)};" if failed else OLD_RULES_BACK
        raise DbportsError(f"{what} the change was not confirmed in time", code="not_confirmed")
    left = () if change.changed else _after_load(sessions, change)
    change = replace(change, warnings=(*change.warnings, *left))
    return {**_result(change, choice), "changed": False, "diff": []}


def inspect(wish: DesiredState) -> Change:
    """Return what would have to be done with the host; nothing is tried or refused."""
    with exclusive():
        backend = choose_backend(wish.backend, absent=wish.absent).backend
        return plan_change(backend, backend.observe(), wish)


def plan_change(backend: Translator, observed: Observed, wish: DesiredState) -> Change:
    """Return what has to be done with the host that shows ``observed``; pure, as all that it calls."""
    before = backend.decode(observed)
    if not wish.owner:
        wish = replace(wish, ruleset=wish.ruleset.of(before.ruleset.owner))
    if not backend.forwards and any(item.forward for item in wish.ruleset.parts):
        raise DbportsError(
            f"{backend.name} carries no rules for what this host forwards",
            code="cannot_encode",
            path="rules",
            fix="Leave these rules out, or let another firewall carry the host's rules: "
            + " or ".join(item.name for item in BACKENDS if item.forwards),
        )
    script = backend.encode(wish.ruleset, observed, persist=wish.persist)
    return decide(before, wish, script)


def commit(backend: Backend, change: Change, observed: Observed, runner: Runner, timeout: float = 0) -> str:
    """Carry out a change and see that it is there; on an error bring back what was observed and raise it.

    :param timeout: seconds after which it is undone unless it is confirmed; with 0 it is finished at once.
    :returns: the token of a change that waits to be confirmed, else nothing.
    """
    script = [*change.script.load, *change.script.keep]
    return carry_out(runner, script, backend.undo(observed), lambda: _read_back(backend, change), timeout)


def _read_back(backend: Backend, change: Change) -> None:
    """Compare what the host carries after a change with what it should."""
    after = backend.decode(backend.observe())
    if after.ruleset != change.wish.ruleset:
        raise DbportsError(
            "the rules in force are not the wanted ones", code="not_loaded", value=after.ruleset.render()
        )
    if after.kept != change.script.kept:
        raise DbportsError(
            "what is kept for the next boot is not what is wanted", code="not_written", value=after.kept.render()
        )


def _result(change: Change, choice: Choice, token: str = "") -> dict[str, Any]:
    ruleset, kept = change.wish.ruleset, change.script.kept
    return {
        "changed": change.changed,
        "diff": change.diff(),
        "state": "absent" if change.wish.absent else "present",
        "backend": choice.backend.name,
        "backend_reason": choice.reason,
        "in_sync": change.in_sync,
        "persistent": bool(kept.files),
        "persisted_files": kept.paths,
        "guarded": {protocol: format_ports(ruleset.guarded("in", protocol)) for protocol in ("tcp", "udp")},
        "foreign": [item.as_dict() for item in change.foreign],
        "cut": [item.as_dict() for item in change.cut],
        "warnings": list(change.warnings),
        "confirm": token,
    }
