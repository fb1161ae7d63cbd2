# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins share: arguments, the plan of the run, and errors as Ansible's failures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorList, each_of
from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible, visible_data
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import (
    holds_plan,
    load_artifact,
    refuse_links,
    writable_by_others,
    write_artifact,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import (
    is_empty,
    keeps_in_step,
    read_plan_id,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import (
    CurrentPlan,
    approved_plan,
    current_plan,
    last_of_batch,
    locked,
    once,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.ansible_inventory import AnsibleInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.variables import RUN_VARIABLES

PLAN_OPTIONS: dict[str, Any] = {"plan_dir": {"type": "path"}, "plan_id": {"type": "str"}}


class DbportsAction(ActionBase):
    """An action with an argument spec and one method of its own, ``act``."""

    TRANSFERS_FILES = False
    ARGUMENTS: ClassVar[dict[str, Any]] = {}
    VARIABLES: ClassVar[Mapping[str, str]] = {}
    """Options for which users of its role write a variable of another name than ``dbports_OPTION``."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Validate the arguments, act, and turn a DbportsError into a failed task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = self.arguments(task_vars or {})
        try:
            result.update(visible_data(self.act(args, task_vars or {})))
        except DbportsError as error:
            raise AnsibleActionFail(
                self._told(self._with_variables(error), task_vars or {})
            ) from None  # Ansible would append the cause's text
        return result

    @classmethod
    def _with_variables(cls, error: DbportsError) -> DbportsError:
        """Name the role's variable in errors of an option that has another name."""
        for item in each_of(error):
            option = re.split(r"[.\[]", item.path or "")[0]
            if option in cls.VARIABLES:
                item.fix = f"{item.fix or 'Correct it'}; {_role_variable(option, cls.VARIABLES[option])}"
        return error

    @staticmethod
    def _told(error: DbportsError, task_vars: dict[str, Any]) -> str:
        """Return what a host's failure says: in a play with many hosts, the whole error is printed once beside it."""
        host = task_vars.get("inventory_hostname")
        if error.code == "not_planned" or len(task_vars.get("ansible_play_hosts_all", ())) < 2:
            return str(error)
        text = error.without(host)
        with locked():  # nobody refers to what is not printed yet
            if once("error", text):
                Display().display(text, color=constants.COLOR_ERROR)
        return error.short()

    def arguments(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the task's arguments, validated and with their defaults.

        Where the task of an action that takes a plan does not give a setting of the run, the host's variable counts.
        The action reads it itself, since templates for all of them in a task cost the controller more than the rest
        of a run with nothing to change.
        """
        given = self._of_variables(task_vars) if PLAN_OPTIONS.keys() <= self.ARGUMENTS.keys() else {}
        self._task.args = {**given, **self._task.args}
        try:
            args: dict[str, Any] = self.validate_argument_spec(argument_spec=self.ARGUMENTS)[1]
        except AnsibleError as error:
            read = [f"{option} is the host's variable dbports_{option}" for option in given if option in str(error)]
            words = re.findall(r"\w+", str(error))
            read += [_role_variable(option, name) for option, name in self.VARIABLES.items() if option in words]
            if not read:
                raise
            raise AnsibleActionFail("; ".join([str(error), *read])) from None
        return args

    def _of_variables(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the options that are variables of this host, such as ``dbports_backend``; null is a value."""
        names = {option: f"dbports_{option}" for option in self.ARGUMENTS if option not in self._task.args}
        given = {
            option: task_vars[name] for option, name in names.items() if name in RUN_VARIABLES and name in task_vars
        }
        templated = self._templar.template(given).items()
        return {option: value for option, value in templated if value is None or value != task_vars.get("omit")}

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Do the work; returns the task's result."""
        raise NotImplementedError

    def plan(self, args: dict[str, Any], task_vars: dict[str, Any]) -> CurrentPlan:
        """Return the approved plan when plan_id is given, else that of the inventory."""
        if "plan_id" not in self._task.args:
            plan = current_plan(task_vars["hostvars"])
        elif args.get("plan_dir"):
            plan = approved_plan(self.directory(args), read_plan_id(args["plan_id"]), task_vars["hostvars"])
        else:
            raise DbportsError(
                "plan_id needs the directory of the plan", code="missing", path="plan_dir", fix="Set plan_dir"
            )
        errors = ErrorList()
        for error in AnsibleInventory(task_vars["hostvars"]).hidden(task_vars["inventory_hostname"], task_vars):
            errors.keep(error)
        errors.raise_all()
        if is_empty(plan.index):
            self.warn("the plan has no server: no host of the inventory declares dbports_servers, nothing is guarded")
        return plan

    def keep(self, plan: CurrentPlan, directory: Path) -> None:
        """Write the plan of this run to its directory, so that what is written beside it belongs to it.

        An approved plan lies there already.
        """
        refuse_links(directory)
        with locked():  # several hosts of a play may write the same directory
            if not plan.approved and not holds_plan(directory, plan.plan_id):
                write_artifact(load_artifact(plan.source), directory)
        self.warn_of_others(directory)

    def warn_of_others(self, directory: Path) -> None:
        """Warn where others may replace what is read from a plan's directory later."""
        if writable_by_others(directory):
            self.warn(f"others than the owner of {directory} may write to it; remove their permission (chmod go-w)")

    def warn(self, text: str) -> None:
        """Print a warning once in this run, whichever host meets it first."""
        if once("warn", text):
            Display().warning(visible(text))

    def speaks_for_batch(self, task_vars: dict[str, Any]) -> bool:
        """Tell whether what is said once a batch is to be said now.

        Strategies that keep hosts in step honour run_once, and the one host that is asked speaks. Others (free,
        host_pinned) ask every host, and the last one speaks, because only then everything is known.
        """
        if self._task.run_once and keeps_in_step(self._task):
            return True
        return last_of_batch(self._task._uuid, task_vars["inventory_hostname"], task_vars["ansible_play_batch"])

    @staticmethod
    def directory(args: dict[str, Any]) -> Path:
        """Return plan_dir; a relative one is below the directory in which ansible-playbook was started."""
        return Path(args["plan_dir"]).absolute()

    @staticmethod
    def show(key: str, lines: list[str]) -> None:
        """Print lines once in this run, whichever host asks first."""
        if lines and once("show", key + "\n".join(lines)):
            Display().display("\n".join(map(visible, lines)))


def _role_variable(option: str, variable: str) -> str:
    return f"{option} is the variable {variable} of the role"
