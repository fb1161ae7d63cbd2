# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ruleset does, for a Windows host: one call to look and, where something changes, one to change it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import AUTO
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import Change, DesiredState, with_live
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.connections import Live, connections
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Observed, Script
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import RunCommand
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import (
    OLD_RULES_BACK,
    plan_change,
    read_timeout,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.backend import (
    LOCAL,
    NUMBERS,
    WindowsFirewall,
    holes,
    read_policy,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.encode import encode, enforceable
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.live import newly_cut
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.policy import why_not_enforced
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import WindowsHost, observed_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.ports import port_warnings
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.sockets import services_of, sockets_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.task import TASK, task_xml

MANAGEMENT = {22: "SSH", 3389: "Remote Desktop", 5985: "WinRM", 5986: "WinRM"}
BACKEND = WindowsFirewall()


def apply_ruleset(
    host: WindowsHost,
    arguments: Mapping[str, Any],
    *,
    check: bool,
    confirm_timeout: float = 0,
    ways_in: Collection[int] = (),
) -> dict[str, Any]:
    """Bring a host to the rules, or leave it as it was.

    :param arguments: those of the module ruleset.
    :param check: change nothing, and return what the run would give.
    :param confirm_timeout: seconds after which a scheduled task undoes a change, unless :func:`confirm` was called.
    :param ways_in: the port through which Ansible reaches the host.
    :returns: what the module ruleset returns.
    :raises DbportsError: when the rules would have no effect, would lock out, lose too much, or cannot be set.
    """
    shown = host.collect(sockets=True, ports=True)
    if shown.get("armed") and not check:
        _refuse_armed()
    change = plan_on(shown, DesiredState.from_arguments(arguments))
    observed = observed_of(shown)
    if change.script.load:
        change = with_live(change, _live(shown, change, observed))
    if change.refusal:
        raise change.refusal
    add, remove = _parts(change.script)
    reasons = why_not_enforced(read_policy(observed), encode(change.wish.ruleset))
    if add:
        _refuse_ways_in(change.wish.ruleset, ways_in)
        _refuse_without_effect(reasons, change.wish.ruleset)
    token = ""
    if (add or remove) and not check:
        token = TASK if confirm_timeout else ""
        _commit(host, change, observed, confirm_timeout)
    warnings = [*change.warnings, *reasons, *holes(observed, change.wish.ruleset), *_outbound(arguments)]
    return _result(change, [*warnings, *port_warnings(change.wish.ruleset, shown)], token)


def _refuse_armed() -> None:
    raise DbportsError(
        "a change of another run waits to be confirmed",
        code="busy",
        fix="Run again when it has ended: a change that is not confirmed is undone at its time-out. If that failed, as "
        f"the scheduled task {TASK} shows, remove that task and the registry key HKEY_LOCAL_MACHINE\\SOFTWARE\\dbports",
    )


def _live(shown: Mapping[str, Any], change: Change, observed: Observed) -> Live:
    """Return the connections of a host, and which of them the change cuts."""
    try:
        services = services_of(shown)
        live = tuple(
            one._replace(services=services.get(one.pid or 0, ())) for one in connections(list(sockets_of(shown)))
        )
    except DbportsError as error:
        return Live(unknown=error.reason)
    cut = newly_cut(live, read_policy(observed), change.before.ruleset, change.wish.ruleset)
    return Live(live, cut=cut, how=". Windows ends them at their next packet")


def ruleset(
    host: WindowsHost, arguments: Mapping[str, Any], *, check: bool, ways_in: Collection[int]
) -> dict[str, Any]:
    """Do what the module ruleset does with these arguments, and return its result.

    :param ways_in: the port through which Ansible reaches the host.
    :raises DbportsError: see :func:`apply_ruleset` and :func:`confirm`.
    """
    if arguments.get("confirm"):
        confirm(host, arguments)
        return {"changed": False}
    timeout = read_timeout(int(arguments.get("confirm_timeout") or 0))
    return apply_ruleset(host, arguments, check=check, confirm_timeout=timeout, ways_in=ways_in)


def plan_on(shown: Mapping[str, Any], wish: DesiredState) -> Change:
    """Return what has to be done with a host that shows this, as far as Windows can enforce the wish.

    :raises DbportsError: when the host's answer cannot be read, or the wish is for another firewall.
    """
    for path, value in (("backend", wish.backend if wish.backend != AUTO else ""), ("chains", list(wish.chains))):
        if value:
            raise DbportsError(
                "the host runs Windows, where the rules are those of Windows Defender Firewall",
                code="wrong_backend",
                path=path,
                value=value,
                fix=f"Leave {path} (dbports_{path}) out for this host",
            )
    wish = replace(wish, ruleset=enforceable(wish.ruleset), persist=True)
    return plan_change(BACKEND, observed_of(shown), wish)


def confirm(host: WindowsHost, arguments: Mapping[str, Any]) -> None:
    """Remove the task that would undo a change, over a connection that was made after it.

    :raises DbportsError: when the old rules are back already.
    """
    local = host.change(request((), (), disarm=True))["local"]
    if plan_on({**host.collect(), "local": local}, DesiredState.from_arguments(arguments)).changed:
        raise DbportsError(f"{OLD_RULES_BACK} the change was not confirmed in time", code="not_confirmed")


_Fields = Sequence[Mapping[str, Any]]
"""Rules as ``apply.ps1`` reads them, see :func:`fields_of`."""


def _parts(script: Script) -> tuple[_Fields, _Fields]:
    """Return what a script adds and what it removes."""
    texts = [step.text for step in script.load if isinstance(step, RunCommand)]
    parts = json.loads(texts[0]) if texts else {"add": [], "remove": []}
    return parts["add"], parts["remove"]


def _back(add: _Fields, remove: _Fields) -> tuple[_Fields, _Fields]:
    """Return what undoes a change, in the order of every change: see :func:`changes`."""
    return sorted(remove, key=_is_block), sorted(add, key=_is_block, reverse=True)


def _is_block(rule: Mapping[str, Any]) -> bool:
    return bool(rule["action"] == NUMBERS["block"])


def request(add: _Fields, remove: _Fields, *, seconds: float = 0, disarm: bool = False) -> str:
    """Return a change as ``apply.ps1`` reads it; every key is always there, because a missing one would be an error.

    :param seconds: after which the change is undone; 0 for never.
    :param disarm: remove what would undo an earlier change.
    """
    return json.dumps(
        {
            "add": add,
            "remove": remove,
            "arm": bool(seconds),
            "disarm": disarm,
            "task": TASK,
            "rollback": request(*_back(add, remove), disarm=True) if seconds else "",
            "xml": task_xml(seconds) if seconds else "",
        }
    )


def _commit(host: WindowsHost, change: Change, observed: Observed, seconds: float) -> None:
    """Change the rules and see that they are there; else bring the old ones back."""
    add, remove = _parts(change.script)
    local = host.change(request(add, remove, seconds=seconds))["local"]
    after = BACKEND.decode({**observed, LOCAL: json.dumps(local)})
    if after.ruleset == change.wish.ruleset:
        return
    host.change(request(*_back(add, remove), disarm=True))
    raise DbportsError("the rules in force are not the wanted ones", code="not_loaded", value=after.ruleset.render())


def _refuse_ways_in(wanted: Ruleset, ways_in: Collection[int]) -> None:
    known = {**MANAGEMENT, **dict.fromkeys(ways_in, "Ansible")}
    for port, name in sorted(known.items()):
        if any(port in item for item in wanted.guarded("in", "tcp")):
            raise DbportsError(
                f"the guarded ports hold tcp {port}, which {name} uses: applying them could lock administrators out",
                code="would_lock_out",
                path="rules",
                value=port,
                fix="Give the server a fixed port, or one outside this range",
            )


def _refuse_without_effect(reasons: Sequence[str], wanted: Ruleset) -> None:
    """Refuse rules that Group Policy would ignore: success would be reported and nothing guarded."""
    for reason in reasons:
        if "Group Policy" in reason:
            raise DbportsError(
                reason,
                code="not_enforced",
                fix="Ask the owner of the Group Policy to allow local rules to be merged, or to add these rules to it: "
                + " ; ".join(rule.text() for rule in encode(wanted)),
            )


def _outbound(arguments: Mapping[str, Any]) -> Iterator[str]:
    if arguments.get("filter_outbound"):
        yield "outbound ports are let out where Windows filters them, and never refused (dbports_filter_outbound)"


def _result(change: Change, warnings: Sequence[str], token: str) -> dict[str, Any]:
    ruleset = change.wish.ruleset
    return {
        "changed": change.changed,
        "diff": change.diff(),
        "state": "absent" if change.wish.absent else "present",
        "backend": BACKEND.name,
        "backend_reason": "the host runs Windows",
        "in_sync": change.in_sync,
        "persistent": bool(ruleset),
        "persisted_files": [],
        "guarded": {protocol: format_ports(ruleset.guarded("in", protocol)) for protocol in ("tcp", "udp")},
        "foreign": [item.as_dict() for item in change.foreign],
        "cut": [item.as_dict() for item in change.cut],
        "warnings": list(warnings),
        "confirm": token,
    }
