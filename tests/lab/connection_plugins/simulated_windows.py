# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible connection to a simulated Windows host: a file with its state, and a module that answers for its scripts."""

from __future__ import annotations

DOCUMENTATION = """
name: simulated_windows
short_description: Run on a simulated Windows host
description:
  - Runs commands on the controller, and names the state of one simulated host in their environment.
  - Where the lab has a host of that name, they run in its network, so that its probes are real packets.
  - For the lab of this collection's own tests and demonstration alone.
author: dbports.firewall contributors (@dbports)
version_added: 0.2.0
options:
  directory:
    description: Where the states are, C(<host>.json).
    type: path
    required: true
    env:
      - name: DBPORTS_SIMULATED_DIR
  lab:
    description: Where the lab keeps its C(<host>.pid) files.
    type: path
    env:
      - name: DBPORTS_LAB_DIR
  host:
    description: The host's name.
    type: str
    vars:
      - name: inventory_hostname
"""

import os
import subprocess
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

CODE = Path(__file__).resolve().parents[2] / "support"


class Connection(ConnectionBase):
    """Run commands where the controller is."""

    transport = "simulated_windows"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a shell command line; returns its code, output and errors."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        state = Path(self.get_option("directory"), f"{self.get_option('host')}.json")
        if (state.parent / f"{state.stem}.unreachable").exists():
            raise AnsibleConnectionFailure("The simulated host does not answer")
        environment = {**os.environ, "DBPORTS_SIMULATED_STATE": str(state), "DBPORTS_SIMULATED_CODE": str(CODE)}
        argv = [*self._place(), "/bin/sh", "-c", cmd]
        done = subprocess.run(argv, input=in_data or b"", env=environment, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def _place(self) -> list[str]:
        """Return the command that enters the network of the lab's host, if there is one."""
        pid = Path(self.get_option("lab") or "/nonexistent", f"{self.get_option('host')}.pid")
        return ["nsenter", "-t", pid.read_text(encoding="utf-8").strip(), "-n", "--"] if pid.exists() else []

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file."""
        Path(out_path).write_bytes(Path(in_path).read_bytes())

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file."""
        Path(out_path).write_bytes(Path(in_path).read_bytes())

    def reset(self) -> None:
        """Nothing is kept between commands, so the next one is new anyway."""

    def close(self) -> None:
        """Forget the connection."""
        self._connected = False
