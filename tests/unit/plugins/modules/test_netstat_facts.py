# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it: packed, sent and started on a target, which is this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

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
