# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time the role apply over real ssh against loops of the modules that set one rule, and against its floor, in one run.

    python tests/bench/apply.py [--rules 5 25 100 400] [--rounds 5] [--loops 1] [--hosts nftables iptables ufw]

Each host is a network namespace with a real sshd; the controller is another one and comes with pipelining over a
connection that stays open. A round runs every candidate once; medians are printed, and ratios hold from machine to
machine, seconds do not. The environment with the PyPI package ansible is made by `make bench`.

    floor     one module call that does nothing: ansible.builtin.ping
    first     the role apply on a host without our rules, and the same without a rollback that waits (unarmed)
    again     the role apply on a host that has them: nothing changes
    loop      a rule an item: ansible.builtin.iptables on the host iptables, community.general.ufw on the host ufw

ansible.posix.firewalld needs systemd and D-Bus, which a network namespace does not have.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lab"))

import world
from lab import Lab
from over_ssh import OverSsh

PLAYBOOK = ROOT / ".build" / "bench" / "bin" / "ansible-playbook"
"""That of the environment with the PyPI package ansible, which `make bench` makes."""
CLIENT = "192.0.2.21"
ADDRESSES = {"nftables": "192.0.2.10", "iptables": "192.0.2.11", "ufw": "192.0.2.12"}
FIRST_PORT = 20000
TARGET_PYTHON = "/usr/bin/python3"

OWN_UFW = "for name in ufw default; do rm /etc/$name; cp -a /run/etc-below/$name /etc/$name; done"
"""ufw writes below both; a lab host has links to the machine's."""
PREPARE = {"nftables": [], "iptables": [], "ufw": [OWN_UFW, "ufw allow 22/tcp", "ufw --force enable"]}

LOOPS: dict[str, tuple[str, dict[str, Any], str]] = {
    "iptables": (
        "ansible.builtin.iptables",
        {"chain": "INPUT", "protocol": "tcp", "destination_port": "{{ item }}", "source": CLIENT, "jump": "ACCEPT"},
        "iptables -F INPUT",
    ),
    "ufw": (
        "community.general.ufw",
        {"rule": "allow", "proto": "tcp", "to_port": "{{ item }}", "from_ip": CLIENT},
        "ufw --force reset; ufw allow 22/tcp; ufw --force enable",
    ),
}
"""The module that sets one rule, its arguments, and the command that takes the rules away again."""


def role(tag: str, **variables: Any) -> dict[str, Any]:
    """Return a task that runs the role apply, as the playbook does."""
    return {
        "import_role": {"name": "dbports.firewall.apply", "rolespec_validate": False},
        "tags": tag,
        "vars": variables,
    }


def own_tasks() -> list[dict[str, Any]]:
    """Return one round of what is ours, with the floor before it."""
    absent = role("between", dbports_state="absent")
    return [
        {"ansible.builtin.ping": {}, "tags": "floor"},
        role("first"),
        role("again"),
        absent,
        role("unarmed", dbports_confirm_timeout=0),
        absent,
    ]


def loop_tasks(host: str, rules: int) -> list[dict[str, Any]]:
    """Return one round of the module that sets one rule, if this firewall has one."""
    if host not in LOOPS:
        return []
    module, arguments, reset = LOOPS[host]
    ports = [str(port) for port in range(FIRST_PORT, FIRST_PORT + rules)]
    loop = {module: arguments, "loop": ports}
    return [
        {**loop, "tags": "loop first"},
        {**loop, "tags": "loop again"},
        {"ansible.builtin.shell": reset, "tags": "between"},
    ]


def inventory(rules: int, ssh: str) -> dict[str, Any]:
    """Return hosts with an instance for each rule; the port of SQL Server Browser is one more."""
    instances = [{"name": f"I{number}", "tcp_port": FIRST_PORT + number} for number in range(rules)]
    server = {"engine": "mssql", "clients": [CLIENT], "instances": instances}
    hosts = {
        name: {
            "ansible_host": address,
            "dbports_addresses": [address],
            "dbports_servers": [server],
            "dbports_backend": name,
            "ansible_ssh_executable": "ssh",
            "ansible_ssh_common_args": ssh,
            "ansible_python_interpreter": TARGET_PYTHON,
        }
        for name, address in ADDRESSES.items()
    }
    return {"all": {"hosts": hosts}}


class Site:
    """A controller and hosts with an sshd each."""

    def __init__(self, lab: Lab, place: Path) -> None:
        self.lab = lab
        self.place = place
        self.way = OverSsh(lab, place)
        self.controller = self.way.controller
        for name, address in ADDRESSES.items():
            host = lab.host(name, [f"{address}/24"])
            for command in PREPARE[name]:
                host.run(["sh", "-c", command])
            self.way.serve(host)

    def times(self, host: str, rules: int, rounds: int, loops: int) -> dict[str, float]:
        """Run a playbook on one host and return the median time of each candidate in seconds."""
        tasks = [
            task for number in range(rounds) for task in own_tasks() + (loop_tasks(host, rules) * (number < loops))
        ]
        files = {
            "hosts.yml": inventory(rules, f"{self.way.options} -o ControlMaster=auto -o ControlPersist=600"),
            "site.yml": [
                {
                    "hosts": host,
                    "gather_facts": False,
                    "tasks": [role("between"), role("between", dbports_state="absent"), *tasks],
                }
            ],
        }
        for name, content in files.items():
            (self.place / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        record = self.place / "times.jsonl"
        record.unlink(missing_ok=True)
        done = self.controller.run(
            [str(PLAYBOOK), "-i", "hosts.yml", "site.yml"],
            cwd=self.place,
            timeout=7200,
            check=False,
            env={
                **os.environ,
                "ANSIBLE_HOME": str(self.place / "home"),
                "ANSIBLE_COLLECTIONS_PATH": str(self.lab.directory),
                "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).resolve().parent / "callback_plugins"),
                "ANSIBLE_CALLBACKS_ENABLED": "task_times",
                "ANSIBLE_PIPELINING": "true",
                "DBPORTS_TIMES": str(record),
            },
        )
        if done.returncode:
            sys.exit(f"bench: the playbook failed on {host}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        return _medians(record)


def _medians(record: Path) -> dict[str, float]:
    """Read what the callback wrote; what did not do what it is timed for ends the run."""
    found: dict[str, list[float]] = {}
    for line in map(json.loads, record.read_text(encoding="utf-8").splitlines()):
        tag = line["tag"]
        if tag != "between" and line["changed"] != (tag not in ("floor", "again", "loop again")):
            sys.exit(f"bench: '{tag}' says changed={line['changed']}")
        found.setdefault(tag, []).append(line["seconds"])
    return {tag: statistics.median(seconds) for tag, seconds in found.items()}


def main() -> None:
    """Measure every host with every number of rules and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules", type=int, nargs="+", default=[5, 25, 100, 400])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loops", type=int, default=1, help="rounds in which the loops run, too")
    parser.add_argument("--hosts", nargs="+", choices=list(ADDRESSES), default=list(ADDRESSES))
    options = parser.parse_args()
    if not PLAYBOOK.exists() or os.geteuid():
        sys.exit("bench: this needs root and the environment with the package ansible: run `make bench` as root")
    print(f"{'':20}{'floor':>7}{'first':>7}{'ratio':>7}{'unarmed':>9}{'ratio':>7}{'again':>7}{'ratio':>7}", end="")
    print(f"{'loop':>9}{'x first':>9}{'x again':>9}   (seconds, medians)")
    with Lab() as lab, tempfile.TemporaryDirectory(prefix="dbports-bench-") as place:
        site = Site(lab, Path(place))
        for host in options.hosts:
            for rules in options.rules:
                found = site.times(host, rules, options.rounds, options.loops)
                print(f"{host + f', {rules} rules':20}{_row(found)}", flush=True)


def _row(found: dict[str, float]) -> str:
    floor, first, again = (found[name] for name in ("floor", "first", "again"))
    unarmed = found["unarmed"]
    text = f"{floor:7.2f}{first:7.2f}{first / floor:7.1f}{unarmed:9.2f}{unarmed / floor:7.1f}"
    text += f"{again:7.2f}{again / floor:7.2f}"
    if "loop first" in found:
        text += f"{found['loop first']:9.1f}{found['loop first'] / first:9.0f}{found['loop again'] / again:9.0f}"
    return text


if __name__ == "__main__":
    world.enter()
    main()
