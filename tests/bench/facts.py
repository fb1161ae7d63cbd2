# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time the module netstat_facts against community.general.listen_ports_facts and against its floors, in one run.

    python tests/bench/facts.py [--sockets 1000 10000 50000] [--rounds 5] [--peer-up-to 10000]

Opens the sockets itself: listeners on loopback, in processes of its own and in a network namespace of its own. Modules
run as on a target, one Python process each, without the transport. Every round runs every candidate once, the first
round is not counted, and medians of the processor time are compared: the clock's depend on what else the machine does.
Ratios hold from machine to machine, seconds do not.

    peer             community.general.listen_ports_facts: lists these listeners with their processes
    empty + ss       a module that returns nothing, and `ss -Hntuap` beside it: the floor of a filtered answer
    rows + ss        a module that returns as many rows, and `ss -Hntuap`: the floor of a whole answer
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lab"))

import world

BENCH_PYTHON = ROOT / ".build" / "bench" / "bin" / "python"
"""That of the environment with the PyPI package ansible, which `make bench` makes."""
OURS = "ansible_collections.dbports.firewall.plugins.modules.netstat_facts"
PEER = "ansible_collections.community.general.plugins.modules.listen_ports_facts"
SS = ["ss", "-Hntuap"]

HOLDER = """
import socket, sys
number, count = map(int, sys.argv[1:])
address = f"127.0.{number // 250}.{number % 250 + 1}"
held = [socket.create_server((address, 0)) for _number in range(count)]
print(held[0].getsockname()[1], flush=True)
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
FLOOR = """
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"rows": {"type": "int", "default": 0}})
row = {"family": "ipv4", "protocol": "tcp", "state": "LISTEN", "local_address": "127.0.0.1", "local_port": 1,
       "remote_address": None, "remote_port": None, "pid": 1, "process": "python3"}
rows = [dict(row, local_port=number) for number in range(module.params["rows"])]
module.exit_json(ansible_facts={"floor": {"source": "netlink", "sockets": rows}})
"""


class Taken(NamedTuple):
    """What one run took: seconds of processor time and by the clock, and memory."""

    processor: float
    wall: float
    mebibytes: float


def hold(stack: ExitStack, count: int) -> int:
    """Keep ``count`` listeners open until the stack ends; return the port of the first."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    share = min(hard - 100, 1000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ports = []
    for number in range(-(-count // share)):
        these = str(min(share, count - number * share))
        child = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(number), these], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        stack.callback(child.communicate)
        assert child.stdout is not None
        ports.append(int(child.stdout.readline()))
    return ports[0]


def module(name: str, **arguments: object) -> list[str]:
    """Return the command that runs a module without a transport."""
    return [str(BENCH_PYTHON), "-c", STARTER, name, json.dumps(arguments)]


def candidates(count: int, port: int, with_peer: bool) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield the commands of each candidate by its name, those that are measured together in one list."""
    if with_peer:
        yield "peer", [module(PEER, command="ss")]
    yield "empty + ss", [module("floor"), SS]
    yield "rows + ss", [module("floor", rows=count), SS]
    yield "one port", [module(OURS, ports=[str(port)])]
    yield "one process", [module(OURS, processes=["sqlservr"])]
    yield "all", [module(OURS)]
    yield "all, proc", [module(OURS, source="proc")]


def run(commands: list[list[str]], environment: dict[str, str]) -> Taken:
    """Run commands one after the other, and return their time and the memory of the largest; they have to succeed."""
    start, processor, largest = time.perf_counter(), 0.0, 0
    for command in commands:
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        _pid, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, command
        processor += usage.ru_utime + usage.ru_stime
        largest = max(largest, usage.ru_maxrss)
    return Taken(processor, time.perf_counter() - start, largest / 1024)


def measure(count: int, rounds: int, with_peer: bool, environment: dict[str, str]) -> dict[str, Taken]:
    """Return the medians of every candidate with so many sockets; the peer, which takes long, runs once."""
    taken: dict[str, list[Taken]] = {}
    with ExitStack() as stack:
        port = hold(stack, count)
        for number in range(rounds + 1):
            for name, commands in candidates(count, port, with_peer and number == 1):
                once = run(commands, environment)
                if number:
                    taken.setdefault(name, []).append(once)
    return {name: Taken(*map(statistics.median, zip(*each))) for name, each in taken.items()}


def show(count: int, taken: dict[str, Taken]) -> None:
    """Print a line a candidate, and the ratios that matter."""
    for name, (processor, wall, mebibytes) in taken.items():
        print(f"{count:>7} sockets  {name:<12} {processor:8.3f} s ({wall:8.3f} s by the clock) {mebibytes:7.1f} MiB")
    for name, floor in (("one port", "empty + ss"), ("one process", "empty + ss"), ("all", "rows + ss")):
        print(f"{count:>7} sockets  {name}: {taken[name].processor / taken[floor].processor:.2f} x {floor}")
    for name in ("one process", "all") if "peer" in taken else ():
        ratio = taken["peer"].processor / taken[name].processor
        print(f"{count:>7} sockets  {name}: {ratio:.0f} x faster than the peer")


def main() -> None:
    """Measure with each number of sockets and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sockets", type=int, nargs="+", default=[1000, 10000, 50000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-up-to", type=int, default=10000, help="the peer takes minutes with more sockets")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        # The peer's package is on the path of its environment; this checkout comes before it.
        namespace = Path(place, "ansible_collections", "dbports")
        namespace.mkdir(parents=True)
        (namespace / "firewall").symlink_to(ROOT)
        Path(place, "floor.py").write_text(FLOOR, encoding="ascii")
        environment = {**os.environ, "PYTHONPATH": place, "PYTHONPYCACHEPREFIX": str(BENCH_PYTHON.parents[1] / "cache")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for count in options.sockets:
            show(count, measure(count, options.rounds, count <= options.peer_up_to, environment))


if __name__ == "__main__":
    world.enter()
    main()
