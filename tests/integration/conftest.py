# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real ``ansible-playbook`` runs for tests: the collection of this checkout, and nothing of the user's own Ansible."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.plugins.loader import init_plugin_loader

init_plugin_loader()  # before any test imports the collection, which Ansible's own importer has to find

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TIMEOUT = 600
"""Seconds after which a run is taken for hanging."""


@dataclass
class Result:
    """What one run of ``ansible-playbook`` did.

    :param stats: the numbers of the recap, by host: ok, changed, failures, skipped, unreachable and so on.
    :param tasks: every task result in the order they came: dictionaries with status, host, task and result.
    """

    rc: int
    stdout: str
    stderr: str
    stats: dict[str, dict[str, int]] = field(default_factory=dict)
    tasks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All that was printed; line feeds inside a message are folded."""
        return self.stdout + self.stderr

    def of(self, task: str, host: str | None = None) -> list[dict[str, Any]]:
        """Return the results of a task, on every host or on one."""
        return [item["result"] for item in self.tasks if item["task"] == task and host in (None, item["host"])]


@dataclass
class Runner:
    """Runs playbooks in a directory of their own; it stays the same over several runs.

    :param place: where playbook.yml and the inventory are written, and where ansible-playbook is started.
    :param environment: variables that are added for every run.
    """

    place: Path
    collections: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(
        self,
        playbook: str,
        inventory: str | Mapping[str, Any],
        *arguments: str,
        files: Mapping[str, str] | None = None,
    ) -> Result:
        """Write the files and run the playbook.

        :param playbook: its text.
        :param arguments: further arguments of ansible-playbook.

        ``inventory`` and ``files`` are those of :meth:`write`.
        """
        self.write(inventory, {"playbook.yml": playbook, **(files or {})})
        return self.run("playbook.yml", "-i", "inventory.yml", *arguments)

    def write(self, inventory: str | Mapping[str, Any], files: Mapping[str, str] | None = None) -> None:
        """Write what a run reads.

        :param inventory: the text of inventory.yml, or its data.
        :param files: more files by their path below ``place``, such as group_vars/all.yml.
        """
        text = inventory if isinstance(inventory, str) else yaml.safe_dump(dict(inventory), sort_keys=False)
        for name, content in {"inventory.yml": text, **(files or {})}.items():
            path = self.place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")

    def run(self, *arguments: str) -> Result:
        """Run ansible-playbook with these arguments alone."""
        record = self.place / ".record"
        record.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", *arguments],
            cwd=self.place,
            env={**self._environment(), "DBPORTS_RECORD": str(record), **self.environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        result = Result(done.returncode, done.stdout, done.stderr)
        for line in record.read_text(encoding="utf-8").splitlines() if record.exists() else ():
            data = json.loads(line)
            if "stats" in data:
                result.stats = data["stats"]
            else:
                result.tasks.append(data)
        return result

    def _environment(self) -> dict[str, str]:
        """Return the environment without anything that configures Ansible or Python already."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHON"))}
        return {
            **kept,
            "ANSIBLE_HOME": str(self.place / ".ansible"),
            "ANSIBLE_CONFIG": str(self.collections / "empty.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_DEPRECATION_WARNINGS": "false",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a collections path on which ``dbports.firewall`` is this checkout."""
    base = tmp_path_factory.mktemp("collections")
    (base / "ansible_collections" / "dbports").mkdir(parents=True)
    (base / "ansible_collections" / "dbports" / "firewall").symlink_to(ROOT)
    (base / "empty.cfg").write_text("", encoding="utf-8")
    return base


@pytest.fixture(scope="module")
def run_first(tmp_path_factory: pytest.TempPathFactory, collections: Path) -> Runner:
    """Return what runs a playbook once for all tests of a file, in a directory that only this run has."""
    return Runner(tmp_path_factory.mktemp("first"), collections)


@pytest.fixture
def run_playbook(tmp_path: Path, collections: Path) -> Callable[..., Result]:
    """Return what runs a playbook: ``run_playbook(playbook_text, inventory, *arguments)``; see :class:`Runner`."""
    place = tmp_path / "run"
    place.mkdir()
    return Runner(place, collections)
