# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a host to a wanted ruleset through any backend: all of it or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import Backend, Choice, choose_backend
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import exclusive
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import Change, DesiredState, decide
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import Runner, StepError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Observed
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import to_json
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports


def apply(
    wish: DesiredState, *, check: bool = False, backend: Optional[Backend] = None, runner: Optional[Runner] = None
) -> dict[str, Any]:
    """Bring the host to the wish, or leave it as it was.

    With ``check`` nothing is changed, the dry run is made all the same and the result is what the
    run would give.

    :param backend: the host's firewall, for tests; None chooses it.
    :param runner: what runs the steps, for tests.
    :returns: ``changed``, ``diff``, ``state``, ``backend``, ``backend_reason``, ``in_sync`` (whether the rules in
        force already were the wanted ones), ``persistent``, ``persisted_files``, ``guarded`` (port lists by
        protocol, inbound), ``foreign`` (see :class:`ForeignFinding`) and ``warnings``.
    :raises DbportsError: when something is missing, the dry run fails, too much would be lost or a
        step fails; the host is then as before.
    """
    with exclusive():
        choice = Choice(backend, "it was given") if backend else choose_backend(wish.backend, absent=wish.absent)
        backend = choice.backend
        observed = backend.observe()
        change = plan_change(backend, observed, wish)
        if change.refusal:
            raise change.refusal
        backend.check(change.script)
        if change.changed and not check:
            commit(backend, change, observed, runner or Runner())
    return _result(change, choice)


def plan_change(backend: Backend, observed: Observed, wish: DesiredState) -> Change:
    """Return what has to be done with the host that shows ``observed``; pure, as all that it calls."""
    before = backend.decode(observed)
    if not wish.owner:
        wish = replace(wish, ruleset=wish.ruleset.of(before.ruleset.owner))
    script = backend.encode(wish.ruleset, observed, persist=wish.persist)
    return decide(before, wish, script)


def commit(backend: Backend, change: Change, observed: Observed, runner: Runner) -> None:
    """Carry out a change and see that it is there; on an error bring back what was observed and raise it."""
    try:
        try:
            runner.do(to_json([*change.script.load, *change.script.keep]))
        except StepError as error:
            raise DbportsError(str(error), code="command_failed") from None
        after = backend.decode(backend.observe())
        if after.ruleset != change.wish.ruleset:
            raise DbportsError(
                "the rules in force are not the wanted ones", code="not_loaded", value=after.ruleset.render()
            )
        if after.kept != change.script.kept:
            raise DbportsError(
                "what is kept for the next boot is not what is wanted", code="not_written", value=after.kept.render()
            )
    except Exception as error:
        rollback(backend, observed, runner, error)
        raise


def rollback(backend: Backend, observed: Observed, runner: Runner, error: Exception) -> None:
    """Bring back what was observed, because of ``error``; when even that fails, say both."""
    failed = runner.undo(to_json(backend.undo(observed)))
    if failed:
        first = error.reason if isinstance(error, DbportsError) else str(error)
        raise DbportsError(
            f"{first}; and the old state could not be brought back: {'; '.join(failed)}", code="command_failed"
        ) from error


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
        "warnings": list(change.warnings),
    }
