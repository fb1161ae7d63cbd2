# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook gateways on a lab with a SOCKS host that runs real Dante: checked, applied, verified, taken away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab import Lab
from playbooks import STAND_INS, changed_by, run_on_lab, said_by
from socks_scene import Client, Scene, inventory

CONF = "/etc/danted.conf"
SAYS_LOST = "do not pass socks socks-1"


class Site:
    """The scene with Ansible."""

    def __init__(self, lab: Lab, place: Path) -> None:
        self.lab, self.place, self.scene = lab, place, Scene(lab)
        data = inventory("dante")
        common = {
            "ansible_connection": "netns",
            "ansible_python_interpreter": sys.executable,
            "dbports_persist": False,
            "dbports_os": "linux",
            "dbports_probe_timeout": 10,
            "dbports_socks_user": "relay",
        }
        (place / "inventory.yml").write_text(
            yaml.safe_dump({"all": {"hosts": data["hosts"], "vars": {**data["vars"], **common}}}), encoding="utf-8"
        )

    def run(self, playbook: str, *arguments: str) -> tuple[str, int]:
        """Run a playbook, of the collection or a file; returns what it said, and how much changed on the SOCKS host."""
        done = run_on_lab(self.lab, self.place, playbook, *arguments)
        return said_by(done), changed_by(done)["bastion"]

    def forget_the_gateway(self) -> None:
        """Take it out of the inventory, and write a play with the role that takes away what it left."""
        path = self.place / "inventory.yml"
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        del data["all"]["vars"]["dbports_gateways"]
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        play = {"hosts": "bastion", "gather_facts": False, "vars": {"dbports_state": "absent"}}
        text = yaml.safe_dump([{**play, "roles": ["dbports.firewall.socks"]}])
        (self.place / "withdraw.yml").write_text(text, encoding="utf-8")

    def findings(self, host: str) -> str:
        """Return what verify wrote of a host."""
        return (self.place / "dbports-plan" / "findings" / f"{host}.json").read_text(encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Lab() as lab:
        found = Site(lab, tmp_path)
        db = lab.hosts["db"]
        db.popen([sys.executable, str(STAND_INS), "sql602"], stdout=subprocess.DEVNULL)
        db.wait_for("tcp/5002")
        yield found


def test_a_socks_host_from_check_to_removal(site: Site) -> None:
    packaged = site.scene.read(CONF)
    said, changed = site.run("gateways", "--check", "--diff", "--limit", "bastion")
    assert changed
    assert "+socks pass { from: 192.0.2.21/32 to: 198.51.100.10/32 port = 5002" in said
    assert SAYS_LOST in said
    assert site.scene.read(CONF) == packaged

    said, changed = site.run("gateways", "--limit", "bastion")
    assert changed
    assert SAYS_LOST in said
    assert site.run("gateways", "--limit", "bastion")[1] == 0
    assert Client(site.lab.hosts["app"]).ask(5002)[0] == 90

    site.run("apply")
    assert Client(site.lab.hosts["app"]).ask(5002)[0] == 90
    site.run("verify")
    assert "the SOCKS host connected to 198.51.100.10:5002" in site.findings("app")
    assert "602SQL accepted the connection" in site.findings("bastion")  # its own probe

    site.forget_the_gateway()
    assert site.run("withdraw.yml")[1]
    assert site.scene.read(CONF) == packaged
