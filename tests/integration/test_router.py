# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks on a lab with a Linux router between a client and a server: planned, applied, verified, taken away."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab import Lab
from playbooks import STAND_INS, changed_by, run_on_lab, said_by
from routed import behind

CLIENT, OTHER, OUTSIDE = "192.0.2.21", "192.0.2.66", "192.0.2.1"
SERVER, INSIDE = "198.51.100.10", "198.51.100.1"
CONNECT = f"import socket; socket.create_connection(('{SERVER}', 1433), 3).close()"
FOREIGN = """
table inet theirs {
  chain between { type filter hook forward priority 10; policy accept; tcp dport 1433 drop
  }
}
"""
WAY = "edge to 198.51.100.10 tcp 1433"


class Site:
    """Hosts and their inventory."""

    def __init__(self, lab: Lab, place: Path) -> None:
        self.lab, self.place = lab, place
        self.router = lab.host("fw-1", [f"{OUTSIDE}/24"])
        for name, address in (("app", CLIENT), ("other", OTHER)):
            lab.host(name, [f"{address}/24"]).run(["ip", "route", "replace", "default", "via", OUTSIDE])
        db = lab.host("db", [f"{SERVER}/24"])
        behind(self.router, db, INSIDE, SERVER)
        db.popen([sys.executable, str(STAND_INS), "mssql", "--port", "1433"], stdout=subprocess.DEVNULL)
        db.wait_for("tcp/1433")
        server = {"engine": "mssql", "clients": ["app"], "forbidden_clients": ["other"]}
        data = {
            "vars": {
                "ansible_connection": "netns",
                "ansible_python_interpreter": sys.executable,
                "dbports_persist": False,
                "dbports_os": "linux",
                "dbports_probe_timeout": 3,
                "dbports_networks": {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"]},
                "dbports_gateways": [
                    {"name": "edge", "kind": "filter", "between": ["office", "dc"], "platform": "linux", "host": "fw-1"}
                ],
            },
            "hosts": {
                "fw-1": {"ansible_host": OUTSIDE},
                "app": {"ansible_host": CLIENT},
                "other": {"ansible_host": OTHER},
                "db": {"ansible_host": SERVER, "dbports_servers": [server]},
            },
        }
        (place / "inventory.yml").write_text(yaml.safe_dump({"all": data}), encoding="utf-8")

    def run(self, playbook: str, *arguments: str, ok: bool = True) -> tuple[str, int]:
        """Run a playbook of the collection; return what it said in one line, and how much changed on the router."""
        done = run_on_lab(self.lab, self.place, playbook, *arguments)
        return said_by(done, ok=ok), changed_by(done).get("fw-1", 0)

    def codes(self) -> dict[str, bool]:
        """Return what verify found wrong on the router, with whether it is new since the last apply."""
        text = (self.place / "dbports-plan" / "findings" / "fw-1.json").read_text(encoding="utf-8")
        found = json.loads(text)["findings"]
        return {item["code"]: item.get("drift", False) for item in found if item["verdict"] != "ok"}

    def ruleset(self) -> str:
        return self.router.run(["nft", "list", "ruleset"]).stdout

    def gets_in(self, name: str) -> bool:
        """Tell whether a host reaches the server."""
        return not self.lab.hosts[name].python(CONNECT, check=False).returncode


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Lab() as lab:
        yield Site(lab, tmp_path)


def test_a_router_from_plan_to_removal(site: Site) -> None:
    said, changed = site.run("gateways", "--limit", "fw-1")
    assert changed == 1
    assert "those through this host are unseen" in said
    assert (site.gets_in("app"), site.gets_in("other")) == (True, False)
    said, changed = site.run("site")
    assert changed == 0
    assert f"fw-1 {WAY} ok" in said
    assert site.codes() == {}

    # A foreign chain that drops, a rule in the own one, and a kernel that does not forward.
    site.router.run(["nft", "-f", "-"], input=FOREIGN)
    site.router.run(["nft", "insert", "rule", "inet", "dbports", "forwarded", "ip", "saddr", OTHER, "accept"])
    site.router.run(["sh", "-c", "for i in /proc/sys/net/ipv4/conf/*/forwarding; do echo 0 >$i; done"])
    said, _changed = site.run("verify", "--limit", "fw-1", ok=False)
    assert site.codes() == {"blocked": True, "rules_edited": True, "not_forwarding": True}, said
    assert (
        f"FAIL blocked fw-1 {WAY}: inet theirs between drops tcp 1433 from {CLIENT} to {SERVER}: tcp dport 1433 drop; "
        f"its owner has to add: nft insert rule inet theirs between ip saddr {CLIENT} ip daddr {SERVER} tcp dport 1433 "
        "accept" in said
    )
    assert "net.ipv4.ip_forward is off" in said

    site.router.run(["nft", "delete", "table", "inet", "theirs"])
    assert site.run("gateways", "--limit", "fw-1", "-e", "dbports_state=absent")[1] == 1
    assert site.ruleset() == ""
