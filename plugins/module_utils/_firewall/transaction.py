# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a host to a wanted ruleset through any backend: all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import (
    BACKENDS,
    Backend,
    Choice,
    Translator,
    called_by,
    choose_backend,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import exclusive
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import (
    Change,
    DesiredState,
    decide,
    with_live,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import Runner
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Observed
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.turn import remains, taking_turn
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports

if TYPE_CHECKING:
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.sessions import Sessions
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.way_in import WayIn

    FindWayIn = Callable[[], Optional[WayIn]]

OLD_RULES_BACK = "the old rules are back, because"
"""How the failure of a change begins that was undone. It comes first, because a play with many hosts shows the
beginning of each host's failure."""

NOT_BACK = "the old state could not be brought back:"
"""The same of a change that could not be undone."""


def apply(
    wish: DesiredState,
    *,
    check: bool = False,
    confirm_timeout: float = 0,
    confirm: str = "",
    way_in: FindWayIn = lambda: None,
    remember: Callable[[], None] = lambda: None,
    backend: Optional[Backend] = None,
    runner: Optional[Runner] = None,
    sessions: Optional[Sessions] = None,
) -> dict[str, Any]:
    """Bring the host to the wish, or leave it as it was.

    With ``check`` nothing is changed, the dry run is made all the same and the result is what the
    run would give.

    :param confirm_timeout: seconds after which a change is undone unless it is confirmed; 0 asks for no confirmation.
    :param confirm: confirms the change that returned this token for the same wish, and changes nothing.
    :param way_in: finds the connection that may not be cut, see :func:`way_in.find_way_in`.
    :param remember: is called at the end of a run that is no check and no confirmation, before others get their turn.
    :param backend: the host's firewall, for tests; None chooses it.
    :param runner: what runs the steps, for tests.
    :param sessions: the connections of the host, for tests.
    :returns: ``changed``, ``diff``, ``state``, ``backend``, ``backend_reason``, ``in_sync`` (whether the rules in
        force already were the wanted ones), ``persistent``, ``persisted_files``, ``guarded`` (port lists by
        protocol, inbound), ``foreign`` (see :class:`ForeignFinding`), ``cut`` (the established connections that
        the rules end, see :class:`Connection`), ``warnings`` and ``confirm``, the token of a
        change that waits for its confirmation, else empty. ``confirm_command`` does the same on the host, where
        a confirmation has nothing else to do.
    :raises DbportsError: when something is missing, the dry run fails, too much would be lost or a
        step fails; the host is then as before.
    """
    runner = runner or Runner()
    if confirm and not check:
        return _confirm(backend, wish, confirm, runner, sessions)
    if check:
        with exclusive():
            choice = _choice(backend, wish)
            change = _prepare(choice.backend, wish, sessions, way_in)[0]
            return _result(replace(change, warnings=(*change.warnings, *_unfinished(runner))), choice)
    with taking_turn(runner) as warnings:
        choice = _choice(backend, wish)
        change, observed = _prepare(choice.backend, wish, sessions, way_in)
        done = None
        if change.changed:
            from ansible_collections.dbports.firewall.plugins.module_utils._firewall.changing import change_host

            done = change_host(choice.backend, change, observed, runner, sessions or _of_host(), confirm_timeout)
        remember()
    change = replace(change, warnings=(*warnings, *change.warnings, *(done.warnings if done else ())))
    return {**_result(change, choice), **({"confirm": done.token, "confirm_command": done.command} if done else {})}


def nothing_to_do(wish: DesiredState) -> Optional[dict[str, Any]]:
    """Return what :func:`apply` would where it finds nothing to change and nothing to repair; else None."""
    with exclusive():
        if remains(Runner()):
            return None
        choice = _choice(None, wish)
        change = plan_change(choice.backend, choice.backend.observe(), wish)
    return None if change.changed or change.refusal else _result(change, choice)


def _unfinished(runner: Runner) -> tuple[str, ...]:
    """Return a warning where a run would first wait for another one, or undo what a killed one left."""
    if not runner.leftovers():
        return ()
    return (
        "a change of another run is not finished: it may be undone, and then this run changes other things than shown",
    )


def read_timeout(value: int) -> int:
    """Read the option ``confirm_timeout``.

    :raises DbportsError: when it is less than 0 or more than a day.
    """
    if 0 <= value <= 86400:
        return value
    raise DbportsError(
        "expected 0 to 86400 seconds",
        code="out_of_range",
        path="confirm_timeout",
        value=value,
        fix="Set confirm_timeout (dbports_confirm_timeout) to as long as the way back to the host may take, such as 30",
    )


def _of_host() -> Sessions:
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.sessions import Sessions

    return Sessions()


def _choice(backend: Optional[Backend], wish: DesiredState) -> Choice:
    choice = Choice(backend, "it was given") if backend else choose_backend(wish.backend, absent=wish.absent)
    return choice._replace(backend=called_by(choice.backend, () if wish.absent else wish.chains))


def _prepare(
    backend: Backend, wish: DesiredState, sessions: Optional[Sessions], way_in: FindWayIn
) -> tuple[Change, Observed]:
    """Return what has to be done with this host, after the firewall's dry run, and what the host showed."""
    observed = backend.observe()
    change = plan_change(backend, observed, wish)
    if change.script.load and change.wish.ruleset.guards:
        change = with_live(change, (sessions or _of_host()).look(change.wish.ruleset))
    if change.refusal:
        raise change.refusal
    if not change.in_sync:
        _refuse_lock_out(change, way_in)
    backend.check(change.script)
    return change, observed


def _refuse_lock_out(change: Change, way_in: FindWayIn) -> None:
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.way_in import refuse_lock_out

    refuse_lock_out(change.wish.ruleset, way_in())


def _confirm(
    backend: Optional[Backend], wish: DesiredState, token: str, runner: Runner, sessions: Optional[Sessions]
) -> dict[str, Any]:
    """Keep the change with this token; where it is no longer there, tell from the rules what became of it."""
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.changing import after_load, end

    sessions = sessions or _of_host()
    with exclusive():
        journal = runner.journal()
        mine = journal if journal and journal.token == token else None
        waits = mine is not None and mine.waits_for(token)
        if journal and not mine and not journal.expired:
            raise DbportsError("the change of another run waits, and this one no longer does", code="not_confirmed")
        failed: list[str] = []
        if mine and waits:
            stays = runner.clear(mine.reload)
            if stays:
                raise DbportsError(f"the journal cannot be removed: {stays[0]}", code="not_written")
        elif mine:
            failed = runner.rollback(mine)
        choice = _choice(backend, wish)
        change = plan_change(choice.backend, choice.backend.observe(), wish)
    if change.changed and not waits:
        what = f"{NOT_BACK} {'; '.join(failed)};" if failed else OLD_RULES_BACK
        raise DbportsError(f"{what} the change was not confirmed in time", code="not_confirmed")
    left = [] if change.changed else end(sessions, change, after_load(sessions, change))
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
            + " or ".join(item.name for item in BACKENDS if item.load().forwards),
        )
    script = backend.encode(wish.ruleset, observed, persist=wish.persist)
    return decide(before, wish, script)


def _result(change: Change, choice: Choice) -> dict[str, Any]:
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
        "warnings": [*([choice.warning] if choice.warning else []), *change.warnings],
        "confirm": "",
        "confirm_command": [],
    }
