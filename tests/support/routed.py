# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router between clients and a server in a lab, the rules for it, and what passes it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import Lab, LabHost

TESTS = Path(__file__).resolve().parent.parent
SWEEP = TESTS / "lab" / "sweep.py"
CLIENT, NEIGHBOUR, OUTSIDE = "192.0.2.21", "192.0.2.66", "192.0.2.1"
SERVER, INSIDE, BESIDE = "198.51.100.10", "198.51.100.1", "198.51.100.11"

LISTENING = ["tcp/22", "tcp/1433", "tcp/50123", "udp/53", "udp/1434"]
"""1433, 1434 and the range of a dynamic instance around 50123 are guarded; 22 and 53 are not."""

FROM = """
import socket, sys
source, source_port, target, port = sys.argv[1:]
with socket.socket() as sock:
    sock.settimeout(3)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((source, int(source_port)))
    try:
        sock.connect((target, int(port)))
        print("up")
    except TimeoutError:
        print("silent")
"""
"""A program that connects from an address and port to a target, and prints whether it is up."""


def router_rules(*, stateful: bool) -> list[dict[str, Any]]:
    """Return rules of a router as a plan has them: a server's, and what it tells its client without being asked."""
    common = {"direction": "forward", "stateful": stateful}
    asked = {**common, "peers": [CLIENT], "targets": [SERVER], "source_ports": [] if stateful else ["32768-60999"]}
    told = {**common, "protocol": "udp", "targets": [CLIENT]}
    return [
        {**asked, "protocol": "tcp", "ports": ["1433", "50100-50199"], "purpose": "SQL"},
        {**asked, "protocol": "udp", "ports": ["1434"], "purpose": "browser"},
        {**told, "ports": ["5002"], "peers": [SERVER], "purpose": "announcement"},
        {**told, "ports": ["5003"], "peers": [BESIDE], "purpose": "announcement of another"},
        {**told, "ports": ["5004"], "peers": [SERVER], "answered": False, "purpose": "announcement without answer"},
    ]


SESSIONS = {
    "a client's": (("app-01", CLIENT, 40000), ("db", SERVER, 1433), True),
    "a client's of a dynamic instance": (("app-01", CLIENT, 40000), ("db", SERVER, 50123), True),
    "the server's own, from a guarded range": (("db", SERVER, 50150), ("app-66", NEIGHBOUR, 7000), True),
    "of a management host": (("app-66", NEIGHBOUR, 40000), ("db", SERVER, 22), True),
    "a neighbour's": (("app-66", NEIGHBOUR, 40000), ("db", SERVER, 1433), False),
}
"""Who opens a connection to what, and whether it goes on under these rules."""


@contextmanager
def routed() -> Iterator[Lab]:
    """A client and its neighbour on one side of a router, a server on the other; nothing tracks connections."""
    with Lab() as lab:
        router = lab.host("fw-1", [f"{OUTSIDE}/24"])
        for name, address in (("app-01", CLIENT), ("app-66", NEIGHBOUR)):
            lab.host(name, [f"{address}/24"]).run(["ip", "route", "replace", "default", "via", OUTSIDE])
        behind(router, lab.host("db", [f"{SERVER}/24"]), INSIDE, SERVER)
        yield lab


def behind(router: LabHost, host: LabHost, gate: str, address: str, prefix: int = 24) -> None:
    """Take a host from the common segment, and join it to a router, or to the host that it is a container of."""
    link = f"to-{host.name}"
    host.run(["ip", "link", "delete", "eth0"])
    host.run(["ip", "link", "add", link, "type", "veth", "peer", "name", link, "netns", str(router.pid)])
    host.run(["ip", "-batch", "-"], input=_link(link, f"{address}/{prefix}") + f"route add default via {gate}\n")
    router.run(["ip", "-batch", "-"], input=_link(link, f"{gate}/{prefix}"))
    for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        router.run(["sh", "-c", f"echo 1 >/proc/sys/net/{setting}"])


def _link(name: str, address: str) -> str:
    return f"address add {address} dev {name}{' nodad' if ':' in address else ''}\nlink set {name} up\n"


def listen(host: LabHost, *endpoints: str) -> None:
    """Let a host echo on some ports."""
    host.popen([sys.executable, str(SWEEP), "echo", *endpoints], stdout=subprocess.DEVNULL)
    host.wait_for(*endpoints)


def swept(host: LabHost, protocol: str, address: str, ports: str = "1-65535") -> tuple[str, str]:
    """Try ports of an address from a host; return what answers and what stays silent."""
    found: dict[str, str] = json.loads(host.python(SWEEP, protocol, address, ports, timeout=300).stdout)
    assert found["prohibited"] == ""
    return found["answers"], found["silent"]


def reaches(host: LabHost, port: int, address: str = SERVER) -> bool:
    """Tell whether a TCP connection comes up."""
    return swept(host, "tcp", address, f"{port}")[0] == f"{port}"
