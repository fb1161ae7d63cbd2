# SPDX-License-Identifier: GPL-3.0-or-later
"""The first hour of a user: the built collection in an empty home, and the README's commands in their order.

The commands are read from README.md and run as they stand; only PLAN_ID is filled in, as a reader does. The hosts are
those of a lab, which a group_vars folder beside the README's inventory says how to reach.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab import Lab

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tests" / "lab"
BUILD = ROOT / ".build"
OTHERS = sorted(path.parent for path in (BUILD / "ansible-core").glob("*/.stamp"))
"""Virtual environments with other releases of ansible-core; see tests/tools/ansibles.sh."""

COMMAND = re.compile(r"^(?: {4}|\$ )?((?:ansible-playbook|ansible-galaxy|pip) .+)$", re.MULTILINE)
YAML = re.compile(r"^```ya?ml\n(.*?)^```", re.MULTILINE | re.DOTALL)
HOSTS = {"erp-db": "192.0.2.10", "app-01": "192.0.2.21", "intruder": "192.0.2.66"}
REACHED_BY = {"ansible_connection": "netns", "ansible_become": False, "dbports_persist": False}
"""What lab hosts need beside the README; one is root on them already."""

KEPT = ("LANG", "LC_ALL", "TERM", "TMPDIR", "DBPORTS_LAB_WORLD")
TIMEOUT = 600
"""Seconds after which a command is taken for hanging."""


def readme_commands(program: str) -> list[list[str]]:
    """Return the README's commands of a program in their order, without comments."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    words = [shlex.split(line, comments=True) for line in COMMAND.findall(text)]
    return [command for command in words if command[0] == program]


def readme_inventory() -> str:
    """Return the README's first inventory as it is written."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return next(block for block in YAML.findall(text) if "all" in (yaml.safe_load(block) or {}))


class Newcomer:
    """Somebody with an empty home, a folder for a first playbook and one release of ansible-core.

    :param programs: the folder with ansible-playbook and its Python.
    """

    def __init__(self, place: Path, programs: Path, lab: Lab) -> None:
        self.home, self.folder = place / "home", place / "first"
        self._programs = programs
        self._environment = {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "HOME": str(self.home),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "DBPORTS_LAB_DIR": str(lab.directory),
            "ANSIBLE_CONNECTION_PLUGINS": str(LAB / "connection_plugins"),
            "ANSIBLE_NOCOLOR": "1",
        }
        (self.folder / "group_vars").mkdir(parents=True)
        self.home.mkdir()
        reached_by = {**REACHED_BY, "ansible_python_interpreter": str(programs / "python")}
        (self.folder / "group_vars" / "all.yml").write_text(yaml.safe_dump(reached_by), encoding="utf-8")
        (self.folder / "inventory.yml").write_text(readme_inventory(), encoding="utf-8")

    def run(self, command: list[str], *more: str) -> str:
        """Run a command that has to succeed, and return what it printed."""
        words = [word.replace("~", str(self.home), 1) if word.startswith("~/") else word for word in (*command, *more)]
        if words[0] == "pip":
            words[:1] = [str(self._programs / "python"), "-m", "pip"]
        else:
            words[0] = str(self._programs / words[0])
        done = subprocess.run(
            words, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def install(self) -> None:
        """Install the collection as the README says, the tarball in the place of its name, and without a network."""
        (tarball,) = BUILD.glob("dbports-firewall-*.tar.gz")
        (install, *_more) = readme_commands("ansible-galaxy")
        command = [str(tarball) if word == "dbports.firewall" else word for word in install]
        assert command != install, install
        self.run(command, "--offline", "--no-deps")
        (requirements,) = readme_commands("pip")
        self.run(requirements, "--no-index")  # netaddr is there already

    def plan_id(self) -> str:
        """Return the plan_id that a reader copies out of plan.md."""
        page = (self.folder / "dbports-plan" / "plan.md").read_text(encoding="utf-8")
        found = re.search(r"plan_id `([0-9a-f]{64})`", page)
        assert found
        return found.group(1)

    def filled_in(self, command: list[str]) -> list[str]:
        """Return a command of the README with the plan_id of the plan that lies there."""
        return [word.replace("PLAN_ID", self.plan_id()) if "PLAN_ID" in word else word for word in command]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The README's hosts, with a server that answers as SQL Server does."""
    with Lab() as made:
        for name, address in HOSTS.items():
            made.host(name, [f"{address}/24"])
        stand_in = [sys.executable, str(LAB / "stand_ins.py"), "mssql", "--port", "1433"]
        made.hosts["erp-db"].popen(stand_in, stdout=subprocess.DEVNULL)
        made.hosts["erp-db"].wait_for("tcp/1433")
        yield made


def listing(lab: Lab) -> str:
    """Return the collection's table on the database host, empty where there is none."""
    return lab.hosts["erp-db"].run(["nft", "list", "ruleset"]).stdout


def test_the_readme_in_its_order(lab: Lab, tmp_path: Path) -> None:
    """With the release of ansible-core that everything else is tested with."""
    newcomer = Newcomer(tmp_path, Path(sys.executable).parent, lab)
    newcomer.install()
    commands = readme_commands("ansible-playbook")
    assert len(commands) >= 4
    for command in commands:
        before = listing(lab)
        printed = newcomer.run(newcomer.filled_in(command))
        assert "inventory.yml" in command, command
        if "--check" in command:
            assert listing(lab) == before
        elif "dbports.firewall.site" in command:
            assert "dbports" in listing(lab)
            assert "FAIL" not in printed
            assert (newcomer.folder / "dbports-plan" / "report.html").is_file()
    installed = newcomer.home / ".ansible" / "collections" / "ansible_collections" / "dbports" / "firewall"
    assert installed.is_dir()
    assert not installed.is_symlink()


@pytest.mark.parametrize("environment", OTHERS, ids=lambda path: path.name)
def test_other_releases_of_ansible(lab: Lab, tmp_path: Path, environment: Path) -> None:
    """The commands parse, a plan is written, and what was reviewed is applied in check mode."""
    newcomer = Newcomer(tmp_path, environment / "bin", lab)
    assert environment.name in newcomer.run(["ansible-playbook", "--version"]).splitlines()[0]
    newcomer.install()
    before = listing(lab)
    commands = readme_commands("ansible-playbook")
    newcomer.run(next(command for command in commands if "dbports.firewall.plan" in command))
    for command in commands:
        newcomer.run(newcomer.filled_in(command), "--syntax-check")
    apply = next(command for command in commands if "dbports.firewall.apply" in command)
    newcomer.run(newcomer.filled_in(apply), "--check")
    assert listing(lab) == before
