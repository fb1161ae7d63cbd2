# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the report of a plan and its findings; documented with the module of the same name."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import PLAN_OPTIONS, DbportsAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import run_id
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import read_findings
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report import Report


class ActionModule(DbportsAction):
    """Read what verify left next to the plan, print the table and write the report."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {**PLAN_OPTIONS, "plan_dir": {"type": "path", "required": True}}

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        plan = self.plan(args, task_vars)
        directory = self.directory(args)
        if not self.speaks_for_batch(task_vars):
            return {"changed": False, "plan_id": plan.plan_id, "report": str(directory / "report.md")}
        hosts = [host for host, _digest in plan.index.hosts]
        report = Report(plan.index, read_findings(directory, hosts, plan.plan_id), run_id())
        if not self._task.check_mode:
            self.keep(plan, directory)
            report.write(directory)
        self.show("report", report.lines())
        return {
            "changed": False,
            "plan_id": plan.plan_id,
            "counts": report.counts,
            "unverified": len(report.unverified),
            "earlier": len(report.earlier),
            "report": str(directory / "report.md"),
        }
