# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time the role apply over real ssh against loops of the modules that set one rule, and against its floor, in one run.

    python tests/bench/apply.py [--rules 5 25 100 400] [--rounds 5] [--loops 1] \
        [--hosts nftables iptables ufw firewalld]

Each host is a network namespace with a real sshd, that of firewalld a container with systemd; the controller is another
one and comes with pipelining over a connection that stays open. A round runs every candidate once; medians are printed,
and ratios hold from machine to machine, seconds do not. The environment with the PyPI package ansible is made by
`make bench`.

    floor     one module call that does nothing: ansible.builtin.ping
    first     the role apply on a host without our rules, and the same without a rollback that waits (unarmed)
    again     the role apply on a host that has them: nothing changes, and the host compiles the code that it keeps
    later     the same from then on
    loop      a rule an item: ansible.builtin.iptables on the host iptables, community.general.ufw on the host ufw,
              ansible.posix.firewalld (a rich rule, permanent and immediate) on the host firewalld
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("lab", "kill")]

import world
from hosts import FirewalldSide, enter
from lab import Lab, LabHost
from over_ssh import OverSsh

PLAYBOOK = ROOT / ".build" / "bench" / "bin" / "ansible-playbook"
"""That of the environment with the PyPI package ansible, which `make bench` makes."""
CLIENT = "192.0.2.21"
ADDRESSES = {"nftables": "192.0.2.10", "iptables": "192.0.2.11", "ufw": "192.0.2.12", "firewalld": "192.0.2.13"}
FIRST_PORT = 20000
TARGET_PYTHON = "/usr/bin/python3"

OWN_UFW = "for name in ufw default; do rm /etc/$name; cp -a /run/etc-below/$name /etc/$name; done"
"""ufw writes below both; a lab host has links to the machine's."""
PREPARE = {"ufw": [OWN_UFW, "ufw allow 22/tcp", "ufw --force enable"]}
CONTAINER = "DBPORTS_BENCH_CONTAINER"
"""The environment variable with the process that holds the container of firewalld."""

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
    "firewalld": (
        "ansible.posix.firewalld",
        {
            "rich_rule": f"rule family=ipv4 source address={CLIENT} port port={{{{ item }}}} protocol=tcp accept",
            "permanent": True,
            "immediate": True,
            "state": "enabled",
        },
        "rm /etc/firewalld/zones/public.xml*; firewall-cmd --reload",
    ),
}
"""The module that sets one rule, its arguments, and the command that takes the rules away again."""


OWN = ("again", "later", "unarmed", "first")
"""What is ours, in the order of the table."""

IN_GROUP = 'echo $$ >"$0/cgroup.procs"; exec "$@"'
"""Runs a command, with all that it starts, in a control group."""


class Taken(NamedTuple):
    """What one task took: seconds by the clock, and milliseconds of processor time on the controller and the host."""

    wall: float
    controller: float
    host: float

    def over(self, floor: Taken) -> str:
        """Return this as a multiple of the floor, by the clock and in processor time, and that of the host only."""
        processor = (self.controller + self.host) / (floor.controller + floor.host)
        return f"{self.wall / floor.wall:8.2f}{processor:7.2f}{self.host / floor.host:7.2f}"


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
        role("later"),
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


class Container(LabHost):
    """The host of firewalld: its systemd has started everything, also the sshd."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def close(self) -> None:
        """Leave it to what started it."""


class Site:
    """A controller and hosts with an sshd each."""

    def __init__(self, lab: Lab, place: Path, hosts: list[str]) -> None:
        self.lab = lab
        self.place = place
        # /sys of a lab host is its own and shows no control groups; those of version 2 count without any setting.
        self.groups = Path(tempfile.mkdtemp(prefix="dbports-groups-"))
        world.mount("cgroup2", str(self.groups))
        self.counted: dict[str, Path] = {}
        self.way = OverSsh(lab, place)
        self.controller = self.way.controller
        self._count("controller")
        for name in hosts:
            self._count(name, *(self._container() if name == "firewalld" else self._host(name)))

    def _host(self, name: str) -> list[int]:
        """Make a host of the lab; returns its sshd."""
        host = self.lab.host(name, [f"{ADDRESSES[name]}/24"])
        for command in PREPARE.get(name, []):
            host.run(["sh", "-c", command])
        return [self.way.serve(host)]

    def _container(self) -> list[int]:
        """Give the container its address and the controller's key; returns its processes."""
        side = FirewalldSide(int(os.environ[CONTAINER]))
        self.lab.adopt("firewalld", Container(side.pid), [f"{ADDRESSES['firewalld']}/24"])
        (side.root / "root/.ssh/authorized_keys").write_bytes((self.place / "key.pub").read_bytes())
        return [pid for pid, _command in side.processes()]

    def _count(self, name: str, *processes: int) -> None:
        """Make a group that counts the processor time of processes and all that they start."""
        group = self.groups / f"dbports-bench-{os.getpid()}-{name}"
        group.mkdir()
        for process in processes:
            (group / "cgroup.procs").write_text(str(process), encoding="ascii")
        self.counted[name] = group / "cpu.stat"

    def close(self) -> None:
        """Take the groups away; their processes have ended with the lab, but for those of a container."""
        for path in self.counted.values():
            for process in (path.parent / "cgroup.procs").read_text(encoding="ascii").split():
                (self.groups / "cgroup.procs").write_text(process, encoding="ascii")
            path.parent.rmdir()
        subprocess.run(["umount", str(self.groups)], check=True)
        self.groups.rmdir()

    def times(self, host: str, rules: int, rounds: int, loops: int) -> dict[str, Taken]:
        """Run a playbook on one host and return what each candidate took."""
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
            [
                "sh",
                "-c",
                IN_GROUP,
                str(self.counted["controller"].parent),
                str(PLAYBOOK),
                "-i",
                "hosts.yml",
                "site.yml",
            ],
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
                "DBPORTS_CPU": f"{self.counted['controller']}:{self.counted[host]}",
            },
        )
        if done.returncode:
            sys.exit(f"bench: the playbook failed on {host}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        return _medians(record)


def _medians(record: Path) -> dict[str, Taken]:
    """Read what the callback wrote; what did not do what it is timed for ends the run."""
    found: dict[str, list[Taken]] = {}
    for line in map(json.loads, record.read_text(encoding="utf-8").splitlines()):
        tag = line["tag"]
        if tag != "between" and line["changed"] != (tag not in ("floor", "again", "later", "loop again")):
            sys.exit(f"bench: '{tag}' says changed={line['changed']}")
        found.setdefault(tag, []).append(Taken(line["seconds"], *line["processor"]))
    return {tag: Taken(*map(statistics.median, zip(*taken))) for tag, taken in found.items()}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules", type=int, nargs="+", default=[5, 25, 100, 400])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loops", type=int, default=1, help="rounds in which the loops run, too")
    parser.add_argument("--hosts", nargs="+", choices=list(ADDRESSES), default=list(ADDRESSES))
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    """Measure every host with every number of rules and print a table."""
    if not PLAYBOOK.exists() or os.geteuid():
        sys.exit("bench: this needs root and the environment with the package ansible: run `make bench` as root")
    print(f"medians of {options.rounds}; x floor: clock, processor time, processor time of the host; {_load()}")
    parts = "".join(f"{name:>22}" for name in OWN)
    print(f"{'':20}{'floor':>15}{parts}{'the loop, x first and x later':>34}")
    with tempfile.TemporaryDirectory(prefix="dbports-bench-") as place:
        with Lab() as lab:
            site = Site(lab, Path(place), options.hosts)
            for host in options.hosts:
                for rules in options.rules:
                    found = site.times(host, rules, options.rounds, options.loops)
                    print(f"{host + f', {rules} rules':20}{_row(found)}", flush=True)
        site.close()
    print(_load())


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


def _row(found: dict[str, Taken]) -> str:
    floor = found["floor"]
    text = f"{floor.wall:6.2f} s{floor.controller + floor.host:4.0f} ms"
    text += "".join(found[name].over(floor) for name in OWN)
    for name in ("first", "again"):
        if f"loop {name}" in found:
            loop, ours = found[f"loop {name}"], found["later" if name == "again" else name]
            processor = (loop.controller + loop.host) / (ours.controller + ours.host)
            text += f"{loop.wall:8.1f} s{loop.wall / ours.wall:6.0f}{processor:6.0f}"
    return text


if __name__ == "__main__":
    asked = arguments()
    if "firewalld" in asked.hosts and CONTAINER not in os.environ:
        enter("firewalld")
        with FirewalldSide() as outside:
            os.environ[CONTAINER] = str(outside.pid)
            sys.exit(subprocess.run([sys.executable, *sys.argv], check=False).returncode)
    world.enter()
    main(asked)
