# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""602SQL beyond its flows, which tests/scenarios/sql602.yml has: addresses, endpoints, contradictions."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan


def plan_of(**server: Any) -> Plan:
    """Plan one server with two addresses and one client."""
    return build_plan(
        PlainInventory(
            {
                "hosts": {
                    "db": {
                        "dbports_addresses": ["192.0.2.10", "198.51.100.10"],
                        "dbports_servers": [{"engine": "sql602", "clients": ["app"], **server}],
                    },
                    "app": {"ansible_host": "192.0.2.21"},
                }
            }
        )
    )


def test_tcp_honours_the_servers_address_and_udp_does_not() -> None:
    plan = plan_of(server_ip_addr="192.0.2.10", web_port=81, http_tunnel_port=82)
    listening = {one.id.partition("/")[2]: one.address for one in plan.hosts["db"].endpoints}
    assert {flow for flow, address in listening.items() if address} == {"connect"}
    assert str(listening["connect"]) == "192.0.2.10"
    reached = {
        head.flow: format_addresses(ref.addresses)
        for head, refs in plan.hosts["app"].rules.items()
        for ref in refs.values()
    }
    assert reached["connect"] == ["192.0.2.10"]
    assert reached["search"] == reached["web"] == reached["http_tunnel"] == ["192.0.2.10", "198.51.100.10"]


def test_the_tunnel_alone_listens_on_nothing_counted_from_portbase() -> None:
    plan = plan_of(tunnel_only=True, http_tunnel_port=8090)
    assert {(one.protocol, format_ports(one.ports)) for one in plan.hosts["db"].endpoints} == {("tcp", "8090")}
    assert [format_ports(head.ports) for head in plan.hosts["db"].rules] == ["8090"]


def test_announcements_need_rules_of_their_own() -> None:
    unsolicited = {head.flow for head in plan_of(ping=True, web_port=81).hosts["app"].rules if head.unsolicited}
    assert unsolicited == {"announcement"}


def test_both_replication_partners_are_looked_at() -> None:
    plan = plan_of(replication_partners=["203.0.113.10"])
    (endpoint,) = [one for one in plan.hosts["db"].endpoints if one.id == "sql602/replication"]
    assert (format_ports(endpoint.ports), endpoint.process, endpoint.listening) == ("5003", ("602sql*",), "required")


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ({"minimum": True, "http_tunnel_port": 80}, "http_tunnel_port"),
        ({"minimum": True, "web_port": 80}, "web_port"),
        ({"minimum": True, "tunnel_only": True}, "tunnel_only"),
        ({"minimum": True, "replication_partners": ["app"]}, "replication_partners"),
        ({"minimum": True, "smtp_servers": ["203.0.113.25"]}, "smtp_servers"),
        ({"tunnel_only": True, "http_tunnel_port": 80, "replication_partners": ["app"]}, "replication_partners"),
        ({"tunnel_only": True, "http_tunnel_port": 80, "server_ip_addr": "192.0.2.10"}, "server_ip_addr"),
        ({"server_ip_addr": "sql.example"}, "server_ip_addr"),
        ({"server_ip_addr": "127.0.0.1"}, "server_ip_addr"),
        ({"tunnel_only": True}, "tunnel_only"),
        ({"dns_servers": ["app"]}, "dns_servers[0]"),
    ],
)
def test_contradictions(server: dict[str, Any], path: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(**server)
    (error,) = caught.value.errors
    assert (error.host, error.path) == ("db", f"dbports_servers[0].{path}")
    assert error.fix
