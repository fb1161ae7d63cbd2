# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between hosts in real runs: firewall requests for gateways that nobody automates."""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

INVENTORY: dict[str, Any] = {
    "all": {
        "vars": {
            "ansible_connection": "local",
            "dbports_networks": {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"]},
            "dbports_gateways": [
                {"name": "edge", "kind": "filter", "between": ["office", "dc"], "owner": "network team"},
                {"name": "acl", "kind": "filter", "between": ["office", "dc"], "stateful": False},
            ],
        },
        "hosts": {
            "erp-db": {
                "ansible_host": "198.51.100.10",
                "dbports_servers": [{"engine": "mssql", "clients": ["app-01"]}],
            },
            "app-01": {"ansible_host": "192.0.2.21", "dbports_os": "linux"},
            "app-02": {"ansible_host": "192.0.2.22", "dbports_os": "linux"},
        },
    },
}
RULES = """
- hosts: all
  gather_facts: false
  tasks:
    - name: rules
      dbports.firewall.gateways:
        gateways_dir: gateways
      run_once: true
"""
PLAYBOOK = "- import_playbook: dbports.firewall.gateways\n"


def of_both() -> dict[str, Any]:
    """Return the inventory with one more client."""
    found = copy.deepcopy(INVENTORY)
    found["all"]["hosts"]["erp-db"]["dbports_servers"][0]["clients"].append("app-02")
    return found


def files(place: Path) -> dict[str, bytes]:
    """Return all files below the directory of gateways."""
    folder = place / "gateways"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_requests_are_written_once_and_then_their_difference(run_playbook: Callable[..., Any]) -> None:
    checked = run_playbook(RULES, INVENTORY, "--check", "--diff")
    assert (checked.rc, checked.stats["erp-db"]["changed"], files(run_playbook.place)) == (0, 1, {}), checked.text
    assert "+edge" in checked.text or "edge,network team,permit" in checked.text
    first = run_playbook(RULES, INVENTORY)
    assert "gateway edge: 1 statement, requests: 1 new, see gateways/changes/edge.md" in first.text
    written = files(run_playbook.place)
    assert set(written) == {
        f"{folder}/{name}.{kind}"
        for folder in ("requests", "changes")
        for name in ("edge", "acl")
        for kind in ("csv", "md")
    }
    again = run_playbook(RULES, INVENTORY)
    assert again.stats["erp-db"]["changed"] == 0
    assert "gateway edge: 1 statement, requested before" in again.text
    assert files(run_playbook.place) == written
    more = run_playbook(RULES, of_both())
    (task,) = more.of("rules")
    (edge,) = [item for item in task["gateways"] if item["name"] == "edge"]
    assert (edge["task"], edge["changes"]) == ("request", {"new": 0, "changed": 1, "gone": 0})
    with (run_playbook.place / "gateways" / "changes" / "edge.csv").open(encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["change"], row["new_addresses"], row["owner"]) == ("change", "192.0.2.22", "network team")


def test_a_gateway_that_is_gone_leaves_requests_to_remove(run_playbook: Callable[..., Any]) -> None:
    assert run_playbook(RULES, INVENTORY).rc == 0
    without = copy.deepcopy(INVENTORY)
    del without["all"]["vars"]["dbports_gateways"][0]
    result = run_playbook(RULES, without)
    assert "gateway edge: 0 statements, requests: 1 gone" in result.text
    assert b"\nremove,," in files(run_playbook.place)["changes/edge.csv"]
    assert run_playbook(RULES, without).stats["erp-db"]["changed"] == 0


def test_files_of_others_are_left_alone(run_playbook: Callable[..., Any]) -> None:
    folder = run_playbook.place / "gateways" / "requests"
    folder.mkdir(parents=True)
    (folder / "edge.csv").write_text("mine\n", encoding="utf-8")
    result = run_playbook(RULES, INVENTORY)
    assert result.rc != 0
    assert "not a file of requests" in result.text and "remove it to request everything again" in result.text
    assert files(run_playbook.place) == {"requests/edge.csv": b"mine\n"}
    (folder / "edge.csv").unlink()
    (folder / "edge.md").symlink_to("/etc/motd")
    linked = run_playbook(RULES, INVENTORY)
    assert linked.rc != 0 and "a symbolic link is not followed" in linked.text


def with_list() -> dict[str, Any]:
    """Return the inventory with a router whose access list is rendered."""
    found = copy.deepcopy(INVENTORY)
    found["all"]["vars"]["dbports_gateways"][1].update(platform="ios")
    return found


RENDERED = RULES.replace(
    "gateways_dir: gateways",
    "gateways_dir: gateways\n        rules: {acl: [{name: OFFICE-IN, origin: office, target: dc}, "
    "{name: DC-IN, origin: dc, target: office}]}",
)


def test_rules_are_rendered_where_their_arguments_are_given(run_playbook: Callable[..., Any]) -> None:
    assert run_playbook(RULES, INVENTORY).rc == 0
    result = run_playbook(RENDERED, with_list())
    assert "rendered (ios), see gateways/rules/acl.json" in result.text
    data = json.loads(files(run_playbook.place)["rules/acl.json"])
    assert (data["gateway"], data["filter"]) == ("acl", "dbports.firewall.ios_aces")
    names = [item["result"][0]["acls"][0]["name"] for item in data["rules"]]
    assert names == ["OFFICE-IN", "DC-IN"]
    text = json.dumps(data["rules"][0]["result"])
    assert "1433" in text and "198.51.100.10" in text
    assert b"\nremove,," in files(run_playbook.place)["changes/acl.csv"]
    assert run_playbook(RENDERED, with_list()).stats["erp-db"]["changed"] == 0
    back = run_playbook(RULES, INVENTORY)
    assert "its rules are no longer rendered" in back.text
    assert "rules/acl.json" not in files(run_playbook.place)


def test_wrong_arguments_name_the_gateway_and_the_argument(run_playbook: Callable[..., Any]) -> None:
    wrong = RENDERED.replace("{name: OFFICE-IN, origin", "{name: 'a b', origin")
    result = run_playbook(wrong, with_list())
    assert result.rc != 0 and "rules.acl[0].name" in result.text
    unknown = RENDERED.replace("{name: OFFICE-IN, origin", "{nam: OFFICE-IN, origin")
    result = run_playbook(unknown, with_list())
    assert result.rc != 0 and "rules.acl[0]" in result.text and "ios_aces" in result.text
    for text, other in (("acl: [", "acll: ["), ("acl: [{", "edge: [{")):
        result = run_playbook(RENDERED.replace(text, other), with_list())
        assert result.rc != 0 and other.partition(":")[0] in result.text
    assert files(run_playbook.place) == {}


def test_the_playbook_does_it_for_all(run_playbook: Callable[..., Any]) -> None:
    result = run_playbook(PLAYBOOK, INVENTORY, "-e", "dbports_gateways_dir=gateways")
    assert result.rc == 0, result.text
    assert "requests/acl.csv" in files(run_playbook.place)
    again = run_playbook(PLAYBOOK, INVENTORY, "-e", "dbports_gateways_dir=gateways")
    assert {host: stats["changed"] for host, stats in again.stats.items()} == dict.fromkeys(again.stats, 0)


def test_wrong_rules_name_the_variable_of_the_role_as_well(run_playbook: Callable[..., Any]) -> None:
    """Users of the role never wrote the option."""
    for value, option in (({"edg": [{}]}, "rules: this gateway"), ({"acl": "A"}, "rules.acl: expected"), (["acl"], "")):
        inventory = with_list()
        inventory["all"]["vars"].update(dbports_gateways_dir="gateways", dbports_gateways_rules=value)
        result = run_playbook(PLAYBOOK, inventory)
        assert result.rc != 0 and option in result.text
        assert "rules is the variable dbports_gateways_rules of the role" in result.text
    assert files(run_playbook.place) == {}
