# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module of the same name, for the host of the task and no other; documented there."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.dbports.firewall.plugins.modules.ruleset import ARGUMENT_SPEC
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.module_action import ModuleAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.refusals import refuse_delegation
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.ruleset import RULESET_MODULE


class ActionModule(ModuleAction):
    """One call of the module."""

    MODULE = RULESET_MODULE
    ARGUMENTS: ClassVar[dict[str, Any]] = ARGUMENT_SPEC

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        refuse_delegation(self._task, task_vars)
        return super().act({**args, "owner": task_vars["inventory_hostname"]}, task_vars)
