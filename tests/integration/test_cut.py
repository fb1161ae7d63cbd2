# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that asks the hosts lists the established connections that it would cut, of all hosts in one table."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Lab

HOSTS = {"erp-db": "192.0.2.10", "crm-db": "192.0.2.11", "app": "192.0.2.21", "stranger": "192.0.2.66"}
SERVERS = ("erp-db", "crm-db")
SERVER = "import socket; s = socket.create_server(('', 1433)); print(flush=True); c = [s.accept() for _ in range(9)]"
CLIENT = """
import socket, sys
own, *others = sys.argv[1:]
kept = [socket.create_connection((host, 1433), 60, (own, 40000 + n)) for n, host in enumerate(others)]
print(flush=True)
sys.stdin.read()
"""
PLAN = "- import_playbook: dbports.firewall.plan\n"
FREE = """
- hosts: all
  gather_facts: false
  strategy: free
  roles: [dbports.firewall.plan]
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Two servers to which a declared client and a stranger are connected."""
    with Lab() as lab:
        for name, address in HOSTS.items():
            lab.host(name, [f"{address}/24"])
        started = [(lab.hosts[name], [SERVER]) for name in SERVERS]
        addresses = [HOSTS[name] for name in SERVERS]
        started += [(lab.hosts[name], [CLIENT, HOSTS[name], *addresses]) for name in ("app", "stranger")]
        for host, program in started:
            process = host.popen([sys.executable, "-c", *program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert process.stdout and process.stdout.readline() == "\n"
        yield lab


@pytest.mark.parametrize("playbook", [PLAN, FREE], ids=["linear", "free"])
def test_a_plan_that_asks(lab: Lab, run_playbook: Any, playbook: str) -> None:
    """One table, whatever the strategy; a host that is down is named in it, and nothing is changed anywhere."""
    run_playbook.environment.update(lab.environ)
    servers = [{"engine": "mssql", "clients": ["app"]}]
    variables = {"ansible_connection": "netns", "ansible_python_interpreter": sys.executable, "dbports_ask_hosts": True}
    hosts: dict[str, Any] = {
        name: {"ansible_host": address, **({"dbports_servers": servers} if name in SERVERS else {})}
        for name, address in HOSTS.items()
    }
    hosts["down"] = {"ansible_host": "192.0.2.99", "ansible_connection": "ssh"}
    done = run_playbook(playbook, {"all": {"hosts": hosts, "vars": variables}})
    assert done.rc == 0, done.text
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    start = lines.index("Established connections that this plan would cut on 4 hosts that answered: 2")
    assert lines[start + 1] == "host connection opened by process since"
    for number, (name, line) in enumerate(zip(SERVERS, sorted(lines[start + 2 : start + 4], reverse=True))):
        assert line.startswith(f"{name} tcp 1433 from 192.0.2.66 port {40000 + number} the peer python")
        assert line.endswith(" -"), "nothing notes since when"
    assert lines[start + 4].startswith("down could not be asked: ")
    assert lines.count(lines[start]) == 1
    cut = {
        item["host"]: [one["peer"] for one in item["result"]["cut"]] for item in done.tasks if "cut" in item["result"]
    }
    assert cut == {name: [HOSTS["stranger"]] if name in SERVERS else [] for name in hosts}
    assert not any(lab.hosts[name].run(["nft", "list", "ruleset"]).stdout for name in SERVERS)


def test_a_plan_that_does_not_ask(run_playbook: Any) -> None:
    """It is made once and calls no host."""
    hosts = {name: {"ansible_host": address, "ansible_connection": "ssh"} for name, address in HOSTS.items()}
    done = run_playbook(PLAN, {"all": {"hosts": {**hosts}, "vars": {"dbports_ask_hosts": False}}})
    assert (done.rc, len(done.tasks)) == (0, 1), done.text
    assert "Established connections" not in done.text
