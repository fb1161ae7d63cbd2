# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that a gateway's platform cannot have are refused, with the path of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.gateway_files import files_of

from gateway_plans import example_plan

PLAN = example_plan("ios")


def refusal(platform: str, *rules: dict[str, Any]) -> tuple[str, str | None, Any]:
    """Return the code, path and value of the error for some rules."""
    plan = PLAN._replace(platform=platform)
    with pytest.raises(DbportsError) as caught:
        files_of([plan], {plan.name: rules}, Path("/nowhere"))
    return caught.value.code, caught.value.path, caught.value.value


@pytest.mark.parametrize("platform", ["", "linux"])
def test_rules_need_a_platform_that_has_a_filter(platform: str) -> None:
    assert refusal(platform, {"name": "IN"}) == ("contradiction", "rules.acl-1", platform)


def test_arguments_are_those_of_the_filter() -> None:
    wrong = {"name": "IN", "zones": {}}
    assert refusal("ios", {"name": "IN"}, wrong) == ("unknown_key", "rules.acl-1[1]", wrong)
    assert refusal("ios", {"name": "IN", "step": 0}) == ("not_a_number", "rules.acl-1[0].step", 0)


def test_rules_of_a_platform_are_one_file() -> None:
    (found,) = files_of([PLAN], {PLAN.name: [{"name": "IN"}]}, Path("/nowhere"))
    assert (found.task, list(found.texts)) == ("render", ["rules/acl-1.json"])
    assert json.loads(found.texts["rules/acl-1.json"] or "")["filter"] == "dbports.firewall.ios_aces"


@pytest.mark.parametrize(
    ("platform", "task"), [("", "request"), ("ios", "request"), ("linux", "apply"), ("dante", "apply")]
)
def test_without_rules_only_what_no_host_applies_is_requested(platform: str, task: str, tmp_path: Path) -> None:
    (found,) = files_of([PLAN._replace(platform=platform)], {}, tmp_path)
    assert (found.task, bool(found.texts)) == (task, task == "request")
