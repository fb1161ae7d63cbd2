# SPDX-License-Identifier: GPL-3.0-or-later
"""Which source is asked, in which order, and what its failures look like."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat import collect as module
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import collect, find_rows, run_tool
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import parse_ports

NETSTAT = """\
Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State       User       Inode
udp        0      0 0.0.0.0:5001            0.0.0.0:*                           0          11
tcp        0      0 0.0.0.0:5002            0.0.0.0:*               LISTEN      0          12
tcp        0      0 192.0.2.10:41000        192.0.2.99:5002         ESTABLISHED 0          13
tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      0          14
"""
SS = "tcp LISTEN 0 128 0.0.0.0:5002 0.0.0.0:* ino:12 sk:1 cgroup:/ <->\n"
HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Build a /proc with a process that holds three sockets, and one that has ended while it was looked at."""
    for pid, held in (("23", (11, 12)), ("24", (13,))):
        (tmp_path / pid / "fd").mkdir(parents=True)
        for inode in held:
            (tmp_path / pid / "fd" / str(inode)).symlink_to(f"socket:[{inode}]")
    (tmp_path / "23" / "comm").write_text("602sql11\n")
    (tmp_path / "net").mkdir()
    for table in ("tcp", "udp", "raw"):
        (tmp_path / "net" / table).write_text(HEADING)
    return tmp_path


class Tools:
    """Stands for the tools of a host: the text each prints, None where it is missing, an error where it fails."""

    def __init__(self, **outputs: str | DbportsError | None) -> None:
        self.outputs = outputs
        self.ran: list[str] = []

    def __call__(self, argv: list[str]) -> str | None:
        self.ran.append(argv[0])
        output = self.outputs[argv[0]]
        if isinstance(output, DbportsError):
            raise output
        return output


def test_auto_asks_the_kernel(proc: Path) -> None:
    """Over netlink, or in /proc where it does not answer, as in some sandboxes; no program is run."""
    assert collect(run=Tools(), proc_path=str(proc))[0] == "netlink"


def test_auto_reads_proc_where_the_kernel_does_not_answer(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> NoReturn:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("socket.socket", refuse)
    assert collect(run=Tools(), proc_path=str(proc)) == ("proc", [])
    with pytest.raises(DbportsError, match="over netlink: Operation not permitted"):
        collect("netlink", proc_path=str(proc))


@pytest.mark.parametrize("source", ["netstat", "ss"])
def test_a_source_that_was_asked_for_is_not_replaced(proc: Path, source: str) -> None:
    """Who names a source gets it or the reason why not."""
    with pytest.raises(DbportsError, match=f"{source} is not installed"):
        collect(source, run=Tools(netstat=None, ss=None), proc_path=str(proc))
    tools = Tools(netstat=DbportsError("broken"), ss=DbportsError("broken"))
    with pytest.raises(DbportsError, match="broken"):
        collect(source, run=tools, proc_path=str(proc))
    assert tools.ran == [source]


def test_an_unknown_source_runs_nothing() -> None:
    """A source that does not exist is an error before anything is run."""
    tools = Tools()
    with pytest.raises(DbportsError, match="Use one of auto, netlink, netstat, ss, proc"):
        collect("lsof", run=tools)
    assert tools.ran == []


def test_owners_come_from_the_kernel(proc: Path) -> None:
    """An owner that has ended is none, and its name is not taken from anywhere else."""
    _source, sockets = collect("netstat", run=Tools(netstat=NETSTAT), proc_path=str(proc))
    assert {(one.local_port, one.pid, one.process) for one in sockets} == {
        (5001, 23, "602sql11"),
        (5002, 23, "602sql11"),
        (41000, None, None),
        (22, None, None),
    }


def test_each_subflow_of_multipath_tcp_is_seen(proc: Path) -> None:
    """They share an inode; a row that is listed twice is still one socket."""
    flows = [
        f"tcp ESTAB 0 0 192.0.2.10:5002 {peer}:40000 ino:12\n" for peer in ("192.0.2.21", "192.0.2.66", "192.0.2.66")
    ]
    _source, sockets = collect("ss", run=Tools(ss="".join(flows)), proc_path=str(proc))
    assert [(one.remote_address, one.process) for one in sockets] == [
        ("192.0.2.21", "602sql11"),
        ("192.0.2.66", "602sql11"),
    ]


@pytest.mark.parametrize("source", ["netstat", "ss"])
def test_a_program_that_prints_nothing_is_not_a_host_without_sockets(proc: Path, source: str) -> None:
    with pytest.raises(DbportsError, match="not what"):
        collect(source, run=Tools(netstat="", ss=""), proc_path=str(proc))


def test_the_inodes_of_ss(proc: Path) -> None:
    _source, sockets = collect("ss", run=Tools(ss=SS), proc_path=str(proc))
    assert [(one.local_port, one.pid) for one in sockets] == [(5002, 23)]


@pytest.mark.parametrize(("ports", "seen"), [("5002", [5002, 41000]), ("5001", [5001]), ("1-21", [])])
def test_ports(proc: Path, ports: str, seen: list[int]) -> None:
    """Only sockets that touch the ports, in one order."""
    _source, sockets = collect("netstat", parse_ports(ports), run=Tools(netstat=NETSTAT), proc_path=str(proc))
    assert [one.local_port for one in sockets] == seen


@pytest.mark.parametrize(
    ("processes", "seen"),
    [
        (["602SQL*"], [("tcp", 5002), ("udp", 5001)]),
        (["602sql11"], [("tcp", 5002), ("udp", 5001)]),
        (["602sql"], [("udp", 5001)]),
        (["gone"], [("udp", 5001)]),
        (["*"], [("tcp", 5002), ("udp", 5001)]),
    ],
)
def test_listeners_of_processes_beside_those_of_ports(
    proc: Path, processes: list[str], seen: list[tuple[str, int]]
) -> None:
    """No connection of the processes, and no listener whose owner is hidden."""
    tools = Tools(netstat=NETSTAT)
    _source, sockets = collect("netstat", parse_ports("5001"), processes, run=tools, proc_path=str(proc))
    assert [(one.protocol, one.local_port) for one in sockets] == seen


def test_only_listeners_of_processes(proc: Path) -> None:
    """Without ports, nothing but what the programs listen on."""
    _source, sockets = collect("netstat", None, ["602sql*"], run=Tools(netstat=NETSTAT), proc_path=str(proc))
    assert [one.local_port for one in sockets] == [5002, 5001]


def test_rows_without_owners() -> None:
    """Connections and listeners on a port, with their inodes and users; others may have that port elsewhere."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = parse_ports(str(server.getsockname()[1]))
        with socket.create_connection(server.getsockname()) as client, server.accept()[0] as accepted:
            ends = [os.fstat(one.fileno()).st_ino for one in (client, accepted)]
            connected = {row.inode: row for row in find_rows(port, ["ESTABLISHED"])}
            listening = {row.inode: row for row in find_rows(port, ["LISTEN"])}
        listener = listening[os.fstat(server.fileno()).st_ino]
    assert {connected[inode].uid for inode in ends} == {os.geteuid()}
    assert (listener.local, listener.remote[1]) == (("127.0.0.1", port[0].first), None)
    assert not connected.keys() & listening.keys()


def test_running_a_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    """The C locale, no input, output that is no UTF-8, a missing tool, a failing one, and one that hangs."""
    code = "import os, sys; sys.stdout.buffer.write(os.environ['LC_ALL'].encode() + b'\\xff' + sys.stdin.buffer.read())"
    monkeypatch.setenv("LC_ALL", "cs_CZ.UTF-8")
    assert run_tool([sys.executable, "-c", code]) == "C\ufffd"
    assert run_tool(["dbports-no-such-tool"]) is None
    with pytest.raises(DbportsError, match="failed with status 3: no such option"):
        run_tool([sys.executable, "-c", "import sys; sys.stderr.write('no such option'); sys.exit(3)"])
    with pytest.raises(DbportsError, match="cannot run"):
        run_tool(["/"])
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    with pytest.raises(DbportsError, match=r"did not end within 0\.2 seconds"):
        run_tool([sys.executable, "-c", "import time; time.sleep(20)"])


def test_tools_are_found_without_sbin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """ss is in /usr/sbin or /sbin on some distributions, and a user's path has neither."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = [folder for folder in ("/usr/sbin", "/sbin") if Path(folder, "ip").exists()]
    assert found, "iproute2 is needed, see make setup"
    assert "iproute2" in str(run_tool(["ip", "-V"]))


@pytest.mark.parametrize(
    ("process", "pattern", "expected"),
    [
        ("clickhouse-serv", "clickhouse-server", True),
        ("clickhouse-serv", "ClickHouse-server*", True),
        ("clickhouse-serv", "clickhouse-serve", True),
        ("clickhouse-serv", "clickhouse-client", False),
        ("clickhouse", "clickhouse-server", False),
        ("clickhouse-server", "clickhouse-server2", False),
    ],
)
def test_a_program_with_a_long_name_is_known_by_what_linux_keeps_of_it(
    process: str, pattern: str, expected: bool
) -> None:
    one = Socket("ipv4", "tcp", "LISTEN", "0.0.0.0", 9000, pid=1, process=process)
    assert one.is_of([pattern]) is expected
