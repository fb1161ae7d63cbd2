# SPDX-License-Identifier: GPL-3.0-or-later
"""Which source is asked, in which order, and what its failures look like."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat import collect as module
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import collect, run_tool
from ansible_collections.dbports.firewall.plugins.module_utils._ports import parse_ports

NETSTAT = """\
udp        0      0 0.0.0.0:5001            0.0.0.0:*                           23/renamed: by its
tcp        0      0 0.0.0.0:5002            0.0.0.0:*               LISTEN      23/renamed: by its
tcp        0      0 192.0.2.10:41000        192.0.2.99:5002         ESTABLISHED 24/gone
tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      -
"""
SS = 'tcp LISTEN 0 128 0.0.0.0:5002 0.0.0.0:* users:(("602sql11",pid=23,fd=3))\n'


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Build a /proc with one process and no sockets."""
    (tmp_path / "23").mkdir()
    (tmp_path / "23" / "comm").write_text("602sql11\n")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("heading\n")
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


@pytest.mark.parametrize(
    ("netstat", "ss", "source"),
    [
        (NETSTAT, SS, "netstat"),
        (None, SS, "ss"),
        (None, None, "proc"),
        (DbportsError("invalid option -- 'A'"), SS, "ss"),
        ("tcp 0 0 2001:db8:1234:5678:1433 :::* LISTEN -", SS, "ss"),
        (DbportsError("fails"), DbportsError("fails too"), "proc"),
    ],
)
def test_auto_takes_the_first_that_works(
    proc: Path, netstat: str | DbportsError | None, ss: str | DbportsError | None, source: str
) -> None:
    """Missing tools, tools that fail and texts that cannot be trusted lead to the next source."""
    assert collect(run=Tools(netstat=netstat, ss=ss), proc_path=str(proc))[0] == source


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
    with pytest.raises(DbportsError, match="Use one of auto, netstat, ss, proc"):
        collect("lsof", run=tools)
    assert tools.ran == []


def test_names_come_from_the_kernel(proc: Path) -> None:
    """A process is called what the kernel calls it, not what it wrote over its command line."""
    _source, sockets = collect("netstat", run=Tools(netstat=NETSTAT), proc_path=str(proc))
    assert {(one.pid, one.process) for one in sockets} == {(23, "602sql11"), (24, "gone"), (None, None)}


@pytest.mark.parametrize(("ports", "seen"), [("5002", [5002, 41000]), ("5001", [5001]), ("1-21", [])])
def test_ports(proc: Path, ports: str, seen: list[int]) -> None:
    """Only sockets that touch the ports, in one order."""
    _source, sockets = collect("auto", parse_ports(ports), run=Tools(netstat=NETSTAT), proc_path=str(proc))
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
