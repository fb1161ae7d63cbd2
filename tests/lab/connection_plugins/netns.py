# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible connection to a lab host: nsenter into the namespaces that lab.py holds."""

from __future__ import annotations

DOCUMENTATION = """
name: netns
short_description: Run on a lab host in network namespaces
description:
  - Runs commands in the network, mount and UTS namespaces of a process, by nsenter.
  - For the lab of this collection's own tests and demonstration alone.
author: dbports.firewall contributors (@dbports)
version_added: 0.1.0
options:
  pid:
    description:
      - A process in the namespaces. Without it the file O(directory)/O(remote_addr).pid says it.
    type: int
    vars:
      - name: ansible_netns_pid
  directory:
    description: Where the lab keeps its C(<host>.pid) files.
    type: path
    env:
      - name: DBPORTS_LAB_DIR
    vars:
      - name: ansible_netns_directory
  remote_addr:
    description: The lab host's name.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
"""

import os
import subprocess
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.connection import ConnectionBase


class Connection(ConnectionBase):
    """Run commands and move files through ``nsenter``."""

    transport = "netns"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def _target(self) -> str:
        """Return the process id whose namespaces are the host."""
        pid = self.get_option("pid")
        if pid:
            return str(pid)
        directory, name = self.get_option("directory"), self.get_option("remote_addr")
        if not directory:
            raise AnsibleConnectionFailure("The netns connection needs DBPORTS_LAB_DIR or ansible_netns_pid")
        try:
            return Path(directory, f"{name}.pid").read_text(encoding="utf-8").strip()
        except OSError as error:
            raise AnsibleConnectionFailure(f"The lab has no running host {name}: {error}") from error

    def _nsenter(self, argv: list[str], data: bytes | None = None) -> tuple[int, bytes, bytes]:
        command = ["nsenter", "-t", self._target(), "-n", "-m", "-u", f"--wd={Path.cwd()}", "--", *argv]
        done = subprocess.run(command, input=data if data is not None else b"", capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a shell command line; returns its code, output and errors."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._nsenter(["/bin/sh", "-c", cmd], in_data)

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file to the host."""
        super().put_file(in_path, out_path)
        source = Path(in_path)
        if not source.exists():
            raise AnsibleFileNotFound(f"There is no file {in_path} to copy")
        self._move(self._nsenter(["dd", f"of={out_path}", "status=none"], source.read_bytes()), out_path)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file from the host."""
        super().fetch_file(in_path, out_path)
        content = self._move(self._nsenter(["dd", f"if={in_path}", "status=none"]), in_path)
        Path(os.fsdecode(out_path)).write_bytes(content)

    def _move(self, result: tuple[int, bytes, bytes], path: str) -> bytes:
        code, output, errors = result
        if code:
            raise AnsibleConnectionFailure(f"Copying {path} failed: {to_text(errors)}")
        return output

    def reset(self) -> None:
        """Nothing is kept between commands, so the next one is new anyway."""

    def close(self) -> None:
        """Forget the connection."""
        self._connected = False
