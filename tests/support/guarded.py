# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab with a guarded server, a declared client and an intruder: the core of the module ruleset, and packets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import Lab, LabHost

LAB = Path(__file__).resolve().parents[1] / "lab"
SWEEP = LAB / "sweep.py"

SERVER, SERVER6 = "192.0.2.10", "2001:db8::10"
CLIENT, CLIENT6 = "192.0.2.21", "2001:db8::21"
INTRUDER, INTRUDER6 = "192.0.2.66", "2001:db8::66"

APPLY = """
import json, sys
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply
arguments = json.load(sys.stdin)
check = arguments.pop("check")
rules = [{"direction": "in", **rule} for rule in arguments.pop("rules", [])]
try:
    result = apply(DesiredState.from_arguments({**arguments, "rules": rules}), check=check)
except DbportsError as error:
    result = {"error": str(error)}
json.dump(result, sys.stdout)
"""

WAIT = {"alive": "60", "cut": "2"}
"""Seconds to wait for an answer: only one that never comes takes all of them."""

SESSION = """
import socket, sys
peer = socket.create_connection((sys.argv[1], 1433), 60)
peer.sendall(b"hello"); assert peer.recv(9) == b"hello"
print("ready", flush=True)
for seconds in sys.stdin:
    peer.settimeout(float(seconds))
    try:
        peer.sendall(b"more")
        print("alive" if peer.recv(9) == b"more" else "closed", flush=True)
    except OSError: print("cut", flush=True)
"""


def apply(host: LabHost, check: bool = False, **arguments: Any) -> dict[str, Any]:
    """Run the module's core on a host."""
    done = host.python(APPLY, input=json.dumps({"check": check, **arguments}))
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def as_predicted(run: Callable[..., dict[str, Any]], seen: Callable[[], Any]) -> None:
    """Apply: a check before tells the same and does nothing, and a run after it has nothing to change.

    :param run: what applies; with ``check`` it only tells.
    :param seen: returns what a check must leave as it is.
    """
    untouched = seen()
    predicted = run(check=True)
    assert seen() == untouched
    assert predicted["changed"] is True
    assert run() == predicted
    again = run()
    assert (again["changed"], again["diff"], again["in_sync"]) == (False, [], True)


class Session:
    """A client's connection to port 1433 of a server that answers; it is held open."""

    def __init__(self, client: LabHost, address: str = SERVER) -> None:
        program = [sys.executable, "-c", SESSION, address]
        self._end = client.popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._said() == "ready"

    def becomes(self, expected: str) -> str:
        """Let the client speak; return ``alive``, ``cut`` or ``closed``.

        :param expected: the first or the second of these, see ``WAIT``.
        """
        assert self._end.stdin is not None
        self._end.stdin.write(f"{WAIT[expected]}\n")
        self._end.stdin.flush()
        return self._said()

    def _said(self) -> str:
        assert self._end.stdout is not None
        found: str = self._end.stdout.readline()
        return found.strip()


def swept(host: LabHost, protocol: str, address: str, ports: str = "1-65535") -> dict[str, str]:
    """Try every port of an address from a host; see sweep.py."""
    found: dict[str, str] = json.loads(host.python(SWEEP, protocol, address, ports, timeout=300).stdout)
    return found


def reaches(host: LabHost, port: int, address: str = SERVER) -> bool:
    """Tell whether a TCP connection to the server comes up."""
    return bool(swept(host, "tcp", address, f"{port}")["answers"])


def echo(host: LabHost, *ports: str) -> None:
    """Have a host answer at ports such as ``tcp/7000``."""
    host.popen([sys.executable, str(SWEEP), "echo", *ports], stdout=subprocess.DEVNULL)
    host.wait_for(*ports)


@contextmanager
def guarded_lab(*listening: str) -> Iterator[Lab]:
    """Have ``erp-db``, which answers at these ports, ``app-01`` and ``intruder`` in one network."""
    with Lab() as lab:
        server = lab.host("erp-db", [f"{SERVER}/24", f"{SERVER6}/64"])
        lab.host("app-01", [f"{CLIENT}/24", f"{CLIENT6}/64"])
        lab.host("intruder", [f"{INTRUDER}/24", f"{INTRUDER6}/64"])
        # All 65,535 closed UDP ports answer with an ICMP error; the kernel's limit would look like a drop.
        server.run(["sh", "-c", "echo 1000000 >/proc/sys/net/ipv4/icmp_msgs_burst || :"])
        echo(server, *listening)
        yield lab
