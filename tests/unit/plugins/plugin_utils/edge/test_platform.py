# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says that cannot run a module: its own words, and not only that Ansible cannot read the answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.platform import PROBE_MODULE, call_module

CANNOT_READ = "Module result deserialization failed: No start of json char found"


def called(result: dict[str, Any]) -> dict[str, Any]:
    """Return what an action gets whose module had this result."""
    action: Any = SimpleNamespace(
        _connection=SimpleNamespace(_shell=SimpleNamespace()), _execute_module=lambda **_arguments: result
    )
    return call_module(action, PROBE_MODULE, {}, {})


@pytest.mark.parametrize(
    ("stdout", "stderr", "said"),
    [
        ("", "/bin/sh: 1: sudo: not found\n", "/bin/sh: 1: sudo: not found"),
        (
            "sudo: a password is required\r\n",
            "Shared connection to 192.0.2.10 closed.\r\n",
            "sudo: a password is required",
        ),
        ("", "Traceback (most recent call last):\n  ...\nImportError: no such module\n", "ImportError: no such module"),
        ("x" * 1000, "", "x" * 300),
        ("", "Shared connection to db closed.\n", "the host said nothing (exit status 137)"),
    ],
)
def test_a_module_without_an_answer(stdout: str, stderr: str, said: str) -> None:
    result = {"failed": True, "msg": CANNOT_READ, "exception": "...", "module_stdout": stdout, "module_stderr": stderr}
    result["rc"] = 137
    found = called(dict(result))
    assert found["msg"] == f"the module ended without an answer: {said}"
    assert "exception" not in found


@pytest.mark.parametrize("stdout", ["", '{"changed": '])
def test_a_connection_that_ended(stdout: str) -> None:
    """Whatever came before: the host is not reached, which is tried again after a change."""
    result = {"failed": True, "msg": CANNOT_READ, "module_stdout": stdout, "module_stderr": "", "rc": -9}
    with pytest.raises(AnsibleConnectionFailure, match=r"ended before the module answered: .* by signal 9"):
        called(result)


@pytest.mark.parametrize(
    "result",
    [
        {"failed": True, "msg": "the firewall refuses it", "exception": "..."},
        {
            "failed": True,
            "msg": "The module interpreter '/opt/py' was not found.",
            "module_stderr": "/opt/py: not found",
        },
        {"changed": False, "probes": []},
    ],
)
def test_other_results_stay(result: dict[str, Any]) -> None:
    assert called(dict(result)) == result
