# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to a device's lists: by number and meaning, only to what is ours, and without a gap."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import (
    DIALECTS,
    acl_changes,
    translator,
)

from gateway_plans import gateway_plan

PLATFORMS = sorted(DIALECTS)
THEIRS = {
    "sequence": 10,
    "grant": "deny",
    "protocol": "ip",
    "source": {"any": True},
    "destination": {"host": "192.0.2.9"},
}
NOTHING = {"changed": False, "add": [], "remove": [], "replace": []}


def config(platform: str, drop: int = 0, **options: Any) -> Any:
    """Return the config of a plan, without its last statements."""
    plan = gateway_plan(platform)
    kept = plan.statements[: len(plan.statements) - drop]
    return translator(f"{platform}_aces").function(plan._replace(statements=kept), "acl", **options)


def with_theirs(config: Any) -> Any:
    """Return lists with an entry of their owner before ours."""
    found = copy.deepcopy(config)
    for item in found:
        item["acls"][0]["aces"].insert(0, dict(THEIRS))
    return found


def after(there: Any, todo: dict[str, Any]) -> Any:
    """Return what a device has when a change was made: additions first."""
    lists = {acl["name"]: (item["afi"], acl) for item in copy.deepcopy(there) for acl in item["acls"]}
    for item in todo["add"]:
        for acl in item["acls"]:
            own = lists.setdefault(acl["name"], (item["afi"], {**acl, "aces": []}))[1]["aces"]
            assert not {ace["sequence"] for ace in own} & {ace["sequence"] for ace in acl["aces"]}, "merged would fail"
            own.extend(acl["aces"])
    for item in todo["remove"]:
        gone = {int(line.split()[-1]) for line in item["lines"]}
        own = lists[item["parents"].split()[-1]][1]["aces"]
        assert gone <= {ace["sequence"] for ace in own}
        own[:] = [ace for ace in own if ace["sequence"] not in gone]
    return [{"afi": afi, "acls": [acl]} for afi, acl in lists.values()]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_there_needs_nothing(platform: str) -> None:
    there = with_theirs(config(platform))
    found = acl_changes(config(platform), there, platform, "acl")
    assert {key: found[key] for key in NOTHING} == NOTHING
    assert found["kept"] > 20


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("had", "wanted"), [(99, 0), (0, 99), (4, 0), (0, 4), (3, 9)])
def test_one_run_leads_to_what_is_wanted(platform: str, had: int, wanted: int) -> None:
    there = with_theirs(config(platform, had))
    todo = acl_changes(config(platform, wanted), there, platform, "acl")
    assert todo["changed"]
    then = after(there, todo)
    again = acl_changes(config(platform, wanted), then, platform, "acl")
    assert {key: again[key] for key in NOTHING} == NOTHING
    for item in with_theirs(config(platform, had)):
        (acl,) = [acl for other in then for acl in other["acls"] if acl["name"] == item["acls"][0]["name"]]
        assert THEIRS in acl["aces"]


def renamed(config: Any, text: str) -> Any:
    """Return lists in which a single port 1433 is written in another form."""
    forms = {
        "eq": {"eq": "1433"},
        "name": {"eq": "ms-sql-s"},
        "underscore": {"eq": "ms_sql_s"},
        "range": {"range": {"start": "1433", "end": "1433"}},
        "words": {"range": "1433 1433"},
        "named range": {"range": {"start": "ms-sql-s", "end": "ms-sql-s"}},
    }

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            if "port_protocol" in value and "1433" in str(value["port_protocol"]):
                value = {**value, "port_protocol": forms[text]}
            return {key: walk(item) for key, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, list) else value

    return walk(config)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("form", ["eq", "name", "underscore", "range", "words", "named range"])
def test_a_port_is_its_number(platform: str, form: str) -> None:
    found = acl_changes(config(platform), renamed(config(platform), form), platform, "acl")
    assert not found["changed"]


def test_a_name_that_means_another_port_is_another_port() -> None:
    """What cisco.ios before 11.5.1 made of eq 5002: the device has 15002."""
    there = config("ios")
    aces = there[0]["acls"][0]["aces"]
    wrong = next(
        ace for ace in aces if ace["destination"].get("port_protocol") == {"range": {"start": 5002, "end": 5002}}
    )
    wrong["destination"]["port_protocol"] = {"eq": "onep-tls"}
    if wrong["protocol"] == "udp":
        wrong["destination"]["port_protocol"] = {"eq": "15002"}
    found = acl_changes(config("ios"), there, "ios", "acl")
    assert found["remove"][0]["lines"] == [f"no {wrong['sequence']}"]
    assert len(found["add"][0]["acls"][0]["aces"]) == 1


def test_established_is_found_where_eos_acls_reads_it() -> None:
    """Behind the ports of the destination, as one text."""
    there = config("eos")
    for item in there:
        for ace in item["acls"][0]["aces"]:
            if "tcp" in ace.get("protocol_options", {}):
                del ace["protocol_options"]
                ace["destination"]["port_protocol"]["range"] += " established"
    assert "32768 60999 established" in str(there)
    assert not acl_changes(config("eos"), there, "eos", "acl")["changed"]


def test_a_name_that_nobody_knows_is_an_error() -> None:
    there = config("ios")
    aces = there[0]["acls"][0]["aces"]
    next(ace for ace in aces if "port_protocol" in ace["destination"])["destination"]["port_protocol"] = {"eq": "quux"}
    with pytest.raises(DbportsError, match="a name of a TCP port that is not known") as caught:
        acl_changes(config("ios"), there, "ios", "acl")
    assert caught.value.value == "quux"


@pytest.mark.parametrize(
    "change", [{"log": {"set": True}}, {"grant": "deny"}, {"time_range": "night"}, {"source": {"any": True}}]
)
def test_an_entry_that_was_edited_is_replaced(change: dict[str, Any]) -> None:
    there = config("ios")
    there[0]["acls"][0]["aces"][5].update(change)
    number = there[0]["acls"][0]["aces"][5]["sequence"]
    found = acl_changes(config("ios"), there, "ios", "acl")
    assert found["remove"] == [{"parents": "ip access-list extended acl", "lines": [f"no {number}"]}]
    assert len(found["add"][0]["acls"][0]["aces"]) == 1


@pytest.mark.parametrize(
    ("platform", "family", "parents", "lines"),
    [
        ("ios", "ipv6", "ipv6 access-list acl-v6", ["no sequence 50000", "no sequence 50010"]),
        ("nxos", "ipv4", "ip access-list acl", ["no 50000", "no 50010"]),
        ("iosxr", "ipv4", "ipv4 access-list acl", ["no 50000", "no 50010"]),
        ("eos", "ipv6", "ipv6 access-list acl-v6", ["no 50000", "no 50010"]),
    ],
)
def test_a_remark_goes_with_its_entry(platform: str, family: str, parents: str, lines: list[str]) -> None:
    there = [item for item in config(platform) if item["afi"] == family]
    there[0]["acls"][0]["aces"][1]["grant"] = "deny"
    wanted = [item for item in config(platform) if item["afi"] == family]
    assert acl_changes(wanted, there, platform, "acl")["remove"] == [{"parents": parents, "lines": lines}]


@pytest.mark.parametrize(
    "foreign", [{**THEIRS, "sequence": 50001}, {**THEIRS, "sequence": 60000}, {"sequence": 70000, "remark": "mine"}]
)
def test_entries_of_somebody_else_in_the_block_stop_the_run(foreign: dict[str, Any]) -> None:
    there = config("nxos")
    there[0]["acls"][0]["aces"].append(foreign)
    with pytest.raises(DbportsError, match="entries in the reserved block that are not from here") as caught:
        acl_changes(config("nxos"), there, "nxos", "acl")
    assert caught.value.code == "not_ours"
    assert foreign["sequence"] in caught.value.value


def test_an_entry_between_ours_and_its_remark_is_not_ours() -> None:
    """Also when ours is gone: it would be taken away as if it were."""
    there = config("nxos")
    aces = there[0]["acls"][0]["aces"]
    aces[1] = {**THEIRS, "sequence": 50001}
    with pytest.raises(DbportsError, match="not from here") as caught:
        acl_changes(config("nxos"), there, "nxos", "acl")
    assert caught.value.value == [50001]


def test_a_remark_without_its_entry_is_taken_away() -> None:
    there = config("nxos")
    there[0]["acls"][0]["aces"].append({"sequence": 90000, "remark": "dbports left over"})
    found = acl_changes(config("nxos"), there, "nxos", "acl")
    assert found["remove"] == [{"parents": "ip access-list acl", "lines": ["no 90000"]}]
    assert not found["add"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_whole_lists_are_replaced_or_left(platform: str) -> None:
    wanted = config(platform, mode="whole", end="deny")
    same = acl_changes(wanted, renamed(wanted, "name"), platform, "acl", mode="whole")
    assert not same["changed"]
    found = acl_changes(wanted, with_theirs(wanted), platform, "acl", mode="whole")
    assert found["replace"] == wanted
    first = acl_changes(wanted, None, platform, "acl", mode="whole")
    assert first["replace"] == wanted


def of_family(config: Any, family: str) -> Any:
    """Return the lists of one family."""
    return [item for item in config if item["afi"] == family]


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("end", ["permit", "deny"])
@pytest.mark.parametrize("left", ["ipv4", "ipv6"])
def test_a_whole_list_without_anything_planned_lets_nobody_in_any_more(platform: str, end: str, left: str) -> None:
    """A plan without clients of a family has no list of it; the list that is there keeps its end and nothing else."""
    there = config(platform, mode="whole", end=end)
    wanted = of_family(there, left)
    if (end, left) == ("deny", "ipv4") and platform != "eos":
        with pytest.raises(DbportsError, match="nothing is planned for acl-v6 any more, and without its entries"):
            acl_changes(wanted, there, platform, "acl", mode="whole")
        return
    todo = acl_changes(wanted, there, platform, "acl", mode="whole")
    assert todo["changed"]
    now = after(there, todo)
    assert of_family(now, left) == wanted
    ((other,),) = [item["acls"] for item in now if item["afi"] != left]
    said = {ace.get("remark") or " ".join(ace.get("remarks", [])) for ace in other["aces"]} - {""}
    assert all(" end: " in text or " neighbor discovery: " in text for text in said)
    assert [ace["grant"] for ace in other["aces"] if "grant" in ace][-1] == end
    assert not acl_changes(wanted, now, platform, "acl", mode="whole")["changed"]


@pytest.mark.parametrize(
    ("current", "platform", "code"),
    [([{"acls": []}], "ios", "wrong_type"), ("text", "ios", "wrong_type"), ([], "panos", "not_a_choice")],
)
def test_what_is_refused(current: Any, platform: str, code: str) -> None:
    with pytest.raises(DbportsError) as caught:
        acl_changes(config("ios"), current, platform, "acl")
    assert caught.value.code == code


def test_numbers_that_are_used_up_are_an_error() -> None:
    with pytest.raises(DbportsError, match="no sequence number is left"):
        acl_changes(config("ios"), [], "ios", "acl", first=2147483640)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("step", [1, 10])
def test_a_list_that_was_numbered_anew_keeps_its_entries(platform: str, step: int) -> None:
    """By ``ip access-list resequence``: our entries are known by their remarks, wherever they stand."""
    strange = {**THEIRS, "protocol": "tcp", "destination": {"any": True, "port_protocol": {"eq": "quux"}}}
    there = with_theirs(config(platform))
    for item in there:
        aces = item["acls"][0]["aces"]
        aces.append(dict(strange))
        at = 0
        for last, ace in zip([{}, *aces], aces):
            at += step if last.get("sequence") != ace["sequence"] or "remarks" not in last else 0
            ace["new"] = at
        for ace in aces:
            ace["sequence"] = ace.pop("new")
    assert not acl_changes(config(platform), there, platform, "acl")["changed"]
    todo = acl_changes([], there, platform, "acl")
    then = after(there, todo)
    assert [ace["protocol"] for item in then for ace in item["acls"][0]["aces"]] == ["ip", "tcp"] * len(there)
