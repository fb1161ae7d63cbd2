# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody is locked out: real sshd, real ssh, and rules that would cut the way in, seen or not seen beforehand.

Every database host has an instance with a dynamic port, whose guarded range holds the port of its sshd. All hosts are
in one run, so that a host that is lost holds up no other.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import yaml

from holder import kill_the_rest
from lab import Lab
from over_ssh import CONTROLLER, SECOND, OverSsh

JUMP, APP = "192.0.2.60", "192.0.2.21"
GUARDED = 50022
"""A port in Linux' dynamic range, where the sshd of most hosts here listens."""

SHORT = {"dbports_confirm_timeout": 5}
"""For the host that nobody can come back to; all others have as much time as a busy machine may need."""


ENDED = """\
#!{python}
import os, signal, subprocess, sys
if "python" not in sys.argv[-1]:
    os.execvp("ssh", ["ssh", *sys.argv[1:]])
ssh = subprocess.Popen(["ssh", *sys.argv[1:]])
try:
    sys.exit(ssh.wait(0.3))
except subprocess.TimeoutExpired:
    ssh.kill()
    os.kill(os.getpid(), signal.SIGKILL)
"""
"""An ssh that is killed while a module runs."""


class Case(NamedTuple):
    """A host and how its controller comes.

    :ivar listens: the port of its sshd.
    :ivar told: what the task has to say; nothing for a change that is kept.
    :ivar variables: more variables of the host.
    :ivar clients: who may use the server, beside the application.
    :ivar redirect: another port that is translated to the one of the sshd.
    """

    listens: int = GUARDED
    told: str = f"hold tcp {GUARDED}, through which this task reaches the host from {CONTROLLER}"
    variables: Mapping[str, Any] = MappingProxyType({})
    clients: tuple[str, ...] = ()
    redirect: int = 0


PORT = {"ansible_port": GUARDED}
CASES = {
    "templated": Case(variables={"own_port": str(GUARDED), "ansible_port": "{{ own_port }}"}),
    "arguments": Case(variables={"ansible_ssh_extra_args": f"-o Port={GUARDED}"}),
    "configured": Case(variables={"ansible_ssh_extra_args": "-F {place}/ssh_config"}),
    "translated": Case(redirect=2222, variables={"ansible_port": 2222}),
    "stripped": Case(variables={**PORT, "ansible_python_interpreter": "{place}/stripped"}),
    "jumped": Case(
        variables={**PORT, "ansible_ssh_extra_args": f"-o ProxyCommand='{{ssh}} -W %h:%p root@{JUMP}'"},
        told=f"hold tcp {GUARDED}, through which this task reaches the host from {JUMP}",
    ),
    "jump-declared": Case(
        variables={**PORT, "ansible_ssh_extra_args": f"-o ProxyCommand='{{ssh}} -W %h:%p root@{JUMP}'"},
        clients=(JUMP,),
        told="",
    ),
    "declared": Case(variables=PORT, clients=(CONTROLLER,), told=""),
    "open": Case(variables={**PORT, "dbports_policy": "open"}, told=""),
    "looks-alike": Case(listens=22, redirect=GUARDED, variables=PORT, told=""),
    "second-address": Case(
        variables={
            **PORT,
            **SHORT,
            "ansible_ssh_extra_args": "-o ProxyCommand='{python} {place}/proxy.py %h %p {place}/came'",
        },
        clients=(CONTROLLER,),
        told="the old rules are back, because the change was not confirmed in time",
    ),
}
"""The last one comes from another address the second time, as behind a pool of translated ones."""


class Site:
    """A lab with a controller that comes by ssh, a jump host and one host for each case."""

    def __init__(self, lab: Lab, place: Path) -> None:
        self.lab = lab
        self.place = place
        self.way = OverSsh(lab, place)
        self.ssh = f"ssh {self.way.options}"
        self.controller = self.way.controller
        (place / "ssh_config").write_text(f"Host *\n  Port {GUARDED}\n", encoding="utf-8")
        stripped = place / "stripped"
        stripped.write_text(f'#!/bin/sh\nexec env -i {sys.executable} "$@"\n', encoding="utf-8")
        stripped.chmod(0o755)
        self.way.serve(lab.host("jump", [f"{JUMP}/24"]), 22)
        self.addresses: dict[str, str] = {}
        for number, (name, case) in enumerate(CASES.items()):
            self.addresses[name] = f"192.0.2.{100 + number}"
            host = lab.host(name, [f"{self.addresses[name]}/24"])
            self.way.serve(host, case.listens)
            if case.redirect:
                rule = f"tcp dport {case.redirect} redirect to :{case.listens}"
                nat = f"table ip nat {{ chain pre {{ type nat hook prerouting priority -100; {rule}\n}}\n}}"
                host.run(["nft", "-f", "-"], input=nat)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the playbook on the controller."""
        names = {"place": str(self.place), "python": sys.executable, "ssh": self.ssh}
        hosts = {
            name: {
                "ansible_host": self.addresses[name],
                "dbports_servers": [
                    {"engine": "mssql", "clients": [APP, *case.clients], "instances": [{"name": "DYN"}]}
                ],
                **{
                    key: value.format(**names) if isinstance(value, str) and "own_port" not in value else value
                    for key, value in case.variables.items()
                },
            }
            for name, case in CASES.items()
        }
        variables = {
            "ansible_connection": "ssh",
            "ansible_user": "root",
            "ansible_ssh_common_args": self.way.options,
            "ansible_python_interpreter": sys.executable,
            "dbports_os": "linux",
            "dbports_persist": False,
            "dbports_confirm_timeout": 250,
        }
        inventory = {"all": {"vars": variables, "hosts": hosts}}
        (self.place / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
        playbook = [{"hosts": "all", "gather_facts": False, "roles": ["dbports.firewall.apply"]}]
        (self.place / "playbook.yml").write_text(yaml.safe_dump(playbook), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory.json", "playbook.yml"]
        environ = {
            **self.lab.environ,
            "ANSIBLE_HOME": str(self.place / "home"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": f"/run/ssh{len(arguments)}",  # what an earlier run left is not used
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORKS": "12",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
        }
        return self.controller.popen(
            [*command, *arguments],
            cwd=self.place,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def rules(self, name: str) -> str:
        """Return the guarded range of a host, or nothing."""
        listing = self.lab.hosts[name].run(["nft", "list", "ruleset"]).stdout
        return listing if "table inet dbports" in listing else ""

    def is_left(self, name: str) -> bool:
        """Tell whether a host still has a change that is not finished."""
        return self.lab.hosts[name].run(["test", "-e", "/var/lib/dbports-firewall"], check=False).returncode == 0

    def comes_in(self, name: str, source: str = CONTROLLER) -> bool:
        """Tell whether ssh works from an address of the controller, over a connection of its own."""
        case = CASES[name]
        port = case.redirect or case.listens
        command = [*self.ssh.split(), "-b", source, "-p", str(port), f"root@{self.addresses[name]}", "true"]
        return self.controller.run(command, check=False).returncode == 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Lab() as lab:
        yield Site(lab, tmp_path_factory.mktemp("lock-out"))


@pytest.fixture(scope="module")
def said(site: Site) -> dict[str, str]:
    """Run apply on all hosts, and return what it said of each."""
    process = site.start()
    output = process.communicate(timeout=600)[0]
    found = dict.fromkeys(CASES, "")
    for part in re.split(r"^(?=[\w-]+ \| |\[ERROR\])", output, flags=re.MULTILINE):
        name = part.partition(" ")[0]
        if name in found:
            found[name] += part
    assert all(found.values()), output
    found["all"] = " ".join(output.split())
    return found


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_or_undone_or_kept(site: Site, said: dict[str, str], name: str) -> None:
    """And whatever it was, the controller comes in again, and nothing is left of it on the host."""
    case = CASES[name]
    assert ("CHANGED" in said[name]) is (not case.told), said[name]
    assert case.told in said["all"]
    assert bool(site.rules(name)) is (not case.told)
    assert not site.is_left(name)
    if name == "second-address":
        assert site.comes_in(name, SECOND)
    if name != "jump-declared":
        assert site.comes_in(name)


def test_the_controller_is_killed_after_the_swap(site: Site, said: dict[str, str]) -> None:
    """It never comes back to confirm; the host restores its old rules by itself."""
    name = "second-address"
    assert said[name]
    (site.place / "came").unlink()
    process = site.start("--limit", name)
    while not site.rules(name):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    while kill_the_rest(site.way.controller.pid):
        time.sleep(0.02)
    process.wait(60)
    for _attempt in range(1200):
        if not site.is_left(name):
            break
        time.sleep(0.1)
    assert not site.rules(name)
    assert site.comes_in(name, SECOND)


def test_the_client_is_killed_in_the_middle(site: Site, said: dict[str, str]) -> None:
    """The host is not reached, and what becomes of its rules is told; whatever it had begun, they are the old ones."""
    name = "declared"
    assert "CHANGED" in said[name]
    rules = uncounted(site.rules(name))
    ssh = site.place / "ended"
    ssh.write_text(ENDED.replace("{python}", sys.executable), encoding="utf-8")
    ssh.chmod(0o755)
    variables = {"ansible_ssh_executable": str(ssh), "dbports_state": "absent", **SHORT}
    output = site.start("--limit", name, "-e", json.dumps(variables)).communicate(timeout=600)[0]
    text = " ".join(output.split())
    assert "UNREACHABLE" in text, output
    assert "The connection ended before the module answered: its program was ended by signal 9." in text
    assert "If its rules were changed already, it restores the old ones by itself within 5 s." in text
    for _attempt in range(600):
        if uncounted(site.rules(name)) == rules and not site.is_left(name):
            break
        time.sleep(0.1)
    assert uncounted(site.rules(name)) == rules and not site.is_left(name)


def uncounted(rules: str) -> str:
    """Return rules without what they have counted."""
    return re.sub(r"packets \d+ bytes \d+", "", rules)
