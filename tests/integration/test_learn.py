# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook learn on lab hosts: stand-ins and programs that bear the names of databases, planned as learned."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import Lab

HERE = Path(__file__).resolve().parent
HOSTS = {"db": "192.0.2.10", "app": "192.0.2.21", "declared": "192.0.2.11"}
LEARN = "- import_playbook: dbports.firewall.learn\n"
PLAN = "- import_playbook: dbports.firewall.plan\n"

# Takes the name of another program, listens on ports and accepts whoever comes; it ends with its input.
SERVER = """
import ctypes, socket, sys, threading
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)
kept = []
def serve(port):
    server = socket.create_server(("0.0.0.0", port))
    while True:
        kept.append(server.accept())
for port in sys.argv[2:]:
    threading.Thread(target=serve, args=(int(port),), daemon=True).start()
sys.stdin.read()
"""
CLIENT = (
    "import socket, sys; s = socket.create_connection((sys.argv[1], 5433), 60); print(flush=True); sys.stdin.read()"
)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A host with four database programs, a client, and a host that declares its server."""
    with Lab() as lab:
        for name, address in HOSTS.items():
            lab.host(name, [f"{address}/24"])
        for name, *ports in (("postgres", "5433"), ("etcd", "2379", "2380")):
            lab.hosts["db"].popen([sys.executable, "-c", SERVER, name, *ports], stdin=subprocess.PIPE)
            lab.hosts["db"].wait_for(*(f"tcp/{port}" for port in ports))
        for engine, option, port in (("sql602", "--port-base", 6001), ("mssql", "--port", 14330)):
            command = [sys.executable, str(HERE.parent / "lab" / "stand_ins.py"), engine, option, str(port)]
            lab.hosts["db"].popen(command, stdout=subprocess.DEVNULL)
        lab.hosts["db"].wait_for("udp/6001", "tcp/6002", "tcp/14330")
        yield lab


def test_learned_reviewed_and_planned(lab: Lab, run_playbook: Any) -> None:
    run_playbook.environment.update(lab.environ)
    hosts: dict[str, dict[str, Any]] = {name: {"ansible_host": address} for name, address in HOSTS.items()}
    hosts["declared"]["dbports_servers"] = [{"engine": "etcd", "clients": ["db"]}]
    variables = {"ansible_connection": "netns", "ansible_python_interpreter": sys.executable}
    inventory = {"all": {"hosts": hosts, "vars": variables}}

    looked = run_playbook(LEARN, inventory, "--check")
    assert (looked.rc, looked.stats["db"]["changed"]) == (0, 1), looked.text
    assert not (run_playbook.place / "dbports-learned").exists()

    first = run_playbook(LEARN, inventory)
    assert first.rc == 0, first.text
    assert [name for name, stats in first.stats.items() if stats["changed"]] == ["db"]
    assert first.stdout.count("To review, and then to move to host_vars: 1 file in ") == 1
    client = lab.hosts["app"].popen(
        [sys.executable, "-c", CLIENT, HOSTS["db"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert client.stdout and client.stdout.readline()
    second = run_playbook(LEARN, inventory)
    assert second.rc == 0, second.text
    third = run_playbook(LEARN, inventory)
    assert (third.rc, third.stats["db"]["changed"]) == (0, 0), third.text

    files = list((run_playbook.place / "dbports-learned").iterdir())
    assert [path.name for path in files] == ["db.yml"]
    learned = yaml.safe_load(files[0].read_text())
    assert sorted(learned["dbports_servers"], key=lambda item: item["engine"]) == [
        {"engine": "etcd", "nodes": [], "clients": []},
        {"engine": "mssql", "instances": [{"name": "MSSQLSERVER", "tcp_port": 14330}], "clients": []},
        {"engine": "postgresql", "port": 5433, "clients": ["app"]},
        {"engine": "sql602", "port_base": 6001, "clients": []},
    ]
    moved = {"host_vars/db.yml": files[0].read_text()}
    plan = run_playbook(PLAN, inventory, files=moved)
    assert plan.rc == 0, plan.text
    assert "tcp 5433" in plan.text
    files[0].unlink()
    again = run_playbook(LEARN, inventory, files=moved)
    assert again.stdout.count("Nothing was learned: hosts that declare dbports_servers are left out") == 1
    assert (again.rc, again.of("dbports.firewall.learn : Learn what this host runs", "db")[0]["servers"]) == (0, [])
