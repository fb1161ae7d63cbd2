# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what gateways have to permit; documented with the module of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import read_gateway
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import shortened
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import PLAN_OPTIONS, DbportsAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import locked
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.platforms import APPLIED
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.gateway_files import (
    GatewayFiles,
    differing,
    files_of,
    write_files,
)


class ActionModule(DbportsAction):
    """Write requests and rules for the gateways of the plan, and say which of them are hosts to apply it to."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **PLAN_OPTIONS,
        "gateways_dir": {"type": "path", "required": True},
        "rules": {"type": "dict", "default": {}},
    }
    VARIABLES: ClassVar[Mapping[str, str]] = {"rules": "dbports_gateways_rules"}

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        plan = self.plan(args, task_vars)
        directory = Path(args["gateways_dir"]).absolute()
        gateways = [read_gateway(plan.source, plan.index, name) for name, _digest in plan.index.gateways]
        with locked():  # several hosts of a play may write the same directory
            found = files_of(gateways, _rules(args["rules"], [item.name for item in gateways]), directory)
            diff = differing({name: text for item in found for name, text in item.texts.items()}, directory)
            if not self._task.check_mode:
                write_files(diff, directory)
        self.show("gateways", [item.line(args["gateways_dir"]) for item in found])
        return {
            "changed": bool(diff),
            "plan_id": plan.plan_id,
            "gateways": [_result(item) for item in found],
            "hosts": {
                platform: sorted({item.host for item in found if item.task == "apply" and item.platform == platform})
                for platform in sorted(APPLIED)
            },
            **({"diff": shortened(diff)} if self._task.diff else {}),
        }


def _rules(raw: dict[str, Any], known: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Read the arguments of rules: a dictionary or a list of them for each gateway.

    :raises DbportsError: for anything else, and for a gateway that the plan does not have.
    """
    found = {}
    for name, value in raw.items():
        items = [value] if isinstance(value, dict) else value
        if name not in known:
            fix = f"Name one of its gateways: {', '.join(known) or 'none is declared'}"
            raise DbportsError(
                "this gateway is not in the plan", code="unknown_name", path="rules", value=name, fix=fix
            )
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items) or not items:
            fix = "Write a list of dictionaries with the arguments of its filter, such as [{name: DBPORTS}]"
            raise DbportsError("expected a list", code="wrong_type", path=f"rules.{name}", value=value, fix=fix)
        found[name] = [{str(key): item[key] for key in item} for item in items]
    return found


def _result(item: GatewayFiles) -> dict[str, Any]:
    return {
        "name": item.name,
        "platform": item.platform,
        "host": item.host,
        "task": item.task,
        "statements": item.statements,
        "changes": item.changes.counts,
        "files": sorted(item.texts),
    }
