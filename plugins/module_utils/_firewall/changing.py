# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a host only when something changes; a run with nothing to change does not import it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.arming import confirm_command
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import Backend
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import Change
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.connections import (
    NAMED,
    Connection,
    Verdicts,
    sentence,
    told_by_direction,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.sessions import Sessions
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import Runner
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Observed
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.turn import commit_steps


class Done(NamedTuple):
    """What was done.

    :ivar token: confirms the change, see :func:`commit`.
    :ivar command: confirms it on the host, where a confirmation has nothing else to do.
    :ivar warnings: what could not be done.
    """

    token: str
    command: list[str]
    warnings: list[str]


def change_host(
    backend: Backend, change: Change, observed: Observed, runner: Runner, sessions: Sessions, timeout: float
) -> Done:
    """Carry out a change, and settle what it means for the connections of the host.

    :param timeout: see :func:`commit`.
    """
    sessions.remember(told_by_direction(change.live, change.wish.ruleset))
    token = commit(backend, change, observed, runner, timeout)
    excluded = after_load(sessions, change)
    if token:
        return Done(token, [] if excluded else confirm_command(token), [])
    return Done("", [], end(sessions, change, excluded))


def commit(backend: Backend, change: Change, observed: Observed, runner: Runner, timeout: float = 0) -> str:
    """Carry out a change and see that it is there; on an error bring back what was observed and raise it.

    :param timeout: seconds after which it is undone unless it is confirmed; with 0 it is finished at once.
    :returns: the token of a change that waits to be confirmed, else nothing.
    """
    script = [*change.script.load, *change.script.keep]
    return commit_steps(runner, script, backend.undo(observed), lambda: _read_back(backend, change), timeout)


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


def after_load(sessions: Sessions, change: Change) -> list[Connection]:
    """Settle what the rules that are in force now mean for the connections of the host.

    Those that were opened while the rules were loaded are older than the kernel's tracking as well.

    :returns: the TCP connections that the rules exclude, and all of what is forwarded.
    """
    ruleset = change.wish.ruleset
    if not ruleset.guards:
        return []
    live, verdicts = sessions.look(ruleset).connections, Verdicts(ruleset)
    sessions.remember(told_by_direction(live, ruleset))
    return [one for one in live if (one.protocol == "tcp" or one.through is not None) and verdicts.cuts(one)]


def end(sessions: Sessions, change: Change, excluded: Sequence[Connection]) -> list[str]:
    """End connections that the rules exclude; returns a warning about those that could not be ended."""
    left = sessions.end(excluded) if excluded else []
    if not left:
        return []
    host = f"{change.wish.owner}: " if change.wish.owner else ""
    commands = "; ".join(one.command for one in left[:NAMED])
    return [f"{host}the kernel did not end {sentence(left)}. End them on the host: {commands}"]
