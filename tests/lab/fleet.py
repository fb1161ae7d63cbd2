# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many hosts that a controller changes over real ssh, some of which lock it out, and what became of each of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from holder import kill_the_rest
from lab import Lab, LabHost
from over_ssh import CONTROLLER, OverSsh

CALLBACKS = Path(__file__).resolve().parents[1] / "integration" / "callback_plugins"
PORT = 50022
"""A port in Linux' dynamic range, which every host guards and its sshd listens on."""

BACK = "the old rules are back"
"""What the failure of a host says whose old rules were restored."""

LOOK = "nft list tables inet 2>/dev/null; test -e /var/lib/dbports-firewall && echo unfinished; true"


class Setting(NamedTuple):
    """One way to run a play.

    :ivar play: keywords of the play, such as strategy and serial.
    :ivar task: keywords of the task.
    :ivar forks: how many hosts ansible-playbook works on at once.
    :ivar stops: how many hosts come to the task, where an error keeps the others from it; None: all.
    """

    play: Mapping[str, Any]
    task: Mapping[str, Any]
    forks: int
    stops: int | None = None


class Member(NamedTuple):
    """A host of a fleet; from a lost one the controller is locked out by the rules that it gets."""

    host: LabHost
    address: str
    lost: bool


class Fleet:
    """Hosts with an sshd each.

    :param lost: numbers of the hosts whose rules lock the controller out.
    """

    def __init__(self, lab: Lab, way: OverSsh, name: str, numbers: Sequence[int], lost: Sequence[int]) -> None:
        self.lab, self.way = lab, way
        self.place = way.place / name
        self.place.mkdir()
        self._run = 0
        self.members: dict[str, Member] = {}
        for number in numbers:
            address = f"192.0.2.{number}"
            member = Member(lab.host(f"{name}{number}", [f"{address}/24"]), address, number in lost)
            self.members[member.host.name] = member
            way.serve(member.host, PORT)

    def start(self, setting: Setting, timeout: int, lost_timeout: int) -> subprocess.Popen[str]:
        """Start a play that changes all hosts; what it prints is in ``output``, its results in ``record``.

        :param timeout: the confirm_timeout of hosts to which the controller can come back.
        :param lost_timeout: that of the others.
        """
        variables = {
            "ansible_connection": "ssh",
            "ansible_user": "root",
            "ansible_port": PORT,
            "ansible_ssh_common_args": self.way.options,
            "ansible_python_interpreter": sys.executable,
            "dbports_os": "linux",
            "dbports_servers": [{"engine": "mssql", "clients": [CONTROLLER], "instances": [{"name": "DYN"}]}],
            "confirm_timeout": timeout,
        }
        proxy = f"-o ProxyCommand='{sys.executable} {self.way.place}/proxy.py %h %p {self.place}/came-%h'"
        lost = {"ansible_ssh_extra_args": proxy, "confirm_timeout": lost_timeout}
        hosts = {
            name: {"ansible_host": one.address, **(lost if one.lost else {})} for name, one in self.members.items()
        }
        change = {"persist": False, "confirm_timeout": "{{ confirm_timeout }}"}
        play = {
            "hosts": "all",
            "gather_facts": False,
            **setting.play,
            "tasks": [{"name": "Change", "dbports.firewall.apply": change, **setting.task}],
        }
        inventory = {"all": {"vars": variables, "hosts": hosts}}
        (self.place / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
        (self.place / "playbook.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
        (self.place / "record").write_text("", encoding="utf-8")
        self._run += 1  # the connections that an earlier run left open are not used
        with (self.place / "output").open("w", encoding="utf-8") as output:
            return self.way.controller.popen(
                [sys.executable, "-m", "ansible", "playbook", "-i", "inventory.json", "playbook.yml"],
                cwd=self.place,
                env=self._environment(setting.forks),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _environment(self, forks: int) -> dict[str, str]:
        return {
            **self.lab.environ,
            "ANSIBLE_HOME": str(self.place / "home"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": f"/run/ssh-{self.place.name}-{self._run}",
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            "DBPORTS_RECORD": str(self.place / "record"),
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORKS": str(forks),
        }

    def results(self) -> dict[str, dict[str, Any]]:
        """Return what the play says of each host so far, with ``status`` beside the task's result."""
        lines = (self.place / "record").read_text(encoding="utf-8").splitlines()
        found = [item for item in map(json.loads, lines) if item.get("task") == "Change"]
        return {item["host"]: {**item["result"], "status": item["status"]} for item in found}

    def seen(self) -> dict[str, str]:
        """Return the state of each host as it shows it: ``old``, ``new`` or ``unfinished``."""
        found = {}
        for name, member in self.members.items():
            said = member.host.run(["sh", "-c", LOOK]).stdout
            found[name] = "unfinished" if "unfinished" in said else "new" if "inet dbports" in said else "old"
        return found

    def problems(self, setting: Setting) -> list[str]:
        """Compare what hosts show after a play with what it should have done, and with what it said."""
        seen, said = self.seen(), self.results()
        found = [f"{len(said)} hosts came to the task"] if len(said) != (setting.stops or len(seen)) else []
        for name, member in self.members.items():
            result = said.get(name, {})
            shown = (seen[name], result.get("status"), result.get("confirmed"), BACK in str(result.get("msg")))
            if name not in said:
                right = shown[0] == "old"
            elif member.lost:
                right = shown == ("old", "failed", None, True)
            else:
                right = shown == ("new", "ok", True, False)
            if not right:
                found.append(f"{name}{' (locks out)' * member.lost}: {shown} {result.get('msg')}")
        return found

    def kill(self, process: subprocess.Popen[str], done: int) -> None:
        """Kill the controller when so many hosts have finished, and wait until no host has anything unfinished.

        All of its processes die, as when its power fails: the forks of ansible-playbook have sessions of their own.
        """
        while len(self.results()) < done:
            if process.poll() is not None:
                raise AssertionError((self.place / "output").read_text(encoding="utf-8"))
            time.sleep(0.02)
        while kill_the_rest(self.way.controller.pid):
            time.sleep(0.02)
        process.wait(60)
        for _attempt in range(1200):
            if "unfinished" not in self.seen().values():
                return
            time.sleep(0.1)
        raise AssertionError(f"something is left unfinished: {self.seen()}")

    def broken(self) -> list[str]:
        """Return what may not be after the controller was killed: a host that was lost, or whose success is undone."""
        seen, said = self.seen(), self.results()
        wrong = {name for name, one in self.members.items() if one.lost and seen[name] != "old"}
        wrong |= {name for name, result in said.items() if result["status"] == "ok" and seen[name] != "new"}
        return [f"{name}: {seen[name]}, {said.get(name)}" for name in sorted(wrong)]

    def forget(self) -> None:
        """Take the rules away again, and let the next controller come from its first address."""
        for member in self.members.values():
            member.host.run(["nft", "delete", "table", "inet", "dbports"], check=False)
            (self.place / f"came-{member.address}").unlink(missing_ok=True)
