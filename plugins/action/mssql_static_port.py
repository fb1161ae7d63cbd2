# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give instances of SQL Server the fixed ports that the plan has; documented with the module of the same name."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import PLAN_OPTIONS, DbportsAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.platform import (
    NETSTAT_MODULE,
    call_module,
    is_windows,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import refuse_delegation
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import read_observation
from ansible_collections.dbports.firewall.plugins.plugin_utils._static_port.decide import Decision, Write, decide
from ansible_collections.dbports.firewall.plugins.plugin_utils._static_port.instances import (
    ENGINE_PROGRAM,
    SeenHost,
    declared_on,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._static_port.read import (
    CONFIGURATION,
    RANGE,
    RESERVED,
    on_linux,
    on_windows,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import WindowsHost

_MSSQL_CONF = "/opt/mssql/bin/mssql-conf"
_NOTHING = Decision((), {}, (), False, ())


class ActionModule(DbportsAction):
    """Compare one host with the plan and change its settings; the role restarts and waits."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {**PLAN_OPTIONS, "restart": {"type": "bool", "default": False}}

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        refuse_delegation(self._task, task_vars)
        plan = self.plan(args, task_vars)
        declared = declared_on(plan.host(task_vars["inventory_hostname"]))
        windows = is_windows(self._connection, task_vars)
        decision = _NOTHING
        if declared.instances:
            seen = self._windows(task_vars) if windows else self._linux(task_vars)
            decision = decide(declared, seen, restart=args["restart"])
        for text in decision.warnings:
            self.warn(text)
        if not self._task.check_mode:
            for item in decision.writes:
                self._write(item, task_vars)
        return {
            "changed": bool(decision.writes),
            "diff": _diff(decision.writes),
            "msg": "; ".join(decision.not_listening.values()),
            "plan_id": plan.plan_id,
            "platform": "windows" if windows else "linux",
            "not_listening": list(decision.not_listening),
            "restart": list(decision.restart),
            "browser_unneeded": decision.browser_unneeded,
        }

    def _windows(self, task_vars: dict[str, Any]) -> SeenHost:
        host = WindowsHost(lambda name, args: self._execute_module(name, args, task_vars=task_vars))
        return on_windows(host.collect(sockets=True, ports=True))

    def _linux(self, task_vars: dict[str, Any]) -> SeenHost:
        texts = {path: self._read(path, task_vars) for path in (CONFIGURATION, RANGE, RESERVED)}
        facts = call_module(self, NETSTAT_MODULE, {"processes": [ENGINE_PROGRAM]}, task_vars)
        sockets = _worked(facts, "the sockets")["ansible_facts"]["dbports_netstat"]["sockets"]
        return on_linux(texts, read_observation({"sockets": sockets}).sockets or ())

    def _read(self, path: str, task_vars: dict[str, Any]) -> str:
        """Return a file of the host, or an empty text where it is not there."""
        result = self._execute_module("ansible.builtin.slurp", {"src": path}, task_vars=task_vars)
        if result.get("failed") and "file not found" in str(result.get("msg")).lower():
            return ""
        return base64.b64decode(_worked(result, path)["content"]).decode("utf-8", "replace")

    def _write(self, item: Write, task_vars: dict[str, Any]) -> None:
        if item.key:
            name = "ansible.windows.win_regedit"
            arguments: dict[str, Any] = {"path": item.key, "name": item.name, "data": item.after, "type": "string"}
        else:
            name, arguments = "ansible.builtin.command", {"argv": [_MSSQL_CONF, "set", item.name, item.after]}
        _worked(self._execute_module(name, arguments, task_vars=task_vars), f"{item.instance}: {item.name}")


def _worked(result: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """Return a module's result.

    :raises DbportsError: when it failed.
    """
    if result.get("failed"):
        said = result.get("stderr") or result.get("msg") or "no reason was given"
        raise DbportsError(f"{what} failed: {str(said).rstrip('.')}", code="command_failed")
    return result


def _diff(writes: tuple[Write, ...]) -> dict[str, str]:
    """Return the settings before and after, as Ansible shows them."""
    return {
        side: "".join(f"{item.instance} {item.name} = {value}\n" for item in writes for value in [getattr(item, side)])
        for side in ("before", "after")
    }
