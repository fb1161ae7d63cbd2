# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab with a guarded server, a declared client and an intruder: the core of the module ruleset, and packets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LAB = Path(__file__).resolve().parents[1] / "lab"
sys.path.insert(0, str(LAB))

from lab import Lab, LabHost

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


def apply(host: LabHost, check: bool = False, **arguments: Any) -> dict[str, Any]:
    """Run the module's core on a host."""
    done = host.python(APPLY, input=json.dumps({"check": check, **arguments}))
    result: dict[str, Any] = json.loads(done.stdout)
    return result


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
