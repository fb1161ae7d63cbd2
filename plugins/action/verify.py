# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a host with its port set; documented with the module of the same name."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import PLAN_OPTIONS, DbportsAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import refuse_delegation
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.ruleset import ruleset_arguments
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import read_observation
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.probes import probes_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.sockets import watched_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import (
    HostFindings,
    forget_findings,
    returned,
    write_findings,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.report import problem_lines


class ActionModule(DbportsAction):
    """One call collects what the host shows; the controller judges it."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {**PLAN_OPTIONS, "timeout": {"type": "float", "default": 2.0}}

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        refuse_delegation(self._task, task_vars)
        host = task_vars["inventory_hostname"]
        plan = self.plan(args, task_vars)
        port_set = plan.host(host)
        if args["plan_dir"]:
            self.keep(plan, self.directory(args))
            forget_findings(self.directory(args), host)
        result = self._observe(port_set, args["timeout"], task_vars)
        if result.get("failed"):
            return result
        findings = judge(port_set, read_observation(result.get("observation")))
        if args["plan_dir"] and plan.has(host):
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            write_findings(self.directory(args), host, plan.plan_id, HostFindings(now, tuple(findings)))
        counts = Counter(finding.verdict for finding in findings)
        return {
            "changed": False,
            "plan_id": plan.plan_id,
            "counts": dict(counts),
            "passed": not counts["fail"],
            "failures": problem_lines(finding for finding in findings if finding.verdict == "fail"),
            "findings": returned(findings),
        }

    def _observe(self, port_set: PortSet, timeout: float, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Collect what the host shows, in one call."""
        arguments = {
            "ports": watched_ports(port_set),
            "ruleset": ruleset_arguments(port_set),
            "probes": probes_of(port_set),
            "timeout": timeout,
        }
        return dict(
            self._execute_module(
                module_name="dbports.firewall.observation_info", module_args=arguments, task_vars=task_vars
            )
        )
