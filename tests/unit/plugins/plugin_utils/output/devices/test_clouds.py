# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for clouds: their forms, what is refused, and limits at their number and one above."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator

from cloud_rules import CALLS, GROUPS, NO_ICMP
from gateway_plans import HOSTS, example_plan, file_data, gateway_plan

TWO = ("198.51.100.10", "198.51.100.11")


def call(platform: str, plan: GatewayPlan | None = None, **options: Any) -> Any:
    """Return what a filter gives for the data of a gateway's file."""
    name, needed = CALLS[platform]
    given = {"protects": "dc", **{key: value for key, value in needed.items() if key != "quota"}, **options}
    return from_data(translator(name))(file_data(plan or example_plan(platform)), **given)


def many(platform: str, count: int, family: str = "ipv4", origin: str = "office") -> GatewayPlan:
    """Return a plan of so many clients, each with a statement of its own."""
    plan = example_plan(platform)
    first = next(item for item in plan.statements if item.kind == "request")
    start = "192.0.2.0" if family == "ipv4" else "2001:db8:1::"
    numbers = [int(ipaddress.ip_address(start)) + 2 * index for index in range(count)]
    version = 4 if family == "ipv4" else 6
    server = AddressRange.parse(TWO[0] if family == "ipv4" else "2001:db8:2::10")
    made = []
    for number in numbers:
        ends: dict[str, Any] = {"source": (AddressRange(version, number, number),), "destination": (server,)}
        if origin == "dc":
            ends = {"source": ends["destination"], "destination": ends["source"], "origin": "dc", "target": "office"}
        made.append(first._replace(family=family, **ends))
    return plan._replace(statements=tuple(made))


def refused(platform: str, plan: GatewayPlan | None = None, **options: Any) -> DbportsError:
    """Return the error of a call."""
    with pytest.raises(DbportsError) as caught:
        call(platform, plan, **options)
    return caught.value


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("origin", ["office", "dc"])
def test_sixty_rules_of_a_family_and_a_direction(family: str, origin: str) -> None:
    key = "rules" if origin == "office" else "rules_egress"
    assert len(call("aws_security_group", many("aws_security_group", 60, family, origin))[key]) == 60
    error = refused("aws_security_group", many("aws_security_group", 61, family, origin))
    assert (error.code, error.path, error.value) == ("over_limit", "quota", 61)
    assert "the platform takes 60" in str(error)
    assert call("aws_security_group", many("aws_security_group", 61, family, origin), quota=61)


def test_families_and_directions_are_counted_apart() -> None:
    plans = [many("aws_security_group", 60, *ends) for ends in (("ipv4", "office"), ("ipv6", "office"), ("ipv4", "dc"))]
    both = plans[0]._replace(statements=sum((plan.statements for plan in plans), ()))
    found = call("aws_security_group", both)
    assert (len(found["rules"]), len(found["rules_egress"])) == (120, 60)


@pytest.mark.parametrize(("mode", "purges"), [("entries", False), ("whole", True)])
def test_others_rules_go_only_when_it_is_said(mode: str, purges: bool) -> None:
    aws = call("aws_security_group", mode=mode)
    assert (aws["purge_rules"], aws["purge_rules_egress"]) == (purges, purges)
    assert aws["rules_egress"] == [], "without the list the module permits everything outwards"
    assert call("azure", mode=mode)["purge_rules"] is purges


def test_an_entry_of_a_network_acl_is_a_list_of_positions() -> None:
    found = call("aws_network_acl")
    assert found["ingress"] == [
        [20000, "icmp", "allow", "0.0.0.0/0", 3, 4],
        [20010, "tcp", "allow", "192.0.2.21/32", None, None, 1433, 1433],
    ]
    assert [20010, "tcp", "allow", "192.0.2.21/32", None, None, 32768, 60999] in found["egress"]


@pytest.mark.parametrize(("family", "own"), [("ipv4", 1), ("ipv6", 2)])
@pytest.mark.parametrize(("quota", "options"), [(20, {}), (40, {"quota": 40})])
def test_twenty_entries_with_those_that_refuse_the_rest(
    family: str, own: int, quota: int, options: dict[str, Any]
) -> None:
    most = quota - own
    assert len(call("aws_network_acl", many("aws_network_acl", most, family), **options)["ingress"]) == most
    error = refused("aws_network_acl", many("aws_network_acl", most + 1, family), **options)
    assert (error.code, error.value) == ("over_limit", quota + 1)


def test_own_entries_are_kept_and_counted() -> None:
    own = [
        [100, "tcp", "allow", "203.0.113.0/24", None, None, 22, 22],
        [32766, "all", "deny", "0.0.0.0/0", *[None] * 4],
    ]
    found = call("aws_network_acl", many("aws_network_acl", 17), ingress=own, egress=own[:1])
    assert [found["ingress"][0], found["ingress"][-1]] == own
    assert (len(found["ingress"]), found["egress"]) == (19, own[:1])
    assert refused("aws_network_acl", many("aws_network_acl", 18), ingress=own).value == 21


def test_numbers_of_a_network_acl_end_at_32766() -> None:
    assert call("aws_network_acl", many("aws_network_acl", 2), first=32756)["ingress"][-1][0] == 32766
    error = refused("aws_network_acl", many("aws_network_acl", 2), first=32757)
    assert (error.code, error.path, error.value) == ("over_limit", "first", 32767)


def test_priorities_of_azure_are_unique_in_a_direction() -> None:
    plan = many("azure", 2)
    plan = plan._replace(statements=plan.statements + many("azure", 2, origin="dc").statements)
    found = [(rule["direction"], rule["priority"]) for rule in call("azure", plan)["rules"]]
    assert found == [("Inbound", 1000), ("Inbound", 1001), ("Outbound", 1000), ("Outbound", 1001)]
    assert call("azure", many("azure", 2), first=4095)["rules"][-1]["priority"] == 4096
    error = refused("azure", many("azure", 2), first=4096)
    assert (error.code, error.path, error.value) == ("over_limit", "first", 4097)


def test_azure_takes_a_thousand_rules_and_four_thousand_networks() -> None:
    assert len(call("azure", many("azure", 1000))["rules"]) == 1000
    assert refused("azure", many("azure", 1001)).value == 1001
    plan = many("azure", 4000)
    merged = tuple(item.source[0] for item in plan.statements)
    one = plan.statements[0]._replace(source=merged)
    assert len(call("azure", plan._replace(statements=(one,)))["rules"][0]["source_address_prefix"]) == 4000
    wide = one._replace(source=(*merged, AddressRange.parse("203.0.113.7")))
    error = refused("azure", plan._replace(statements=(wide,)))
    assert (error.code, error.value) == ("over_limit", 4001)


def test_azure_compares_one_with_a_text_and_several_with_a_list() -> None:
    plan = example_plan("azure")
    rule = call("azure", plan)["rules"][0]
    assert (rule["source_address_prefix"], rule["destination_port_range"]) == ("192.0.2.21/32", "1433")
    two = plan.statements[0]._replace(destination_ports=(PortRange(1433, 1433), PortRange(5001, 5002)))
    rule = call("azure", plan._replace(statements=(two,)))["rules"][0]
    assert rule["destination_port_range"] == ["1433", "5001-5002"]


def test_google_takes_256_networks_of_one_family_in_a_rule() -> None:
    plan = many("gcp", 256)
    (rule,) = call("gcp", plan)
    assert (len(rule["source_ranges"]), rule["name"]) == (256, "dbports-in-v4-tcp-1433")
    assert "destination_ranges" not in rule
    assert refused("gcp", many("gcp", 257)).value == 257
    both = plan._replace(statements=plan.statements[:1] + many("gcp", 1, "ipv6").statements)
    assert [rule["name"] for rule in call("gcp", both)] == ["dbports-in-v4-tcp-1433", "dbports-in-v6-tcp-1433"]


@pytest.mark.parametrize(("platform", "added"), [("gcp", "-in-v4-tcp-1433"), ("kubernetes", "-ingress")])
def test_names_are_counted_with_what_follows(platform: str, added: str) -> None:
    longest = {"gcp": 63, "kubernetes": 253}[platform] - len(added)
    found = call(platform, name="a" * longest)[0]
    assert (found.get("name") or found["metadata"]["name"]) == "a" * longest + added
    assert refused(platform, name="a" * (longest + 1)).code == "over_limit"


def test_openstack_takes_a_hundred_rules() -> None:
    assert len(call("openstack", many("openstack", 100))) == 100
    assert refused("openstack", many("openstack", 101)).value == 101
    assert call("openstack", many("openstack", 101), quota="101")


@pytest.mark.parametrize(
    ("ports", "written"),
    [
        (None, [(1, 1), (65535, 65535), (2, 65534)]),
        (PortRange(1, 65535), [(1, 1), (65535, 65535), (2, 65534)]),
        (PortRange(1024, 65535), [(65535, 65535), (1024, 65534)]),
        (PortRange(1, 1023), [(1, 1), (2, 1023)]),
        (PortRange(65534, 65535), [(65535, 65535), (65534, 65534)]),
        (PortRange(65535, 65535), [(65535, 65535)]),
        (PortRange(5001, 5002), [(5001, 5002)]),
    ],
)
def test_ranges_of_openstack_have_both_ends(ports: PortRange | None, written: list[tuple[int, int]]) -> None:
    """The module takes 1 and 65535 for none, and finds another rule."""
    plan = example_plan("openstack")
    one = plan.statements[0]._replace(destination_ports=(ports,) if ports else ())
    found = call("openstack", plan._replace(statements=(one,)))
    assert [(rule["port_range_min"], rule["port_range_max"]) for rule in found] == written
    assert all(rule["remote_ip_prefix"] == "192.0.2.21/32" and rule["description"] == "dbports" for rule in found)


def test_a_stateless_group_has_replies() -> None:
    hosts = {**HOSTS, "sql-db": {"dbports_addresses": [TWO[1]]}}
    found = call("openstack", gateway_plan("openstack", hosts, stateful=False), members=[TWO[0]])
    answers = [rule for rule in found if (rule["direction"], rule["protocol"]) == ("egress", "tcp")]
    assert {(rule["port_range_min"], rule["port_range_max"]) for rule in answers} >= {(32768, 60999)}
    errors = [rule for rule in found if rule["protocol"] == "icmp"]
    assert {(rule["direction"], rule["port_range_min"], rule["port_range_max"]) for rule in errors} == {
        ("ingress", 3, 4),
        ("egress", 3, 4),
    }


def test_a_policy_is_what_the_api_takes() -> None:
    """kubernetes/api, networking/v1/types.go: NetworkPolicySpec, NetworkPolicyPort, NetworkPolicyPeer, IPBlock."""
    plan = example_plan("kubernetes")
    two = plan.statements[0]._replace(destination_ports=(PortRange(1433, 1433), PortRange(5001, 5002)))
    back = two._replace(origin="dc", target="office", source=two.destination, destination=two.source)
    policies = call(
        "kubernetes", plan._replace(statements=(two, back)), pod_selector={"matchLabels": {"app": "erp-db"}}
    )
    assert [policy["metadata"]["name"] for policy in policies] == ["db-ingress", "db-egress"]
    for policy in policies:
        check_policy(policy)
    ports = [rule["ports"] for rule in policies[0]["spec"]["ingress"]]
    assert ports == [
        [{"protocol": "TCP", "port": 1433}],
        [{"protocol": "TCP", "port": 5001, "endPort": 5002}],
    ]


def check_policy(policy: dict[str, Any]) -> None:
    """Check an object by what the types and the validation of the API demand."""
    assert set(policy) == {"apiVersion", "kind", "metadata", "spec"}
    assert (policy["apiVersion"], policy["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", policy["metadata"]["name"])
    (kind,) = policy["spec"]["policyTypes"]
    assert kind in ("Ingress", "Egress")
    assert set(policy["spec"]) == {"podSelector", "policyTypes", kind.lower()}
    assert set(policy["spec"]["podSelector"]) <= {"matchLabels", "matchExpressions"}
    for rule in policy["spec"][kind.lower()]:
        peers = rule.pop("from" if kind == "Ingress" else "to")
        assert peers, "no peers are all peers"
        for peer in peers:
            assert set(peer) == {"ipBlock"}
            assert set(peer["ipBlock"]) == {"cidr"}
            assert str(ipaddress.ip_network(peer["ipBlock"]["cidr"])) == peer["ipBlock"]["cidr"]
        assert set(rule) == {"ports"}
        assert rule["ports"], "no ports are all ports"
        for port in rule["ports"]:
            assert port["protocol"] in ("TCP", "UDP")
            assert set(port) <= {"protocol", "port", "endPort"}
            assert isinstance(port["port"], int), "endPort needs a numeric port"
            assert port["port"] < port.get("endPort", 65536)


@pytest.mark.parametrize("platform", NO_ICMP)
def test_ping_is_refused_where_a_rule_has_no_types(platform: str) -> None:
    hosts = {name: value for name, value in HOSTS.items() if name != "erp-db"}
    error = refused(platform, gateway_plan(platform, hosts))
    assert (error.code, error.value) == ("cannot_encode", "sql-db")
    assert "ping: false" in str(error)


@pytest.mark.parametrize("platform", GROUPS)
def test_a_group_of_hosts_that_need_different_rules_is_refused(platform: str) -> None:
    hosts = {
        **HOSTS,
        "sql-db": {"dbports_addresses": [TWO[1]], "dbports_servers": [{"engine": "sql602", "clients": ["office-1"]}]},
    }
    plan = gateway_plan(platform, hosts)
    error = refused(platform, plan)
    assert (error.code, error.path) == ("cannot_encode", "members")
    assert refused(platform, plan, members=list(TWO)).code == "cannot_encode"
    assert call(platform, plan, members=[TWO[0], "2001:db8:2::10"]) != call(platform, plan, members=[TWO[1]])


@pytest.mark.parametrize("platform", GROUPS)
def test_hosts_that_need_the_same_share_a_group(platform: str) -> None:
    server = {"engine": "mssql", "clients": ["app-01"]}
    hosts = {name: {"dbports_addresses": [name[3:]], "dbports_servers": [server]} for name in ("db-" + a for a in TWO)}
    plan = gateway_plan(platform, {**hosts, "app-01": {"dbports_addresses": ["192.0.2.21"], "dbports_os": "linux"}})
    assert str(call(platform, plan)).count("192.0.2.21/32") == 1
    assert call(platform, plan, members=list(TWO)) == call(platform, plan) == call(platform, plan, members=[TWO[1]])


@pytest.mark.parametrize(
    ("platform", "options", "code", "path"),
    [
        *((platform, {"protects": ""}, "missing", "protects") for platform in CALLS),
        *((platform, {"members": ["198.51.100.99"]}, "not_in_plan", "members[0]") for platform in GROUPS),
        *((platform, {"members": []}, "wrong_type", "members") for platform in GROUPS),
        *((platform, {"members": ["erp-db"]}, "not_an_address", "members[0]") for platform in GROUPS),
        ("aws_security_group", {"mode": "purge"}, "not_a_choice", "mode"),
        ("aws_security_group", {"quota": 1001}, "not_a_number", "quota"),
        ("aws_network_acl", {"quota": 41}, "not_a_number", "quota"),
        ("aws_network_acl", {"first": 0}, "not_a_number", "first"),
        ("aws_network_acl", {"first": True}, "not_a_number", "first"),
        ("aws_network_acl", {"ingress": "all"}, "wrong_type", "ingress"),
        ("aws_network_acl", {"egress": [[100, "tcp", "allow"]]}, "wrong_type", "egress[0]"),
        ("aws_network_acl", {"egress": [[20005, *[None] * 7]]}, "duplicate", "egress[0]"),
        ("aws_network_acl", {"egress": [[1, *[None] * 7], [1, *[None] * 7]]}, "duplicate", "egress[1]"),
        ("azure", {"first": 99}, "not_a_number", "first"),
        ("azure", {"mode": None}, "not_a_choice", "mode"),
        ("gcp", {"name": "Db"}, "not_a_name", "name"),
        ("gcp", {"target_tags": None}, "contradiction", "target_tags"),
        ("gcp", {"target_service_accounts": ["a@b"]}, "contradiction", "target_tags"),
        ("gcp", {"target_tags": "db"}, "wrong_type", "target_tags"),
        ("gcp", {"priority": 65536}, "not_a_number", "priority"),
        ("openstack", {"security_group": ""}, "not_a_name", "security_group"),
        ("kubernetes", {"name": "a..b"}, "not_a_name", "name"),
        ("kubernetes", {"namespace": "a.b"}, "not_a_name", "namespace"),
        ("kubernetes", {"pod_selector": {"app": "erp-db"}}, "wrong_type", "pod_selector"),
        ("kubernetes", {"pod_selector": None}, "wrong_type", "pod_selector"),
    ],
)
def test_what_is_refused(platform: str, options: dict[str, Any], code: str, path: str) -> None:
    error = refused(platform, **options)
    assert (error.code, error.path) == (code, path)


@pytest.mark.parametrize("platform", sorted(CALLS))
def test_a_network_that_the_gateway_does_not_stand_at(platform: str) -> None:
    assert refused(platform, protects="dmz").code == "unknown_name"


@pytest.mark.parametrize("platform", GROUPS)
def test_the_source_port_of_an_announcement_is_lost(platform: str) -> None:
    """602SQL: the server sends to UDP 5002 from a port of its choice."""
    server = {"engine": "sql602", "clients": ["app-01"]}
    hosts = {
        "sql-db": {"dbports_addresses": [TWO[1]], "dbports_servers": [server]},
        "app-01": {"dbports_addresses": ["192.0.2.21"], "dbports_os": "linux"},
    }
    found = str(call(platform, gateway_plan(platform, hosts)))
    assert "5002" in found
    assert "1024" not in found
