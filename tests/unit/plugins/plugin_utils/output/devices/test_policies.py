# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewalls with policies: their objects, the vendor's own ones where they exist, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator
from panos.objects import ServiceObject
from panos.policies import SecurityRule

from gateway_plans import file_data, gateway_plan

ZONES = {"office": "trust", "dc": ["servers", "dmz"]}


def panos(**options: Any) -> Any:
    """Return what the filter gives for the file of the gateway."""
    return from_data(translator("panos_rules"))(file_data(gateway_plan("panos")), **{"zones": ZONES, **options})


def fortios(**options: Any) -> Any:
    """Return what the filter gives for the file of the gateway."""
    interfaces = {"office": "port1", "dc": ["port2", "port3"]}
    data = file_data(gateway_plan("fortios"))
    return from_data(translator("fortios_policies"))(data, **{"interfaces": interfaces, **options})


def test_the_vendors_objects_of_pan_os_hold_the_rules() -> None:
    data = panos()
    for item in data["services"]:
        xml = ServiceObject(**item).element()
        assert xml.get("name") == item["name"]
        assert xml.findtext(f"protocol/{item['protocol']}/port") == item["destination_port"]
    for item in data["rules"]:
        rule = SecurityRule(
            item["rule_name"],
            fromzone=item["source_zone"],
            tozone=item["destination_zone"],
            source=item["source_ip"],
            destination=item["destination_ip"],
            application=item["application"],
            service=item["service"],
            action=item["action"],
            description=item["description"],
        )
        xml = rule.element()
        assert [member.text for member in xml.findall("to/member")] == item["destination_zone"]
        assert [member.text for member in xml.findall("service/member")] == item["service"]


def test_ports_of_one_statement_are_one_service() -> None:
    assert {"name": "dbports-tcp-1433_1500", "protocol": "tcp", "destination_port": "1433,1500"} in panos()["services"]
    service = {"name": "dbports-tcp-1433_1500", "protocol": "TCP/UDP/SCTP", "tcp_portrange": "1433 1500"}
    assert service in fortios()["services"]


def test_an_unrelated_datagram_keeps_its_source_ports() -> None:
    assert "1024-65535" in [item.get("source_port") for item in panos()["services"]]
    assert "5002:1024-65535" in [item.get("udp_portrange") for item in fortios()["services"]]


def test_ping_is_an_application_and_a_service() -> None:
    (rule,) = [item for item in panos()["rules"] if item["application"] == ["ping"]]
    assert rule["service"] == ["application-default"]
    assert {"name": "dbports-icmp-8", "protocol": "ICMP", "icmptype": 8, "icmpcode": 0} in fortios()["services"]


def test_many_ports_have_a_service_with_a_short_name() -> None:
    plan = gateway_plan("panos")
    tcp = next(item for item in plan.statements if item.protocol == "tcp")
    odd = tcp._replace(destination_ports=tuple(PortRange(port, port) for port in range(1001, 1101, 2)))
    data = translator("panos_rules").function(plan._replace(statements=(odd,)), ZONES)
    (service,) = data["services"]
    assert len(service["name"]) <= 63
    assert service["destination_port"].count(",") == 49
    assert data["rules"][0]["service"] == [service["name"]]


def test_policies_have_the_numbers_of_their_block() -> None:
    data = fortios(first="7000")
    assert [item["policyid"] for item in data["policies"]] == list(range(7000, 7000 + len(data["policies"])))
    assert len({item["name"] for item in data["policies"]}) == len(data["policies"])


@pytest.mark.parametrize(
    ("call", "options", "code", "path"),
    [
        (panos, {"zones": {"office": "trust"}}, "missing", "zones"),
        (panos, {"zones": ["trust"]}, "wrong_type", "zones"),
        (panos, {"zones": {"office": "t" * 32, "dc": "x"}}, "over_limit", "zones.office"),
        (panos, {"zones": {"office": "t\n", "dc": "x"}}, "not_a_name", "zones.office"),
        (fortios, {"interfaces": {"office": "port1", "dc": ["port2", 5]}}, "not_a_name", "interfaces.dc"),
        (fortios, {"first": 4294967290}, "over_limit", "first"),
        (fortios, {"first": 0}, "not_a_number", "first"),
    ],
)
def test_what_is_refused(call: Any, options: dict[str, Any], code: str, path: str) -> None:
    with pytest.raises(DbportsError) as caught:
        call(**options)
    assert (caught.value.code, caught.value.path) == (code, path)


def test_only_an_echo_request_is_an_application() -> None:
    plan = gateway_plan("panos")
    ping = next(item for item in plan.statements if item.protocol == "icmp")
    with pytest.raises(DbportsError, match="ICMP type 3: only echo requests are an application"):
        translator("panos_rules").function(plan._replace(statements=(ping._replace(icmp_type=3, icmp_code=4),)), ZONES)


@pytest.mark.parametrize(
    ("name", "options", "refused"),
    [
        ("panos_rules", {"zones": ZONES}, True),
        ("fortios_policies", {"interfaces": ZONES}, True),
        ("asa_aces", {}, False),
    ],
)
def test_what_is_published_is_not_written_where_no_rule_names_the_inside_address(
    name: str, options: dict[str, Any], refused: bool
) -> None:
    """PAN-OS decides by the address before any translation, FortiOS by the virtual IP."""
    mappings = [{"host": "erp-db", "protocol": "tcp", "port": 1433, "public_port": 21433}]
    addresses = {"office": "192.0.2.1", "dc": "198.51.100.1"}
    hosts = {
        "erp-db": {
            "dbports_addresses": ["198.51.100.10"],
            "dbports_servers": [{"engine": "mssql", "clients": ["192.0.2.21"]}],
        }
    }
    nat = {"kind": "nat", "inside": "dc", "addresses": addresses, "mappings": mappings}
    plan = file_data(gateway_plan(None, hosts, **nat))
    if not refused:
        assert from_data(translator(name))(plan, "office-in")["acls"]
        return
    with pytest.raises(DbportsError, match="publishes mssql/MSSQLSERVER/tds") as caught:
        from_data(translator(name))(plan, **options)
    assert caught.value.code == "cannot_encode"
