# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of this collection as actions call them: Python on the host, or, for a Windows host, here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.ruleset import RULESET_MODULE
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import WindowsHost
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.learned import look
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.observation import facts, observe
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.probes import TIMEOUT, run_probes
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.ruleset import ruleset

OBSERVATION_MODULE = "dbports.firewall.observation_info"
NETSTAT_MODULE = "dbports.firewall.netstat_facts"
LEARN_MODULE = "dbports.firewall.learn_info"
PROBE_MODULE = "dbports.firewall.probe"
PLATFORMS = ("linux", "windows")
_SAID = 300
"""How much of a host's own words an error has."""


def call_module(
    action: ActionBase, name: str, arguments: dict[str, Any], task_vars: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """Call a module on the host of an action, and return its result.

    :param more: for Ansible's own call, where the host runs Python.
    """
    if not is_windows(action._connection, task_vars):
        result = action._execute_module(module_name=name, module_args=arguments, task_vars=task_vars, **more)
        return _told(dict(result))
    host = WindowsHost(
        lambda module, args: action._execute_module(module_name=module, module_args=args, task_vars=task_vars)
    )
    try:
        return _on_windows(name, host, arguments, check=action._task.check_mode, ways_in=_ports(action._connection))
    except DbportsError as error:
        return {"failed": True, "changed": False, "msg": str(error)}


def _told(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result that says why its module gave no answer; Ansible only says that it cannot read one.

    ssh with a terminal writes what a host says to stdout, and that the connection is closed to stderr.

    :raises AnsibleConnectionFailure: when the program of the connection was ended in the middle. Ansible says so only
        of ssh that ends by itself; callers say what becomes of an unconfirmed change.
    """
    if "module_stdout" not in result or "interpreter" in str(result.get("msg")):
        return result
    status = result.get("rc")
    if isinstance(status, int) and status < 0:
        raise AnsibleConnectionFailure(
            f"The connection ended before the module answered: its program was ended by signal {-status}."
        )
    output = f"{result.get('module_stdout', '')}\n{result.get('module_stderr', '')}"
    lines = [line.strip() for line in output.splitlines() if not line.startswith("Shared connection to ")]
    said = next(filter(None, reversed(lines)), "") or f"the host said nothing (exit status {status})"
    result["msg"] = f"the module ended without an answer: {said[:_SAID]}"
    result.pop("exception", None)  # with it, Ansible shows its own words in place of msg
    return result


def is_windows(connection: ConnectionBase, task_vars: Mapping[str, Any]) -> bool:
    """Tell whether a host runs Windows: by ``dbports_platform``, else by the shell of its connection.

    :raises DbportsError: for another value.
    """
    platform = task_vars.get("dbports_platform")
    if platform is None:
        return bool(getattr(connection._shell, "_IS_WINDOWS", False))
    if platform not in PLATFORMS:
        raise DbportsError(
            f"a platform is {' or '.join(PLATFORMS)}",
            code="not_a_choice",
            path="dbports_platform",
            value=platform,
            fix="Leave it out where the connection tells it (winrm, psrp, or ssh with ansible_shell_type)",
        )
    return bool(platform == "windows")


def _on_windows(
    name: str, host: WindowsHost, arguments: dict[str, Any], *, check: bool, ways_in: list[int]
) -> dict[str, Any]:
    if name == RULESET_MODULE:
        return ruleset(host, arguments, check=check, ways_in=ways_in)
    if name == OBSERVATION_MODULE:
        return {"changed": False, "observation": observe(host, arguments)}
    if name == NETSTAT_MODULE:
        return {"changed": False, "ansible_facts": {"dbports_netstat": facts(host, arguments)}}
    if name == LEARN_MODULE:
        return {"changed": False, "seen": look(host, arguments)}
    if name == PROBE_MODULE:
        timeout = float(arguments.get("timeout", TIMEOUT))
        return {"changed": False, "probes": run_probes(host, arguments.get("probes") or (), timeout)}
    raise DbportsError(f"{name} does not run on Windows", code="not_a_choice", path="dbports_platform", value="windows")


def _ports(connection: ConnectionBase) -> list[int]:
    """Return the port through which Ansible reaches the host, if the connection knows one."""
    with contextlib.suppress(KeyError, TypeError, ValueError, AnsibleError):
        return [int(connection.get_option("port"))]
    return []
