# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Linux router lets through of IPv6, errors from routers behind it among it: real packets.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_router_ipv6.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from guarded import apply
from lab import Lab, LabHost
from routed import behind

TESTS = Path(__file__).resolve().parent.parent
SWEEP = TESTS / "lab" / "sweep.py"
OUTSIDE, HOP, NEIGHBOUR = "2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::66"
CLIENT, SERVER = "2001:db8:2::21", "2001:db8:3::10"
PUSH = """
import contextlib, socket
with socket.create_server(("::", 1433), family=socket.AF_INET6) as listener:
    print("ready", flush=True)
    while True:
        sock = listener.accept()[0]
        with contextlib.suppress(OSError):  # a sweep hangs up at once
            sock.sendall(b"x" * 200000)
        sock.close()
"""
PULL = """
import socket, sys
with socket.create_connection((sys.argv[1], 1433), 60) as sock:
    count = 0
    while data := sock.recv(65536):
        count += len(data)
print(count)
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A server behind the router fw-1, and a client behind another one, which has a narrow link to it."""
    with Lab() as lab:
        router = lab.host("fw-1", [f"{OUTSIDE}/64"])
        hop = lab.host("hop", [f"{HOP}/64"])
        lab.host("app-66", [f"{NEIGHBOUR}/64"]).run(["ip", "route", "replace", "default", "via", OUTSIDE])
        behind(router, lab.host("db", [f"{SERVER}/64"]), "2001:db8:3::1", SERVER, 64)
        behind(hop, lab.host("app-01", [f"{CLIENT}/64"]), "2001:db8:2::1", CLIENT, 64)
        router.run(["ip", "route", "add", "2001:db8:2::/64", "via", HOP])
        hop.run(["ip", "route", "replace", "default", "via", OUTSIDE])
        hop.run(["ip", "link", "set", "to-app-01", "mtu", "1280"])
        yield lab


def sweep(host: LabHost, protocol: str, ports: str) -> dict[str, str]:
    """Try ports of the server from a host."""
    found: dict[str, str] = json.loads(host.python(SWEEP, protocol, SERVER, ports, timeout=120).stdout)
    return found


def swept(host: LabHost, protocol: str, ports: str) -> tuple[str, str]:
    """Try ports of the server from a host; return what answers and what stays silent."""
    found = sweep(host, protocol, ports)
    assert found["prohibited"] == ""
    return found["answers"], found["silent"]


def wait_for_way(host: LabHost) -> None:
    """Wait until packets come to the server: the addresses of new links are tried for duplicates first.

    Meanwhile routers answer that the server cannot be reached.
    """
    for _attempt in range(30):
        if sweep(host, "tcp", "1435")["answers"] == "1435":
            return
        time.sleep(0.2)
    raise AssertionError(f"{host.name} has no way to the server")


@pytest.mark.parametrize("stateful", [True, False])
def test_packets_and_errors_that_pass(lab: Lab, stateful: bool) -> None:
    """Guarded ports are for the client, and what tells the server of a narrow link reaches it."""
    router, client, neighbour, server = (lab.hosts[name] for name in ("fw-1", "app-01", "app-66", "db"))
    push = server.popen([sys.executable, "-c", PUSH], stdout=subprocess.PIPE)
    assert push.stdout
    assert push.stdout.readline() == "ready\n"
    server.popen([sys.executable, str(SWEEP), "echo", "tcp/1435", "udp/1434", "udp/1435"], stdout=subprocess.DEVNULL)
    server.wait_for("tcp/1435", "udp/1434", "udp/1435")
    wait_for_way(client)
    wait_for_way(neighbour)
    common = {"direction": "forward", "stateful": stateful, "peers": [CLIENT], "targets": [SERVER], "purpose": "SQL"}
    common["source_ports"] = [] if stateful else ["32768-60999"]
    rules = [{**common, "protocol": "tcp", "ports": ["1433"]}, {**common, "protocol": "udp", "ports": ["1434"]}]
    assert apply(router, rules=rules)["changed"]
    assert not apply(router, rules=rules)["changed"]

    assert swept(client, "tcp", "1430-1436") == ("1433,1435", "")
    assert swept(neighbour, "tcp", "1430-1436") == ("1435", "1433")
    assert swept(client, "udp", "1430-1436") == ("1434-1435", "")
    assert swept(neighbour, "udp", "1430-1436") == ("1435", "1434")

    assert client.python(PULL, SERVER, timeout=120).stdout.strip() == "200000"
    assert "mtu 1280" in server.run(["ip", "route", "get", CLIENT]).stdout
