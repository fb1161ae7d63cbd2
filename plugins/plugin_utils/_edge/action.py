# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins share: arguments, the plan of the run, and errors as Ansible's failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import (
    CurrentPlan,
    approved_plan,
    current_plan,
    once,
)

PLAN_OPTIONS: dict[str, Any] = {"plan_dir": {"type": "path"}, "plan_id": {"type": "str"}}


class DbportsAction(ActionBase):
    """An action with an argument spec and one method of its own, ``act``."""

    TRANSFERS_FILES = False
    ARGUMENTS: ClassVar[dict[str, Any]] = {}

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Validate the arguments, act, and turn a DbportsError into a failed task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _check, args = self.validate_argument_spec(argument_spec=self.ARGUMENTS)
        try:
            result.update(self.act(args, task_vars or {}))
        except DbportsError as error:
            raise AnsibleActionFail(str(error)) from error
        return result

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Do the work; returns the task's result."""
        raise NotImplementedError

    def plan(self, args: dict[str, Any], task_vars: dict[str, Any]) -> CurrentPlan:
        """Return the approved plan when plan_id is given, else that of the inventory."""
        if not args.get("plan_id"):
            return current_plan(task_vars["hostvars"])
        if not args.get("plan_dir"):
            raise DbportsError(
                "plan_id needs the directory of the plan", code="missing", path="plan_dir", fix="Set plan_dir"
            )
        return approved_plan(self.directory(args), args["plan_id"], task_vars["hostvars"])

    @staticmethod
    def directory(args: dict[str, Any]) -> Path:
        """Return plan_dir; a relative one is below the directory in which ansible-playbook was started."""
        return Path(args["plan_dir"]).absolute()

    @staticmethod
    def show(key: str, lines: list[str]) -> None:
        """Print lines once in this run, whichever host asks first."""
        if lines and once("show", key + "\n".join(lines)):
            Display().display("\n".join(lines))
