# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access lists: the forms that avoid what modules do wrong, numbers of lines, ends of lists, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator

from gateway_plans import file_data, gateway_plan

SEQUENCED = ("ios", "nxos", "iosxr", "eos")


def config(platform: str, name: str = "acl", **options: Any) -> Any:
    """Return what a filter gives for the file of the gateway."""
    filter_name = "junos_terms" if platform == "junos" else f"{platform}_aces"
    return from_data(translator(filter_name))(file_data(gateway_plan(platform)), name, **options)


def aces(platform: str, family: str = "ipv4", **options: Any) -> list[dict[str, Any]]:
    """Return the entries of one family."""
    (found,) = [item["acls"] for item in config(platform, **options) if item["afi"] == family]
    (acl,) = found
    entries: list[dict[str, Any]] = acl["aces"]
    return entries


def ends(entries: list[dict[str, Any]], side: str) -> list[Any]:
    """Return the ports of one side."""
    return [entry[side]["port_protocol"] for entry in entries if entry.get(side, {}).get("port_protocol")]


def test_ios_has_only_ranges() -> None:
    """cisco.ios before 11.5.1 writes eq 5001 as onep-plain, which is 15001 to the device."""
    entries = aces("ios")
    for side in ("source", "destination"):
        assert ends(entries, side)
        assert all(list(ports) == ["range"] for ports in ends(entries, side))
    assert {"range": {"start": 5002, "end": 5002}} in ends(entries, "destination")


def test_a_source_port_of_eos_is_no_number() -> None:
    """arista.eos replaces digits by a name of the controller's /etc/services."""
    entries = aces("eos")
    assert {"range": "1433 1433"} in ends(entries, "source")
    assert not [ports for ports in ends(entries, "source") if "eq" in ports]
    assert {"eq": "1433"} in ends(entries, "destination")
    assert not [entry for entry in entries if "-" in entry.get("remark", "")]


@pytest.mark.parametrize("platform", SEQUENCED)
def test_only_replies_are_established(platform: str) -> None:
    for entry in aces(platform):
        options = entry.get("protocol_options", {})
        if "tcp" in options:
            assert entry["protocol"] == "tcp"
            assert "198.51.100.1" in str(entry["source"])
    assert sum("tcp" in entry.get("protocol_options", {}) for entry in aces(platform)) == 5


def test_asa_has_no_established_and_netmasks() -> None:
    (acl,) = config("asa")["acls"]
    assert not [ace for ace in acl["aces"] if "tcp" in ace.get("protocol_options", {})]
    assert {"address": "192.0.2.64", "netmask": "255.255.255.192"} in [ace.get("source") for ace in acl["aces"]]
    assert [ace["line"] for ace in acl["aces"]] == list(range(1, len(acl["aces"]) + 1))


@pytest.mark.parametrize(
    ("platform", "family", "apart"), [("ios", "ipv4", False), ("ios", "ipv6", True), ("eos", "ipv4", True)]
)
def test_every_entry_has_its_remark_and_its_number(platform: str, family: str, apart: bool) -> None:
    entries = aces(platform, family, first=100, step=5)
    numbers = [entry["sequence"] for entry in entries]
    assert numbers == list(range(100, 100 + 5 * len(entries), 5))
    said = [entry.get("remark") or entry["remarks"][0] for entry in entries if "remark" in entry or "remarks" in entry]
    assert len(said) == len(entries) / (2 if apart else 1)
    assert all(text.startswith("dbports ") for text in said)


def test_the_numbers_of_a_block_are_the_same_in_both_forms() -> None:
    """The filter gets digits from templates."""
    assert config("ios", first="50000", step="10") == config("ios")


@pytest.mark.parametrize("platform", SEQUENCED)
def test_ends_of_whole_lists(platform: str) -> None:
    everything = {"source": {"any": True}, "destination": {"any": True}}
    for end in ("permit", "deny"):
        last = aces(platform, mode="whole", end=end)[-1]
        assert (last["grant"], {key: last[key] for key in everything}) == (end, everything)
    six = aces(platform, "ipv6", mode="whole", end="deny")
    if platform == "eos":
        asked = [entry["protocol_options"] for entry in six if "icmpv6" in entry.get("protocol_options", {})]
        assert {"icmpv6": {"neighbor_solicitation": True}} in asked
        assert six[-1]["grant"] == "deny"
    else:
        assert not [entry for entry in six if entry.get("grant") == "deny"]


def test_a_filter_of_junos_lets_neighbours_pass_before_it_refuses_the_rest() -> None:
    lines = config("junos", mode="whole", end="deny")
    six = [line for line in lines if " inet6 " in line]
    assert [line.partition(" term ")[2] for line in six[-4:]] == [
        "dbports-neighbor-discovery from icmp-type 135",
        "dbports-neighbor-discovery from icmp-type 136",
        "dbports-neighbor-discovery then accept",
        "dbports-end then discard",
    ]


def test_terms_are_moved_before_one_of_the_owner() -> None:
    lines = config("junos", before="refuse-rest")
    accepts = [line for line in lines if line.endswith("then accept")]
    moves = [line for line in lines if line.startswith("insert ")]
    assert len(moves) == len(accepts)
    assert all(line.endswith(" before term refuse-rest") for line in moves)


@pytest.mark.parametrize(
    ("platform", "options", "code", "path"),
    [
        ("ios", {"mode": "overridden"}, "not_a_choice", "mode"),
        ("ios", {"mode": "whole"}, "contradiction", "end"),
        ("ios", {"end": "permit"}, "contradiction", "end"),
        ("asa", {"mode": "whole", "end": "drop"}, "not_a_choice", "end"),
        ("ios", {"first": 0}, "not_a_number", "first"),
        ("ios", {"first": True}, "not_a_number", "first"),
        ("ios", {"step": "ten"}, "not_a_number", "step"),
        ("ios", {"step": 2**31}, "not_a_number", "step"),
        ("ios", {"first": 2147483640}, "over_limit", "first"),
        ("asa", {"first": 2147483640}, "over_limit", "first"),
        ("ios", {"name": "a b"}, "not_a_name", "name"),
        ("nxos", {"name": "a" * 65}, "over_limit", "name"),
        ("nxos", {"name": "a" * 62}, "over_limit", "name"),
        ("ios", {"ipv6_name": "acl"}, "duplicate", "ipv6_name"),
        ("eos", {"name": "standard-1"}, "not_a_name", "name"),
        ("eos", {"name": "my-ipv6"}, "not_a_name", "name"),
        ("junos", {"before": "a b"}, "not_a_name", "before"),
        ("junos", {"name": "a.b"}, "not_a_name", "name"),
        ("ios", {"origin": "dmz"}, "unknown_name", "origin"),
    ],
)
def test_what_is_refused(platform: str, options: dict[str, Any], code: str, path: str) -> None:
    with pytest.raises(DbportsError) as caught:
        config(platform, **options)
    assert (caught.value.code, caught.value.path) == (code, path)


@pytest.mark.parametrize(
    ("protocol", "port", "refused"), [("tcp", 13, True), ("udp", 80, True), ("tcp", 80, False), ("udp", 53, False)]
)
def test_ports_that_nxos_acls_writes_wrongly_are_refused(protocol: Any, port: int, refused: bool) -> None:
    plan = gateway_plan("nxos")
    first = next(item for item in plan.statements if item.protocol == "udp")
    odd = first._replace(protocol=protocol, destination_ports=(PortRange(port, port),))
    if not refused:
        assert translator("nxos_aces").function(plan._replace(statements=(odd,)), "acl")
        return
    with pytest.raises(DbportsError, match=f"{protocol.upper()} port {port}: cisco.nxos.nxos_acls writes") as caught:
        translator("nxos_aces").function(plan._replace(statements=(odd,)), "acl")
    assert caught.value.code == "cannot_encode"


def test_an_echo_request_of_ipv6_has_no_name_in_ios_acls() -> None:
    plan = gateway_plan("ios")
    six = next(item for item in plan.statements if (item.family, item.protocol) == ("ipv6", "icmp"))
    odd = six._replace(icmp_type=128, icmp_code=0)
    with pytest.raises(DbportsError, match=r"ICMPv6 type 128: cisco\.ios\.ios_acls has no name"):
        translator("ios_aces").function(plan._replace(statements=(odd,)), "acl")


@pytest.mark.parametrize("platform", SEQUENCED)
def test_nothing_to_permit_is_no_list(platform: str) -> None:
    assert translator(f"{platform}_aces").function(gateway_plan(platform)._replace(statements=()), "acl") == []
