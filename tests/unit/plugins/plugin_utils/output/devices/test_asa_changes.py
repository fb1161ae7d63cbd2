# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to a list of ASA: lines are places, and only what stands below our remarks is removed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import acl_changes, translator

from gateway_plans import gateway_plan

THEIRS: dict[str, Any] = {
    "grant": "deny",
    "protocol": "ip",
    "source": {"any": True},
    "destination": {"object_group": "printers"},
}
ALLOW: dict[str, Any] = {
    "grant": "permit",
    "protocol": "tcp",
    "protocol_options": {"tcp": True},
    "source": {"host": "192.0.2.77"},
    "destination": {"host": "198.51.100.77", "port_protocol": {"eq": "https"}},
}


def config(drop: int = 0, **options: Any) -> Any:
    """Return the config of a plan, without its last statements."""
    plan = gateway_plan("asa")
    kept = plan.statements[: len(plan.statements) - drop]
    return translator("asa_aces").function(plan._replace(statements=kept), "acl", **options)


def gathered(config: Any) -> Any:
    """Return a list as asa_acls gathers it: each protocol is an option too."""
    found = copy.deepcopy(config)
    for ace in found["acls"][0]["aces"]:
        if "protocol" in ace:
            ace.setdefault("protocol_options", {ace["protocol"]: True})
    return found


def with_line(config: Any, at: int, ace: dict[str, Any]) -> Any:
    """Return a list with one more entry at a place; what is there moves down."""
    found = copy.deepcopy(config)
    aces = found["acls"][0]["aces"]
    aces.insert(at - 1, dict(ace))
    for line, item in enumerate(aces, 1):
        item["line"] = line
    return found


def changes(wanted: Any, there: Any, **options: Any) -> Any:
    """Return what has to be done."""
    return acl_changes(wanted, there, "asa", "acl", **options)


def test_what_is_there_needs_nothing() -> None:
    found = changes(config(), with_line(with_line(gathered(config()), 1, THEIRS), 1, ALLOW))
    assert (found["changed"], found["add"], found["remove"]) == (False, {}, [])
    assert found["kept"] > 5


def test_the_first_time_everything_is_added_where_the_filter_puts_it() -> None:
    for nothing in (None, {}, {"acls": []}, {"acls": [{"name": "other", "aces": [{"line": 1, **ALLOW}]}]}):
        assert changes(config(first=7), nothing)["add"] == config(first=7)


@pytest.mark.parametrize("first", [1, 3])
def test_what_is_new_comes_below_what_is_ours(first: int) -> None:
    """Never between a remark and its entry, wherever a line of the list's owner has moved them."""
    there = with_line(gathered(config(4)), len(config(4)["acls"][0]["aces"]) + 1, ALLOW)
    for _line in range(first - 1):
        there = with_line(there, 1, THEIRS)
    found = changes(config(), there)
    added = found["add"]["acls"][0]["aces"]
    assert added
    start = first + len(config(4)["acls"][0]["aces"])
    assert [ace["line"] for ace in added] == list(range(start, start + len(added)))
    assert not found["remove"]


def test_what_is_gone_is_removed_from_the_last_line_up() -> None:
    found = changes({}, gathered({"acls": [{**config()["acls"][0], "aces": config()["acls"][0]["aces"][:4]}]}))
    (block,) = found["remove"]
    lines = [int(line.split()[4]) for line in block["lines"]]
    assert lines == [4, 3, 2, 1]
    assert block["lines"][0].startswith("no access-list acl line 4 extended permit tcp ")
    assert block["lines"][1].startswith("no access-list acl line 3 remark dbports ")


@pytest.mark.parametrize(
    ("ports", "same"),
    [
        ({"eq": "1433"}, True),
        ({"range": {"start": 1433, "end": 1433}}, True),
        ({"eq": "sqlnet"}, False),
        ({"eq": "1434"}, False),
    ],
)
def test_a_port_is_its_number(ports: dict[str, Any], same: bool) -> None:
    there = gathered(config())
    for ace in there["acls"][0]["aces"]:
        if ace.get("destination", {}).get("port_protocol") == {"eq": "1433"}:
            ace["destination"]["port_protocol"] = ports
    assert changes(config(), there)["changed"] is not same


@pytest.mark.parametrize(("name", "number"), [("sqlnet", 1521), ("https", 443), ("kerberos", 750), ("cifs", 3020)])
def test_a_name_is_its_number(name: str, number: int) -> None:
    wanted: Any = {"acls": [{"name": "acl", "aces": [{"line": 1, "remark": "dbports x"}, {**ALLOW, "line": 2}]}]}
    there = copy.deepcopy(wanted)
    wanted["acls"][0]["aces"][1]["destination"] = {"any4": True, "port_protocol": {"eq": str(number)}}
    there["acls"][0]["aces"][1]["destination"] = {"any4": True, "port_protocol": {"eq": name}}
    assert not changes(wanted, there)["changed"]


def test_a_name_of_ours_that_is_not_known_is_an_error_and_one_of_others_is_not() -> None:
    strange = {**ALLOW, "destination": {"any4": True, "port_protocol": {"eq": "quux"}}}
    assert not changes(config(), with_line(gathered(config()), 1, strange))["changed"]
    there = gathered(config())
    there["acls"][0]["aces"][1]["destination"]["port_protocol"] = {"eq": "quux"}
    with pytest.raises(DbportsError, match="not known") as caught:
        changes(config(), there)
    assert caught.value.value == "quux"


def test_an_entry_of_the_owner_that_permits_the_same_is_not_written_again() -> None:
    """ASA refuses a second one."""
    there = {"acls": [{"name": "acl", "aces": [{**gathered(config())["acls"][0]["aces"][1], "line": 1}]}]}
    found = changes(config(), there)
    assert found["kept"] == 1
    assert len(found["add"]["acls"][0]["aces"]) == len(config()["acls"][0]["aces"]) - 2
    assert not found["remove"]


@pytest.mark.parametrize("foreign", [THEIRS, ALLOW, {**ALLOW, "inactive": True}, {**ALLOW, "log": "default"}])
def test_an_entry_between_a_remark_and_its_entry_stops_the_run(foreign: dict[str, Any]) -> None:
    with pytest.raises(DbportsError, match="below remarks of this collection") as caught:
        changes(config(), with_line(gathered(config()), 2, foreign))
    assert caught.value.code == "not_ours"
    assert caught.value.value == [2]


def test_a_remark_that_lost_its_entry_is_removed() -> None:
    found = changes(config(), with_line(gathered(config()), 1, {"remark": "dbports left over"}))
    assert found["remove"] == [{"lines": ["no access-list acl line 1 remark dbports left over"]}]
    assert not found["add"]


def test_a_whole_list_is_replaced_or_left() -> None:
    wanted = config(mode="whole", end="deny")
    assert not changes(wanted, gathered(wanted), mode="whole")["changed"]
    for other in (None, with_line(gathered(wanted), 1, ALLOW), gathered(config(mode="whole", end="permit"))):
        assert changes(wanted, other, mode="whole")["replace"] == wanted


@pytest.mark.parametrize(
    "current",
    ["text", [1], {"acls": 5}, {"acls": [{"aces": []}]}, {"acls": [{"name": "acl", "aces": [{"grant": "permit"}]}]}],
)
def test_what_is_not_a_list_of_asa_is_refused(current: Any) -> None:
    with pytest.raises(DbportsError) as caught:
        changes(config(), current)
    assert (caught.value.code, caught.value.path) == ("wrong_type", "current")


def test_a_remark_that_would_be_a_command_is_refused() -> None:
    with pytest.raises(DbportsError, match="control characters"):
        changes(config(), with_line(gathered(config()), 1, {"remark": "dbports\nno access-list other"}))
