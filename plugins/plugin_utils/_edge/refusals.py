# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an action refuses although it was asked for: it would end green with nothing guarded, or the wrong hosts."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import Index
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import Conflict
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import (
    NAMES,
    conflict_name,
    conflict_sentence,
    listed,
)

_PLAN_ID = re.compile("[0-9a-f]{64}")


def read_plan_id(value: Any) -> str:
    """Read the ``plan_id`` of an approved plan; an empty one is an unset variable somewhere and approves nothing.

    :raises DbportsError: for anything but 64 hexadecimal digits.
    """
    if isinstance(value, str) and _PLAN_ID.fullmatch(value):
        return value
    raise DbportsError(
        "expected the plan_id of a reviewed plan, 64 hexadecimal digits",
        code="not_a_plan_id",
        path="plan_id",
        value=value,
        fix="Copy the whole plan_id, or leave plan_id (dbports_plan_id) out to use what the inventory declares",
    )


def refuse_delegation(task: Any, task_vars: dict[str, Any]) -> None:
    """Refuse ``delegate_to`` another host: it would get, or be judged by, the rules of this one.

    :raises DbportsError: when the task is delegated.
    """
    host, other = task_vars["inventory_hostname"], task.delegate_to
    if other and other != host:
        raise DbportsError(
            f"delegated to {other}, which would get the rules of {host} or be compared with them",
            code="delegated",
            host=host,
            path="delegate_to",
            value=other,
            fix=f"Remove delegate_to; to reach {other}, run the play on it",
        )


def refuse_run_once(task: Any, task_vars: dict[str, Any]) -> None:
    """Refuse ``run_once`` in a batch of several hosts: all but the first one would stay as they are, and end green.

    Strategies that do not keep hosts in step ignore it with a warning of Ansible, and every host gets its rules.

    :raises DbportsError: when other hosts would be left out.
    """
    others = sorted({*task_vars["ansible_play_batch"]} - {task_vars["inventory_hostname"]})
    if task.run_once and others and keeps_in_step(task):
        raise DbportsError(
            f"the task would run on this host only, and not on {listed(others)}",
            code="run_once",
            host=task_vars["inventory_hostname"],
            path="run_once",
            value=True,
            fix="Remove run_once; to change some hosts only, use --limit (dbports_hosts)",
        )


def keeps_in_step(task: Any) -> bool:
    """Tell whether the strategy of a task's play takes all hosts through a task together, and so honours run_once."""
    return bool(task.get_play().strategy.endswith(("linear", "debug")))


def is_empty(index: Index) -> bool:
    """Tell whether a plan has nothing to guard and nobody to let out."""
    return not index.counts["servers"] and not index.counts["flows"]


def refuse_empty_plan(index: Index) -> None:
    """Refuse a plan without a server.

    :raises DbportsError: when there is none.
    """
    if is_empty(index):
        raise DbportsError(
            "the plan has no server: no host of the inventory declares one, and nothing would be guarded",
            code="empty_plan",
            path="dbports_servers",
            fix="Put dbports_servers into the inventory (host_vars or group_vars of a database host); if you mean it, "
            "set dbports_allow_empty_plan (allow_empty_plan) to true",
        )


def refuse_conflicts(conflicts: Sequence[Conflict], accepted: Collection[str]) -> None:
    """Refuse a plan in which two programs want the same port, unless each such port is accepted by name.

    :param accepted: names as :func:`conflict_name` gives them.
    :raises DbportsError: naming every conflict that is not accepted.
    """
    unknown = sorted(set(accepted) - {conflict_name(item) for item in conflicts})
    open_ones = [item for item in conflicts if conflict_name(item) not in accepted]
    if not open_ones:
        return
    names = [*accepted, *dict.fromkeys(map(conflict_name, open_ones))]
    accept = f"-e {shlex.quote(json.dumps({'dbports_accept_conflicts': names}))}"
    strays = f" (no conflict of this plan: {', '.join(unknown)})" if unknown else ""
    raise DbportsError(
        "two programs cannot have the same port: " + listed(map(conflict_sentence, open_ones), separator="; ") + strays,
        code="conflicts",
        path="dbports_servers",
        fix="Give one of them another port or an address of its own; if you know that they get along, accept these by "
        f"name (accept_conflicts): {accept if len(names) <= NAMES else 'plan.md lists them'}",
    )


def refuse_other_inventory(index: Index, inventory: Iterable[str], plan_id: str) -> bool:
    """Tell whether this inventory is a part of the plan's hosts, such as a controller's job slice.

    :raises DbportsError: when it lacks hosts of the plan and has others in their place.
    """
    planned, present = {name for name, _digest in index.hosts}, set(inventory)
    missing, others = sorted(planned - present), sorted(present - planned)
    if missing and others:
        raise DbportsError(
            f"the approved plan is stale: the inventory lacks {listed(missing)} of the plan, and the plan lacks "
            f"{listed(others)} of the inventory, so this is no part of the planned hosts",
            code="stale_plan",
            path="plan_id",
            value=plan_id,
            fix="Plan and review again; a job slice may only hold hosts of the plan (hosts.limit)",
        )
    return bool(missing)
