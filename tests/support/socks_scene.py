# SPDX-License-Identifier: GPL-3.0-or-later
"""A SOCKS host between an office and a data centre on a lab: its inventory, a client that speaks SOCKS, a server."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.socks import socks_arguments
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

from lab import Lab, LabHost

INSIDE, OUTSIDE = "192.0.2.1", "198.51.100.1"
ADDRESSES = {
    "bastion": [f"{INSIDE}/24", f"{OUTSIDE}/24"],
    "app": ["192.0.2.21/24"],
    "stranger": ["192.0.2.66/24"],
    "db": ["198.51.100.10/24"],
}
DB = "198.51.100.10"

APPLY = """
import json, sys
from dataclasses import replace
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._relay import change
values = json.load(sys.stdin)
if values.pop("lost", False):  # a server that does not come back
    change.PATIENCE = 0.3
    for name, server in change.SERVERS.items():
        change.SERVERS[name] = replace(server, listens=lambda rules: False)
try:
    result = change.bring(values, check=values.pop("check", False))
except DbportsError as error:
    result = {"error": error.code, "text": str(error)}
json.dump(result, sys.stdout)
"""

ECHO = """
import socketserver, sys, threading
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        while data := self.request.recv(100):
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
servers = [Server(("0.0.0.0", int(port)), Echo) for port in sys.argv[1:]]
for server in servers:
    threading.Thread(target=server.serve_forever).start()
"""

CLIENT = """
import json, socket, struct, sys
def ask(version, command, address, port, host, at):
    sock = socket.create_connection((host, at), 20)
    try:
        if version == 5:
            sock.sendall(bytes([5, 1, 0]))
            assert sock.recv(2) == bytes([5, 0])
            sock.sendall(struct.pack(">BBBB4sH", 5, command, 0, 1, socket.inet_aton(address), port))
        else:
            sock.sendall(struct.pack(">BBH4sB", 4, command, port, socket.inet_aton(address), 0))
        answer = sock.recv(64)
    except OSError:
        answer = b""
    return sock, answer[1] if answer else None
def echoes(sock):
    try:
        sock.sendall(b"still here")
        return sock.recv(64) == b"still here"
    except OSError:
        return False
held = None
for line in sys.stdin:
    what = json.loads(line)
    if what == "held":
        answer = echoes(held)
    else:
        sock, code = ask(*what)
        answer = [code, bool(code == 90 and echoes(sock))]
        held = sock if answer[1] else held
    print(json.dumps(answer), flush=True)
"""
"""Asks what it reads, a line each, and keeps the last connection that it got."""


def inventory(platform: str, *, ports: tuple[int, ...] = (5001,)) -> dict[str, Any]:
    """Return an inventory with 602SQL servers on the data centre's host, one for each PORTBASE."""
    servers = [{"engine": "sql602", "name": f"s{base}", "port_base": base, "clients": ["app"]} for base in ports]
    hosts: dict[str, Any] = {name: {"ansible_host": texts[0].partition("/")[0]} for name, texts in ADDRESSES.items()}
    hosts["db"]["dbports_servers"] = servers
    gateway = {
        "name": "socks-1",
        "kind": "socks",
        "platform": platform,
        "host": "bastion",
        "between": ["office", "dc"],
        "addresses": {"office": INSIDE, "dc": OUTSIDE},
        "os": "linux",
    }
    networks = {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"]}
    return {"hosts": hosts, "vars": {"dbports_networks": networks, "dbports_gateways": [gateway]}}


def gateway_of(data: dict[str, Any]) -> GatewayPlan:
    """Return the gateway's part of the plan."""
    return build_plan(PlainInventory(data)).gateways[0]


class Scene:
    """The hosts, each with what it runs."""

    def __init__(self, lab: Lab) -> None:
        self.hosts: dict[str, LabHost] = {name: lab.host(name, addresses) for name, addresses in ADDRESSES.items()}

    def echo(self, *ports: int) -> None:
        """Let the data centre's host answer at ports."""
        self.hosts["db"].popen([sys.executable, "-c", ECHO, *map(str, ports)])
        self.hosts["db"].wait_for(*(f"tcp/{port}" for port in ports))

    def apply(self, data: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Bring the SOCKS host to the plan of an inventory; arguments of the module may be given."""
        values = {"state": "present", "user": "relay", "take_over": False, "allow_shrink": False, "exclusive": False}
        text = json.dumps({**values, **socks_arguments(gateway_of(data)), **more})
        found: dict[str, Any] = json.loads(self.hosts["bastion"].python(APPLY, input=text).stdout)
        return found

    def withdraw(self) -> dict[str, Any]:
        """Take away what is ours on the SOCKS host, as for a gateway that is not declared any more."""
        text = json.dumps({"state": "absent", "platform": None, "exclusive": False})
        found: dict[str, Any] = json.loads(self.hosts["bastion"].python(APPLY, input=text).stdout)
        return found

    def read(self, path: str) -> str:
        """Return a file of the SOCKS host, empty where it is missing."""
        return self.hosts["bastion"].run(["cat", path], check=False).stdout


class Client:
    """A program on a host that asks for connections and can keep one."""

    def __init__(self, host: LabHost, at: tuple[str, int] = (INSIDE, 1080)) -> None:
        self._at = at
        self._process = host.popen([sys.executable, "-c", CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _say(self, what: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def ask(self, port: int, *, command: int = 1, version: int = 4) -> tuple[int | None, bool]:
        """Ask for a port of the data centre's host; returns the code of the answer, and whether the echo works."""
        code, echoed = self._say([version, command, DB, port, *self._at])
        return code, echoed

    def still_echoes(self) -> bool:
        """Tell whether the last connection that was granted still works."""
        return bool(self._say("held"))
