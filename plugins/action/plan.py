# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the plan of the whole inventory; documented with the module of the same name."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import (
    diff_artifact,
    load_artifact,
    write_artifact,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import PLAN_OPTIONS, DbportsAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import locked
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import conflict_sentence, sentence


class ActionModule(DbportsAction):
    """Compute the plan, print its summary and write it where it is asked for."""

    ARGUMENTS: ClassVar[dict[str, Any]] = PLAN_OPTIONS

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        plan = self.plan(args, task_vars)
        self.show("plan", list(plan.summary))
        result = {
            "changed": False,
            "plan_id": plan.plan_id,
            "inputs_id": plan.inputs_id,
            "counts": dict(plan.index.counts),
            "plan_warnings": [sentence(item) for item in plan.index.warnings],
            "conflicts": [conflict_sentence(item) for item in plan.index.conflicts],
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
            if diff and not self._task.check_mode:
                write_artifact(artifact, directory)
        if directory.is_dir():
            self.warn_of_others(directory)
        result["changed"] = bool(diff)
        if self._task.diff:
            result["diff"] = diff
        return result
