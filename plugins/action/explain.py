# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explain why a port is open or closed; documented with the module of the same name."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.explain import explain
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.question import PlanView
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import PLAN_OPTIONS, DbportsAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.ansible_inventory import AnsibleInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.explanation import answer_data


class ActionModule(DbportsAction):
    """Answer one question from the plan."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **PLAN_OPTIONS,
        "host": {"type": "str", "required": True},
        "port": {"type": "str", "required": True},
        "peer": {"type": "str"},
    }

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        plan = self.plan(args, task_vars)
        view = PlanView(
            lambda name: plan.host(name) if plan.has(name) else None, AnsibleInventory(task_vars["hostvars"])
        )
        answer = answer_data(explain(view, args["host"], args["port"], args["peer"]))
        self.show("explain", answer["lines"])
        return {"changed": False, "plan_id": plan.plan_id, **answer}
