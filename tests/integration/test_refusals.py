# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that ended green with nothing guarded, something unreviewed or somebody else's rules: each is an error."""

from __future__ import annotations

import copy
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import DELETE
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.variables import PLAN_VARIABLES, RUN_VARIABLES

INVENTORY: dict[str, Any] = {
    "all": {
        "vars": {"ansible_connection": "local", "dbports_persist": False},
        "hosts": {
            "db-1": {
                "dbports_addresses": ["192.0.2.10"],
                "dbports_servers": [{"engine": "mssql", "clients": ["apps"]}],
            },
        },
        "children": {"apps": {"hosts": {"app-1": {"dbports_addresses": ["192.0.2.21"]}}}},
    },
}
PLAN, APPLY, SITE = ("dbports.firewall.plan", "dbports.firewall.apply", "dbports.firewall.site")


def inventory(**hosts: Any) -> dict[str, Any]:
    """Return the inventory with other hosts, or None for a host that it does not have."""
    data = copy.deepcopy(INVENTORY)
    for name, variables in hosts.items():
        data["all"]["hosts"][name.replace("_", "-")] = variables
    data["all"]["hosts"] = {name: values for name, values in data["all"]["hosts"].items() if values is not None}
    return data


def one_line(text: str) -> str:
    """Return what was printed without Ansible's line breaks."""
    return " ".join(text.split())


def said_by(result: Any) -> str:
    """Return what a run printed and its tasks said, in one line."""
    failures = (str(item["result"].get("msg")) for item in result.tasks if item["status"] == "failed")
    return one_line("\n".join((result.text, *failures)))


class Runs:
    """The collection's own playbooks on an inventory; what they said."""

    def __init__(self, run_playbook: Any) -> None:
        self._runner = run_playbook
        self.plan_dir = run_playbook.place / "dbports-plan"

    def ok(self, playbook: str, data: dict[str, Any], *arguments: str) -> Any:
        result = self._run(playbook, data, *arguments)
        assert result.rc == 0, result.text
        return result

    def fails(self, playbook: str, data: dict[str, Any], *arguments: str) -> str:
        result = self._run(playbook, data, *arguments)
        assert result.rc != 0, result.text
        assert "Traceback" not in result.text
        return said_by(result)

    def _run(self, playbook: str, data: dict[str, Any], *arguments: str) -> Any:
        self._runner.write(data)
        return self._runner.run("-i", "inventory.yml", playbook, *arguments)

    def written(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.plan_dir.rglob("*") if path.is_file()}


@pytest.fixture
def runs(run_playbook: Any) -> Runs:
    return Runs(run_playbook)


@pytest.fixture(scope="module")
def first(run_first: Any) -> tuple[str, dict[str, bytes]]:
    """Plan, and return the plan_id and what was written."""
    first = Runs(run_first)
    result = first.ok(PLAN, INVENTORY)
    plan_id = next(item["result"]["plan_id"] for item in result.tasks if "plan_id" in item["result"])
    return plan_id, {str(Path(name).relative_to(run_first.place)): data for name, data in first.written().items()}


@pytest.fixture
def approved(run_playbook: Any, first: tuple[str, dict[str, bytes]]) -> str:
    """Return the plan_id of a plan that was made from the inventory before, and lies there."""
    plan_id, written = first
    run_playbook.write(INVENTORY, {name: data.decode() for name, data in written.items()})
    return plan_id


class TestPlanId:
    """What was approved is applied; a plan_id that is none approves nothing."""

    @pytest.mark.parametrize("playbook", [PLAN, APPLY, SITE, "dbports.firewall.verify", "dbports.firewall.report"])
    @pytest.mark.usefixtures("approved")
    def test_an_empty_one(self, runs: Runs, playbook: str) -> None:
        said = runs.fails(playbook, INVENTORY, "-e", "dbports_plan_id=")
        assert "plan_id: expected the plan_id of a reviewed plan, 64 hexadecimal digits (got '')" in said

    @pytest.mark.parametrize("value", ["{{ undefined_id | default('') }}", "latest", "0" * 12, "F" * 64, "{'a': 1}"])
    @pytest.mark.usefixtures("approved")
    def test_another_form(self, runs: Runs, value: str) -> None:
        data = copy.deepcopy(INVENTORY)
        data["all"]["vars"]["dbports_plan_id"] = value
        said = runs.fails(APPLY, data)
        assert "expected the plan_id of a reviewed plan, 64 hexadecimal digits" in said
        assert "Copy the whole plan_id" in said

    def test_null(self, runs: Runs) -> None:
        said = runs.fails(APPLY, INVENTORY, "-e", '{"dbports_plan_id": null}')
        assert "64 hexadecimal digits (got None)" in said

    @pytest.mark.parametrize("playbook", [PLAN, SITE])
    def test_with_one_nothing_is_planned_anew(self, runs: Runs, approved: str, playbook: str) -> None:
        """The declarations changed since: the approved directory stays as it was reviewed."""
        before = runs.written()
        changed = inventory(
            db_1={"ansible_host": "192.0.2.99", "dbports_servers": [{"engine": "etcd", "clients": ["apps"]}]}
        )
        said = runs.fails(playbook, changed, "-e", f"dbports_plan_id={approved}")
        assert "the approved plan is stale" in said
        assert runs.written() == before

    def test_planning_with_an_approved_plan_changes_nothing(self, runs: Runs, approved: str) -> None:
        before = runs.written()
        result = runs.ok(PLAN, INVENTORY, "-e", f"dbports_plan_id={approved}")
        assert all(item["changed"] == 0 for item in result.stats.values())
        assert f"Plan {approved} was approved: no new plan is computed" in result.stdout
        assert runs.written() == before


class TestSlice:
    """Only a part of the plan's hosts is a job slice."""

    def test_a_part_of_the_hosts(self, runs: Runs, approved: str) -> None:
        part = inventory(db_1=None)
        result = runs.ok(PLAN, part, "-e", f"dbports_plan_id={approved}")
        assert "was approved" in result.stdout

    def test_a_renamed_host(self, runs: Runs, approved: str) -> None:
        renamed = inventory(db_1=None, db_2=INVENTORY["all"]["hosts"]["db-1"])
        said = runs.fails(APPLY, renamed, "-e", f"dbports_plan_id={approved}", "--limit", "app-1")
        assert "the inventory lacks db-1 of the plan, and the plan lacks db-2 of the inventory" in said

    def test_a_host_more(self, runs: Runs, approved: str) -> None:
        said = runs.fails(APPLY, inventory(db_2=INVENTORY["all"]["hosts"]["db-1"]), "-e", f"dbports_plan_id={approved}")
        assert "the approved plan is stale: the declarations have changed since" in said


class TestEmptyPlan:
    """A plan without a server says so, and is applied only where that is meant."""

    EMPTY = inventory(db_1={})

    def test_it_says_so(self, runs: Runs) -> None:
        result = runs.ok(PLAN, self.EMPTY)
        assert "the plan has no server: no host of the inventory declares dbports_servers" in one_line(result.text)

    @pytest.mark.parametrize("playbook", [APPLY, SITE])
    def test_it_is_not_applied(self, runs: Runs, playbook: str) -> None:
        said = runs.fails(playbook, self.EMPTY)
        assert "dbports_servers: the plan has no server" in said
        assert "dbports_allow_empty_plan" in said

    def test_it_is_where_that_is_allowed(self, runs: Runs) -> None:
        runs.ok(APPLY, self.EMPTY, "-e", "dbports_allow_empty_plan=true", "--check")

    def test_to_withdraw_needs_no_plan(self, runs: Runs) -> None:
        runs.ok(APPLY, self.EMPTY, "-e", "dbports_state=absent", "--check")


class TestConflicts:
    """Two programs that want one port: nothing is applied until the port is accepted by name."""

    SERVERS = ({"engine": "mssql", "clients": ["apps"]}, {"engine": "firebird", "clients": ["apps"], "port": 1433})
    DATA = inventory(db_1={"dbports_addresses": ["192.0.2.10"], "dbports_servers": list(SERVERS)})

    @pytest.mark.parametrize(
        "arguments", [(), ("-e", '{"dbports_accept_conflicts": ["db-1 tcp/1434"]}')], ids=["none", "another"]
    )
    def test_refused(self, runs: Runs, arguments: tuple[str, ...]) -> None:
        said = runs.fails(APPLY, self.DATA, *arguments)
        assert "db-1 tcp/1433: " in said
        assert "firebird/sql (dbports_servers[1])" in said
        assert "mssql/MSSQLSERVER/tds (dbports_servers[0])" in said
        assert '-e \'{"dbports_accept_conflicts": [' in said
        assert '"db-1 tcp/1433"]}' in said
        assert ("no conflict of this plan: db-1 tcp/1434" in said) is bool(arguments)

    def test_the_command_that_plan_prints(self, runs: Runs) -> None:
        """The one without accepting them would be refused."""
        said = runs.ok(PLAN, self.DATA).stdout
        assert "A plan with conflicts is not applied. Give one of the two another port or an own address" in said
        (command,) = [line for line in said.splitlines() if "-e dbports_plan_id=" in line]
        assert command.endswith(' -e \'{"dbports_accept_conflicts": ["db-1 tcp/1433"]}\'')

    def test_accepted_by_name(self, runs: Runs) -> None:
        named = '{"dbports_accept_conflicts": ["db-1 tcp/1433"]}'
        assert runs.ok(APPLY, self.DATA, "-e", named, "--check", "--limit", "db-1").stats["db-1"]["changed"] == 1


class TestPlanDir:
    """A directory of somebody else is left alone by every action that writes."""

    @pytest.mark.parametrize("playbook", [PLAN, SITE, "dbports.firewall.report", "dbports.firewall.verify"])
    def test_other_files(self, runs: Runs, playbook: str) -> None:
        (runs.plan_dir / "hosts").mkdir(parents=True)
        (runs.plan_dir / "hosts" / "mine.json").write_text("{}", encoding="utf-8")
        before = runs.written()
        assert "this directory holds hosts and no index.json of a plan" in runs.fails(playbook, INVENTORY)
        assert runs.written() == before

    def test_check_predicts_that(self, runs: Runs) -> None:
        runs.plan_dir.mkdir()
        (runs.plan_dir / "notes").write_text("", encoding="utf-8")
        assert "this directory holds notes" in runs.fails(PLAN, INVENTORY, "--check")

    @pytest.mark.parametrize("mode", [0o775, 0o757])
    def test_others_may_write(self, runs: Runs, mode: int) -> None:
        runs.plan_dir.mkdir()
        runs.plan_dir.chmod(mode)
        assert "may write to it" in one_line(runs.ok(PLAN, INVENTORY).text)

    def test_a_new_one_is_not_warned_of(self, runs: Runs) -> None:
        assert "may write to it" not in one_line(runs.ok(PLAN, INVENTORY).text)


class TestDelegation:
    """A delegated task would give another host the rules of this one."""

    PLAY = """
- hosts: db-1
  gather_facts: false
  tasks:
"""
    TASK = "    - {{name: {name}, dbports.firewall.{action}: , delegate_to: '{to}', ignore_errors: true}}\n"
    FINE = (("apply", "{{ inventory_hostname }}"), ("ruleset", "{{ inventory_hostname }}"), ("plan", "localhost"))

    def test_only_a_plan_may_be_made_elsewhere(self, run_playbook: Any) -> None:
        others = [(action, to) for action in ("apply", "verify", "ruleset") for to in ("app-1", "localhost")]
        tasks = enumerate((*others, *self.FINE))
        text = "".join(self.TASK.format(name=f"task {number}", action=one[0], to=one[1]) for number, one in tasks)
        result = run_playbook(self.PLAY + text, INVENTORY, "--check")
        assert result.rc == 0, result.text
        done = [item for item in result.tasks if item["host"] == "db-1"]
        assert [item["status"] for item in done] == ["ignored"] * len(others) + ["ok"] * len(self.FINE)
        for (_action, to), refused in zip(others, done):
            words = f"db-1: delegate_to: delegated to {to}, which would get the rules of db-1"
            assert words in refused["result"]["msg"]


class TestRunOnce:
    """All hosts but the first would stay as they are, and end green."""

    PLAY = """
- hosts: {}
  gather_facts: false
  strategy: {}
  tasks:
    - name: apply
      dbports.firewall.apply:
      run_once: true
    - name: guard
      dbports.firewall.guard: {{servers: {}}}
      run_once: true
"""

    def test_it_is_refused_where_it_leaves_hosts_out(self, run_playbook: Any) -> None:
        play = self.PLAY.replace("run_once: true", "run_once: true\n      ignore_errors: true")
        done = run_playbook(play.format("all", "linear", SERVERS), INVENTORY, "--check").tasks
        first, other = [item["result"]["msg"] for item in done if item["status"] == "ignored"]
        for said in (first, other):
            assert "run_once: the task would run on this host only, and not on " in said

    @pytest.mark.parametrize(("hosts", "strategy"), [("db-1", "linear"), ("all", "free")])
    def test_one_host_or_every_host_is_no_loss(self, run_playbook: Any, hosts: str, strategy: str) -> None:
        play = self.PLAY.partition("    - name: guard")[0].format(hosts, strategy)
        result = run_playbook(play, INVENTORY, "--check")
        assert result.rc == 0, result.text


SERVERS = "[{engine: mssql, clients: [192.0.2.21]}]"


class TestOutsideTheInventory:
    """A plan reads only the inventory: what is set elsewhere is refused and not ignored."""

    BARE = inventory(db_1={"dbports_addresses": ["192.0.2.10"]})
    PLAY = """
- hosts: all
  gather_facts: false
  {keyword}
  tasks:
{before}    - name: plan
      dbports.firewall.{action}:
      {of_task}
"""
    WAYS: ClassVar[dict[str, dict[str, str]]] = {
        "play": {"keyword": f"vars: {{dbports_servers: {SERVERS}}}"},
        "task": {"of_task": f"vars: {{dbports_servers: {SERVERS}}}"},
        "vars_files": {"keyword": "vars_files: [mine.yml]"},
        "include_vars": {"before": "    - include_vars: mine.yml\n"},
        "set_fact": {"before": f"    - set_fact: {{dbports_servers: {SERVERS}}}\n"},
        "role": {"keyword": "roles: [mine]"},
        "role defaults": {"keyword": "roles: [defaults]"},
    }
    FILES: ClassVar[dict[str, str]] = {
        "mine.yml": f"dbports_servers: {SERVERS}\n",
        "roles/mine/vars/main.yml": f"dbports_servers: {SERVERS}\n",
        "roles/defaults/defaults/main.yml": f"dbports_servers: {SERVERS}\n",
    }

    def play(self, action: str = "plan", **parts: str) -> str:
        return self.PLAY.format(**{"keyword": "", "before": "", "of_task": "", "action": action, **parts})

    @pytest.mark.parametrize(
        ("way", "action"), [*((way, "plan") for way in WAYS), ("play", "apply"), ("set_fact", "verify")]
    )
    def test_servers(self, run_playbook: Any, way: str, action: str) -> None:
        play = self.play(action, **self.WAYS[way])
        result = run_playbook(play, self.BARE, "--limit", "db-1", "--check", files=self.FILES)
        assert result.rc != 0, result.text
        said = one_line(result.text)
        how = {"set_fact": "by set_fact or register", "include_vars": "by include_vars"}
        assert f"dbports_servers: set {how.get(way, 'in a play, role or task')}, and a plan only reads" in said
        assert re.search(r"db-1 (\(\S+\))?: dbports_servers: set", said.replace("db-1:", "db-1 :"))
        assert "Put it in the inventory: host_vars" in said
        assert "192.0.2.21" in said

    OTHERS: ClassVar[dict[str, str]] = {
        "dbports_addresses": "[192.0.2.99]",
        "dbports_os": "windows",
        "dbports_policy": "open",
        "dbports_filter_outbound": "true",
        "dbports_ephemeral_ports": "1-2",
        "dbports_networks": "{a: [192.0.2.0/24]}",
        "dbports_gateways": "[]",
        "dbports_engines": "{}",
        "dbports_expected_hosts": "1",
    }

    def test_every_other_variable_of_the_plan(self, run_playbook: Any) -> None:
        assert {*self.OTHERS, "dbports_servers"} == set(PLAN_VARIABLES)
        variables = ", ".join(f"{name}: {value}" for name, value in self.OTHERS.items())
        result = run_playbook(self.play(keyword=f"vars: {{{variables}}}"), INVENTORY, "--limit", "db-1")
        said = said_by(result)
        for name in self.OTHERS:
            assert f": {name}: set in a play, role or task, and a plan only reads" in said

    def test_a_fact_of_another_host(self, run_playbook: Any) -> None:
        """The plan is computed by a host that has nothing to do with it."""
        before = f"    - set_fact: {{dbports_servers: {SERVERS}}}\n      when: inventory_hostname == 'db-1'\n"
        result = run_playbook(self.play(before=before, of_task="run_once: true"), inventory(db_1={}, aaa={}), "-f", "1")
        assert result.rc != 0, result.text
        assert ": dbports_servers: set by set_fact or register" in said_by(result)

    def test_the_same_value_is_no_other(self, run_playbook: Any) -> None:
        data = copy.deepcopy(INVENTORY)
        data["all"]["hosts"]["db-1"]["dbports_addresses"] = ["{{ '192.0.2.10' }}"]
        before = (
            "    - set_fact: {dbports_addresses: '{{ dbports_addresses }}'}\n      when: dbports_addresses is defined\n"
        )
        result = run_playbook(self.play(before=before), data)
        assert result.rc == 0, result.text

    def test_settings_of_a_run_may_stand_anywhere(self, run_playbook: Any) -> None:
        variables = ", ".join(f'{name}: "{{{{ omit }}}}"' for name in RUN_VARIABLES)
        extra = [argument for name in RUN_VARIABLES[::2] for argument in ("-e", f"{name}='{{{{ omit }}}}'")]
        result = run_playbook(self.play(keyword=f"vars: {{{variables}}}"), INVENTORY, "--limit", "db-1", *extra)
        assert result.rc == 0, result.text

    def test_a_misspelt_name_in_a_play(self, run_playbook: Any) -> None:
        result = run_playbook(self.play(keyword=f"vars: {{dbport_servers: {SERVERS}}}"), INVENTORY, "--limit", "db-1")
        assert ": dbport_servers: no variable of this collection has this name" in said_by(result)
        assert "Did you mean dbports_servers?" in said_by(result)

    @pytest.mark.parametrize(
        ("files", "host"),
        [
            ({"group_vars/all.yml": f"dbport_servers: {SERVERS}\n"}, "all"),
            ({"group_vars/apps.yml": f"dbport_servers: {SERVERS}\n"}, "group apps"),
            ({"host_vars/idle.yml": f"dbport_servers: {SERVERS}\n"}, "idle"),
        ],
    )
    def test_a_misspelt_name_in_the_inventory(self, run_playbook: Any, files: dict[str, str], host: str) -> None:
        result = run_playbook(self.play(), inventory(idle={}), "--limit", "db-1", files=files)
        said = said_by(result)
        assert re.search(rf"{host} \(\S+/{next(iter(files))}\): dbport_servers: ", said)
        assert "Did you mean dbports_servers?" in said

    def test_servers_for_everybody(self, run_playbook: Any) -> None:
        """An extra variable gives every host these servers; of one host that may be meant."""
        extra = ("-e", '{"dbports_servers": [{"engine": "mssql", "clients": ["192.0.2.21"]}]}')
        result = run_playbook(self.play(), self.BARE, *extra, "--limit", "db-1")
        assert "dbports_servers: an extra variable applies to every host" in said_by(result)
        alone = {"all": {"hosts": {"db-1": {"ansible_connection": "local", "dbports_addresses": ["192.0.2.10"]}}}}
        assert run_playbook(self.play(), alone, *extra).rc == 0


class TestTwoNames:
    """One machine, two names of the inventory: the rules belong to one of them, and the other one is refused."""

    ONE, TWO = (
        {"dbports_addresses": ["192.0.2.10"], "dbports_servers": [{"engine": "mssql", "clients": [client]}]}
        for client in ("192.0.2.21", "192.0.2.22")
    )

    @pytest.fixture(autouse=True)
    def _clean(self) -> Iterator[None]:
        """The machine is the world in which the tests run."""
        yield
        subprocess.run(["nft", "-f", "-"], input=DELETE, text=True, check=True)

    def table(self) -> str:
        return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout

    def test_at_once_and_one_after_the_other(self, runs: Runs) -> None:
        data = inventory(db_1=self.ONE, db_2=self.TWO)
        said = runs.fails(APPLY, data, "--limit", "db-1,db-2", "-f", "5")
        winner, loser = ("db-1", "db-2") if "belong to db-1" in said else ("db-2", "db-1")
        assert f"the rules on this machine belong to {winner} and not to {loser}: two inventory names" in said
        table = self.table()
        assert f"dbports: inventory host {winner}" in table
        for arguments in ((), ("-e", "dbports_allow_shrink=true"), ("-e", "dbports_state=absent")):
            assert "two inventory names of one machine" in runs.fails(APPLY, data, "--limit", loser, *arguments)
            assert self.table() == table
        runs.ok(APPLY, data, "--limit", winner)

    def test_a_name_without_rules_does_not_take_them_away(self, runs: Runs) -> None:
        data = inventory(db_1=self.ONE, idle={})
        runs.ok(APPLY, data, "--limit", "db-1")
        table = self.table()
        assert runs.ok(APPLY, data, "--limit", "idle").stats["idle"]["changed"] == 0
        assert self.table() == table

    def test_a_renamed_host(self, runs: Runs) -> None:
        runs.ok(APPLY, inventory(db_1=self.ONE), "--limit", "db-1")
        renamed = inventory(db_1=None, new=self.ONE)
        assert "set dbports_former_name (former_name) to db-1" in runs.fails(APPLY, renamed, "--limit", "new")
        named = inventory(db_1=None, new={**self.ONE, "dbports_former_name": "db-1"})
        assert runs.ok(APPLY, named, "--limit", "new").stats["new"]["changed"] == 1
        assert "dbports: inventory host new" in self.table()
        assert runs.ok(APPLY, named, "--limit", "new").stats["new"]["changed"] == 0
        runs.ok(APPLY, renamed, "--limit", "new", "-e", "dbports_state=absent")
        assert "dbports" not in self.table()
