# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to firewall filters of Junos: by name and meaning of a term, and in its place."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import acl_changes, translator

from gateway_plans import gateway_plan
from simulated_junos import SimulatedJunos

FILTER = "firewall family inet filter acl"
THEIRS = [
    f"set {FILTER} term ssh from source-address 192.0.2.0/24",
    f'set {FILTER} term "very own" from destination-port [ 22 80 ]',
    f"set {FILTER} term refuse-rest then discard",
    "set firewall family inet6 filter acl-v6 term refuse-rest then discard",
    "set firewall family inet filter other term dbports-old-1a then accept",
    "set interfaces ge-0/0/0 unit 0 family inet filter input acl",
]


def config(drop: int = 0, **options: Any) -> list[str]:
    """Return the set commands of a plan, without its last statements."""
    plan = gateway_plan("junos")
    kept = plan.statements[: len(plan.statements) - drop]
    options = {"before": "refuse-rest", **options}
    found: list[str] = translator("junos_terms").function(plan._replace(statements=kept), "acl", **options)
    return found


def device(lines: list[str]) -> SimulatedJunos:
    """Return a device with the filters of their owner, and ours."""
    found = SimulatedJunos()
    found.commit([*THEIRS, *lines])
    return found


def changes(wanted: Any, there: Any, **options: Any) -> Any:
    """Return what has to be done."""
    return acl_changes(wanted, there, "junos", "acl", **options)


@pytest.mark.parametrize(("had", "wanted"), [(99, 0), (0, 99), (4, 0), (0, 4), (3, 9), (0, 0)])
def test_one_commit_leads_to_what_is_wanted(had: int, wanted: int) -> None:
    there = device(config(had))
    todo = changes(config(wanted), there.show())
    assert todo["changed"] is (had != wanted)
    there.commit(todo["add"] + todo["remove"])
    assert not changes(config(wanted), there.show())["changed"]
    assert there.terms(FILTER) == device(config(wanted)).terms(FILTER)
    assert set(THEIRS[2:]) <= set(there.show().splitlines())


@pytest.mark.parametrize(
    ("was", "shown"),
    [
        ("destination-port 1433", "destination-port 1433-1433"),
        ("protocol tcp", "protocol 6"),
        ("next-header tcp", "next-header 6"),
        ("icmp-type 8", "icmp-type echo-request"),
        ("icmp-code 4", "icmp-code fragmentation-needed"),
        ("next-header icmp6", "next-header icmpv6"),
    ],
)
def test_a_value_is_its_number(was: str, shown: str) -> None:
    lines = config()
    assert any(line.endswith(was) for line in lines)
    there = [re.sub(rf" {was}$", f" {shown}", line) for line in lines]
    assert not changes(lines, there)["changed"]


@pytest.mark.parametrize(
    ("name", "number"),
    [("http", "80"), ("netbios-ns", "137"), ("radius", "1812"), ("ftp-data-ftp", "20-21"), ("socks", "1080")],
)
def test_a_name_of_a_port_is_its_number(name: str, number: str) -> None:
    there, wanted = (
        [line.replace("destination-port 1433", f"destination-port {port}") for line in config()]
        for port in (name, number)
    )
    assert not changes(wanted, there)["changed"]


@pytest.mark.parametrize(
    "line",
    ["then count x", "from tcp-flags syn", "from source-port 1-65535", "from source-prefix-list all", "then log"],
)
def test_a_term_that_was_edited_is_made_anew_in_one_commit(line: str) -> None:
    there = device(config())
    name = config()[0].split()[7]
    there.commit([f"set {FILTER} term {name} {line}"])
    todo = changes(config(), there.show())
    assert todo["add"][0] == f"delete {FILTER} term {name}"
    assert todo["add"][-1] == f"insert {FILTER} term {name} before term refuse-rest"
    assert not todo["remove"]
    there.commit(todo["add"])
    assert not changes(config(), there.show())["changed"]


def test_a_condition_that_was_removed_is_found() -> None:
    """What junos_acls does not gather, too."""
    lines = config()
    there = [line for line in lines if not line.endswith("tcp-established")]
    edited = {line.split()[7] for line in lines if line.endswith("tcp-established")}
    found = changes(lines, there)
    assert {line.split()[6] for line in found["add"] if line.startswith("delete")} <= edited | {"term"}
    assert sum(line.startswith("delete") for line in found["add"]) == len(edited) > 2


def test_a_term_that_is_not_active_is_made_anew() -> None:
    name = config()[0].split()[7]
    there = device(config()).show() + f"\ndeactivate {FILTER} term {name}"
    assert changes(config(), there)["add"][0] == f"delete {FILTER} term {name}"


@pytest.mark.parametrize("line", [f"deactivate {FILTER}", "deactivate firewall", "deactivate firewall family inet"])
def test_a_filter_that_is_not_active_stops_the_run(line: str) -> None:
    with pytest.raises(DbportsError, match="not active"):
        changes(config(), [*config(), line])


def test_a_filter_of_ipv4_outside_its_family_stops_the_run() -> None:
    """``family inet`` may be left out on the device; terms in another filter of that name would be in no use."""
    theirs = "set firewall filter {} term refuse-rest then discard"
    assert changes(config(), theirs.format("another"))["changed"]
    for mode in ("entries", "whole"):
        with pytest.raises(DbportsError, match="outside family inet"):
            changes(config(), theirs.format(FILTER.split()[-1]), mode=mode)


def test_a_term_behind_the_owners_last_one_is_moved() -> None:
    """Without before= the filter puts terms at the end, where nothing reaches them."""
    there = device(config(before=None))
    todo = changes(config(), there.show())
    assert {line.split()[0] for line in todo["add"]} == {"insert"}
    there.commit(todo["add"])
    assert not changes(config(), there.show())["changed"]
    assert there.terms(FILTER)[-1] == "refuse-rest"


def test_whole_filters_are_replaced_or_left() -> None:
    wanted = config(mode="whole", end="deny", before=None)
    there = SimulatedJunos()
    todo = changes(wanted, there.show(), mode="whole")
    assert todo["replace"] == wanted
    there.commit(todo["replace"])
    assert not changes(wanted, there.show(), mode="whole")["changed"]
    there.commit([f"insert {FILTER} term dbports-end before term {there.terms(FILTER)[0]}"])
    todo = changes(wanted, there.show(), mode="whole")
    assert todo["replace"][0] == f"delete {FILTER}"
    there.commit(todo["replace"])
    assert not changes(wanted, there.show(), mode="whole")["changed"]


def test_a_whole_filter_without_anything_planned_keeps_its_end_only() -> None:
    wanted = config(mode="whole", end="deny", before=None)
    there = SimulatedJunos()
    there.commit(wanted)
    six = f"{FILTER.replace('inet', 'inet6')}-v6"
    todo = changes([line for line in wanted if " inet6 " not in line], there.show(), mode="whole")
    assert {line.split()[0] for line in todo["remove"]} == {"delete"}
    assert not todo["replace"]
    there.commit(todo["remove"])
    assert there.terms(six) == ["dbports-neighbor-discovery", "dbports-end"]
    assert len(there.terms(FILTER)) > 2
    assert not changes([line for line in wanted if " inet6 " not in line], there.show(), mode="whole")["changed"]


@pytest.mark.parametrize("current", [{"afi": "ipv4"}, [{"afi": "ipv4"}], "firewall {", ['set firewall family "'], 5])
def test_what_is_not_set_commands_is_refused(current: Any) -> None:
    with pytest.raises(DbportsError) as caught:
        changes(config(), current)
    assert (caught.value.code, caught.value.path) == ("wrong_type", "current")
    assert "display set" in (caught.value.fix or "")


def test_a_name_that_is_not_known_is_an_error_only_in_our_terms() -> None:
    lines = [*THEIRS, f"set {FILTER} term ssh from source-port quux"]
    assert not changes(config(), [*config(), *lines])["changed"]
    name = config()[0].split()[7]
    with pytest.raises(DbportsError, match="not known"):
        changes(config(), [*lines, *config(), f"set {FILTER} term {name} from source-port quux"])
