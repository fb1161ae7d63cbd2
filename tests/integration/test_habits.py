# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks the way people run playbooks: with tags, and on many hosts."""

from __future__ import annotations

import copy
import json
import re
import shlex
from pathlib import Path
from typing import Any, ClassVar

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

SAME_PORT = {"engine": "postgresql", "clients": ["apps"], "port": 1433}
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


def test_the_playbook_of_the_docs(run_playbook: Any) -> None:
    """Roles in a play of one's own, with tags that reach their tasks."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "running.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```yaml\n(- name: Databases and their clients\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    for wanted in ("plan", "apply", "verify"):
        listed = tasks_of(run_playbook(text, INVENTORY, "--list-tasks", "--tags", wanted).stdout)
        assert [part for part, task in PARTS.items() if task in listed] == [wanted]


def test_without_tags_verify_reports(run_playbook: Any) -> None:
    listed = tasks_of(run_playbook(SITE, INVENTORY, "--list-tasks").stdout)
    assert [part for part, task in PARTS.items() if task in listed] == ["plan", "apply", "verify"]


def test_planning_is_one_task_for_all_hosts(run_playbook: Any) -> None:
    """A role that is included once a host costs many times what the plan does."""
    result = run_playbook("- import_playbook: dbports.firewall.plan\n", INVENTORY, "-f", "5")
    assert result.rc == 0
    assert [item["task"] for item in result.tasks] == [f"dbports.firewall.plan : {PARTS['plan']}"]


PLAN = "- import_playbook: dbports.firewall.plan\n"


def changed(**variables: Any) -> dict[str, Any]:
    """Return the inventory with other variables of the database host."""
    data = copy.deepcopy(INVENTORY)
    data["all"]["hosts"]["db-1"].update(variables)
    return data


class TestPlan:
    """What planning tells its reader."""

    def test_the_whole_id_and_the_command_that_applies_it(self, run_playbook: Any) -> None:
        result = run_playbook(PLAN, INVENTORY)
        (plan_id,) = {item["result"]["plan_id"] for item in result.tasks}
        command = (
            "ansible-playbook -i {}/inventory.yml dbports.firewall.apply --limit @dbports-plan/hosts.limit "
            f"-e dbports_plan_id={plan_id}"
        )
        printed = next(line for line in result.stdout.splitlines() if "dbports.firewall.apply" in line)
        assert printed.strip() == command.format(run_playbook.place)
        applied = run_playbook.run(*shlex.split(printed)[1:], "--check", "--list-hosts")
        assert applied.rc == 0, applied.text
        assert "hosts (41)" in applied.stdout

    def test_become_is_in_the_command(self, run_playbook: Any) -> None:
        result = run_playbook(PLAN, INVENTORY, "--become")
        printed = next(line for line in result.stdout.splitlines() if "dbports.firewall.apply" in line)
        assert "/inventory.yml -b dbports.firewall.apply" in printed

    def test_another_directory_is_in_the_command(self, run_playbook: Any) -> None:
        result = run_playbook(PLAN, INVENTORY, "-e", "dbports_plan_dir='other plan'")
        printed = next(line for line in result.stdout.splitlines() if "dbports.firewall.apply" in line)
        words = shlex.split(printed)
        assert "@other plan/hosts.limit" in words
        assert json.loads(words[-1]) == {"dbports_plan_dir": "other plan"}

    def test_check_mode_names_no_command_for_a_plan_that_is_not_there(self, run_playbook: Any) -> None:
        assert "dbports.firewall.apply" not in run_playbook(PLAN, INVENTORY, "--check").stdout

    def test_changes_to_the_plan_that_lies_there(self, run_playbook: Any) -> None:
        first = run_playbook(PLAN, INVENTORY)
        assert "Changes to the plan" not in first.stdout
        servers = [{"engine": "mssql", "clients": ["app-1", "192.0.2.99"], "instances": [{"tcp_port": 14330}]}]
        result = run_playbook(PLAN, changed(dbports_servers=servers), "--check")
        lines = result.stdout.splitlines()
        start = next(number for number, line in enumerate(lines) if line.startswith("Changes to the plan"))
        assert lines[start + 1].startswith("  - db-1 tcp 1433 from app-1 (198.51.100.1), app-10 (198.51.100.10),")
        assert " and 34 more, declared by db-1: dbports_servers[0].clients[0]" in lines[start + 1]
        assert lines[start + 2 : start + 5] == [
            "  + db-1 tcp 14330 from 192.0.2.99, declared by db-1: dbports_servers[0].clients[1]",
            "  + db-1 tcp 14330 from app-1 (198.51.100.1), declared by db-1: dbports_servers[0].clients[0]",
            "  ~ app-1, app-10, app-11, app-12, app-13, app-14 and 34 more: other details, such as outbound flows, "
            "purposes or probes",
        ]

    def test_a_stale_plan_names_what_changed(self, run_playbook: Any) -> None:
        (plan_id,) = {item["result"]["plan_id"] for item in run_playbook(PLAN, INVENTORY).tasks}
        data = changed(dbports_servers=[{"engine": "mssql", "clients": ["apps", "192.0.2.99"]}])
        result = run_playbook(PLAN, data, "-e", f"dbports_plan_id={plan_id}")
        assert result.rc != 0
        assert "is stale" in result.text
        assert "+ db-1 tcp 1433 from 192.0.2.99, declared by db-1: dbports_servers[0].clients[1]" in result.text

    def test_the_ids_are_custom_statistics(self, run_playbook: Any) -> None:
        run_playbook.environment["ANSIBLE_SHOW_CUSTOM_STATS"] = "true"
        result = run_playbook(PLAN, INVENTORY)
        (plan_id,) = {item["result"]["plan_id"] for item in result.tasks}
        stats = result.stdout.split("CUSTOM STATS:")[1]
        assert "dbports_plan" in stats
        assert plan_id in stats

    def test_a_file_with_the_name_of_no_group(self, run_playbook: Any) -> None:
        """Ansible reads it for nothing: its servers would be left open without a word."""
        text = "dbports_servers: [{engine: mssql, clients: [apps]}]\n"
        result = run_playbook(PLAN, INVENTORY, files={"group_vars/app.yml": text})
        assert result.rc == 0
        said = " ".join(result.text.split())
        assert said.count("group_vars/app.yml sets dbports_servers, and nothing reads it: no group of the") == 1
        assert "did you mean apps?" in said

    def test_a_long_difference_is_cut_and_the_rest_named(self, run_playbook: Any) -> None:
        data = copy.deepcopy(INVENTORY)
        hosts = {
            f"app-{number}": {"dbports_addresses": [f"10.0.{number // 250}.{number % 250 + 1}"]}
            for number in range(300)
        }
        data["all"]["children"]["apps"]["hosts"] = hosts
        result = run_playbook(PLAN, data, "--check", "--diff")
        ((page,),) = [item["result"]["diff"] for item in result.tasks]
        *shown, last = page["after"].splitlines()
        assert re.fullmatch(r"and \d+ more lines", last)
        assert 500 < len(shown) < 2000
        run_playbook(PLAN, data)
        for number, host in enumerate(hosts.values()):
            host["dbports_addresses"] = [f"10.1.{number // 250}.{number % 250 + 1}"]
        result = run_playbook(PLAN, data, "--check", "--diff")
        (diff,) = [item["result"]["diff"] for item in result.tasks]
        assert len(diff) < 100
        assert diff[-1]["after_header"].startswith("the names of the first 100 of ")
        assert sum(len(item["after"].splitlines()) for item in diff) < 2000


class TestSettingsOfARun:
    """A task of the user's own knows the variables that the roles do."""

    TASK = "- hosts: db-1\n  gather_facts: false\n  tasks: [{dbports.firewall.plan: %s}]\n"

    def test_variables_of_the_host_are_options(self, run_playbook: Any) -> None:
        data = changed(dbports_plan_dir="{{ inventory_hostname }}-plan", dbports_backend="{{ omit }}")
        result = run_playbook(self.TASK % "{}", data)
        assert result.rc == 0, result.text
        assert (run_playbook.place / "db-1-plan" / "index.json").is_file()

    def test_an_option_of_the_task_wins(self, run_playbook: Any) -> None:
        result = run_playbook(self.TASK % "{plan_dir: mine}", changed(dbports_plan_dir="theirs"))
        assert result.rc == 0, result.text
        assert [(run_playbook.place / name).exists() for name in ("mine", "theirs")] == [True, False]

    def test_an_error_names_the_variable(self, run_playbook: Any) -> None:
        result = run_playbook(self.TASK % "{}", changed(dbports_backend="pf"))
        assert result.rc != 0
        assert "got: pf" in result.text
        assert "backend is the host's variable dbports_backend" in result.text


REPORT = """
- hosts: all
  gather_facts: false
  {}
  tasks:
    - name: report
      dbports.firewall.report:
        plan_dir: out
      run_once: {}
"""


@pytest.mark.parametrize(
    ("keywords", "run_once", "tables"),
    [
        ("strategy: linear", "true", 1),
        ("strategy: linear", "false", 1),
        ("strategy: free", "true", 1),
        ("strategy: host_pinned", "true", 1),
        ("serial: 25", "true", 2),
        ("{serial: 25, strategy: free}", "true", 2),
    ],
)
def test_the_table_comes_once_a_batch(run_playbook: Any, keywords: str, run_once: str, tables: int) -> None:
    """The table of the second batch says the same here, so that it is printed once; the report is written twice."""
    play = REPORT.format(keywords.strip("{}").replace(", ", "\n  "), run_once)
    result = run_playbook(play, INVENTORY, "-f", "5")
    assert result.rc == 0, result.text
    assert len([item for item in result.of("report") if "counts" in item]) == tables
    assert result.stdout.count("hosts not verified") == 1


APPLY = """
- hosts: all
  gather_facts: false
  strategy: {}
  tasks:
    - name: apply
      dbports.firewall.apply:
"""


class TestErrorsOfManyHosts:
    """What every host fails with is printed once; the failures of the hosts refer to it."""

    WRONG: ClassVar[dict[str, tuple[dict[str, Any], tuple[str, ...], str]]] = {
        "a conflict": (
            {"dbports_servers": [*INVENTORY["all"]["hosts"]["db-1"]["dbports_servers"], SAME_PORT]},
            (),
            "both need tcp 1433",
        ),
        "no server": ({"dbports_servers": []}, (), "if you mean it, set dbports_allow_empty_plan"),
        "a declaration": ({"dbports_servers": [{"engine": "mssqll", "clients": []}]}, (), "Did you mean mssql?"),
        "no plan_id": ({}, ("-e", "dbports_plan_id="), "Copy the whole plan_id"),
    }

    @pytest.mark.parametrize("strategy", ["linear", "free"])
    @pytest.mark.parametrize("case", WRONG)
    def test_once(self, run_playbook: Any, case: str, strategy: str) -> None:
        variables, arguments, told = self.WRONG[case]
        playbook = APPLY.format(strategy) + "        plan_dir: out\n"
        if arguments:
            playbook += "        plan_id: '{{ dbports_plan_id }}'\n"
        result = run_playbook(playbook, changed(**variables), *arguments, "-f", "5")
        assert sorted({item["host"] for item in result.tasks if item["status"] == "failed"}) == sorted([*HOSTS, "db-1"])
        assert " ".join(result.text.split()).count(told) == 1, result.text
        (said,) = {item["msg"] for item in result.of("apply")}
        assert "printed above, once for all hosts" in said
        assert told not in said

    def test_variables_of_a_play(self, run_playbook: Any) -> None:
        playbook = APPLY.format("free") + "  vars: {dbports_policy: open}\n"
        result = run_playbook(playbook, INVENTORY, "-f", "5")
        assert len(result.of("apply")) == len(HOSTS) + 1
        assert result.text.count("(got 'open')") == 1
        assert {item["msg"] for item in result.of("apply")} == {
            "dbports_policy: set in a play, role or task, and a plan only reads the in... "
            "(see the error printed above, once for all hosts)"
        }

    def test_a_play_with_one_host_says_all_there(self, run_playbook: Any) -> None:
        playbook = APPLY.format("linear") + "  vars: {dbports_policy: open}\n"
        (failure,) = run_playbook(playbook, INVENTORY, "--limit", "db-1").of("apply")
        assert "Put it in the inventory: host_vars" in failure["msg"]
