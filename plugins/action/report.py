# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the report of a plan and its findings; documented with the module of the same name."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import read_gateway, read_index
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import PLAN_OPTIONS, DbportsAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import is_empty
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import (
    CurrentPlan,
    current_plan,
    run_id,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.ansible_inventory import inventory_groups
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import read_findings
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.overview import overview_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report import Report
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report_files import PAGE, write_report


class ActionModule(DbportsAction):
    """Read what verify left next to the plan, print the table and write the report."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **PLAN_OPTIONS,
        "plan_dir": {"type": "path", "required": True},
        "fail_on": {"type": "list", "elements": "str", "default": ["fail"]},
    }

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        plan = self.plan(args, task_vars)
        directory = self.directory(args)
        result = {"changed": False, "plan_id": plan.plan_id, "report": str(directory / PAGE)}
        if not self.speaks_for_batch(task_vars):
            return result
        hosts = [host for host, _digest in plan.index.hosts]
        report = Report(plan.index, read_findings(directory, hosts, plan.plan_id), run_id(), args["fail_on"])
        if not self._task.check_mode:
            self.keep(plan, directory)
            write_report(
                overview_of(
                    report,
                    [plan.host(host) for host in hosts],
                    [read_gateway(plan.source, plan.index, name) for name, _digest in plan.index.gateways],
                    inventory_groups(task_vars["hostvars"]),
                ),
                directory,
            )
        written = [] if self._task.check_mode else [f"Report: {result['report']}"]
        self.show("report", [*report.lines(), *written])
        unverified, earlier = len(report.unverified), len(report.earlier)
        return {**result, "counts": report.counts, "unverified": unverified, "earlier": earlier}

    def plan(self, args: dict[str, Any], task_vars: dict[str, Any]) -> CurrentPlan:
        """Return the plan of the run, or the one in plan_dir if no inventory with servers is there to plan from."""
        if "plan_id" not in self._task.args and is_empty(current_plan(task_vars["hostvars"]).index):
            directory = self.directory(args)
            with suppress(DbportsError):  # there is no plan in it
                found = CurrentPlan(directory, read_index(directory, None), (), approved=True)
                self.show("found", [f"The inventory declares no server: this is about the plan in {directory}"])
                return found
        return super().plan(args, task_vars)
