# SPDX-License-Identifier: GPL-3.0-or-later
"""Time the plan playbook on a fleet against a play with one ping task on the same inventory.

    python tests/bench/fleet.py [--hosts 500] [--rounds 3] [--forks 10]

One host in ten is a server, the others are clients of two servers each; all of them are this machine (local
connection). The ping play is the floor: what Ansible itself costs with so many hosts. Whole processes are measured,
by the clock and in processor time, children included; the lines that ``--check --diff`` prints are counted.
Ratios hold from machine to machine, seconds do not.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PING = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.ping:\n"
SHARE = 10
"""One host in so many is a server."""


class Taken(NamedTuple):
    """What one run took: seconds by the clock, seconds of processor time, and how many lines it printed."""

    wall: float
    processor: float
    lines: int


def inventory(hosts: int) -> dict[str, Any]:
    """Return the fleet as an inventory; server ``n`` has the clients of groups ``n`` and ``n + 1``."""
    servers = hosts // SHARE
    groups: dict[str, Any] = {f"apps{number}": {"hosts": {}} for number in range(servers)}
    for number in range(hosts - servers):
        address = str(ipaddress.ip_address(0x0A000001 + number))
        groups[f"apps{number % servers}"]["hosts"][f"app-{number}"] = {"dbports_addresses": [address]}
    databases = {
        f"db-{number}": {
            "dbports_addresses": [str(ipaddress.ip_address(0x0B000001 + number))],
            "dbports_servers": [{"engine": "mssql", "clients": [f"apps{number}", f"apps{(number + 1) % servers}"]}],
        }
        for number in range(servers)
    }
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    return {"all": {"vars": variables, "hosts": databases, "children": groups}}


def run(place: Path, playbook: str, *arguments: str) -> Taken:
    """Run a playbook to its end; it has to succeed."""
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "inventory.json", playbook, *arguments]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
        "ANSIBLE_HOME": str(place / ".ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(place),
        "ANSIBLE_NOCOLOR": "1",
    }
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(wall, processor, len(done.stdout.splitlines()))


def median(taken: list[Taken]) -> Taken:
    """Return the median of every number by itself."""
    return Taken(*(statistics.median(column) for column in zip(*taken)))


def main() -> None:
    """Measure both plays in turns and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--forks", type=int, default=10)
    wanted = parser.parse_args()
    forks = ("-f", str(wanted.forks))
    with tempfile.TemporaryDirectory(prefix="dbports-bench-") as folder:
        place = Path(folder)
        (place / "ansible_collections" / "dbports").mkdir(parents=True)
        (place / "ansible_collections" / "dbports" / "firewall").symlink_to(ROOT)
        (place / "inventory.json").write_text(json.dumps(inventory(wanted.hosts)), encoding="utf-8")
        (place / "ping.yml").write_text(PING, encoding="utf-8")
        printed = run(place, "dbports.firewall.plan", "--check", "--diff", *forks).lines
        pings, plans = [], []
        for _round in range(wanted.rounds):
            pings.append(run(place, "ping.yml", *forks))
            plans.append(run(place, "dbports.firewall.plan", *forks))
    ping, plan = median(pings), median(plans)
    print(f"fleet: {wanted.hosts} hosts, {wanted.forks} forks, medians of {wanted.rounds}")
    for name, taken in (("one ping task", ping), ("plan playbook", plan)):
        print(f"  {name}: {taken.wall:.1f} s, {taken.processor:.1f} s of processor time, {taken.lines:.0f} lines")
    print(f"  ratio: {plan.wall / ping.wall:.2f}, of processor time {plan.processor / ping.processor:.2f}")
    print(f"  --check --diff of a new plan prints {printed} lines")


if __name__ == "__main__":
    main()
