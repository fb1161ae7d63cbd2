# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify in real runs: what has changed since the last apply, what fails a run, and what an ordinary user sees."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from playbooks import STAND_INS, Site, database_site

CONNECT = "import socket, sys; s = socket.create_connection(('192.0.2.10', 1433)); print(flush=True); sys.stdin.read()"
ORDINARY = '#!/bin/sh\nexec unshare --user --map-user=65534 --map-group=65534 -- {python} "$@"\n'
"""A Python that runs without root's rights, also where no second user is."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with database_site(tmp_path) as site:
        yield site


def start(site: Site, socket: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a stand-in on the database host, and wait for its socket."""
    process = site.lab.hosts["db"].popen([sys.executable, str(STAND_INS), *arguments], stdout=subprocess.DEVNULL)
    site.lab.hosts["db"].wait_for(socket)
    return process


def start_dynamic(site: Site, port: int) -> list[subprocess.Popen[str]]:
    """Start an instance with a dynamic port, and SQL Server Browser, which knows it."""
    return [
        start(site, f"tcp/{port}", "mssql", "--port", str(port), "--instance", "DYN"),
        start(site, "udp/1434", "browser", "--instance", f"DYN:{port}"),
    ]


def failures(site: Site) -> set[str]:
    """Return the codes of the failures in the JUnit file."""
    suites = ElementTree.XML((site.plan_dir / "report.junit.xml").read_text(encoding="utf-8"))
    return {str(item.get("type")) for item in suites.iter("failure")}


def new_codes(site: Site) -> set[str]:
    """Return the codes of what is new since the last apply."""
    report = json.loads((site.plan_dir / "report.json").read_text(encoding="utf-8"))
    return {item["code"] for item in report["findings"] if item.get("drift")}


def test_what_changed_since_the_last_apply_is_told_and_fails_as_chosen(site: Site) -> None:
    site.server["instances"] = [{}, {"name": "DYN"}]
    instance = start_dynamic(site, 40123)
    site.ok("site")
    assert (new_codes(site), failures(site)) == (set(), set())

    db = site.lab.hosts["db"]
    for process in instance:
        process.kill()
        process.wait(120)
    start_dynamic(site, 40456)
    start(site, "tcp/1500", "mssql", "--port", "1500")
    table = re.search(r"table (inet \w*dbports\w*)", site.ruleset("db"))
    chain = re.search(r"chain (\w+) \{[^}]*hook input", site.ruleset("db"))
    assert table and chain
    db.run(["nft", "insert", "rule", *table[1].split(), chain[1], "ip", "saddr", "192.0.2.66", "accept"])
    stranger = site.lab.hosts["intruder"].popen(
        [sys.executable, "-c", CONNECT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert stranger.stdout and stranger.stdout.readline()

    said = site.fails("verify")
    changed = {"rules_edited", "outside", "port_moved", "stranger"}
    assert changed <= new_codes(site), said
    assert "admitted_by_rule intruder" in said
    assert "rule in chain inbound: ip saddr 192.0.2.66 accept" in said
    for code in changed:
        assert re.search(rf"(FAIL|WARN) {code} db\b.*\(new since the last apply\)", said), code
    assert failures(site) >= {"rules_edited", "outside", "stranger"}
    assert "port_moved" not in failures(site), "it is a warning"

    assert site.run("verify", "-e", "dbports_fail_on=never").returncode == 0
    assert failures(site) == set()
    site.fails("verify", "-e", '{"dbports_fail_on": ["port_moved"]}')
    assert failures(site) == {"port_moved"}
    said = site.fails("verify", "-e", "dbports_fail_on=port_mooved")
    assert "docs/findings.md lists the codes" in said


def test_an_ordinary_user_is_told_what_needs_become(site: Site, tmp_path: Path) -> None:
    site.ok("site")
    python = tmp_path / "python"
    python.write_text(ORDINARY.format(python=sys.executable), encoding="ascii")
    python.chmod(0o755)
    site.variables["ansible_python_interpreter"] = str(python)
    site.variables["ansible_become"] = False
    said = site.run("verify")
    assert said.returncode == 0, said.stdout
    report = json.loads((site.plan_dir / "report.json").read_text(encoding="utf-8"))
    assert {(item["host"], item["code"], item["verdict"]) for item in report["findings"]} == {
        ("db", "rules_not_permitted", "unknown"),
        ("db", "listener_hidden", "unknown"),
        ("app", "rules_not_permitted", "unknown"),
        ("app", "reachable", "ok"),
        ("intruder", "rules_not_permitted", "unknown"),
        ("intruder", "refused", "ok"),
    }
    assert "become" in said.stdout
    assert failures(site) == set()
    assert "become" in site.fails("apply")
    assert site.run("verify", "-e", "dbports_fail_on=unknown").returncode != 0
