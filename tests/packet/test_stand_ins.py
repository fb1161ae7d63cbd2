# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system's own tools see the stand-ins as they would see the products; a lab host is a world of its own.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_stand_ins.py``.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parent.parent / "lab"
sys.path.insert(0, str(LAB))

from lab import CommandError, Lab

STAND_INS = {
    "602sql11": (["sql602", "--port-base", "6001", "--http-tunnel-port", "8090"], {"tcp/6002", "tcp/8090", "udp/6001"}),
    "sqlservr": (["mssql", "--port", "1433", "--dac", "local"], {"tcp/1433", "tcp/1434"}),
    "sqlbrowser": (["browser", "--instance", "SALES:14330"], {"udp/1434"}),
}


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        lab.host("erp-db", ["192.0.2.10/24", "2001:db8::10/64"])
        lab.host("app-01", ["198.51.100.21/24"])
        yield lab


@pytest.mark.parametrize("name", STAND_INS)
def test_netstat_ss_and_proc_show_the_products_process_name(lab: Lab, name: str) -> None:
    arguments, sockets = STAND_INS[name]
    server = lab.hosts["erp-db"]
    process = server.popen([sys.executable, str(LAB / "stand_ins.py"), *arguments])
    server.wait_for(*sockets)
    assert Path(f"/proc/{process.pid}/comm").read_text(encoding="ascii").strip() == name
    rows = [line.split() for line in server.run(["netstat", "-lntup"]).stdout.splitlines()[2:]]
    assert {f"{row[0][:3]}/{row[3].rpartition(':')[2]}" for row in rows} == sockets
    assert {row[-1] for row in rows} == {f"{process.pid}/{name}"}
    shown = re.findall(r'users:\(\("([^"]+)",pid=(\d+)', server.run(["ss", "-Hlntup"]).stdout)
    assert set(shown) == {(name, str(process.pid))}


def test_a_host_has_files_of_its_own(lab: Lab) -> None:
    first, second = lab.hosts["erp-db"], lab.hosts["app-01"]
    for place in ("/etc/dbports", "/etc/systemd/system", "/run", "/etc"):
        mark = f"{place}/dbports-lab-test-{os.getpid()}"
        first.run(["touch", mark])
        assert second.run(["test", "-e", mark], check=False).returncode == 1
        assert not Path(mark).exists()
    with pytest.raises(CommandError):
        first.run(["touch", "/etc/cron.d/dbports-lab-test"])
    assert first.run(["hostname"]).stdout == "erp-db\n"
    assert socket.gethostname() not in ("erp-db", "app-01")


def test_hosts_of_different_networks_meet_and_rules_stay_on_their_host(lab: Lab) -> None:
    server, client = lab.hosts["erp-db"], lab.hosts["app-01"]
    server.popen([sys.executable, str(LAB / "stand_ins.py"), "mssql"])
    server.wait_for("tcp/1433")
    connect = "import socket, sys; socket.create_connection(('192.0.2.10', 1433), float(sys.argv[1]))"
    client.python(connect, "60")
    rules = "table inet t {\nchain c {\ntype filter hook input priority 0; policy drop;\n}\n}\n"
    server.run(["nft", "-f", "-"], input=rules)
    assert client.run(["nft", "list", "ruleset"]).stdout == ""
    with pytest.raises(CommandError):
        client.python(connect, "1")


def test_a_lab_leaves_no_process_and_no_interface() -> None:
    with Lab() as lab:
        host = lab.host("erp-db", ["192.0.2.10/24"])
        process = host.popen(["sleep", "600"])
    assert process.wait(120) == -9
    assert [name for _index, name in socket.if_nameindex()] == ["lo"]
