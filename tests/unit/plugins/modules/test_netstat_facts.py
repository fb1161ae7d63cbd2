# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it: packed, sent and started on a target, which is this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.modules.netstat_facts import answer

ROOT = Path(__file__).resolve().parents[4]


def _run(tmp_path: Path, arguments: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Run the module in check mode; its status and what it returned."""
    namespace = tmp_path / "ansible_collections" / "dbports"
    namespace.mkdir(parents=True, exist_ok=True)
    if not (namespace / "firewall").exists():
        (namespace / "firewall").symlink_to(ROOT)
    (tmp_path / "ansible.cfg").touch()
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible"),
            *(
                "localhost",
                "-i",
                "localhost,",
                "-c",
                "local",
                "--check",
                "-e",
                f"ansible_python_interpreter={sys.executable}",
            ),
            *("-m", "dbports.firewall.netstat_facts", "-a", json.dumps(arguments)),
        ],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(tmp_path),
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    _host, _arrow, result = done.stdout.partition("=> ")
    assert result, done.stderr
    return done.returncode, json.loads(result)


def test_facts_and_nothing_else(tmp_path: Path) -> None:
    """A listener of this process comes back in full, and only it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        status, result = _run(tmp_path, {"source": "proc", "ports": [str(port)]})
    assert status == 0
    assert result == {
        "changed": False,
        "ansible_facts": {
            "dbports_netstat": {
                "source": "proc",
                "sockets": [
                    {
                        "protocol": "tcp",
                        "family": "ipv4",
                        "state": "LISTEN",
                        "local_address": "127.0.0.1",
                        "local_port": port,
                        "remote_address": None,
                        "remote_port": None,
                        "pid": os.getpid(),
                        "process": Path("/proc/self/comm").read_text()[:-1],
                    }
                ],
            }
        },
    }


def test_a_bad_port(tmp_path: Path) -> None:
    """What is no port is refused with its value."""
    status, result = _run(tmp_path, {"ports": ["1433", "70000"]})
    assert status != 0
    assert "from 1 to 65535" in result["msg"]
    assert "70000" in result["msg"]


def _sockets(count: int) -> Iterator[Socket]:
    return (
        Socket("ipv4", "tcp", "LISTEN", f"127.0.{number // 60000}.1", number % 60000 + 1, None, None, number, 'a "b"\n')
        for number in range(count)
    )


@pytest.mark.parametrize("count", [0, 1, 500, 1001])
def test_parts_make_one_result(count: int) -> None:
    params = {"ports": ['"sockets": []'], "source": "auto", "processes": []}
    sockets = list(_sockets(count))
    assert json.loads("".join(answer(params, "netlink", sockets))) == {
        "changed": False,
        "invocation": {"module_args": params},
        "ansible_facts": {"dbports_netstat": {"source": "netlink", "sockets": [one._asdict() for one in sockets]}},
    }


def test_a_result_takes_no_memory_that_grows_with_the_sockets() -> None:
    peaks = []
    for count in (5_000, 20_000):
        sockets = list(_sockets(count))
        tracemalloc.start()
        written = sum(map(len, answer({}, "netlink", sockets)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert written > 150 * count
    assert peaks[1] < 1.2 * peaks[0]
