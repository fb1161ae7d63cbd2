# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks the way people run playbooks: with tags, and on many hosts."""

from __future__ import annotations

from typing import Any

import pytest

SITE = "- import_playbook: dbports.firewall.site\n"
HOSTS = [f"app-{number}" for number in range(1, 41)]
INVENTORY: dict[str, Any] = {
    "all": {
        "vars": {"ansible_connection": "local"},
        "hosts": {"db-1": {"dbports_addresses": ["192.0.2.10"]}},
        "children": {
            "apps": {
                "hosts": {
                    name: {"dbports_addresses": [f"198.51.100.{number}"]} for number, name in enumerate(HOSTS, 1)
                },
            },
        },
    },
}
INVENTORY["all"]["hosts"]["db-1"]["dbports_servers"] = [{"engine": "mssql", "clients": ["apps"]}]

PARTS = {
    "plan": "Plan the whole inventory",
    "apply": "Apply this host's part of the plan",
    "verify": "Compare this host with its part of the plan",
    "report": "Print the table and write the report",
}


def tasks_of(text: str) -> list[str]:
    """Return the names that ``--list-tasks`` shows, without their roles."""
    lines = (line.split("TAGS:")[0].strip() for line in text.splitlines() if " : " in line)
    return [line.split(" : ", 1)[1] for line in lines]


@pytest.mark.parametrize("wanted", [["plan"], ["apply"], ["verify"], ["report"], ["plan", "report"]])
def test_tags_choose_the_parts_of_site(run_playbook: Any, wanted: list[str]) -> None:
    listed = tasks_of(run_playbook(SITE, INVENTORY, "--list-tasks", "--tags", ",".join(wanted)).stdout)
    assert [part for part, task in PARTS.items() if task in listed] == wanted


def test_without_tags_verify_reports(run_playbook: Any) -> None:
    listed = tasks_of(run_playbook(SITE, INVENTORY, "--list-tasks").stdout)
    assert [part for part, task in PARTS.items() if task in listed] == ["plan", "apply", "verify"]


def test_planning_is_one_task_for_all_hosts(run_playbook: Any) -> None:
    """A role that is included once a host costs many times what the plan does."""
    result = run_playbook("- import_playbook: dbports.firewall.plan\n", INVENTORY, "-f", "5")
    assert result.rc == 0
    assert [item["task"] for item in result.tasks] == [f"dbports.firewall.plan : {PARTS['plan']}"]
