# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's playbooks on a lab: a database host, its client, another host and an intruder."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lab import Lab

STAND_INS = Path(__file__).resolve().parent / "stand_ins.py"
HOSTS = {"db": "192.0.2.10", "app": "192.0.2.21", "other": "192.0.2.22", "intruder": "192.0.2.66"}


class Site:
    """A lab with a database host, its client, another host and an intruder, and the playbooks run on it."""

    def __init__(self, lab: Lab, place: Path) -> None:
        self.lab = lab
        self.place = place
        self.server: dict[str, Any] = {"engine": "mssql", "clients": ["app"], "forbidden_clients": ["intruder"]}
        self.variables: dict[str, Any] = {}

    @property
    def plan_dir(self) -> Path:
        return self.place / "dbports-plan"

    def index(self) -> dict[str, Any]:
        return json.loads((self.plan_dir / "index.json").read_text(encoding="utf-8"))

    def plan_id(self) -> str:
        return re.search(r"plan_id `(\w+)`", (self.plan_dir / "plan.md").read_text(encoding="utf-8")).group(1)

    def run(self, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the collection's playbooks on the inventory as it is now."""
        inventory = {
            "all": {
                "vars": {
                    "ansible_connection": "netns",
                    "ansible_python_interpreter": sys.executable,
                    "dbports_persist": False,
                    "dbports_os": "linux",
                    "dbports_probe_timeout": 2,
                    **self.variables,
                },
                "hosts": {
                    name: {"ansible_host": address, **({"dbports_servers": [self.server]} if name == "db" else {})}
                    for name, address in HOSTS.items()
                },
            }
        }
        (self.place / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
        return run_on_lab(self.lab, self.place, playbook, *arguments)

    def ok(self, playbook: str, *arguments: str) -> dict[str, int]:
        """Run a playbook that must succeed; return how much changed on each host."""
        done = self.run(playbook, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return changed_by(done)

    def fails(self, playbook: str, *arguments: str) -> str:
        """Run a playbook that must fail; return what it said."""
        done = self.run(playbook, *arguments)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def ruleset(self, host: str) -> str:
        return self.lab.hosts[host].run(["nft", "list", "ruleset"]).stdout


def run_on_lab(lab: Lab, place: Path, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook on the inventory.yml of a directory.

    :param playbook: the name of one of the collection's, or a file of the directory that ends in ``.yml``.
    """
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    name = playbook if playbook.endswith(".yml") else f"dbports.firewall.{playbook}"
    environ = {
        **lab.environ,
        "ANSIBLE_HOME": str(place / "home"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORKS": "4",
        "COLUMNS": "1000",  # messages are not folded
    }
    command = [program, "-i", "inventory.yml", name, *arguments]
    return subprocess.run(command, cwd=place, env=environ, capture_output=True, text=True, timeout=600, check=False)


def said_by(done: subprocess.CompletedProcess[str], *, ok: bool = True) -> str:
    """Return what a run that must succeed, or must fail, said, in one line."""
    said = " ".join((done.stdout + done.stderr).split())
    assert (done.returncode == 0) is ok, said
    return said


def changed_by(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Return how much a run changed on each host."""
    return {name: int(count) for name, count in re.findall(r"^([\w-]+) +: .*changed=(\d+)", done.stdout, re.MULTILINE)}


@contextmanager
def database_lab(*names: str) -> Iterator[Lab]:
    """Have a lab of some of the hosts, whose database host runs a stand-in for SQL Server."""
    with Lab() as lab:
        for name in names:
            lab.host(name, [f"{HOSTS[name]}/24"])
        lab.hosts["db"].popen([sys.executable, str(STAND_INS), "mssql", "--port", "1433"], stdout=subprocess.DEVNULL)
        lab.hosts["db"].wait_for("tcp/1433")
        yield lab


@contextmanager
def database_site(place: Path) -> Iterator[Site]:
    """Have all of them, and the collection's playbooks on them."""
    with database_lab(*HOSTS) as lab:
        yield Site(lab, place)
