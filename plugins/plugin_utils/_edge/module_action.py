# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that run the module of their name: on the host, or here for a Windows host, because it has no Python."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.action import DbportsAction
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.platform import call_module, is_windows


class ModuleAction(DbportsAction):
    """One call of a module; ``ARGUMENTS`` is its argument spec."""

    MODULE: ClassVar[str]
    _supports_async = True

    def arguments(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the task's arguments as they are: the module validates them."""
        return dict(self._task.args)

    def act(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """See the module's documentation for what it returns."""
        in_background = bool(self._task.async_val)
        if is_windows(self._connection, task_vars):
            if in_background:
                raise DbportsError(
                    "on a Windows host this module does not run in the background",
                    code="not_a_choice",
                    path="async",
                    value=self._task.async_val,
                    fix="Leave async out",
                )
            args = self._as_a_module_reads(args)
        return call_module(self, self.MODULE, args, task_vars, wrap_async=in_background)

    def _as_a_module_reads(self, args: dict[str, Any]) -> dict[str, Any]:
        """Return arguments as Ansible gives them to a module on a host that runs it."""
        read = ArgumentSpecValidator(self.ARGUMENTS).validate(args)
        if read.error_messages:
            raise AnsibleActionFail("; ".join(read.error_messages))
        return dict(read.validated_parameters)
