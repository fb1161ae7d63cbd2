# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's playbooks on lab hosts: what a user types, and what then happens to packets and firewalls."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from playbooks import STAND_INS, Site, changed_by, database_site

FOREIGN = """
table inet site {
  chain input {
    type filter hook input priority 0; policy accept;
    tcp dport 8080 counter drop
  }
}
table ip nat {
  chain pre {
    type nat hook prerouting priority -100;
  }
}
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with database_site(tmp_path) as site:
        yield site


def load_late_chain(site: Site, rules: str) -> None:
    """Give the database host a foreign chain that is asked after ours."""
    text = f"table ip late {{\n chain input {{\n type filter hook input priority 10; {rules}\n }}\n}}\n"
    site.lab.hosts["db"].run(["nft", "-f", "-"], input=text)


def test_check_and_diff_predict_the_first_run_and_the_second_changes_nothing(site: Site) -> None:
    site.ok("plan")
    checked = site.run("apply", "--check", "--diff")
    assert "+accept in tcp 1433" in checked.stdout
    assert "+  from 192.0.2.21" in checked.stdout
    predicted = changed_by(checked)
    assert predicted == {"db": 1, "app": 0, "other": 0, "intruder": 0}
    assert site.ruleset("db") == ""
    assert site.ok("apply") == predicted
    assert set(site.ok("apply").values()) == {0}
    assert set(site.ok("apply", "--check").values()) == {0}
    assert "tcp dport 1433" in site.ruleset("db")
    assert site.ruleset("app") == site.ruleset("intruder") == ""
    site.server["clients"] = ["app", "other"]
    done = site.run("apply", "--diff")
    assert "+  from 192.0.2.22" in done.stdout or "+  from 192.0.2.21-192.0.2.22" in done.stdout


def test_foreign_tables_stay_byte_for_byte(site: Site) -> None:
    db = site.lab.hosts["db"]
    db.run(["nft", "-f", "-"], input=FOREIGN)

    def foreign() -> str:
        return "".join(db.run(["nft", "list", "table", *name.split()]).stdout for name in ("inet site", "ip nat"))

    before = foreign()
    site.ok("apply")
    assert foreign() == before
    site.server["clients"] = ["app", "other"]
    site.ok("apply")
    assert foreign() == before
    site.ok("apply", "-e", "dbports_state=absent")
    assert foreign() == before
    assert "dbports" not in site.ruleset("db")


def test_verify_passes_reports_and_fails_when_a_required_flow_fails(site: Site) -> None:
    """A limited run tells its findings from those of the run before."""
    site.ok("site")
    report = json.loads((site.plan_dir / "report.json").read_text(encoding="utf-8"))
    assert report["counts"] == {"ok": 3, "fail": 0, "warn": 0, "unknown": 0}
    assert {finding["code"] for finding in report["findings"]} == {"ready", "reachable", "refused"}
    assert report["unverified"] == []
    assert "mssql/MSSQLSERVER/tds" in (site.plan_dir / "report.md").read_text(encoding="utf-8")
    said = site.run("verify", "--limit", "app,other").stdout
    old = r"\(20\d\d-\d\d-\d\dT\S+\+00:00\)"
    assert re.search(rf"^of an earlier run: db {old}, intruder {old}$", said, re.MULTILINE)
    assert re.search(
        r"^db +mssql/MSSQLSERVER/tds +tcp 1433 +ok \(old\) +ok \(old\) +ok +ok \(old\)$", said, re.MULTILINE
    )
    assert "3 findings: 3 ok, 0 fail, 0 warn, 0 unknown; 2 of an earlier run" in said
    report = json.loads((site.plan_dir / "report.json").read_text(encoding="utf-8"))
    runs = {host: item["run"] for host, item in report["verified"].items()}
    assert runs["db"] == runs["intruder"] != runs["app"]
    assert "nothing was verified in this run" in site.run("report").stdout
    load_late_chain(site, "policy accept; tcp dport 1433 drop")
    said = site.fails("verify")
    drops = "ip late input drops tcp 1433 from 192.0.2.21"
    assert f"FAIL blocked app to db mssql/MSSQLSERVER/tds tcp 1433: {drops}" in said
    assert f"FAIL blocked db mssql/MSSQLSERVER/tds tcp 1433: {drops}" in said


def test_verify_fails_when_a_forbidden_flow_succeeds(site: Site) -> None:
    said = site.fails("verify")
    assert "FAIL admitted_unguarded intruder to db mssql/MSSQLSERVER/tds tcp 1433: reached 192.0.2.10" in said
    assert "FAIL rules_missing db: the host has none of the planned rules: run apply" in said
    assert "FAIL unguarded db mssql/MSSQLSERVER/tds tcp 1433: no rule guards tcp 1433" in said
    assert "WARN reachable_unguarded app to db mssql/MSSQLSERVER/tds tcp 1433: app and everyone else get an" in said
    assert f"Report: {site.plan_dir / 'report.html'}" in said.splitlines()
    assert '"findings": ' not in said, "Ansible prints all of a failed result"


def test_a_forbidden_client_tries_the_port_that_a_dynamic_instance_has_now(site: Site) -> None:
    site.server = {**site.server, "instances": [{"name": "DYN"}]}
    command = [sys.executable, str(STAND_INS), "mssql", "--port", "40123", "--instance", "DYN"]
    site.lab.hosts["db"].popen(command, stdout=subprocess.DEVNULL)
    site.lab.hosts["db"].wait_for("tcp/40123")
    assert "FAIL admitted_unguarded intruder to db mssql/DYN/tds tcp 40123: reached 192.0.2.10" in site.fails("verify")
    site.ok("apply")
    site.run("verify")
    report = json.loads((site.plan_dir / "report.json").read_text(encoding="utf-8"))
    checks = [
        item
        for item in report["findings"]
        if (item.get("intended"), item.get("endpoint")) == ("refuse", "mssql/DYN/tds")
    ]
    assert {(item["host"], item["port"], item["verdict"]) for item in checks} >= {("intruder", "tcp 40123", "ok")}


def test_apply_warns_of_a_foreign_chain_that_still_drops(site: Site) -> None:
    load_late_chain(site, "policy drop; tcp dport 22 accept")
    done = site.run("apply")
    assert done.returncode == 0
    assert "ip late input drops tcp 1433 from 192.0.2.21: policy drop" in " ".join((done.stdout + done.stderr).split())


def test_verify_finds_a_server_that_does_not_listen_and_a_wrong_process(site: Site) -> None:
    site.server = {"engine": "mssql", "clients": ["app"], "instances": [{}, {"name": "SALES", "tcp_port": 14330}]}
    site.lab.hosts["db"].popen(
        [sys.executable, "-c", "import socket,time; s=socket.create_server(('', 14330));time.sleep(600)"]
    )
    site.lab.hosts["db"].wait_for("tcp/14330")
    site.ok("apply")
    said = site.fails("verify")
    assert re.search(
        r"FAIL other_program db mssql/SALES/tds tcp 14330: python\S* listens on tcp 14330 instead of", said
    )
    site.server["instances"] = [{}, {"name": "SALES", "tcp_port": 14331}]
    site.ok("apply", "-e", "dbports_allow_shrink=true")
    assert "FAIL stopped db mssql/SALES/tds tcp 14331: nothing listens on tcp 14331" in site.fails("verify")


def test_verify_waits_for_a_server_that_starts_only_now(site: Site) -> None:
    site.server = {"engine": "mssql", "clients": ["app"], "instances": [{"tcp_port": 14330}]}
    site.variables = {"dbports_probe_timeout": 60}
    site.ok("plan")
    start = 'until grep -qas observation_inf[o] /proc/[0-9]*/cmdline; do sleep 0.05; done; sleep 5; exec "$@"'
    command = ["sh", "-c", start, "sh", sys.executable, str(STAND_INS), "mssql", "--port", "14330"]
    site.lab.hosts["db"].popen(command, stdout=subprocess.DEVNULL)
    said = site.run("verify").stdout
    assert re.search(r"^db +mssql/MSSQLSERVER/tds +tcp 14330 +fail( 0/2)? +ok +warn +-$", said, re.MULTILINE), said


def test_verify_finds_a_server_beside_the_declared_one_and_one_that_moved(site: Site) -> None:
    """The dedicated administrator connection of the second one listens on loopback, and nobody is told of it."""
    site.ok("site")
    command = [sys.executable, str(STAND_INS), "mssql", "--port", "1500", "--dac", "local"]
    site.lab.hosts["db"].popen(command, stdout=subprocess.DEVNULL)
    for port in ("1500", "1434"):
        site.lab.hosts["db"].wait_for(f"tcp/{port}")
    said = site.fails("verify")
    assert "FAIL outside db mssql tcp 1500: sqlservr listens on tcp 1500, outside the plan" in said
    assert "1434" not in said
    site.server["instances"] = [{"tcp_port": 1501}]
    said = site.fails("verify")
    assert (
        "FAIL moved db mssql/MSSQLSERVER/tds tcp 1501: sqlservr moved from tcp 1501 to tcp 1433,1500, "
        "but the rules open tcp 1501" in said
    )


def test_verify_names_the_program_that_has_the_port_of_an_announcement(site: Site) -> None:
    """The client's own firewall lets announcements in only there, and the probe has to use another port."""
    site.server = {"engine": "sql602", "clients": ["app"]}
    site.lab.hosts["db"].popen([sys.executable, str(STAND_INS), "sql602"], stdout=subprocess.DEVNULL)
    site.lab.hosts["db"].wait_for("tcp/5002")
    client = site.lab.hosts["app"]
    code = "import socket, time; s = socket.socket(2, 2); s.bind(('', 5002)); time.sleep(600)"
    client.popen([sys.executable, "-c", code])
    client.wait_for("udp/5002")
    accepted = "ct state established,related accept; udp dport 5002 accept"
    rules = f"table ip own {{\n chain input {{\n type filter hook input priority 0; policy drop; {accepted}\n }}\n}}\n"
    client.run(["nft", "-f", "-"], input=rules)
    site.ok("apply")
    said = site.run("verify")
    assert said.returncode == 0
    assert re.search(
        r"UNKNOWN answer_port_taken app to db sql602/search udp 5001: udp 5002 on this host is taken by python\S* "
        r"\(pid \d+\)",
        said.stdout,
    )


def test_verify_finds_a_connection_that_the_plan_does_not_allow(site: Site) -> None:
    code = (
        "import socket,time; s=socket.create_connection(('192.0.2.10', 1433)); print('in', flush=True); time.sleep(600)"
    )
    process = site.lab.hosts["intruder"].popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout.readline() == "in\n"
    said = site.fails("verify")
    assert re.search(r"FAIL stranger db mssql/MSSQLSERVER/tds tcp 1433: 192.0.2.66 port \d+ is connected", said)


def test_an_approved_plan_is_applied_and_nothing_else(site: Site) -> None:
    site.ok("plan")
    approved = site.plan_id()
    said = site.fails("apply", "-e", f"dbports_plan_id={approved}", "--limit", "other")
    assert "this host is not in the plan" in said, "and has no empty port set"
    path = site.plan_dir / "hosts" / "db.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("192.0.2.21", "192.0.2.66"), encoding="utf-8")
    assert "was changed after the plan was made" in site.fails("apply", "-e", f"dbports_plan_id={approved}")
    path.unlink()
    assert "is missing" in site.fails("apply", "-e", f"dbports_plan_id={approved}")
    assert site.ruleset("db") == ""
    path.write_text(text, encoding="utf-8")
    known = ("--limit", "@dbports-plan/hosts.limit", "-e", f"dbports_plan_id={approved}")
    assert site.ok("apply", *known) == {"db": 1, "app": 0, "intruder": 0}
    assert set(site.ok("verify", *known).values()) == {0}
    site.server["clients"] = ["app", "other"]
    assert "stale" in site.fails("apply", "-e", f"dbports_plan_id={approved}")
    site.ok("plan")
    assert "this is not the approved plan" in site.fails("apply", "-e", f"dbports_plan_id={approved}")
    assert "192.0.2.22" not in site.ruleset("db")


def test_the_same_host_is_left_alone_without_a_plan_id(site: Site) -> None:
    assert site.ok("apply", "--limit", "other") == {"other": 0}


def test_wrong_declarations_stop_every_host(site: Site) -> None:
    site.server["clients"] = ["ap"]
    said = " ".join(site.fails("site").split())
    assert "db: dbports_servers[0].clients[0]" in said
    assert "neither an inventory host or group nor an IP address or network" in said
    assert site.ruleset("db") == ""


def test_a_host_that_would_lose_its_ports_keeps_them(site: Site) -> None:
    site.server = {"engine": "mssql", "clients": ["app"], "instances": [{}, {"name": "SALES", "tcp_port": 14330}]}
    site.ok("apply")
    site.server = {"engine": "mssql", "clients": ["app"], "instances": [{"tcp_port": 1500}]}
    before = site.ruleset("db")
    said = site.fails("apply")
    assert "refused, because the host would lose in tcp 14330 altogether" in said
    assert site.ruleset("db") == before
    site.ok("apply", "-e", "dbports_allow_shrink=true")
    assert "14330" not in site.ruleset("db")


def test_ssh_port_inside_a_guarded_range_is_no_matter_without_ssh(site: Site) -> None:
    site.server = {"engine": "mssql", "clients": ["app"], "instances": [{"name": "DYN"}]}
    site.variables = {"ansible_port": 40022}
    assert site.ok("apply")["db"] == 1
    assert "32768-60999" in site.ruleset("db")
