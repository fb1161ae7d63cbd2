# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role mssql_static_port: on a simulated Windows host, and on a lab host with stand-ins for SQL Server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import Lab, LabHost
from simulated_sql_server import IP_ALL, WOW, host_with
from simulated_windows import SimulatedWindows

HERE = Path(__file__).resolve().parent
PLAYBOOK = "- {hosts: sql01, gather_facts: false, roles: [dbports.firewall.mssql_static_port]}\n"
ROLE = "dbports.firewall.mssql_static_port : "
SET, WAIT = f"{ROLE}Give the instances of SQL Server the ports of the plan", f"{ROLE}Wait until they listen there"


class Windows:
    """A simulated Windows host with the instance SALES, which has a dynamic port."""

    def __init__(self, runner: Any, directory: Path) -> None:
        self.runner = runner
        self.state_file = directory / "sql01.json"
        self.state = host_with(SimulatedWindows.fresh(), "SALES", "", "49721", 49721)
        self.instance: dict[str, Any] = {"name": "SALES", "tcp_port": 14330}
        lab = HERE.parent / "lab"
        runner.environment["DBPORTS_SIMULATED_DIR"] = str(directory)
        runner.environment["ANSIBLE_CONNECTION_PLUGINS"] = str(lab / "connection_plugins")
        runner.environment["ANSIBLE_COLLECTIONS_PATH"] = f"{runner.collections}:{lab / 'simulated'}"

    def run(self, *arguments: str, **variables: Any) -> Any:
        self.state_file.write_text(json.dumps(self.state))
        server = {"engine": "mssql", "clients": ["198.51.100.0/24"], "instances": [self.instance]}
        host = {"ansible_host": "192.0.2.10", "dbports_platform": "windows", "dbports_os": "windows"}
        host.update({"ansible_connection": "simulated_windows", "ansible_python_interpreter": sys.executable})
        inventory = {"all": {"hosts": {"sql01": {**host, "dbports_servers": [server], **variables}}}}
        result = self.runner(PLAYBOOK, inventory, *arguments)
        self.state = json.loads(self.state_file.read_text())
        return result

    def ports(self) -> tuple[str, str]:
        values = self.state["instances"]["SALES"][IP_ALL]
        return values["TcpPort"], values["TcpDynamicPorts"]


@pytest.fixture
def windows(run_playbook: Any, tmp_path: Path) -> Windows:
    """Return the simulated host."""
    directory = tmp_path / "windows"
    directory.mkdir()
    return Windows(run_playbook, directory)


def test_windows_ports_are_written_in_force_and_stay(windows: Windows) -> None:
    predicted = windows.run("--check", "--diff", dbports_restart=True)
    assert predicted.rc == 0, predicted.text
    assert (windows.ports(), predicted.stats["sql01"]["changed"]) == (("", "49721"), 3)
    assert "-SALES TcpDynamicPorts = 49721" in predicted.stdout
    assert "+SALES TcpPort = 14330" in predicted.stdout
    done = windows.run(dbports_restart=True)
    assert done.rc == 0, done.text
    assert windows.ports() == ("14330", "")
    assert "0.0.0.0:14330" in windows.state["netstat"]
    assert "49721" not in windows.state["netstat"]
    assert done.of(WAIT)[0]["not_listening"] == []
    browser = next(item for item in windows.state["services"] if item["name"] == "SQLBrowser")
    assert (browser["state"], browser["start_mode"]) == ("Stopped", "disabled")
    again = windows.run(dbports_restart=True)
    assert (again.rc, again.stats["sql01"]["changed"]) == (0, 0), again.text
    assert [item for item in windows.state["asked"] if item[:2] == ["MSSQL$SALES", "restarted"] and not item[2]] == [
        ["MSSQL$SALES", "restarted", False]
    ]


def test_windows_without_a_restart_browser_sends_nobody_to_a_dead_port(windows: Windows) -> None:
    refused = windows.run()
    assert refused.stats["sql01"]["failures"] == 1
    assert "SQL Server Browser would announce tcp 14330 of SALES at once" in refused.text
    assert windows.ports() == ("", "49721")
    windows.state["services"][1]["state"] = "Stopped"
    windows.state["instances"]["SALES"]["key"] = rf"{WOW}\MSSQL16.SALES"  # 32-bit SQL Server on 64-bit Windows
    told = windows.run()
    assert (told.rc, windows.ports()) == (0, ("14330", "")), told.text
    assert "listens on 49721, and is to listen on tcp 14330; it needs a restart" in " ".join(told.text.split())
    assert "asked" not in windows.state
    (result,) = told.of(SET)
    assert (result["not_listening"], result["restart"], result["browser_unneeded"]) == (["MSSQL$SALES"], [], False)


def test_windows_a_blank_is_refused(windows: Windows) -> None:
    windows.state["instances"]["SALES"][IP_ALL] = {"TcpPort": "1433 ", "TcpDynamicPorts": ""}
    refused = windows.run(dbports_restart=True)
    assert refused.stats["sql01"]["failures"] == 1
    assert "TcpPort has a blank ('1433 ')" in refused.text
    assert windows.ports() == ("1433 ", "")


class Linux:
    """A lab host on which stand-ins take the places of mssql-conf, systemctl and SQL Server."""

    def __init__(self, host: LabHost, lab: Lab, runner: Any, directory: Path) -> None:
        self.host, self.runner = host, runner
        programs = directory / "bin"
        programs.mkdir()
        source = HERE.parent / "lab"
        host.run(["sh", "-c", "mount -t tmpfs none /opt && mount -t tmpfs none /var/opt && mkdir -p /opt/mssql/bin"])
        host.run(["install", "-m", "755", str(source / "mssql_conf.sh"), "/opt/mssql/bin/mssql-conf"])
        host.run(["install", "-m", "755", str(source / "mssql_systemctl.sh"), str(programs / "systemctl")])
        runner.environment.update(lab.environ)
        runner.environment["ANSIBLE_COLLECTIONS_PATH"] = str(runner.collections)
        runner.environment["PATH"] = f"{programs}:{lab.environ['PATH']}"
        runner.environment.update(PYTHON=sys.executable, STAND_INS=str(source / "stand_ins.py"))
        host.run(["systemctl", "restart", "mssql-server"], env=runner.environment)
        host.wait_for("tcp/1433")

    def run(self, *arguments: str, port: int = 14330, **variables: Any) -> Any:
        server = {"engine": "mssql", "clients": ["198.51.100.0/24"], "instances": [{"tcp_port": port}]}
        host = {"ansible_host": "192.0.2.10", "ansible_connection": "netns", "dbports_os": "linux"}
        host["ansible_python_interpreter"] = sys.executable
        inventory = {"all": {"hosts": {"sql01": {**host, "dbports_servers": [server], **variables}}}}
        return self.runner(PLAYBOOK, inventory, *arguments)

    def text(self, path: str) -> str:
        return self.host.run(["cat", path], check=False).stdout


@pytest.fixture
def linux(run_playbook: Any, tmp_path: Path) -> Iterator[Linux]:
    """Return the lab host."""
    with Lab() as lab:
        yield Linux(lab.host("sql01", ["192.0.2.10/24"]), lab, run_playbook, tmp_path)


def test_linux_port_is_set_restarted_and_waited_for(linux: Linux) -> None:
    predicted = linux.run("--check", "--diff")
    assert predicted.rc == 0, predicted.text
    assert "+MSSQLSERVER network.tcpport = 14330" in predicted.stdout
    assert (predicted.stats["sql01"]["changed"], linux.text("/var/opt/mssql/mssql.conf")) == (1, "")
    told = linux.run()
    assert told.stats["sql01"]["changed"] == 1, told.text
    assert "listens on 1433, and is to listen on tcp 14330; it needs a restart" in " ".join(told.text.split())
    assert linux.text("/run/restarted") == "mssql-server\n"
    done = linux.run(dbports_restart=True)
    assert (done.rc, done.stats["sql01"]["changed"]) == (0, 1), done.text
    assert linux.text("/run/restarted") == "mssql-server\n" * 2
    assert "14330" in linux.host.run(["ss", "-Hlnt"]).stdout
    again = linux.run(dbports_restart=True)
    assert (again.rc, again.stats["sql01"]["changed"]) == (0, 0), again.text
    linux.runner.environment["PYTHON"] = "/bin/false"  # it ends at once
    failed = linux.run(port=14331, dbports_restart=True, dbports_restart_timeout=2)
    assert failed.stats["sql01"]["failures"] == 1
    assert "MSSQLSERVER (mssql-server) listens on no port, and is to listen on tcp 14331" in failed.text
