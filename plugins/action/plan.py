# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the plan of the whole inventory; documented with the module of the same name."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, ClassVar

from ansible import context
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import AUTO, CHOICES
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import LIMIT
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import read_index
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import (
    diff_artifact,
    load_artifact,
    shortened,
    write_artifact,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import PLAN_OPTIONS
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.host import HostAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import refuse_delegation
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import CurrentPlan, locked
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.changes import plan_changes
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import (
    capped,
    conflict_name,
    conflict_sentence,
    sentence,
)

DEFAULT_PLAN_DIR = "dbports-plan"
"""Where the roles look for a plan."""


class ActionModule(HostAction):
    """Compute the plan, print its summary and write it where it is asked for."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **PLAN_OPTIONS,
        "ask_hosts": {"type": "bool", "default": False},
        "backend": {"type": "str", "choices": list(CHOICES), "default": AUTO},
        "chains": {"type": "list", "elements": "str", "default": []},
        "former_name": {"type": "str", "default": ""},
    }

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        if not args["ask_hosts"]:
            return self._write(self.plan(args, task_vars), args)
        refuse_delegation(self._task, task_vars)
        plan = self.plan(args, task_vars)
        result = self._write(plan, args)
        port_set = plan.host(task_vars["inventory_hostname"])
        more = {**{key: args[key] for key in ("backend", "chains", "former_name")}, "owner": port_set.host}
        return {**result, "cut": self.ask(port_set, more, task_vars)}

    def _write(self, plan: CurrentPlan, args: dict[str, Any]) -> dict[str, Any]:
        """Print the summary, write the plan, and return the result."""
        self.show("plan", list(plan.summary))
        ids = {"plan_id": plan.plan_id, "inputs_id": plan.inputs_id, "counts": dict(plan.index.counts)}
        result = {
            "changed": False,
            **ids,
            "plan_warnings": [sentence(item) for item in plan.index.warnings],
            "conflicts": [conflict_sentence(item) for item in plan.index.conflicts],
            "ansible_stats": {"data": {"dbports_plan": ids}, "per_host": False, "aggregate": False},
        }
        if not args["plan_dir"]:
            return result
        directory = self.directory(args)
        result["plan_dir"] = str(directory)
        if plan.approved:
            return result
        artifact = load_artifact(plan.source)
        with locked():  # several hosts of a play may write the same directory
            diff = diff_artifact(artifact, directory)
            self._compare(plan, directory)
            if diff and not self._task.check_mode:
                write_artifact(artifact, directory)
        if directory.is_dir():
            self.warn_of_others(directory)
        if not self._task.check_mode:
            self.show("command", _how_to_apply(args["plan_dir"], plan))
        result["changed"] = bool(diff)
        if self._task.diff:
            result["diff"] = shortened(diff)
        return result

    def _compare(self, plan: CurrentPlan, directory: Path) -> None:
        """Print what the plan opens and closes against the one that lies in the directory."""
        try:
            old = read_index(directory, None)
            if old.plan_id != plan.plan_id:
                lines = plan_changes((directory, old), (plan.source, plan.index))
                title = f"Changes to the plan {old.plan_id[:12]} that {directory} holds:"
                self.show("changes", [title, *(f"  {line}" for line in capped(lines, "plan.md"))])
        except DbportsError:
            return  # there is none, or one of another release or a damaged one, which is replaced


def _how_to_apply(plan_dir: str, plan: CurrentPlan) -> list[str]:
    """Return the command that applies a plan; where it has conflicts, the one that accepts them, and what is better."""
    command = _command(plan_dir, plan.plan_id)
    names = list(dict.fromkeys(map(conflict_name, plan.index.conflicts)))
    if not names:
        return ["To apply exactly this plan:", f"  {command}"]
    accept = shlex.join(["-e", json.dumps({"dbports_accept_conflicts": names})])
    return [
        "A plan with conflicts is not applied. Give one of the two another port or an own address, and plan again.",
        "Only if you know that they get along, apply exactly this plan:",
        f"  {command} {accept}",
    ]


def _command(plan_dir: str, plan_id: str) -> str:
    """Return the command line that applies a plan with the inventories of this run, and its ``-b``."""
    words = ["ansible-playbook"]
    for source in context.CLIARGS.get("inventory") or ():
        words += ["-i", source]
    if context.CLIARGS.get("become"):
        words.append("-b")
    words += ["dbports.firewall.apply", "--limit", f"@{plan_dir}/{LIMIT}", "-e", f"dbports_plan_id={plan_id}"]
    if plan_dir != DEFAULT_PLAN_DIR:
        words += ["-e", json.dumps({"dbports_plan_dir": plan_dir})]
    return shlex.join(words)
