# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names are the collection's, which only look like them, and what a plan says of those."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.variables import (
    PLAN_VARIABLES,
    RUN_VARIABLES,
    is_stray,
    meant,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

ROOT = Path(__file__).resolve().parents[5]
HOSTS: dict[str, Any] = {
    "db": {"dbports_addresses": ["192.0.2.10"], "dbports_servers": [{"engine": "mssql", "clients": ["app"]}]},
    "app": {"dbports_addresses": ["192.0.2.21"]},
}


def test_the_names_are_those_of_the_roles_and_playbooks() -> None:
    """A variable that a role documents or a playbook reads is known, and nothing else is."""
    documented = {
        name
        for path in ROOT.glob("roles/*/meta/argument_specs.yml")
        for name in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    }
    texts = (path.read_text(encoding="utf-8") for path in ROOT.glob("playbooks/*.yml"))
    read = {name for text in texts for name in re.findall(r"\bdbports_\w+", text)}
    left = {"dbports_plan"}  # what plan leaves for later jobs
    own = {name for name in documented if name.startswith("guard_")}
    assert documented - own | read | left == {*PLAN_VARIABLES, *RUN_VARIABLES}


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("dbport_servers", "dbports_servers"),
        ("dbports_server", "dbports_servers"),
        ("dbports_serves", "dbports_servers"),
        ("db_ports_servers", "dbports_servers"),
        ("DBPORTS_SERVERS", "dbports_servers"),
        ("dbports_adresses", "dbports_addresses"),
        ("dbport_plan_id", "dbports_plan_id"),
        ("dbports_planid", "dbports_plan_id"),
        ("dbports_network", "dbports_networks"),
    ],
)
def test_a_misspelt_name(name: str, near: str) -> None:
    assert is_stray(name)
    assert meant(name) == near


@pytest.mark.parametrize("name", ["dbports_mine", "dbports_x_y_z"])
def test_the_prefix_is_the_collections(name: str) -> None:
    assert is_stray(name)
    assert meant(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "db_port",
        "dbport_hosts",
        "dbport_os_name",
        "dbport",
        "dbports",
        "db_ports",
        "dbport_host",
        "database_port",
        "port",
        "support_servers",
        "os",
        *PLAN_VARIABLES,
        *RUN_VARIABLES,
    ],
)
def test_other_names_are_other_peoples(name: str) -> None:
    assert not is_stray(name)


@pytest.mark.parametrize(
    ("data", "where", "path", "fix"),
    [
        ({"vars": {"dbport_servers": []}}, "all", "dbport_servers", "Did you mean dbports_servers?"),
        ({"hosts": {**HOSTS, "x": {"dbports_server": 1}}}, "x", "dbports_server", "Did you mean dbports_servers?"),
        (
            {"hosts": {**HOSTS, "x": {"dbports_mine": 1}}},
            "x",
            "dbports_mine",
            "give a variable of your own another name",
        ),
        ({"hosts": {**HOSTS, "x": {"dbports_networks": {}}}}, "x", "dbports_networks", "Set it for the group all"),
    ],
)
def test_nothing_is_planned_with_them(data: dict[str, Any], where: str, path: str, fix: str) -> None:
    with pytest.raises(PlanError) as caught:
        build_plan(PlainInventory({"hosts": HOSTS, **data}))
    (error,) = caught.value.errors
    assert (error.host, error.path) == (where, path)
    assert fix in str(error)
    assert error.value is not ...
