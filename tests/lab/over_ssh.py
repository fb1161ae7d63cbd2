# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller in a lab that comes to the hosts by ssh, each with a real sshd that knows its one key."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab import Lab, LabHost

CONTROLLER, SECOND = "192.0.2.50", "192.0.2.51"
"""Both are addresses of the controller; by itself it comes from the first one."""

PROXY = f"""
import os, socket, sys, threading
host, port, came = sys.argv[1:]
source = "{SECOND}" if os.path.exists(came) else "{CONTROLLER}"
open(came, "a").close()
connection = socket.create_connection((host, int(port)), 5, (source, 0))
connection.settimeout(None)
def send():
    while data := os.read(0, 65536):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
while data := connection.recv(65536):
    os.write(1, data)
"""
"""Comes from another address the second time, as from behind a pool of translated ones: what no host sees beforehand.
Arguments: host, port, and a file that is there from the second time on."""


class OverSsh:
    """The controller and its key.

    :ivar controller: the host that ansible-playbook runs on.
    :ivar place: a directory with the key and ``proxy.py``.
    :ivar options: what every ssh of the controller is told.
    """

    def __init__(self, lab: Lab, place: Path) -> None:
        self.controller = lab.host("controller", [f"{CONTROLLER}/24", f"{SECOND}/24"])
        self.place = place
        self.options = f"-i {place}/key -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / "key")], check=True)
        (place / "proxy.py").write_text(PROXY, encoding="utf-8")

    def serve(self, host: LabHost, port: int = 22) -> int:
        """Start a host's sshd, wait for it, and return its process id."""
        host.run(["mkdir", "-p", "/run/sshd"])
        settings = (
            f"-p {port} -h {self.place}/key -o AuthorizedKeysFile={self.place}/key.pub -o StrictModes=no -o UsePAM=no "
            "-o PermitRootLogin=yes -o PidFile=none -o UseDNS=no -o MaxStartups=100"
        )
        server = host.popen(["/usr/sbin/sshd", "-D", *settings.split()], stderr=subprocess.DEVNULL)
        host.wait_for(f"tcp/{port}")
        return server.pid
