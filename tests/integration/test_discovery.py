# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that ask servers, as Ansible packs and runs them; tests/packet/test_discovery.py has the servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

TASKS = [
    {
        "name": "browser",
        "dbports.firewall.mssql_browser_info": {"address": "127.0.0.1", "instance": "SALES", "timeout": 30},
    },
    {
        "name": "server",
        "dbports.firewall.sql602_server_info": {"address": "127.0.0.1", "http_tunnel_port": 8090, "timeout": 30},
    },
    {"name": "wrong", "dbports.firewall.mssql_browser_info": {"address": "db01"}, "ignore_errors": True},
]


def test_where_nothing_listens_the_modules_say_so(run_playbook: Callable[..., Any]) -> None:
    playbook = json.dumps([{"hosts": "all", "gather_facts": False, "tasks": TASKS}])
    result = run_playbook(playbook, {"all": {"hosts": {"here": {"ansible_connection": "local"}}}}, "--check")
    assert result.rc == 0, result.text
    (browser,), (server,), (wrong,) = (result.of(task["name"]) for task in TASKS)
    assert (browser["browser"]["verdict"], browser["browser"]["instances"]) == ("refused", [])
    assert {server["server"][key]["verdict"] for key in ("search", "connect", "tunnel")} == {"refused"}
    assert (browser["changed"], server["changed"]) == (False, False)
    assert "not an IPv4 or IPv6 address" in wrong["msg"]
