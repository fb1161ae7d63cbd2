# SPDX-License-Identifier: GPL-3.0-or-later
"""Time the module netstat_facts on a host with many listeners against ss and community.general.listen_ports_facts.

    python tests/bench/netstat.py [--sockets 1000] [--rounds 5]

Opens the sockets itself, on loopback and in processes of its own. ``ss -Hlntup`` is the floor: the same
question without Ansible. The peer is measured where community.general is installed beside ansible-core
(the package ``ansible``), and said to be missing where it is not. Modules run as on a target: one Python
process each, without the transport. Ratios hold from machine to machine, seconds do not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = "ansible_collections.dbports.firewall.plugins.modules.netstat_facts"
PEER = "ansible_collections.community.general.plugins.modules.listen_ports_facts"
PER_PROCESS = 500
HOLDER = """
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for number in range(int(sys.argv[1]))]
print(len(held), flush=True)
sys.stdin.read()
"""
# Modules of ansible-core 2.19 and later want to be told how their arguments are written.
STARTER = """
import json, runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.loads(sys.argv[2])}).encode()
basic._ANSIBLE_PROFILE = "legacy"
runpy.run_module(sys.argv[1], run_name="__main__")
"""


def hold(stack: ExitStack, count: int) -> None:
    """Keep ``count`` listeners open until the stack ends, some hundred in a process."""
    while count > 0:
        share = min(count, PER_PROCESS)
        child = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(share)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        stack.callback(child.communicate)
        assert child.stdout is not None
        assert child.stdout.readline().strip() == str(share), "the listeners could not be opened"
        count -= share


def module(name: str, **arguments: object) -> list[str]:
    """Return the command that runs a module without a transport."""
    return [sys.executable, "-c", STARTER, name, json.dumps(arguments)]


def median(argv: list[str], rounds: int, environment: dict[str, str]) -> float:
    """Return the median of the seconds that a command takes; it has to succeed."""
    seconds = []
    for _round in range(rounds):
        start = time.perf_counter()
        subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main() -> None:
    """Measure and print one line a candidate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    candidates = {"ss -Hlntup (floor)": ["ss", "-Hlntup"]}
    for source in ("netstat", "ss", "proc"):
        candidates[f"netstat_facts source={source}"] = module(OURS, source=source)
    candidates["netstat_facts source=proc, one port"] = module(OURS, source="proc", ports=["5002"])
    if find_spec("ansible_collections") and find_spec("ansible_collections.community"):
        candidates["listen_ports_facts command=ss (peer)"] = module(PEER, command="ss")
    else:
        print("community.general is not installed here: no peer, compare with the floor")
    with ExitStack() as stack:
        namespace = Path(stack.enter_context(tempfile.TemporaryDirectory()), "ansible_collections", "dbports")
        namespace.mkdir(parents=True)
        (namespace / "firewall").symlink_to(ROOT)
        path = os.pathsep.join((str(namespace.parent.parent), os.environ.get("PYTHONPATH", "")))
        environment = {**os.environ, "PYTHONPATH": path}
        hold(stack, options.sockets)
        floor = 0.0
        for name, argv in candidates.items():
            seconds = median(argv, options.rounds, environment)
            floor = floor or seconds
            print(f"{name:<38} {options.sockets:>6} sockets {seconds:8.3f} s {seconds / floor:8.1f} x floor")


if __name__ == "__main__":
    main()
