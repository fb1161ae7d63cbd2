# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a host the ruleset of its port set; documented with the module of the same name."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import holds_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import PLAN_OPTIONS
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.host import RULES_OPTIONS, HostAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import (
    refuse_conflicts,
    refuse_delegation,
    refuse_empty_plan,
    refuse_run_once,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.drift import after_apply
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.rules import digest_of, wanted_ruleset
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.baseline import read_baseline, write_baseline


class ActionModule(HostAction):
    """One call of the module that fits the host, with the host's part of the plan."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **PLAN_OPTIONS,
        **RULES_OPTIONS,
        "allow_empty_plan": {"type": "bool", "default": False},
    }

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        refuse_delegation(self._task, task_vars)
        refuse_run_once(self._task, task_vars)
        host = task_vars["inventory_hostname"]
        if args["state"] == "absent":
            return self.remove_rules(args, task_vars, owner=host)
        plan = self.plan(args, task_vars)
        refuse_conflicts(plan.index.conflicts, args["accept_conflicts"])
        if not args["allow_empty_plan"]:
            refuse_empty_plan(plan.index)
        port_set = plan.host(host)
        result = self.apply_port_set(port_set, args, task_vars, owner=host)
        result["plan_id"] = plan.plan_id
        directory = self.directory(args) if args["plan_dir"] else None
        if directory and holds_plan(directory, plan.plan_id) and not (result.get("failed") or self._task.check_mode):
            rules = digest_of(wanted_ruleset(port_set))
            earlier = read_baseline(directory, host)
            write_baseline(directory, host, after_apply(earlier, plan.plan_id, rules, changed=result["changed"]))
        return result
