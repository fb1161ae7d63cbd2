# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a host with its port set; documented with the module of the same name."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import AUTO, CHOICES
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import PLAN_OPTIONS
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.host import HostAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import refuse_delegation
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import run_id
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import (
    HostFindings,
    forget_findings,
    write_findings,
)


class ActionModule(HostAction):
    """One call collects what the host shows; the controller judges it."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **PLAN_OPTIONS,
        "prepare": {"type": "bool", "default": False},
        "timeout": {"type": "float", "default": 2.0},
        "backend": {"type": "str", "choices": list(CHOICES), "default": AUTO},
    }

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        refuse_delegation(self._task, task_vars)
        host = task_vars["inventory_hostname"]
        plan = self.plan(args, task_vars)
        port_set = plan.host(host)
        if args["prepare"]:
            return {**self.note_ports(port_set, task_vars), "plan_id": plan.plan_id}
        if args["plan_dir"]:
            self.keep(plan, self.directory(args))
            forget_findings(self.directory(args), host)
        found = self.verdicts(port_set, args["timeout"], task_vars, backend=args["backend"])
        if found.failed:
            return found.failed
        if args["plan_dir"] and plan.has(host):
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            write_findings(self.directory(args), host, plan.plan_id, HostFindings(now, run_id(), found.findings))
        return {**found.returned(), "plan_id": plan.plan_id}
