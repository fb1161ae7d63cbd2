# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports and flows for others: what a security group takes, from plain data."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.required_ports import (
    networks_of,
    plain_flows,
    required_ports,
)

SITE: dict[str, Any] = {
    "hosts": {
        "db": {
            "ansible_host": "192.0.2.10",
            "dbports_servers": [{"engine": "sql602", "clients": ["apps", "2001:db8::/64"], "ping": True}],
        },
        "app-01": {"ansible_host": "192.0.2.20"},
        "app-02": {"ansible_host": "192.0.2.21"},
        "idle": {"ansible_host": "192.0.2.99"},
    },
    "groups": {"apps": ["app-01", "app-02"]},
}


def plain(value: Any) -> bool:
    """Tell whether a value is what a filter may return, to its last part."""
    kind = value.__class__  # a subclass is refused, so isinstance would say too little
    if kind is dict:
        return all(key.__class__ is str and plain(item) for key, item in value.items())
    return all(map(plain, value)) if kind is list else kind in (str, int, bool)


def test_one_rule_for_each_protocol_and_port() -> None:
    both = ["192.0.2.20/31", "2001:db8::/64"]
    found = required_ports(SITE)
    assert [
        (rule["protocol"], rule["from_port"], rule["to_port"], rule["sources"], rule["need"]) for rule in found
    ] == [
        ("icmp", 8, -1, ["192.0.2.20/31"], "required"),
        ("icmpv6", 128, -1, ["2001:db8::/64"], "required"),
        ("tcp", 5002, 5002, both, "required"),
        ("udp", 5001, 5001, both, "optional"),
    ]
    assert "search" in found[3]["purpose"]
    assert "interrupt" in found[3]["purpose"], "three flows, one port"
    assert plain(found)


def test_what_a_host_sends() -> None:
    found = required_ports(SITE, "db", "out")
    assert [(rule["protocol"], rule["from_port"], rule["destinations"]) for rule in found] == [
        ("udp", 5002, ["192.0.2.20/31", "2001:db8::/64"])
    ]


def test_a_client() -> None:
    (rule,) = required_ports(SITE, "app-01")
    assert (rule["protocol"], rule["from_port"], rule["sources"]) == ("udp", 5002, ["192.0.2.10/32"])


def test_a_host_that_matters_to_nobody_needs_nothing() -> None:
    assert required_ports(SITE, "idle") == []


def test_several_ports_are_several_rules() -> None:
    server = {"engine": "mssql", "clients": ["192.0.2.5"], "instances": [{"tcp_port": "1433,1500-1502"}]}
    assert [(rule["from_port"], rule["to_port"]) for rule in required_ports(server)] == [(1433, 1433), (1500, 1502)]


def test_a_single_server_needs_no_host() -> None:
    (rule,) = required_ports({"engine": "mssql", "clients": ["198.51.100.0-198.51.100.9"]})
    assert rule == {
        "protocol": "tcp",
        "from_port": 1433,
        "to_port": 1433,
        "sources": ["198.51.100.0/29", "198.51.100.8/31"],
        "purpose": "Clients connect to instance MSSQLSERVER",
        "need": "required",
    }


def test_no_rule_without_peers() -> None:
    data = {
        "hosts": {
            "db": {
                "ansible_host": "192.0.2.10",
                "dbports_servers": [{"engine": "mssql", "clients": [{"name": "none", "allow_empty": True}]}],
            }
        },
        "groups": {"none": []},
    }
    assert required_ports(data) == [], "a security group without sources would be read as: from everywhere"


@pytest.mark.parametrize(
    ("data", "host", "message", "code"),
    [
        ("mssql", None, "expected a dictionary", "wrong_type"),
        ({"engine": "mssql"}, None, "no clients are declared", "no_clients"),
        ({"engine": "mssql", "clients": ["app_servers"]}, None, "neither an inventory host or group", "unknown_name"),
        ({"engine": "mssqll", "clients": ["192.0.2.5"]}, None, "no such engine", "unknown_name"),
        ({"hosts": {"a": {}}, "group": {}}, None, "hosts, groups and vars", "unknown_key"),
        (SITE, "dbx", "Did you mean db?", "unknown_name"),
        (SITE, "somewhere", "Name a host of the data", "unknown_name"),
        ({"hosts": {"a": {}}}, None, "host is required", "missing"),
        (
            {
                "hosts": {
                    name: {
                        "ansible_host": f"192.0.2.{n}",
                        "dbports_servers": [{"engine": "mssql", "clients": ["192.0.2.9"]}],
                    }
                    for n, name in enumerate("ab", 1)
                }
            },
            None,
            "Name one of a, b",
            "missing",
        ),
    ],
)
def test_errors(data: Any, host: str | None, message: str, code: str) -> None:
    with pytest.raises(DbportsError, match=message) as caught:
        required_ports(data, host)
    (error,) = getattr(caught.value, "errors", (caught.value,))
    assert error.code == code


def test_a_wrong_direction() -> None:
    with pytest.raises(DbportsError, match="not a direction") as caught:
        required_ports(SITE, direction="both")
    assert caught.value.code == "not_a_choice"


def test_flows_are_plain_and_complete() -> None:
    found = plain_flows(SITE)
    assert plain(found)
    assert {(flow["initiator"], flow["responder"], flow["protocol"], flow["ports"]) for flow in found} >= {
        ("app-01", "db", "tcp", "5002"),
        ("db", "app-01", "udp", "5002"),
        ("db", "2001:db8::/64", "udp", "5002"),
        ("2001:db8::/64", "db", "icmp", ""),
    }


def test_a_single_server_shows_no_address_that_nobody_gave() -> None:
    server = {"engine": "sql602", "clients": ["198.51.100.0/24"]}
    assert {str(flow["responder_addresses"]) for flow in plain_flows(server) if flow["responder"] == "sql602"} == {"[]"}
    assert {str(flow["initiator_addresses"]) for flow in plain_flows(server) if flow["initiator"] == "sql602"} == {"[]"}
    given = plain_flows(server, ["203.0.113.5"])
    assert {str(flow["responder_addresses"]) for flow in given if flow["responder"] == "sql602"} == {"['203.0.113.5']"}


def test_addresses_belong_to_a_single_server() -> None:
    with pytest.raises(DbportsError, match="only a single server") as caught:
        plain_flows(SITE, ["203.0.113.5"])
    assert caught.value.code == "contradiction"


def test_networks_hold_exactly_the_addresses() -> None:
    texts = ["192.0.2.3", "192.0.2.4", "192.0.2.8-192.0.2.20", "2001:db8::1-2001:db8::6", "192.0.2.5"]
    wanted = {
        (item.family, number) for item in map(AddressRange.parse, texts) for number in range(item.first, item.last + 1)
    }
    networks = [ipaddress.ip_network(text) for text in networks_of(map(AddressRange.parse, texts))]
    found = [(net.version, int(address)) for net in networks for address in net]
    assert set(found) == wanted
    assert len(found) == len(wanted), "no network holds an address of another"
