# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a host with its port set; documented with the module of the same name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import AUTO, CHOICES
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import PLAN_OPTIONS
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.host import HostAction, Verdicts
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import refuse_delegation
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import CurrentPlan, run_id
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.drift import (
    Baseline,
    after_verify,
    with_drift,
    with_since,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.join import join
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.baseline import read_baseline, write_baseline
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import (
    HostFindings,
    Verified,
    forget_findings,
    read_findings,
    write_findings,
)

_NOTHING_APPLIED = Baseline("", "")
_SHOWN = 3
"""How many findings a host's failure names."""


class ActionModule(HostAction):
    """One call collects what the host shows; the controller judges it."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **PLAN_OPTIONS,
        "prepare": {"type": "bool", "default": False},
        "conclude": {"type": "bool", "default": False},
        "fail_on": {"type": "list", "elements": "str", "default": ["fail"]},
        "timeout": {"type": "float", "default": 2.0},
        "backend": {"type": "str", "choices": list(CHOICES), "default": AUTO},
    }
    VARIABLES: ClassVar[Mapping[str, str]] = {"timeout": "dbports_probe_timeout"}

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        refuse_delegation(self._task, task_vars)
        host = task_vars["inventory_hostname"]
        plan = self.plan(args, task_vars)
        directory = self.directory(args) if args["plan_dir"] else None
        if args["conclude"]:
            return {**_concluded(directory, host, plan, args["fail_on"]), "plan_id": plan.plan_id}
        port_set = plan.host(host)
        if args["prepare"]:
            return {**self.note_ports(port_set, task_vars), "plan_id": plan.plan_id}
        history = History(directory, host, plan.plan_id)
        if directory:
            self.keep(plan, directory)
            forget_findings(directory, host)
        found = self.verdicts(
            port_set, args["timeout"], task_vars, backend=args["backend"], applied=history.baseline.ruleset
        )
        if found.failed:
            return found.failed
        if directory and plan.has(host):
            found = history.note(directory, found)
        return {**found.returned(args["fail_on"]), "plan_id": plan.plan_id}


class History:
    """What is known of a host from before this verification."""

    def __init__(self, directory: Path | None, host: str, plan_id: str) -> None:
        self._host, self._plan_id = host, plan_id
        earlier = read_findings(directory, [host], plan_id).hosts.get(host) if directory else None
        self._earlier = earlier.findings if earlier else ()
        self.baseline = (read_baseline(directory, host) if directory else None) or _NOTHING_APPLIED

    def note(self, directory: Path, found: Verdicts) -> Verdicts:
        """Write the findings down, with what is new in them and since when, and return them."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        drifted = list(with_drift(found.findings, self.baseline, self._plan_id, found.ports, self._host))
        dated = tuple(with_since(drifted, self._earlier, now))
        write_findings(directory, self._host, self._plan_id, HostFindings(now, run_id(), dated))
        if self.baseline.ruleset:
            after = after_verify(self.baseline, self._plan_id, found.findings, found.ports)
            write_baseline(directory, self._host, after)
        return found._replace(findings=dated)


def _require_findings(read: Verified, host: str, directory: Path) -> None:
    """Refuse to conclude from nothing.

    :raises DbportsError: where the findings of this run are not there, or cannot be read.
    """
    found = read.hosts.get(host)
    if found is None or found.run != run_id():
        what = "another run has replaced them" if found else read.unusable.get(host, "there are none")
        raise DbportsError(
            f"no findings of this run: {what}",
            code="missing",
            path="plan_dir",
            value=str(directory),
            fix="Verify the host in this run, and let no two runs use a directory at the same time",
        )


def _concluded(directory: Path | None, host: str, plan: CurrentPlan, fail_on: Sequence[str]) -> dict[str, Any]:
    """Return a host's verdicts of this run together with what its servers showed; failed where they are.

    :raises DbportsError: without a directory from which the findings could be read, and without those of this run.
    """
    if directory is None:
        raise DbportsError(
            "the findings of this run lie in the plan's directory", code="missing", path="plan_dir", fix="Set plan_dir"
        )

    @cache
    def read(server: str) -> Verified:
        return read_findings(directory, [server], plan.plan_id)

    def shown(server: str) -> Sequence[Finding]:
        found = read(server).hosts.get(server)
        return found.findings if found and found.run == run_id() else ()

    if plan.has(host):
        _require_findings(read(host), host, directory)
    result = Verdicts(tuple(join(shown(host), shown)), {}).returned(fail_on)
    if result["passed"]:
        return result
    bad = result["failures"]
    more = f"; and {len(bad) - _SHOWN} more, see report.md" if len(bad) > _SHOWN else ""
    del result["findings"]  # Ansible prints all of a failed result, and the table says it
    return {**result, "failed": True, "msg": "; ".join(bad[:_SHOWN]) + more}
