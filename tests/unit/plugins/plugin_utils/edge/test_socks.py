# SPDX-License-Identifier: GPL-3.0-or-later
"""A SOCKS host in the plan: what it relays, what its own firewall lets in, and who probes what."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.flows import flows_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.socks import (
    client_line,
    danted_conf,
    socks_arguments,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan, Probe
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.flows import flows_of as whole_flows
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

from gateway_plans import file_data

GATEWAY: dict[str, Any] = {
    "name": "socks-1",
    "kind": "socks",
    "between": ["office", "dc"],
    "addresses": {"office": "192.0.2.1", "dc": "198.51.100.1"},
    "host": "bastion",
}


def plan(*gateways: dict[str, Any], more: tuple[str, ...] = (), **servers: tuple[str, int, list[str]]) -> Plan:
    """Return the plan of two 602SQL servers in the data centre, with clients in the office.

    :param more: other clients of the first server; ``servers`` are other servers: address, PORTBASE, clients.
    """
    first = ["app", "192.0.2.128/25", *more]
    servers = {"db-1": ("198.51.100.10", 5001, first), "db-2": ("198.51.100.11", 6001, ["app"]), **servers}
    hosts: dict[str, Any] = {"app": {"ansible_host": "192.0.2.21"}, "bastion": {"ansible_host": "192.0.2.1"}}
    for name, (address, base, clients) in servers.items():
        server = {"engine": "sql602", "port_base": base, "clients": clients}
        hosts[name] = {"ansible_host": address, "dbports_servers": [server]}
    networks = {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"]}
    data = {"hosts": hosts, "vars": {"dbports_networks": networks, "dbports_gateways": list(gateways)}}
    return build_plan(PlainInventory(data))


def rules(found: Plan, host: str, direction: str) -> list[tuple[str, str, bool, Probe | None]]:
    """Return a host's rules: the peers, protocol and ports, whether it is guarded, and the probe."""
    return [
        (" ".join(sorted(peers)), f"{key.protocol} {format_ports(key.ports)}", key.guarded, key.probe)
        for key, peers in found.hosts[host].ordered()
        if key.direction == direction and peers
    ]


def test_only_the_declared_clients_get_what_they_declared() -> None:
    found = socks_arguments(plan({**GATEWAY, "platform": "dante"}).gateways[0])
    assert found == {
        "platform": "dante",
        "gateway": "socks-1",
        "port": 1080,
        "internal": ["192.0.2.1"],
        "external": ["198.51.100.1"],
        "rules": [
            {"clients": ["192.0.2.21", "192.0.2.128/25"], "servers": ["198.51.100.10"], "ports": ["5002"]},
            {"clients": ["192.0.2.21"], "servers": ["198.51.100.11"], "ports": ["6002"]},
        ],
    }


def test_the_socks_host_is_guarded_and_probes_the_servers_itself() -> None:
    found = plan({**GATEWAY, "platform": "dante"})
    assert rules(found, "bastion", "in") == [("192.0.2.128/25 app", "tcp 1080", True, None)]
    assert rules(found, "bastion", "out") == [
        ("db-1", "tcp 5002", True, Probe("sql602_connect", None)),
        ("db-2", "tcp 6002", True, Probe("sql602_connect", None)),
    ]
    assert rules(found, "app", "out") == [
        ("bastion", "tcp 1080", True, Probe("socks", "198.51.100.10:5002")),
        ("bastion", "tcp 1080", True, Probe("socks", "198.51.100.11:6002")),
    ]
    assert rules(found, "db-1", "in") == [("bastion", "tcp 5002", True, None)]


def test_no_flow_is_told_twice() -> None:
    found = plan({**GATEWAY, "platform": "dante"})
    told = [f"{item['initiator']} -> {item['responder']} {item['ports']}" for item in flows_of(found)]
    assert told == [
        "192.0.2.128/25 -> bastion 1080",
        "app -> bastion 1080",
        "bastion -> db-1 5002",
        "bastion -> db-2 6002",
    ]
    assert not [item for item in whole_flows(list(found.hosts.values()), found.gateways) if item.gateways]


def test_an_ssh_server_keeps_its_port_open_for_others() -> None:
    found = plan({**GATEWAY, "platform": "sshd"})
    assert rules(found, "bastion", "in") == [("192.0.2.128/25 app", "tcp 22", False, None)]
    assert rules(found, "app", "out") == [("bastion", "tcp 22", False, Probe("tcp", None))]
    assert client_line(found.gateways[0], "relay") == (
        "socks-1: clients run ssh -N -D 127.0.0.1:1080 relay@192.0.2.1 and name 127.0.0.1 as their SOCKS host"
    )
    moved = plan({**GATEWAY, "platform": "sshd", "port": 2222})
    assert "-p 2222 relay@192.0.2.1" in client_line(moved.gateways[0], "relay")


def test_a_gateway_may_have_the_name_of_its_host() -> None:
    assert "bastion" in plan({**GATEWAY, "platform": "dante", "name": "bastion"}).hosts


def test_one_host_is_one_relay() -> None:
    other = {**GATEWAY, "name": "socks-2", "platform": "sshd", "engines": ["mssql"]}
    with pytest.raises(PlanError) as caught:
        plan({**GATEWAY, "platform": "dante"}, other)
    assert "dbports_gateways[1].host" in str(caught.value)
    assert "another gateway that relays" in str(caught.value)


def addresses(found: Plan, host: str, peer: str) -> set[str]:
    """Return under which addresses a host knows a peer."""
    rules = found.hosts[host].rules.values()
    return {text for peers in rules if peer in peers for text in format_addresses(peers[peer].addresses)}


def test_a_socks_host_that_is_a_client_connects_directly() -> None:
    """By the address on the servers' side, with all that does not pass a SOCKS host, and with nothing lost."""
    found = plan({**GATEWAY, "platform": "dante"}, more=("bastion",))
    search = Probe("sql602_search", None)
    assert [rule[1::2] for rule in rules(found, "bastion", "out") if rule[0] == "db-1"] == [
        ("tcp 5002", Probe("sql602_connect", None)),
        ("udp 5001", None),
        ("udp 5001", search),
        ("udp 5001", None),
    ]
    assert rules(found, "bastion", "in") == [
        ("db-1", "udp 5002", True, None),
        ("192.0.2.128/25 app", "tcp 1080", True, None),
    ]
    assert addresses(found, "db-1", "bastion") == {"198.51.100.1"}
    asked = socks_arguments(found.gateways[0])["rules"]
    assert {client for rule in asked for client in rule["clients"]} == {"192.0.2.21", "192.0.2.128/25"}


def test_a_server_on_the_socks_host_is_asked_directly() -> None:
    """At its address on each client's side."""
    found = plan({**GATEWAY, "platform": "dante"}, bastion=("192.0.2.1", 7001, ["app", "db-2"]))
    assert ("app db-2", "tcp 7002", True, None) in rules(found, "bastion", "in")
    assert addresses(found, "app", "bastion") == {"192.0.2.1"}
    assert addresses(found, "db-2", "bastion") == {"198.51.100.1"}
    assert not [item for item in found.hosts["bastion"].warnings if item.code == "lost_on_gateway"]


def test_a_router_that_is_a_client_forwards_nothing_for_itself() -> None:
    router = {"name": "fw-1", "kind": "filter", "platform": "linux", "host": "bastion", "between": ["office", "dc"]}
    found = plan(router, more=("bastion",))
    forwards = found.hosts["bastion"].forwards
    assert {text for item in forwards for text in format_addresses(item.peers)} >= {"192.0.2.21"}
    assert "192.0.2.1" not in {text for item in forwards for text in format_addresses((*item.peers, *item.targets))}
    assert addresses(found, "db-1", "bastion") == {"192.0.2.1"}


def test_the_file_of_dante_for_those_who_deploy_it_themselves() -> None:
    text = danted_conf(file_data(plan({**GATEWAY, "platform": "dante"}).gateways[0]))
    assert "for the gateway socks-1; changes are overwritten\n" in text
    assert text.count("socks pass") == 3
    assert danted_conf(file_data(plan({**GATEWAY, "platform": None}).gateways[0])) == text
    filters = {"name": "f", "kind": "filter", "between": ["office", "dc"]}
    for other, said in (({**GATEWAY, "platform": "sshd"}, "runs on sshd"), (filters, "f is a filter gateway")):
        with pytest.raises(DbportsError, match=said):
            danted_conf(file_data(plan(other).gateways[0]))
