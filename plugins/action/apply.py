# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a host the ruleset of its port set; documented with the module of the same name."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import PLAN_OPTIONS, DbportsAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import (
    refuse_conflicts,
    refuse_delegation,
    refuse_empty_plan,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.ruleset import RULESET_MODULE, ruleset_arguments


class ActionModule(DbportsAction):
    """One call of the module that fits the host, with the host's part of the plan."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **PLAN_OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "allow_shrink": {"type": "bool", "default": False},
        "former_name": {"type": "str"},
        "allow_empty_plan": {"type": "bool", "default": False},
        "accept_conflicts": {"type": "list", "elements": "str", "default": []},
        "persist": {"type": "bool", "default": True},
    }

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        refuse_delegation(self._task, task_vars)
        host = task_vars["inventory_hostname"]
        common = {"former_name": args["former_name"] or "", "owner": host}
        if args["state"] == "absent":
            return self._call({**common, "state": "absent"}, task_vars)
        plan = self.plan(args, task_vars)
        refuse_conflicts(plan.index, args["accept_conflicts"])
        if not args["allow_empty_plan"]:
            refuse_empty_plan(plan.index)
        port_set = plan.host(host)
        arguments = {**common, **ruleset_arguments(port_set)}
        self._keep_own_way_in(arguments)
        result = self._call({**arguments, "allow_shrink": args["allow_shrink"], "persist": args["persist"]}, task_vars)
        result["plan_id"] = plan.plan_id
        return result

    def _call(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return dict(self._execute_module(module_name=RULESET_MODULE, module_args=arguments, task_vars=task_vars))

    def _keep_own_way_in(self, arguments: dict[str, Any]) -> None:
        """Refuse to guard the port through which Ansible itself reaches the host."""
        if self._connection.transport not in ("ssh", "paramiko", "paramiko_ssh", "libssh"):
            return
        port = int(self._connection.get_option("port") or 22)  # Ansible has filled in the templates of its options
        for rule in arguments["rules"]:
            if (
                rule["direction"] == "in"
                and rule["protocol"] == "tcp"
                and any(port in PortRange.parse(text) for text in rule["ports"])
            ):
                raise DbportsError(
                    f"the guarded ports {','.join(rule['ports'])} hold tcp {port}, through which Ansible reaches "
                    "this host: applying them would lock it out",
                    path="ansible_port",
                    value=port,
                    fix=f"Give the server of '{rule['purpose']}' a fixed port, or move sshd out of this range",
                )
