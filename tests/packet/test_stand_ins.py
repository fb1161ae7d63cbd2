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

from lab import CommandError, Lab

LAB = Path(__file__).resolve().parent.parent / "lab"
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


ASK = """
import socket, sys
sock = socket.create_connection(("192.0.2.10", int(sys.argv[1])))
for body in map(bytes.fromhex, sys.argv[2].split(",")):
    method = b"POST" if body else b"GET"
    sock.sendall(b"%s / HTTP/1.1\\r\\nContent-Length: %d\\r\\n\\r\\n" % (method, len(body)) + body)
data = b""
while sys.argv[3] not in data.hex():
    part = sock.recv(99)
    data += part
    if not part:
        break
print(data[:15].decode(), data.partition(b"\\r\\n\\r\\n")[2].hex())
"""
"""Send requests on one connection, and print what comes until it holds some bytes, or until the server hangs up."""

HELLO, QUERY, PAGE = "f100000b00", "ff1e040000000a35", b"stand-in".hex()


def test_602sqls_tunnel_and_its_web_interface_are_told_apart_by_a_query_and_not_by_a_page(lab: Lab) -> None:
    server, client = lab.hosts["erp-db"], lab.hosts["app-01"]
    ports = ["--http-tunnel-port", "8090", "--web-port", "8080"]
    server.popen([sys.executable, str(LAB / "stand_ins.py"), "sql602", *ports])
    server.wait_for("tcp/8090", "tcp/8080")

    def ask(port: str, bodies: str, until: str) -> list[str]:
        return client.python(ASK, port, bodies, until).stdout.split()

    ok, answer = ["HTTP/1.1", "200", "OK"], "fe" + 11 * "00"
    assert ask("8090", QUERY, answer) == [*ok, answer]
    assert ask("8090", HELLO + QUERY, answer) == [*ok, answer]
    assert ask("8090", f"{HELLO},{QUERY}", answer) == [*ok, answer]
    assert ask("8080", QUERY, answer) == []
    for port in ("8090", "8080"):
        assert ask(port, "", PAGE)[:3] == ok


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
