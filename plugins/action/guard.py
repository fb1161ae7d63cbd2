# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guard the servers of one host without a plan of others; documented with the module of the same name."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import POLICIES
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.host import RULES_OPTIONS, HostAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import (
    refuse_conflicts,
    refuse_delegation,
    refuse_run_once,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.ansible_inventory import AnsibleInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.one_host import OneHost
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import sentence
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan


class ActionModule(HostAction):
    """Plan one host from the task's arguments, apply that, and judge the host."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "servers": {"type": "list", "elements": "dict", "default": []},
        "addresses": {"type": "list", "elements": "str"},
        "engines": {"type": "dict"},
        "policy": {"type": "str", "choices": list(POLICIES), "default": "guard"},
        "filter_outbound": {"type": "bool", "default": False},
        **RULES_OPTIONS,
        "timeout": {"type": "float", "default": 2.0},
        "fail_on": {"type": "list", "elements": "str", "default": ["fail"]},
    }

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        refuse_delegation(self._task, task_vars)
        refuse_run_once(self._task, task_vars)
        host = task_vars["inventory_hostname"]
        owner = f"{host} (role guard)"
        if args["state"] == "absent":
            return self.remove_rules(args, task_vars, owner=owner)
        plan = _plan(host, args, AnsibleInventory(task_vars["hostvars"]))
        refuse_conflicts(plan.conflicts, args["accept_conflicts"])
        for warning in plan.hosts[host].warnings:
            self.warn(sentence(warning))
        result = self.apply_port_set(plan.hosts[host], args, task_vars, owner=owner)
        if result.get("failed") or self._task.check_mode:
            return result
        verdicts = self.verdicts(plan.hosts[host], args["timeout"], task_vars, backend=args["backend"], owner=owner)
        return verdicts.failed or {**verdicts.returned(args["fail_on"]), **result}


def _plan(host: str, args: dict[str, Any], inventory: AnsibleInventory) -> Plan:
    """Return a plan in which one host declares servers.

    :raises DbportsError: when the inventory declares servers of this host too, or what is declared is wrong.
    """
    if host in inventory.declaring():
        raise DbportsError(
            "a plan guards this host already: the inventory declares dbports_servers for it",
            code="contradiction",
            host=host,
            path="guard_servers",
            fix="Add these servers to dbports_servers in the inventory, or remove dbports_servers there",
        )
    if not args["servers"]:
        raise DbportsError(
            "no server is declared, and nothing would be guarded",
            code="missing",
            host=host,
            path="guard_servers",
            value=args["servers"],
            fix="Set guard_servers (servers); to remove what was guarded, set guard_state (state) to absent",
        )
    variables = {
        "dbports_servers": args["servers"],
        "dbports_policy": args["policy"],
        "dbports_filter_outbound": args["filter_outbound"],
        **({"dbports_addresses": args["addresses"]} if args["addresses"] else {}),
    }
    settings = {"dbports_engines": args["engines"]} if args["engines"] else {}
    try:
        return build_plan(OneHost(inventory, host, variables, settings))
    except PlanError as error:
        for item in error.errors:
            item.path = (item.path or "").replace("dbports_", "guard_", 1)
        raise
