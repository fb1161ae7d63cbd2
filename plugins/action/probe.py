# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module of the same name; documented there. From Windows its bytes are sent by a script and judged here."""

from __future__ import annotations

from typing import Any

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import DbportsAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.platform import PROBE_MODULE, call_module


class ActionModule(DbportsAction):
    """One call of the module."""

    _supports_async = True

    def arguments(self) -> dict[str, Any]:
        """Return the task's arguments as they are: the module validates them."""
        return dict(self._task.args)

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        wrap_async = bool(self._task.async_val)
        return call_module(self, PROBE_MODULE, args, task_vars, wrap_async=wrap_async)
