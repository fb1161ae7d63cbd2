# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mixed inventory through the playbooks: a simulated Windows server and its client, a lab host with nftables."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import Lab
from simulated_windows import SimulatedWindows

HERE = Path(__file__).resolve().parent
STAND_INS = HERE.parent / "lab" / "stand_ins.py"
SITE = "- import_playbook: dbports.firewall.site\n"
APPLY = "- import_playbook: dbports.firewall.apply\n"
VERIFY = "- import_playbook: dbports.firewall.verify\n"
SERVER, CLIENT = "192.0.2.10", "192.0.2.21"
GUARD = """
- hosts: sql01
  gather_facts: false
  roles:
    - role: dbports.firewall.guard
      vars:
        guard_servers: [{engine: mssql, clients: [app]}]
"""
ARGUMENTS = """
- hosts: sql01
  gather_facts: false
  tasks:
    - {name: Ports, dbports.firewall.netstat_facts: {ports: ["1433"]}}
    - {name: A port, dbports.firewall.netstat_facts: {ports: 1433, processes: none}}
    - {name: Misspelt, dbports.firewall.netstat_facts: {port: "1433"}, ignore_errors: true}
    - {name: No time, dbports.firewall.probe: {probes: [], timeout: soon}, ignore_errors: true}
    - {name: No state, dbports.firewall.ruleset: {state: gone}, ignore_errors: true}
    - {name: Later, dbports.firewall.netstat_facts: {ports: "1433"}, async: 60, ignore_errors: true}
"""


class Site:
    """A simulated Windows host with SQL Server, and a Linux client of it."""

    def __init__(self, lab: Lab, runner: Any, directory: Path) -> None:
        self.runner = runner
        self.state_file = directory / "sql01.json"
        self.state = SimulatedWindows.fresh()
        simulated = HERE.parent / "lab" / "simulated"
        runner.environment.update(lab.environ)
        runner.environment["DBPORTS_SIMULATED_DIR"] = str(directory)
        runner.environment["ANSIBLE_COLLECTIONS_PATH"] = f"{runner.collections}:{simulated}"
        self.server: dict[str, Any] = {"engine": "mssql", "clients": ["app"], "named_pipes": True}

    def run(self, playbook: str, *arguments: str, **variables: Any) -> Any:
        self.state_file.write_text(json.dumps(self.state))
        linux = {"ansible_connection": "netns", "dbports_os": "linux"}
        windows = {"ansible_connection": "simulated_windows", "dbports_platform": "windows", "dbports_os": "windows"}
        hosts = {
            "sql01": {"ansible_host": SERVER, **windows, **({"dbports_servers": [self.server]} if self.server else {})},
            "app": {"ansible_host": CLIENT, **linux},
        }
        common = {"ansible_python_interpreter": sys.executable, "dbports_persist": True, "dbports_probe_timeout": 10}
        inventory = {"all": {"vars": {**common, **variables}, "hosts": hosts}}
        result = self.runner(playbook, inventory, *arguments)
        self.state = json.loads(self.state_file.read_text())
        return result

    def ok(self, playbook: str, *arguments: str, **variables: Any) -> Any:
        result = self.run(playbook, *arguments, **variables)
        assert result.rc == 0, result.text
        return result

    def rules(self) -> list[str]:
        return sorted(text for text in self.state["local"].values() if "EmbedCtxt=dbports|" in text)


@pytest.fixture
def site(run_playbook: Any, tmp_path: Path) -> Iterator[Site]:
    """Return the two hosts."""
    with Lab() as lab:
        lab.host("app", [f"{CLIENT}/24"])
        server = lab.host("sql01", [f"{SERVER}/24"])
        for kind, *options in (("mssql", "--port", "1433"), ("mssql", "--port", "445"), ("browser",)):
            server.popen([sys.executable, str(STAND_INS), kind, *options], stdout=subprocess.DEVNULL)
        server.wait_for("tcp/1433", "tcp/445", "udp/1434")
        directory = tmp_path / "windows"
        directory.mkdir()
        yield Site(lab, run_playbook, directory)


def test_one_play_for_both(site: Site) -> None:
    before = dict(site.state["local"])
    predicted = site.ok(APPLY, "--check", "--diff")
    assert (site.state["local"], predicted.stats["sql01"]["changed"]) == (before, 1)
    applied = site.ok(APPLY)
    assert applied.stats["sql01"]["changed"] == 1
    (allow, *_others) = [text for text in site.rules() if "LPort=1433|" in text and "Action=Allow" in text]
    assert f"RA4={CLIENT}/255.255.255.255|" in allow
    # Named pipes use the port of Windows' own file sharing: accepted and not guarded.
    assert [text.split("|")[1] for text in site.rules() if "LPort=445|" in text] == ["Action=Allow"]
    assert (site.state["task"], site.state["registry"]) == ("", "")
    again = site.ok(APPLY)
    assert again.stats["sql01"]["changed"] == 0
    site.ok(SITE)
    report = (site.runner.place / "dbports-plan" / "report.md").read_text(encoding="utf-8")
    assert "sql01" in report
    site.ok(APPLY, dbports_state="absent")
    assert site.state["local"] == before


def test_verify_says_what_the_windows_host_shows(site: Site) -> None:
    site.ok(APPLY)
    site.run(VERIFY)
    findings = json.loads((site.runner.place / "dbports-plan" / "findings" / "sql01.json").read_text())["findings"]
    verdicts = {(item["code"], item["verdict"]) for item in findings}
    assert not [item for item in verdicts if item[1] == "fail"], findings
    listening = [item for item in findings if "tcp 1433" in json.dumps(item)]
    assert listening
    key = next(key for key, text in site.state["local"].items() if "Action=Block" in text)
    site.state["local"][key] = site.state["local"][key].replace("Action=Block", "Action=Allow")
    site.run(VERIFY)
    findings = json.loads((site.runner.place / "dbports-plan" / "findings" / "sql01.json").read_text())["findings"]
    assert [item for item in findings if item["verdict"] == "fail"]


def test_a_confirmation_that_comes_too_late_is_a_failure(site: Site) -> None:
    """The scheduled task was there first: the old rules are back, and the run says so."""
    site.ok(APPLY)
    before = site.rules()
    site.server["clients"] = ["app", "198.51.100.0/24"]
    site.state["late"] = True
    failed = site.run(APPLY)
    assert failed.stats["sql01"]["failures"] == 1
    assert "the old rules are back, because the change was not confirmed in time" in failed.text
    assert (site.rules(), site.state["task"]) == (before, "")


def test_a_step_that_fails_leaves_the_old_rules(site: Site) -> None:
    site.ok(APPLY)
    before = site.rules()
    site.server["clients"] = ["app", "198.51.100.0/24"]
    site.state["fail_at"] = site.state["steps"] + 2  # the scheduled task, then the first new rule
    failed = site.run(APPLY)
    assert failed.rc != 0
    assert "0x80070057" in failed.text
    assert (site.rules(), site.state["task"]) == (before, "")


def test_group_policy_that_ignores_local_rules_is_refused(site: Site) -> None:
    site.state["switches"]["policy"] = {"PublicProfile": {"AllowLocalPolicyMerge": "0"}}
    refused = site.run(APPLY)
    assert refused.stats["sql01"]["failures"] == 1
    assert "Group Policy does not merge local rules" in " ".join(refused.text.split())
    assert not site.rules()


def test_the_role_guard(site: Site) -> None:
    site.server = {}
    before = dict(site.state["local"])
    guarded = site.ok(GUARD)
    (found,) = guarded.of("dbports.firewall.guard : Guard this host")
    assert (found["changed"], found["backend"], found["passed"]) == (True, "windows", True)
    assert {item["code"] for item in found["findings"]} >= {"ready"}
    assert all("host sql01 (role guard)" in text for text in site.rules())
    assert site.ok(GUARD).stats["sql01"]["changed"] == 0
    site.server = {"engine": "mssql", "clients": ["app"]}
    assert "belong to sql01 (role guard) and not to sql01" in " ".join(site.run(APPLY).text.split())
    site.server = {}
    site.ok(GUARD + "        guard_state: absent\n")
    assert site.state["local"] == before


def test_servers_are_learned(site: Site) -> None:
    site.server = {}
    site.state["netstat"] += f"  TCP    {SERVER}:1433    {CLIENT}:51000    ESTABLISHED    4711\n"
    learned = site.ok("- import_playbook: dbports.firewall.learn\n")
    assert learned.stats["sql01"]["changed"] == 1
    text = (site.runner.place / "dbports-learned" / "sql01.yml").read_text(encoding="utf-8")
    assert "engine: mssql" in text
    assert "tcp_port: 1433" in text


def test_facts_have_services_and_arguments_are_those_of_the_modules_on_linux(site: Site) -> None:
    """Ansible never sees the modules there, so the actions read the arguments as it would."""
    done = site.ok(ARGUMENTS)
    for name in ("Ports", "A port"):
        (result,) = done.of(name)
        rows = result["ansible_facts"]["dbports_netstat"]["sockets"]
        assert {(row["local_port"], row["family"], row["process"], *row["services"]) for row in rows} == {
            (1433, "ipv4", "sqlservr", "MSSQLSERVER"),
            (1433, "ipv6", "sqlservr", "MSSQLSERVER"),
        }
    said = {name: " ".join(done.of(name)[0]["msg"].split()) for name in ("Misspelt", "No time", "No state", "Later")}
    assert "port. Supported parameters include: ports, processes, source" in said["Misspelt"]
    assert "argument 'timeout' is of type str and we were unable to convert to float" in said["No time"]
    assert "value of state must be one of: present, absent, got: gone" in said["No state"]
    assert "on a Windows host this module does not run in the background" in said["Later"]


def test_a_platform_that_is_none_is_refused(site: Site) -> None:
    refused = site.run(ARGUMENTS, "-e", "dbports_platform=amiga")
    assert refused.rc != 0
    assert "a platform is linux or windows" in refused.text


REVERSE = {"db": "192.0.2.30", "winapp": "192.0.2.31", "winevil": "192.0.2.66"}


class Reverse:
    """A Linux server with real packets, and simulated Windows hosts that send theirs from networks of the lab."""

    def __init__(self, lab: Lab, runner: Any, directory: Path) -> None:
        self.runner = runner
        self.lab = lab
        simulated = HERE.parent / "lab" / "simulated"
        runner.environment.update(lab.environ)
        runner.environment["DBPORTS_SIMULATED_DIR"] = str(directory)
        runner.environment["ANSIBLE_COLLECTIONS_PATH"] = f"{runner.collections}:{simulated}"
        for engine, ports in (("mssql", ["tcp/1433"]), ("sql602", ["udp/5001", "tcp/5002"])):
            lab.hosts["db"].popen([sys.executable, str(STAND_INS), engine], stdout=subprocess.DEVNULL)
            lab.hosts["db"].wait_for(*ports)

    def run(self, playbook: str) -> Any:
        """Run a playbook on the three hosts."""
        linux = {"ansible_connection": "netns", "dbports_os": "linux", "dbports_persist": False}
        windows = {"ansible_connection": "simulated_windows", "dbports_platform": "windows", "dbports_os": "windows"}
        who = {"clients": ["winapp"], "forbidden_clients": ["winevil"]}
        servers = [{"engine": "mssql", **who}, {"engine": "sql602", **who}]
        hosts: dict[str, Any] = {
            name: {"ansible_host": address, **(linux if name == "db" else windows)} for name, address in REVERSE.items()
        }
        hosts["db"]["dbports_servers"] = servers
        common = {"ansible_python_interpreter": sys.executable, "dbports_probe_timeout": 6}
        return self.runner(playbook, {"all": {"vars": common, "hosts": hosts}})

    def findings(self, host: str) -> set[tuple[str, str]]:
        """Return code and port of what was found at the clients' probes."""
        text = (self.runner.place / "dbports-plan" / "findings" / f"{host}.json").read_text(encoding="utf-8")
        return {(one["code"], one["port"]) for one in json.loads(text)["findings"] if one.get("reached")}


@pytest.fixture
def reverse(run_playbook: Any, tmp_path: Path) -> Iterator[Reverse]:
    """Return the hosts."""
    with Lab() as lab:
        for name, address in REVERSE.items():
            lab.host(name, [f"{address}/24"])
        directory = tmp_path / "windows"
        directory.mkdir()
        yield Reverse(lab, run_playbook, directory)


def test_windows_clients_prove_what_gets_in_and_what_does_not(reverse: Reverse) -> None:
    done = reverse.run(SITE)
    assert done.rc == 0, done.text
    ports = {"tcp 1433", "udp 5001", "tcp 5002"}
    assert reverse.findings("winapp") == {("reachable", port) for port in ports}
    assert reverse.findings("winevil") == {("refused", port) for port in ports}
    reverse.lab.hosts["db"].run(["nft", "flush", "ruleset"])
    assert reverse.run(VERIFY).rc != 0
    assert reverse.findings("winevil") == {("admitted", port) for port in ports}
