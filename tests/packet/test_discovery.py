# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Discovery in the lab: the modules, FreeTDS and python-tds ask the same stand-ins (not the real products).

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_discovery.py``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import Lab

LAB = Path(__file__).resolve().parent.parent / "lab"

SERVER, CLIENT = "192.0.2.10", "192.0.2.21"
PATIENT = 30
BRIEF = 1
"""Seconds for a question that gets an answer, and for one that gets none."""

INSTANCES = {"MSSQLSERVER": None, "SALES": 50123, "HR": 50124}
BROWSER = [f"--instance={name}:{port or 1433}" for name, port in INSTANCES.items()]

MODULE = """
import json, runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.load(sys.stdin)}).encode()
basic._ANSIBLE_PROFILE = "legacy"
runpy.run_module("ansible_collections.dbports.firewall.plugins.modules." + sys.argv[1], run_name="__main__")
"""
"""Runs a module as on a target, without a transport."""

PYTHON_TDS = """
import json, sys
from pytds.instance_browser_client import tds7_get_instances
print(json.dumps(tds7_get_instances(sys.argv[1], timeout=30)))
"""

LOG_IN = """
import sys, pytds
try:
    pytds.connect(sys.argv[1], database="x", user="u", password="p", login_timeout=30, timeout=30)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A server with a Browser, two instances and 602SQL, and a client."""
    with Lab() as lab:
        server = lab.host("erp-db", [f"{SERVER}/24"])
        lab.host("app-01", [f"{CLIENT}/24"])
        for arguments in (
            ["browser", *BROWSER, "--hidden=SECRET:50199", "--dac=SALES:14340"],
            ["mssql", "--port", "1433"],
            ["mssql", "--port", "50123", "--instance", "SALES"],
            ["sql602", "--port-base", "6001", "--server-name", "ERP", "--http-tunnel-port", "8090"],
        ):
            server.popen([sys.executable, str(LAB / "stand_ins.py"), *arguments])
        server.wait_for("udp/1434", "tcp/1433", "tcp/50123", "udp/6001", "tcp/6002", "tcp/8090")
        yield lab


def ask(lab: Lab, module: str, **options: Any) -> dict[str, Any]:
    """Run a module on the client."""
    arguments = {"address": SERVER, "timeout": PATIENT, **options}
    result = json.loads(lab.hosts["app-01"].python(MODULE, module, input=json.dumps(arguments)).stdout)
    assert result["changed"] is False
    found: dict[str, Any] = result["browser" if module == "mssql_browser_info" else "server"]
    return found


def test_the_module_freetds_and_python_tds_are_told_the_same(lab: Lab) -> None:
    """All instances but the hidden one; the default instance without its port."""
    found = ask(lab, "mssql_browser_info")
    assert (found["verdict"], found["consistent"]) == ("answers", True)
    assert {one["name"]: one["tcp_port"] for one in found["instances"]} == INSTANCES
    client = lab.hosts["app-01"]
    theirs = json.loads(client.python(PYTHON_TDS, SERVER).stdout)
    assert {name: int(one["tcp"]) if "tcp" in one else None for name, one in theirs.items()} == INSTANCES
    lines = [line.split() for line in client.run(["tsql", "-LH", SERVER]).stderr.splitlines()]
    assert [line[1] for line in lines if line[:1] == ["InstanceName"]] == list(INSTANCES)
    assert [int(line[1]) for line in lines if line[:1] == ["tcp"]] == [port for port in INSTANCES.values() if port]


def test_one_instance_and_its_administrator_connection(lab: Lab) -> None:
    (sales,) = ask(lab, "mssql_browser_info", instance="sales")["instances"]
    assert (sales["name"], sales["tcp_port"]) == ("SALES", 50123)
    assert ask(lab, "mssql_browser_info", instance="SALES", dac=True)["dac_port"] == 14340
    hidden = ask(lab, "mssql_browser_info", instance="SECRET", timeout=BRIEF)
    assert (hidden["verdict"], hidden["instances"]) == ("silent", [])


@pytest.mark.parametrize("instance", ["", "\\SALES"])
def test_python_tds_comes_as_far_as_the_stand_in_goes(lab: Lab, instance: str) -> None:
    """It finds the port, connects, reads the answer to its PRELOGIN and sends its login, which a stand-in refuses."""
    said = lab.hosts["app-01"].python(LOG_IN, SERVER + instance).stdout
    assert "Login failed for user: this is a stand-in." in said


def test_a_602sql_server_with_an_answer_port_of_our_own(lab: Lab) -> None:
    for port in (5002, 0, 47184):
        found = ask(lab, "sql602_server_info", port_base=6001, http_tunnel_port=8090, answer_port=port)
        assert found["name"] == "ERP"
        assert {found[key]["verdict"] for key in ("search", "connect", "tunnel")} == {"answers"}
        assert port in (0, found["answer_port"])


def test_a_client_that_refuses_announcements(lab: Lab) -> None:
    """The server answers to the port that the search names: where the client's firewall drops that, it is silent."""
    client = lab.hosts["app-01"]
    rules = "table inet test {\nchain test {\ntype filter hook input priority 0; udp dport 5002 drop;\n}\n}\n"
    client.run(["nft", "-f", "-"], input=rules)
    try:
        found = ask(lab, "sql602_server_info", port_base=6001, timeout=BRIEF)
        assert (found["name"], found["search"]["verdict"], found["connect"]["verdict"]) == (None, "silent", "answers")
        assert ask(lab, "sql602_server_info", port_base=6001, answer_port=0)["name"] == "ERP"
    finally:
        client.run(["nft", "delete", "table", "inet", "test"])
