# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters in real runs: on inventory variables, lazy containers and loops; plain data out, clear errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SITE = {
    "hosts": {
        "erp-db": {
            "ansible_host": "{{ '192.0.2.' ~ 10 }}",
            "dbports_servers": [{"engine": "mssql", "clients": ["app_servers", "{{ office }}"]}],
        },
        "app-01": {"ansible_host": "192.0.2.21"},
    },
    "groups": {"app_servers": ["app-01"]},
}


def evaluate(runner: Callable[..., Any], expression: str, **variables: Any) -> Any:
    """Write what an expression gives to a file, as JSON, and read it back."""
    playbook = [
        {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [
                {
                    "name": "write",
                    "ansible.builtin.copy": {
                        "content": f"{{{{ ({expression}) | to_json }}}}",
                        "dest": "{{ playbook_dir }}/out.json",
                    },
                }
            ],
        }
    ]
    host = {"ansible_connection": "local", "office": "198.51.100.0/24", "site": SITE, **variables}
    result = runner(json.dumps(playbook), {"all": {"hosts": {"controller": host}}})
    if result.rc:
        raise AssertionError(result.text)
    return json.loads(Path(runner.place / "out.json").read_text(encoding="utf-8"))


def test_templates_in_the_data_are_filled_in_first(run_playbook: Callable[..., Any]) -> None:
    (rule,) = evaluate(run_playbook, "site | dbports.firewall.required_ports")
    assert rule["sources"] == ["192.0.2.21/32", "198.51.100.0/24"]
    assert (rule["protocol"], rule["from_port"], rule["to_port"]) == ("tcp", 1433, 1433)


def test_results_are_used_like_any_list(run_playbook: Callable[..., Any]) -> None:
    """Another role loops over rules and sources, as for a cloud security group."""
    pairs = evaluate(
        run_playbook,
        "site | dbports.firewall.required_ports | subelements('sources') | map('last') | list",
    )
    assert pairs == ["192.0.2.21/32", "198.51.100.0/24"]
    responders = evaluate(run_playbook, "site | dbports.firewall.flows | map(attribute='responder') | unique")
    assert responders == ["erp-db"]


def test_connection_strings_of_clients(run_playbook: Callable[..., Any]) -> None:
    found = evaluate(
        run_playbook,
        "[site | dbports.firewall.connection_string('odbc', client='app-01', options={'PWD': word}),"
        " site | dbports.firewall.connection_string('jdbc', client='198.51.100.7')]",
        word="a;b}c",
    )
    assert found == ["Server=tcp:192.0.2.10,1433;PWD={a;b}}c}", "jdbc:sqlserver://192.0.2.10:1433"]


def test_the_sockets_of_a_windows_host(run_playbook: Callable[..., Any]) -> None:
    """The output of win_command; a text that is none is an error that says so."""
    text = "  TCP    0.0.0.0:1433           0.0.0.0:0              LISTENING       3120\r\n"
    found = evaluate(run_playbook, "text | dbports.firewall.parse_netstat", text=text)
    assert (found["source"], found["sockets"][0]["local_port"]) == ("netstat of Windows", 1433)
    with pytest.raises(AssertionError, match="not the output of netstat or ss"):
        evaluate(run_playbook, "text | dbports.firewall.parse_netstat", text="no such program")


def test_explain_on_data(run_playbook: Callable[..., Any]) -> None:
    answer = evaluate(run_playbook, "site | dbports.firewall.explain('erp-db', '1433/tcp', 'office.example')")
    assert (answer["verdict"], answer["reasons"][0]["code"]) == ("unknown", "unknown_host")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("'x' | dbports.firewall.required_ports", "dbports.firewall.required_ports: expected a dictionary"),
        ("site | dbports.firewall.required_ports(hosts='x')", "unexpected keyword argument 'hosts'"),
        ("{'engine': 'mssql'} | dbports.firewall.flows", "dbports_servers[0].clients: no clients are declared"),
        ("site | dbports.firewall.explain('erp-db')", "missing a required argument: 'port'"),
        (
            "site | dbports.firewall.connection_string('odbc', client='192.0.2.9')",
            "the plan does not let this client in",
        ),
        ("{'engine': absent} | dbports.firewall.flows", "'absent' is undefined"),
    ],
)
def test_errors_are_sentences(run_playbook: Callable[..., Any], expression: str, message: str) -> None:
    with pytest.raises(AssertionError) as caught:
        evaluate(run_playbook, expression)
    text = str(caught.value)
    assert message in text
    assert "Traceback" not in text
