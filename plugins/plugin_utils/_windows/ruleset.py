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
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import Change, DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Observed
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import OLD_RULES_BACK, plan_change
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.backend import (
    LOCAL,
    WindowsFirewall,
    changes,
    fields_of,
    holes,
    read_policy,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.encode import encode, enforceable
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.policy import why_not_enforced
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.rules import WindowsRule
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import WindowsHost, observed_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.ports import port_warnings
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
    shown = host.collect(ports=True)
    change = plan_on(shown, DesiredState.from_arguments(arguments))
    observed = observed_of(shown)
    if change.refusal:
        raise change.refusal
    policy = read_policy(observed)
    own = [rule for rule in policy.rules["local"] if rule.is_own]
    add, remove = changes(own, encode(change.wish.ruleset))
    reasons = why_not_enforced(policy)
    if add:
        _refuse_ways_in(change.wish.ruleset, ways_in)
        _refuse_without_effect(reasons, add)
    token = ""
    if (add or remove) and not check:
        token = TASK if confirm_timeout else ""
        _carry_out(host, change, observed, (add, remove), confirm_timeout)
    warnings = [*change.warnings, *reasons, *holes(observed, change.wish.ruleset), *_outbound(arguments)]
    return _result(change, [*warnings, *port_warnings(change.wish.ruleset, shown)], token)


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
    timeout = float(arguments.get("confirm_timeout") or 0)
    return apply_ruleset(host, arguments, check=check, confirm_timeout=timeout, ways_in=ways_in)


def plan_on(shown: Mapping[str, Any], wish: DesiredState) -> Change:
    """Return what has to be done with a host that shows this, as far as Windows can enforce the wish.

    :raises DbportsError: when the host's answer cannot be read.
    """
    wish = replace(wish, ruleset=enforceable(wish.ruleset), persist=True)
    return plan_change(BACKEND, observed_of(shown), wish)


def confirm(host: WindowsHost, arguments: Mapping[str, Any]) -> None:
    """Remove the task that would undo a change, over a connection that was made after it.

    :raises DbportsError: when the old rules are back already.
    """
    local = host.change(request((), (), disarm=True))["local"]
    if plan_on({**host.collect(), "local": local}, DesiredState.from_arguments(arguments)).changed:
        raise DbportsError(f"{OLD_RULES_BACK} the change was not confirmed in time", code="not_confirmed")


def request(
    add: Sequence[WindowsRule],
    remove: Sequence[WindowsRule],
    *,
    seconds: float = 0,
    disarm: bool = False,
) -> str:
    """Return a change as ``apply.ps1`` reads it; every key is always there, because a missing one would be an error.

    :param seconds: after which the change is undone; 0 for never.
    :param disarm: remove what would undo an earlier change.
    """
    undo = request(sorted(remove, key=lambda rule: rule.action == "block"), add, disarm=True) if seconds else ""
    return json.dumps(
        {
            "add": [fields_of(rule) for rule in add],
            "remove": [fields_of(rule) for rule in remove],
            "arm": bool(seconds),
            "disarm": disarm,
            "task": TASK,
            "rollback": undo,
            "xml": task_xml(seconds) if seconds else "",
        }
    )


def _carry_out(
    host: WindowsHost,
    change: Change,
    observed: Observed,
    parts: tuple[Sequence[WindowsRule], Sequence[WindowsRule]],
    seconds: float,
) -> None:
    """Change the rules and see that they are there; else bring the old ones back."""
    add, remove = parts
    local = host.change(request(add, remove, seconds=seconds))["local"]
    after = BACKEND.decode({**observed, LOCAL: json.dumps(local)})
    if after.ruleset == change.wish.ruleset:
        return
    host.change(request(remove, add, disarm=True))
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


def _refuse_without_effect(reasons: Sequence[str], rules: Sequence[WindowsRule]) -> None:
    """Refuse rules that Group Policy would ignore: success would be reported and nothing guarded."""
    for reason in reasons:
        if "Group Policy" in reason:
            raise DbportsError(
                reason,
                code="not_enforced",
                value=" ".join(rule.text() for rule in rules),
                fix="Ask the owner of the Group Policy to add these rules to it, or to allow local rules to be merged",
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
        "warnings": list(warnings),
        "confirm": token,
    }
