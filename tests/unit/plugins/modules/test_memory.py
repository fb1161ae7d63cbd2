# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that read much, on a host that has too little memory for it."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

MODULES = "ansible_collections.dbports.firewall.plugins.modules"


class StandIn:
    """AnsibleModule with the default of every argument, ended by its failure."""

    def __init__(self, argument_spec: dict[str, dict[str, Any]], supports_check_mode: bool) -> None:
        self.params = {name: spec.get("default") for name, spec in argument_spec.items()}
        self.check_mode = not supports_check_mode

    def fail_json(self, msg: str) -> None:
        raise SystemExit(msg)


@pytest.mark.parametrize(
    ("name", "work"),
    [("observation_info", "observe"), ("netstat_facts", "collect"), ("learn_info", "look"), ("ruleset", "apply")],
)
def test_a_host_without_memory_is_a_sentence_with_a_fix(name: str, work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no traceback."""

    def collects(*_args: Any, **_more: Any) -> None:
        raise MemoryError

    module = importlib.import_module(f"{MODULES}.{name}")
    monkeypatch.setattr(module, work, collects)
    monkeypatch.setattr(module, "AnsibleModule", StandIn)
    with pytest.raises(SystemExit, match=r"^the host has not enough memory for this task\. Free memory there"):
        module.main()
