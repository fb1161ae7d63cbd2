# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role guard on lab hosts: one host from variables of a play, with real clients, beside hosts with a plan."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Lab
from playbooks import HOSTS, database_lab

NAMES = ("db", "app", "intruder")
GUARD = """
- hosts: db
  gather_facts: false
  roles:
    - role: dbports.firewall.guard
      vars:
        guard_servers: {servers}
        guard_persist: false
        guard_probe_timeout: 2
"""
SERVERS = "[{engine: mssql, clients: [apps, 198.51.100.0/24]}]"
APPLY = "- import_playbook: dbports.firewall.apply\n"
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 1433), 3)"
TASK = "dbports.firewall.guard : Guard this host"


class Site:
    """A database host with a server that listens, a client and an intruder."""

    def __init__(self, lab: Lab, runner: Any) -> None:
        self.lab = lab
        self._runner = runner
        runner.environment.update(lab.environ)
        self.variables: dict[str, dict[str, Any]] = {}

    def run(self, playbook: str, *arguments: str) -> Any:
        hosts = {name: {"ansible_host": HOSTS[name], **self.variables.get(name, {})} for name in NAMES}
        inventory = {
            "all": {
                "vars": {
                    "ansible_connection": "netns",
                    "ansible_python_interpreter": sys.executable,
                    "dbports_persist": False,
                },
                "hosts": hosts,
                "children": {"apps": {"hosts": {"app": {}}}},
            }
        }
        return self._runner(playbook, inventory, *arguments)

    def ok(self, playbook: str, *arguments: str) -> Any:
        result = self.run(playbook, *arguments)
        assert result.rc == 0, result.text
        return result

    def fails(self, playbook: str, *arguments: str) -> str:
        result = self.run(playbook, *arguments)
        assert result.rc != 0, result.text
        return " ".join(result.text.split())

    def gets_in(self, host: str) -> bool:
        done = self.lab.hosts[host].run([sys.executable, "-c", CONNECT, HOSTS["db"]], capture_output=True, check=False)
        return done.returncode == 0

    def ruleset(self) -> str:
        return self.lab.hosts["db"].run(["nft", "list", "ruleset"]).stdout


@pytest.fixture
def site(run_playbook: Any) -> Iterator[Site]:
    with database_lab(*NAMES) as lab:
        yield Site(lab, run_playbook)


def test_clients_get_in_and_nobody_else(site: Site) -> None:
    assert site.gets_in("intruder")
    checked = site.ok(GUARD.format(servers=SERVERS), "--check")
    assert checked.stats["db"]["changed"] == 1
    assert site.gets_in("intruder")
    result = site.ok(GUARD.format(servers=SERVERS))
    assert result.stats["db"]["changed"] == 1
    (found,) = result.of(TASK)
    assert found["passed"]
    assert {item["code"] for item in found["findings"]} >= {"ready"}
    assert site.gets_in("app")
    assert not site.gets_in("intruder")
    assert site.ok(GUARD.format(servers=SERVERS)).stats["db"]["changed"] == 0
    absent = GUARD.format(servers=SERVERS) + "        guard_state: absent\n"
    assert site.ok(absent).stats["db"]["changed"] == 1
    assert "dbports" not in site.ruleset()
    assert site.gets_in("intruder")


OWNERS = """\
table inet filter {
  chain input { type filter hook input priority filter; policy drop; ct state established accept; }
}
"""


def test_clients_get_in_through_the_chain_of_a_host_that_drops_by_default(site: Site) -> None:
    site.lab.hosts["db"].run(["nft", "-f", "-"], input=OWNERS)
    alone, guard = site.ruleset(), GUARD.format(servers=SERVERS)
    said = site.fails(f"{guard}        guard_chains: [inet filter inputs]\n")
    assert "chains[0]: there is no such chain on this host (got 'inet filter inputs')" in said
    assert site.ruleset() == alone
    placed = f"{guard}        guard_chains: [inet filter input]\n"
    (found,) = site.ok(placed).of(TASK)
    assert found["passed"]
    assert "table inet dbports" not in site.ruleset()
    assert (site.gets_in("app"), site.gets_in("intruder")) == (True, False)
    assert site.ok(placed).stats["db"]["changed"] == 0
    site.ok(f"{guard}        guard_state: absent\n")
    assert site.ruleset() == alone


def test_it_fails_where_the_host_is_not_as_declared(site: Site) -> None:
    said = site.fails(GUARD.format(servers="[{engine: postgresql, clients: [apps]}]"))
    assert "FAIL stopped db postgresql/sql tcp 5432: nothing listens on tcp 5432: start the server" in said


def test_a_host_that_a_plan_declares_is_refused(site: Site) -> None:
    site.variables["db"] = {"dbports_servers": [{"engine": "mssql", "clients": ["apps"]}]}
    said = site.fails(GUARD.format(servers=SERVERS))
    assert "a plan guards this host already: the inventory declares dbports_servers for it" in said
    assert "dbports" not in site.ruleset()


def test_rules_of_a_plan_are_not_replaced_unless_that_is_said(site: Site) -> None:
    site.variables["db"] = {"dbports_servers": [{"engine": "mssql", "clients": ["app"]}]}
    site.ok(APPLY)
    table = site.ruleset()
    site.variables.clear()
    assert "belong to db and not to db (role guard)" in site.fails(GUARD.format(servers=SERVERS))
    assert site.ruleset() == table
    site.ok(GUARD.format(servers=SERVERS) + "        guard_former_name: db\n")
    assert "db (role guard)" in site.ruleset()


def test_a_plan_leaves_its_rules_alone_or_refuses_them(site: Site) -> None:
    site.ok(GUARD.format(servers=SERVERS))
    table = site.ruleset()
    site.variables["app"] = {"dbports_servers": [{"engine": "postgresql", "clients": ["intruder"]}]}
    assert site.ok(APPLY).stats["db"]["changed"] == 0
    assert site.ruleset() == table
    site.variables["db"] = {"dbports_servers": [{"engine": "mssql", "clients": ["app"]}]}
    assert "belong to db (role guard) and not to db" in site.fails(APPLY, "--limit", "db")
    assert site.ruleset() == table


def test_errors_name_the_roles_variables(site: Site) -> None:
    wrong = {
        "[]": "guard_servers: no server is declared, and nothing would be guarded",
        "[{engine: mssql, clients: [nobody]}]": "db: guard_servers[0].clients[0]:",
        "[{engine: mssql, clients: [apps], tcp_prot: 1}]": "db: guard_servers[0].tcp_prot:",
    }
    play = GUARD.replace("gather_facts", "ignore_errors: true\n  gather_facts")
    said = [item["msg"] for item in site.ok("".join(play.format(servers=servers) for servers in wrong)).of(TASK)]
    assert [words in text for words, text in zip(wrong.values(), said, strict=True)] == [True] * len(wrong), said


def test_servers_in_a_play_are_pointed_to_it(site: Site) -> None:
    play = "- hosts: db\n  gather_facts: false\n  vars:\n    dbports_servers: {}\n  roles: [dbports.firewall.plan]\n"
    assert "with the role dbports.firewall.guard" in site.fails(play.format(SERVERS))
