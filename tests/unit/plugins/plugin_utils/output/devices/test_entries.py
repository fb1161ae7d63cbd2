# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements become single entries, each once; what a platform does not take is refused with the number."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import read_gateway_data
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import masks
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import (
    Entry,
    entries_of,
    remark,
    stable_name,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import (
    Limits,
    check_count,
    check_name,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import (
    TRANSLATORS,
    accept,
    for_platform,
    translator,
)

from gateway_plans import file_data, gateway_plan

STATELESS = gateway_plan("ios")
STATEFUL = gateway_plan("asa")
LIMITS = Limits(name=8, remark=99, entries=2, source="this test")


def shown(entries: tuple[Entry, ...]) -> set[str]:
    """Return entries as short texts."""
    return {
        f"{item.protocol} {item.source}:{item.source_ports or ''} {item.destination}:{item.destination_ports or ''}"
        f"{' established' if item.established else ''}"
        for item, _statement in entries
    }


def test_each_pair_of_networks_and_ports_is_an_entry() -> None:
    found = shown(entries_of(STATELESS, "office", "dc"))
    assert {
        "tcp 192.0.2.21:32768-60999 198.51.100.10:1433",
        "tcp 192.0.2.21:32768-60999 198.51.100.10:1500",
        "tcp 192.0.2.64/26:1024-65535 198.51.100.10:1433",
        "tcp 2001:db8:1::21:32768-60999 2001:db8:2::10:1500",
        "udp 192.0.2.21:32768-60999 198.51.100.11:5001",
        "icmp 192.0.2.21: 198.51.100.11:",
    } <= found
    assert "tcp 192.0.2.64/26: 198.51.100.10:1433" in shown(entries_of(STATEFUL, "office"))


def test_directions_are_apart_and_together_all() -> None:
    there, back = entries_of(STATELESS, "office", "dc"), entries_of(STATELESS, target="office")
    assert "tcp 198.51.100.10:1433 192.0.2.21:32768-60999 established" in shown(back)
    assert not shown(there) & shown(back)
    assert set(entries_of(STATELESS)) == {*there, *back}
    with pytest.raises(DbportsError, match="acl-1 does not stand at this network") as caught:
        entries_of(STATELESS, target="dmz")
    assert (caught.value.code, caught.value.path) == ("unknown_name", "target")


def test_what_two_statements_need_is_one_entry() -> None:
    """Search and break of 602SQL are the same packets."""
    found = entries_of(STATELESS, "office")
    assert len({item.meaning for item in found}) == len(found)
    asked = [item for item in STATELESS.statements if item.destination_ports == (PortRange(5001, 5001),)]
    assert len(asked) > 1
    assert sum(item.meaning.destination_ports == PortRange(5001, 5001) for item in found) == 1


def test_a_range_that_is_no_network_becomes_networks() -> None:
    (first, *_rest) = (item for item in STATELESS.statements if item.protocol == "udp")
    odd = first._replace(source=(AddressRange.parse("192.0.2.1-192.0.2.6"),))
    found = entries_of(STATELESS._replace(statements=(odd,)))
    assert [str(item.meaning.source) for item in found] == ["192.0.2.1", "192.0.2.2/31", "192.0.2.4/31", "192.0.2.6"]


def test_a_remark_is_one_harmless_line() -> None:
    (first, *_rest) = STATELESS.statements
    nasty = first._replace(
        host='db"; no access-list\n?!|`$(x)', endpoint="mssql/\u202eÜBER/tds", reason="  a\tb?  " * 40
    )
    found = remark(nasty, 99)
    assert found.startswith("dbports db no Access-list (x) mssql/ BER/tds icmp_error: a b")
    assert len(found) <= 99
    assert re.fullmatch(r"[A-Za-z0-9 ._:/,()=+-]+", found)
    assert found == " ".join(found.split())


def test_a_name_lasts_as_long_as_its_meaning() -> None:
    (entry, *others) = (item for item in entries_of(STATELESS, "office", "dc") if item.meaning.protocol == "tcp")
    name = stable_name(entry.statement, entry.meaning, 62)
    assert name == stable_name(entry.statement._replace(reason="other words"), entry.meaning, 62)
    assert re.fullmatch(r"[a-z][a-z0-9-]{,61}", name)
    assert len({stable_name(item.statement, item.meaning, 62) for item in (entry, *others)}) == 1 + len(others)
    assert len(stable_name(entry.statement._replace(host="x" * 300), entry.meaning, 32)) == 32
    assert name == "dbports-erp-db-mssql-mssqlserver-tds-372d43a0e30a"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("acl-1", ""),
        ("a" * 9, "over_limit"),
        ("1a", "not_a_name"),
        ("a b", "not_a_name"),
        ("a\n", "not_a_name"),
        (5, "not_a_name"),
        ("é", "not_a_name"),
    ],
)
def test_names_of_lists(value: Any, code: str) -> None:
    if not code:
        assert check_name(LIMITS, value, "name") == value
        return
    with pytest.raises(DbportsError) as caught:
        check_name(LIMITS, value, "name")
    assert (caught.value.code, caught.value.path) == (code, "name")


def test_a_limit_is_named_with_both_numbers() -> None:
    check_count(2, 2, "entries", "entries")
    check_count(0, 10**9, "entries", "entries")
    with pytest.raises(DbportsError, match="3 entries, and the platform takes 2") as caught:
        check_count(2, 3, "entries", "entries")
    assert (caught.value.code, caught.value.value) == ("over_limit", 3)


@pytest.mark.parametrize(
    ("platform", "plan", "message"),
    [
        ("asa", STATELESS, "acl-1 runs on ios"),
        ("ios", STATEFUL._replace(platform=""), "acl-1 is planned with connection tracking"),
        ("asa", STATELESS._replace(platform=""), "acl-1 is planned without connection tracking"),
        ("ios", STATELESS._replace(platform="", kind="socks"), "acl-1 is no packet filter"),
    ],
)
def test_a_plan_for_something_else_is_refused(platform: str, plan: GatewayPlan, message: str) -> None:
    with pytest.raises(DbportsError, match=message) as caught:
        accept(platform, plan)
    assert caught.value.code == "contradiction"
    assert platform in (caught.value.fix or "")


def test_a_plan_of_any_platform_can_be_written_for_what_decides_alike() -> None:
    for plan, platform in ((STATELESS, "ios"), (STATEFUL, "asa"), (STATELESS._replace(platform=""), "nxos")):
        assert accept(platform, plan) == plan
    for plan in (STATELESS._replace(platform=""), STATEFUL._replace(platform="")):
        assert accept("openstack", plan) == plan


def test_every_translator_is_found_by_its_filter() -> None:
    assert len({item.name for item in TRANSLATORS}) == len(TRANSLATORS)
    for item in TRANSLATORS:
        assert translator(item.name) is item
        assert item.limits.source


def test_the_file_of_a_gateway_is_read_back() -> None:
    assert read_gateway_data(file_data(STATELESS)) == STATELESS


def first(**change: Any) -> dict[str, Any]:
    """Return the file with its first TCP statement changed."""
    data = file_data(STATELESS)
    next(item for item in data["statements"] if item["protocol"] == "tcp").update(change)
    return data


@pytest.mark.parametrize(
    ("data", "code", "path"),
    [
        ("plan/gateways/acl-1.json", "unreadable_plan", None),
        ([], "unreadable_plan", None),
        ({}, "unreadable_plan", None),
        ({**file_data(STATELESS), "schema": "dbports.plan-gateway/2"}, "unreadable_plan", None),
        ({**file_data(STATELESS), "stateful": "no"}, "changed_plan", "stateful"),
        ({key: value for key, value in file_data(STATELESS).items() if key != "kind"}, "changed_plan", "kind"),
        (first(protocol="gre"), "changed_plan", "statements[4].protocol"),
        (first(source=["2001:db8::/32"]), "changed_plan", "statements[4].source"),
        (first(destination=[]), "changed_plan", "statements[4].destination"),
        (first(source_ports="0-5"), "changed_plan", "statements[4].source_ports"),
        (first(icmp_type=8), "changed_plan", "statements[4].icmp_type"),
        (first(protocol="icmp", icmp_type=8), "changed_plan", "statements[4].destination_ports"),
        (first(protocol="udp", established=True), "changed_plan", "statements[4].established"),
    ],
)
def test_a_file_that_no_plan_writes(data: Any, code: str, path: str | None) -> None:
    with pytest.raises(DbportsError) as caught:
        read_gateway_data(data)
    assert (caught.value.code, caught.value.path) == (code, path)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("192.0.2.0/24", ("192.0.2.0", "255.255.255.0", "0.0.0.255")),
        ("0.0.0.0/0", ("0.0.0.0", "0.0.0.0", "255.255.255.255")),
        ("198.51.100.10/31", ("198.51.100.10", "255.255.255.254", "0.0.0.1")),
        ("198.51.100.10", ("198.51.100.10", "255.255.255.255", "0.0.0.0")),
    ],
)
def test_masks(network: str, expected: tuple[str, str, str]) -> None:
    assert masks(AddressRange.parse(network)) == expected


def test_every_platform_has_its_own_translator() -> None:
    assert [for_platform(item.platform) for item in TRANSLATORS] == list(TRANSLATORS)
    assert for_platform("linux") is None
