# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a SOCKS host relay what the plan says; documented with the module of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import read_gateway
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import PLAN_OPTIONS, DbportsAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.platform import call_module, is_windows
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import refuse_delegation
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import CurrentPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.socks import (
    SOCKS_MODULE,
    SOCKS_PLATFORMS,
    client_line,
    socks_arguments,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import sentence


class ActionModule(DbportsAction):
    """One call of the module, with the gateway's part of the plan."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **PLAN_OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "user": {"type": "str", "default": "dbports-socks"},
        "take_over": {"type": "bool", "default": False},
        "allow_shrink": {"type": "bool", "default": False},
    }
    VARIABLES: ClassVar[Mapping[str, str]] = {"user": "dbports_socks_user", "take_over": "dbports_socks_take_over"}

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        refuse_delegation(self._task, task_vars)
        if args["state"] == "absent":
            if is_windows(self._connection, task_vars):
                return {"changed": False}
            return call_module(self, SOCKS_MODULE, {"state": "absent"}, task_vars)
        plan = self.plan(args, task_vars)
        gateway = _gateway_of(plan, task_vars["inventory_hostname"])
        if gateway is None:
            return {"changed": False, "gateway": "", "plan_id": plan.plan_id}
        more = {key: args[key] for key in ("user", "take_over", "allow_shrink")}
        self._tell(plan, gateway, args["user"])
        wanted = {**socks_arguments(gateway), **more, "exclusive": True}
        result = call_module(self, SOCKS_MODULE, wanted, task_vars)
        return {**result, "gateway": gateway.name, "plan_id": plan.plan_id}

    def _tell(self, plan: CurrentPlan, gateway: GatewayPlan, user: str) -> None:
        """Say again what does not pass it, and what clients have to do."""
        for warning in plan.index.warnings:
            if warning.gateway == gateway.name:
                self.warn(sentence(warning))
        if gateway.platform == "sshd":
            self.show("socks", [client_line(gateway, user)])


def _gateway_of(plan: CurrentPlan, host: str) -> GatewayPlan | None:
    """Return the SOCKS gateway that a host is, if it is one."""
    for name, _digest in plan.index.gateways:
        gateway = read_gateway(plan.source, plan.index, name)
        if gateway.host == host and gateway.platform in SOCKS_PLATFORMS:
            return gateway
    return None
