# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From declarations to port sets: what the engines' documentation says must come out, on both sides."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Declared
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    Endpoint,
    Plan,
    PortSet,
    Probe,
    shown_ports,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import Conflict
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import (
    conflict_name,
    conflict_sentence,
    sentence,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

LINUX, WINDOWS, OLD_WINDOWS, ANY = "32768-60999", "49152-65535", "1025-5000", "1024-65535"
HOSTS = {
    "db": {"dbports_addresses": ["192.0.2.10"], "dbports_os": "linux"},
    "app-01": {"dbports_addresses": ["192.0.2.21"], "dbports_os": "linux"},
    "app-02": {"dbports_addresses": ["192.0.2.22"], "dbports_os": "windows"},
    "other": {"dbports_addresses": ["192.0.2.30"]},
}
GROUPS = {"apps": ["app-01", "app-02"], "everyone": ["app-01", "app-02", "db", "other"], "nobody": []}


def plan_of(servers: str, **hosts: dict[str, Any]) -> Plan:
    """Plan for a host db with these servers (YAML); ``hosts`` adds variables to hosts, or hosts."""
    merged: dict[str, dict[str, Any]] = {name: {**values, **hosts.pop(name, {})} for name, values in HOSTS.items()}
    merged.update(hosts)
    merged["db"]["dbports_servers"] = yaml.safe_load(servers)
    return build_plan(PlainInventory({"hosts": merged, "groups": GROUPS}))


def rules(host: PortSet, direction: str) -> dict[str, dict[str, str]]:
    """Return a host's rules as ``{"flow protocol ports": {peer: source ports}}``."""
    return {
        f"{key.flow} {shown_ports(key.protocol, key.ports)}": {
            name: str(peer.source_ports or "") for name, peer in peers.items()
        }
        for key, peers in host.rules.items()
        if key.direction == direction
    }


def reasons(plan: Plan) -> list[str]:
    """Return the codes of a plan's warnings, of an engine's the engine's own."""
    return [item.reason if item.code == "engine" else item.code for item in plan.warnings]


def endpoints(host: PortSet) -> dict[str, Endpoint]:
    """Return a host's endpoints by their id."""
    return {item.id: item for item in host.endpoints}


class Test602Sql:
    """Sockets of server and client, and the rules that make operations work (observed on 602SQL 11.0.1)."""

    def test_the_server_lets_its_clients_in(self) -> None:
        plan = plan_of("- {engine: sql602, clients: [apps]}")
        both = {"app-01": LINUX, "app-02": WINDOWS}
        assert rules(plan.hosts["db"], "in") == {
            "connect tcp 5002": both,
            "search udp 5001": both,
            "interrupt udp 5001": both,
            "search_broadcast udp 5001": both,
        }

    def test_the_server_announces_itself_to_udp_5002_of_its_clients(self) -> None:
        plan = plan_of("- {engine: sql602, clients: [apps]}")
        assert rules(plan.hosts["db"], "out") == {"announcement udp 5002": {"app-01": LINUX, "app-02": LINUX}}

    def test_a_client_lets_announcements_in_from_any_port_of_the_server(self) -> None:
        plan = plan_of("- {engine: sql602, clients: [apps]}")
        assert rules(plan.hosts["app-02"], "in") == {"announcement udp 5002": {"db": LINUX}}

    def test_a_client_goes_out_to_the_server(self) -> None:
        plan = plan_of("- {engine: sql602, clients: [apps]}")
        assert rules(plan.hosts["app-02"], "out") == {
            "connect tcp 5002": {"db": WINDOWS},
            "search udp 5001": {"db": WINDOWS},
            "interrupt udp 5001": {"db": WINDOWS},
            "search_broadcast udp 5001": {"db": WINDOWS},
        }

    def test_a_broadcast_goes_out_to_everybody(self) -> None:
        host = plan_of("- {engine: sql602, clients: [app-01]}").hosts["app-01"]
        sent = {
            key.flow: format_addresses(peer.addresses) for key, peers in host.rules.items() for peer in peers.values()
        }
        assert sent["search_broadcast"] == ["192.0.2.10", "255.255.255.255"]
        assert sent["search"] == ["192.0.2.10"]

    def test_port_base_moves_everything_but_broadcast_and_announcements(self) -> None:
        plan = plan_of("- {engine: sql602, clients: [app-01], port_base: 6001}")
        assert sorted(rules(plan.hosts["db"], "in")) == ["connect tcp 6002", "interrupt udp 6001", "search udp 6001"]
        assert sorted(rules(plan.hosts["app-01"], "in")) == ["announcement udp 5002"]
        assert "search_beyond_broadcast" in reasons(plan)

    def test_the_largest_port_base(self) -> None:
        plan = plan_of("- {engine: sql602, clients: [app-01], port_base: 65534}")
        assert "connect tcp 65535" in rules(plan.hosts["db"], "in")

    def test_minimum_admits_clients_to_one_port_and_guards_the_other(self) -> None:
        plan = plan_of("- {engine: sql602, clients: [app-01], minimum: true}")
        assert rules(plan.hosts["db"], "in") == {"connect tcp 5002": {"app-01": LINUX}, "unused_udp udp 5001": {}}
        assert rules(plan.hosts["db"], "out") == {}
        assert rules(plan.hosts["app-01"], "in") == {}
        assert rules(plan.hosts["app-01"], "out") == {"connect tcp 5002": {"db": LINUX}}
        assert plan.warnings == []

    @pytest.mark.parametrize(
        ("option", "gone"),
        [
            ("search: false", {"search udp 5001", "search_broadcast udp 5001"}),
            ("interrupt: false", {"interrupt udp 5001"}),
            ("announcements: false", set()),
        ],
    )
    def test_each_can_be_turned_off(self, option: str, gone: set[str]) -> None:
        everything = rules(plan_of("- {engine: sql602, clients: [apps]}").hosts["db"], "in")
        less = plan_of(f"- {{engine: sql602, clients: [apps], {option}}}")
        assert set(everything) - set(rules(less.hosts["db"], "in")) == gone
        assert bool(rules(less.hosts["app-01"], "in")) == (option != "announcements: false")

    def test_a_search_without_announcements_finds_nothing(self) -> None:
        plan = plan_of("- {engine: sql602, clients: [apps], announcements: false}")
        assert "search_without_announcements" in reasons(plan)

    def test_tunnel_web_and_ping_only_when_asked_for(self) -> None:
        plan = plan_of("- {engine: sql602, clients: [app-01], http_tunnel_port: 8090, web_port: 8091, ping: true}")
        inbound = rules(plan.hosts["db"], "in")
        assert inbound["http_tunnel tcp 8090"] == {"app-01": LINUX}
        assert inbound["web tcp 8091"] == {"app-01": LINUX}
        assert inbound["ping icmp"] == {"app-01": ""}, "an echo request has no ports"
        assert rules(plan.hosts["app-01"], "out")["ping icmp"] == {"db": ""}

    def test_only_the_connection_and_what_is_asked_for_are_required(self) -> None:
        host = plan_of("- {engine: sql602, clients: [app-01], ping: true}").hosts["db"]
        assert {key.flow for key in host.rules if key.need == "required"} == {"connect", "ping"}

    def test_endpoints_name_the_program(self) -> None:
        found = endpoints(plan_of("- {engine: sql602, clients: [app-01]}").hosts["db"])
        assert found["sql602/connect"].process == ("602sql*",)
        assert found["sql602/connect"].listening == "required"
        assert "sql602/announcement" not in found, "that one is the client's"

    def test_a_network_of_clients_has_no_rules_of_its_own(self) -> None:
        plan = plan_of("- {engine: sql602, clients: [198.51.100.0/24]}")
        assert sorted(plan.hosts) == ["db"]
        assert rules(plan.hosts["db"], "in")["connect tcp 5002"] == {"198.51.100.0/24": ANY}
        assert rules(plan.hosts["db"], "out") == {"announcement udp 5002": {"198.51.100.0/24": LINUX}}


class TestMssql:
    """The Database Engine, by Configure the Windows Firewall to allow SQL Server access."""

    def test_the_three_line_declaration(self) -> None:
        plan = plan_of("- engine: mssql\n  clients: [apps]")
        assert rules(plan.hosts["db"], "in") == {"tds tcp 1433": {"app-01": LINUX, "app-02": WINDOWS}}
        assert rules(plan.hosts["db"], "out") == {}
        assert rules(plan.hosts["app-02"], "out") == {"tds tcp 1433": {"db": WINDOWS}}
        assert plan.warnings == []
        assert plan.flows == 2

    def test_a_fixed_port_needs_no_browser(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [app-01], os: windows, instances: [{name: SALES, tcp_port: 14330}]}")
        assert rules(plan.hosts["db"], "in") == {"tds tcp 14330": {"app-01": LINUX}}
        assert plan.warnings == []

    def test_several_ports_of_one_instance(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [app-01], instances: [{tcp_port: [1500, 1433, 1501]}]}")
        assert rules(plan.hosts["db"], "in") == {"tds tcp 1433,1500-1501": {"app-01": LINUX}}

    @pytest.mark.parametrize(
        ("os", "ports"),
        [
            ("linux", LINUX),
            ("windows", WINDOWS),
            ("windows_2003", OLD_WINDOWS),
            ("linux_3", "32768-61000"),
            (None, WINDOWS),
        ],
    )
    def test_a_named_instance_is_dynamic(self, os: str | None, ports: str) -> None:
        plan = plan_of(
            "- {engine: mssql, clients: [app-01], instances: [{name: SALES}]}",
            db={"dbports_os": os} if os else {"dbports_os": None},
        )
        assert rules(plan.hosts["db"], "in") == {
            f"tds tcp {ports}": {"app-01": LINUX},
            "browser udp 1434": {"app-01": LINUX},
        }
        needs = {key.flow: key.need for key in plan.hosts["db"].rules}
        assert needs == {"tds": "required", "browser": "required"}
        warning = next(item for item in plan.warnings if item.reason == "dynamic_port")
        assert warning.path == "dbports_servers[0].instances[0].tcp_port"
        assert "SALES" in warning.text
        assert "TCP Dynamic Ports" in warning.text, "it says how to fix the port"
        assert "KB 287932" in warning.text

    def test_the_servers_own_os_beats_that_of_the_host(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [app-01], os: windows, instances: [{name: SALES}]}")
        assert f"tds tcp {WINDOWS}" in rules(plan.hosts["db"], "in")

    def test_clients_that_name_a_fixed_instance_ask_browser(self) -> None:
        plan = plan_of(
            "- {engine: mssql, clients: [app-01], instances: [{name: SALES, tcp_port: 14330, connect_by: name}]}"
        )
        assert sorted(rules(plan.hosts["db"], "in")) == ["browser udp 1434", "tds tcp 14330"]

    def test_browser_on_means_that_named_instances_are_asked_for(self) -> None:
        plan = plan_of(
            "- {engine: mssql, os: windows, clients: [app-01], browser: true,"
            " instances: [{name: SALES, tcp_port: 14330}]}"
        )
        assert "browser udp 1434" in rules(plan.hosts["db"], "in")
        assert plan.warnings == []

    def test_browser_for_the_default_instance_is_useless(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [app-01], browser: true}")
        assert "browser_unused" in reasons(plan)

    def test_only_clients_of_named_instances_ask_browser(self) -> None:
        plan = plan_of(
            "- {engine: mssql, clients: [app-01], instances: [{}, {name: SALES, clients: [app-02, 198.51.100.7]}]}"
        )
        inbound = rules(plan.hosts["db"], "in")
        assert inbound["tds tcp 1433"] == {"app-01": LINUX}
        assert inbound["browser udp 1434"] == {"app-02": WINDOWS, "198.51.100.7": ANY}

    def test_every_instance_may_have_clients_of_its_own(self) -> None:
        plan = plan_of(
            "- {engine: mssql, instances: [{clients: [app-01]}, {name: B, tcp_port: 1500, clients: [app-02]}]}"
        )
        assert rules(plan.hosts["db"], "in") == {
            "tds tcp 1433": {"app-01": LINUX},
            "tds tcp 1500": {"app-02": WINDOWS},
        }

    @pytest.mark.parametrize(("dac", "opened"), [("off", False), ("local", False), ("remote", True)])
    def test_dac_is_open_only_when_it_is_remote(self, dac: str, opened: bool) -> None:
        plan = plan_of(f"- {{engine: mssql, clients: [app-01], dac: {dac}}}")
        assert ("dac tcp 1434" in rules(plan.hosts["db"], "in")) == opened

    def test_a_probe_asks_for_the_instance(self) -> None:
        host = plan_of("- {engine: mssql, clients: [app-01], instances: [{name: SALES}]}").hosts["app-01"]
        assert {key.flow: key.probe for key in host.rules} == {
            "tds": Probe("tds", "SALES"),
            "browser": Probe("ssrp", "SALES"),
        }

    def test_two_instances_are_two_endpoints(self) -> None:
        host = plan_of("- {engine: mssql, clients: [app-01], instances: [{}, {name: B, tcp_port: 1500}]}").hosts["db"]
        assert {name: format_ports(item.ports) for name, item in endpoints(host).items()} == {
            "mssql/MSSQLSERVER/tds": "1433",
            "mssql/B/tds": "1500",
        }


class TestPeers:
    """Who is meant, and from which ports they come."""

    @pytest.mark.parametrize(
        ("variables", "ports"),
        [
            ({"dbports_os": "linux"}, LINUX),
            ({"dbports_os": "windows"}, WINDOWS),
            ({"dbports_os": "windows_2003"}, OLD_WINDOWS),
            ({"dbports_os": None}, ANY),
            ({"dbports_ephemeral_ports": "20000-30000"}, "20000-30000"),
        ],
    )
    def test_source_ports(self, variables: dict[str, Any], ports: str) -> None:
        plan = plan_of("- {engine: mssql, clients: [app-01]}", **{"app-01": variables})
        assert rules(plan.hosts["db"], "in")["tds tcp 1433"] == {"app-01": ports}
        assert rules(plan.hosts["app-01"], "out")["tds tcp 1433"] == {"db": ports}

    def test_a_network_may_have_an_operating_system(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [{name: 198.51.100.0/24, os: windows}, 203.0.113.0/24]}")
        assert rules(plan.hosts["db"], "in")["tds tcp 1433"] == {"198.51.100.0/24": WINDOWS, "203.0.113.0/24": ANY}

    def test_networks_are_written_one_way(self) -> None:
        plan = plan_of("- {engine: mssql, clients: ['2001:DB8:0::/64', 198.51.100.4-198.51.100.7, 203.0.113.9/32]}")
        assert sorted(rules(plan.hosts["db"], "in")["tds tcp 1433"]) == [
            "198.51.100.4/30",
            "2001:db8::/64",
            "203.0.113.9",
        ]

    def test_both_families(self) -> None:
        plan = plan_of(
            "- {engine: mssql, clients: [app-01]}",
            db={"dbports_addresses": ["192.0.2.10", "2001:DB8::10"]},
            **{"app-01": {"dbports_addresses": ["2001:db8:0:0::21"]}},
        )
        assert format_addresses(plan.hosts["db"].addresses) == ["192.0.2.10", "2001:db8::10"]
        (inbound,) = plan.hosts["db"].rules.values()
        assert format_addresses(inbound["app-01"].addresses) == ["2001:db8::21"]
        (outbound,) = plan.hosts["app-01"].rules.values()
        assert format_addresses(outbound["db"].addresses) == ["192.0.2.10", "2001:db8::10"]

    def test_ansible_host_is_an_address_where_it_is_one(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [extra]}", extra={"ansible_host": "198.51.100.5"})
        assert format_addresses(plan.hosts["extra"].addresses) == ["198.51.100.5"]

    def test_a_host_may_be_named_by_its_address(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [198.51.100.5]}", **{"198.51.100.5": {"dbports_os": "windows"}})
        assert rules(plan.hosts["db"], "in")["tds tcp 1433"] == {"198.51.100.5": WINDOWS}
        assert "198.51.100.5" in plan.hosts

    def test_an_address_written_otherwise_is_still_the_host_of_that_name(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [198.51.100.5/32]}", **{"198.51.100.5": {}})
        assert "198.51.100.5" in plan.hosts

    def test_a_host_beats_a_group_of_the_same_name(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [apps]}", apps={"dbports_addresses": ["198.51.100.6"]})
        assert sorted(rules(plan.hosts["db"], "in")["tds tcp 1433"]) == ["apps"]

    def test_a_server_is_not_its_own_client(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [everyone]}")
        assert sorted(rules(plan.hosts["db"], "in")["tds tcp 1433"]) == ["app-01", "app-02", "other"]
        assert rules(plan.hosts["db"], "out") == {}

    def test_two_servers_may_be_clients_of_each_other(self) -> None:
        plan = plan_of(
            "- {engine: mssql, clients: [other]}", other={"dbports_servers": [{"engine": "mssql", "clients": ["db"]}]}
        )
        assert rules(plan.hosts["db"], "in") == {"tds tcp 1433": {"other": ANY}}
        assert rules(plan.hosts["db"], "out") == {"tds tcp 1433": {"other": LINUX}}

    def test_a_client_named_twice_is_one_peer(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [app-01, apps]}")
        (peers,) = plan.hosts["db"].rules.values()
        assert {name: peer.declared for name, peer in peers.items()} == {
            "app-01": Declared("db", "dbports_servers[0].clients[0]"),
            "app-02": Declared("db", "dbports_servers[0].clients[1]"),
        }

    def test_an_empty_group_by_permission_is_guarded_for_nobody(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [{name: nobody, allow_empty: true}]}")
        assert rules(plan.hosts["db"], "in") == {"tds tcp 1433": {}}

    def test_settings(self) -> None:
        plan = plan_of(
            "- {engine: mssql, clients: [app-01]}",
            db={"dbports_policy": "open"},
            **{"app-01": {"dbports_filter_outbound": True}},
        )
        assert tuple(plan.hosts["db"].settings) == ("open", False)
        assert tuple(plan.hosts["app-01"].settings) == ("guard", True)

    def test_hosts_without_a_part_in_it_are_not_planned(self) -> None:
        assert sorted(plan_of("- {engine: mssql, clients: [app-01]}").hosts) == ["app-01", "db"]

    def test_a_declaration_of_no_server_is_a_host_without_rules(self) -> None:
        plan = plan_of("[]")
        assert sorted(plan.hosts) == ["db"]
        assert plan.hosts["db"].rules == {}

    def test_every_rule_says_why(self) -> None:
        plan = plan_of(
            "[{engine: mssql, clients: [apps], dac: remote, instances: [{name: A}]},"
            " {engine: sql602, clients: [apps], ping: true, web_port: 81, http_tunnel_port: 82}]"
        )
        keys = [key for host in plan.hosts.values() for key in host.rules]
        assert len(keys) > 20
        for key in keys:
            assert key.purpose, key
            assert key.citation, key
            assert key.need in ("required", "optional")
            assert "{" not in key.purpose


class TestForbidden:
    """Who has to show that it is refused."""

    def forbidden(self, plan: Plan) -> dict[str, list[str]]:
        return {
            name: sorted(item.endpoint for item in host.forbidden)
            for name, host in plan.hosts.items()
            if host.forbidden
        }

    def test_hosts_that_the_user_names(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [app-01], forbidden_clients: [app-02, other]}")
        assert self.forbidden(plan) == {
            "app-02": ["mssql/MSSQLSERVER/tds"],
            "other": ["mssql/MSSQLSERVER/tds"],
        }
        item = plan.hosts["other"].forbidden[0]
        assert (item.host, format_addresses(item.addresses)) == ("db", ["192.0.2.10"])
        assert shown_ports(item.protocol, item.ports) == "tcp 1433"
        assert item.probe == Probe("tds", "MSSQLSERVER")
        assert item.declared == Declared("db", "dbports_servers[0].forbidden_clients[1]")
        assert not item.sampled

    def test_a_forbidden_group_with_the_server_in_it(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [198.51.100.1], forbidden_clients: [everyone]}")
        assert sorted(self.forbidden(plan)) == ["app-01", "app-02", "other"]

    def test_clients_of_other_servers(self) -> None:
        plan = plan_of(
            "- {engine: mssql, clients: [app-01]}",
            other={"dbports_servers": [{"engine": "mssql", "clients": ["app-02"]}]},
        )
        seen = {name: [item.host for item in host.forbidden] for name, host in plan.hosts.items() if host.forbidden}
        assert seen == {"app-01": ["other"], "app-02": ["db"]}
        assert all(item.sampled for host in plan.hosts.values() for item in host.forbidden)

    @pytest.mark.parametrize(
        ("server", "endpoints"),
        [
            ("engine: etcd, nodes: [app-02]", ["etcd/client", "etcd/peer"]),
            (
                "engine: mysql, galera_nodes: [app-02]",
                ["mysql/galera", "mysql/sql"],
            ),
            (
                "engine: mssql, instances: [{ag_replicas: [app-02]}]",
                ["mssql/MSSQLSERVER/ag_endpoint", "mssql/MSSQLSERVER/tds"],
            ),
            ("engine: sql602, minimum: true", ["sql602/connect", "sql602/unused_udp"]),
        ],
    )
    def test_ports_of_a_cluster_and_those_for_nobody_are_forbidden_as_well(
        self, server: str, endpoints: list[str]
    ) -> None:
        plan = plan_of(f"- {{{server}, clients: [app-01], forbidden_clients: [other]}}")
        assert self.forbidden(plan)["other"] == endpoints

    def test_a_node_of_the_cluster_cannot_be_forbidden(self) -> None:
        with pytest.raises(PlanError, match="a client of etcd/peer and forbidden at once"):
            plan_of("- {engine: etcd, nodes: [app-02], clients: [app-01], forbidden_clients: [app-02]}")

    def test_a_client_in_a_declared_network_is_not_forbidden(self) -> None:
        plan = plan_of(
            "- {engine: mssql, clients: [192.0.2.0/24]}",
            other={"dbports_servers": [{"engine": "mssql", "clients": ["app-02"]}]},
        )
        assert self.forbidden(plan) == {}

    def test_echo_is_nobodys_guarded_port(self) -> None:
        plan = plan_of("- {engine: sql602, ping: true, clients: [app-01], forbidden_clients: [other]}")
        assert "sql602/ping" not in self.forbidden(plan)["other"]
        assert "sql602/connect" in self.forbidden(plan)["other"]

    def test_samples_are_a_fixed_number_for_each_server(self) -> None:
        hosts: dict[str, Any] = {}
        for n in range(1, 51):
            hosts[f"app-{n:02}"] = {"dbports_addresses": [f"198.51.100.{n}"]}
            hosts[f"db-{n:02}"] = {
                "dbports_addresses": [f"192.0.2.{n}"],
                "dbports_servers": [{"engine": "mssql", "clients": [f"app-{n:02}"]}],
            }
        plan = build_plan(PlainInventory({"hosts": hosts}))
        total = [item.host for host in plan.hosts.values() for item in host.forbidden]
        assert len(total) == 100
        assert len(set(total)) == 50, "every server is tried"


class TestConflicts:
    """Two that want one port of a host."""

    def test_two_602sql_servers_on_one_port_base(self) -> None:
        plan = plan_of("[{engine: sql602, clients: [app-01]}, {engine: sql602, clients: [app-01]}]")
        assert sorted(shown_ports(item.protocol, (item.ports,)) for item in plan.conflicts) == ["tcp 5002", "udp 5001"]

    def test_servers_side_by_side(self) -> None:
        plan = plan_of(
            "[{engine: sql602, clients: [app-01]}, {engine: mssql, clients: [app-01]},"
            " {engine: sql602, clients: [app-01], port_base: 6001}]"
        )
        assert plan.conflicts == []

    def test_neighbouring_port_bases(self) -> None:
        """P+1 of the first is TCP, P of the second is UDP: only P+1 of both may not meet."""
        servers = "[{engine: sql602, clients: [app-01]}, {engine: sql602, clients: [app-01], port_base: 5003}]"
        assert plan_of(servers).conflicts == []

    def test_602sql_against_sql_server_on_5002(self) -> None:
        plan = plan_of(
            "[{engine: sql602, clients: [app-01]}, {engine: mssql, clients: [app-01], instances: [{tcp_port: 5002}]}]"
        )
        (conflict,) = plan.conflicts
        assert set(conflict.owners) == {"sql602/connect", "mssql/MSSQLSERVER/tds"}
        declared = {"sql602/connect": "dbports_servers[0]", "mssql/MSSQLSERVER/tds": "dbports_servers[1]"}
        first, second = (Declared("db", declared[owner]) for owner in conflict.owners)
        assert conflict._replace(owners=("", "")) == Conflict(
            "db", ("", ""), "tcp", PortRange(5002, 5002), None, (first, second)
        )

    def test_a_port_inside_a_short_range(self) -> None:
        plan = plan_of(
            "[{engine: sql602, clients: [app-01]},"
            " {engine: mssql, clients: [app-01], instances: [{tcp_port: 5000-5010}]}]"
        )
        assert ("tcp", PortRange(5002, 5002)) in {(item.protocol, item.ports) for item in plan.conflicts}

    def test_instances_of_two_servers_on_one_port(self) -> None:
        second = "{engine: mssql, clients: [app-01], instances: [{name: B, tcp_port: 1433}]}"
        plan = plan_of(f"[{{engine: mssql, clients: [app-01]}}, {second}]")
        assert ("tcp", PortRange(1433, 1433)) in {(item.protocol, item.ports) for item in plan.conflicts}

    def test_the_tunnel_and_the_web_interface_share_a_socket(self) -> None:
        """602SQL serves both from one socket when the ports are equal (observed on 11.0.1)."""
        plan = plan_of("- {engine: sql602, clients: [app-01], http_tunnel_port: 80, web_port: 80}")
        assert plan.conflicts == []

    def test_two_sql_servers_share_browser(self) -> None:
        plan = plan_of(
            "[{engine: mssql, clients: [app-01], instances: [{name: A}]},"
            " {engine: mssql, clients: [app-01], instances: [{name: B}]}]"
        )
        assert plan.conflicts == []

    def test_a_client_that_is_a_server_with_port_base_5002(self) -> None:
        plan = plan_of(
            "- {engine: sql602, clients: [other]}",
            other={"dbports_servers": [{"engine": "sql602", "clients": ["app-01"], "port_base": 5002}]},
        )
        (conflict,) = plan.conflicts
        assert (conflict.host, conflict.protocol, conflict.ports) == ("other", "udp", PortRange(5002, 5002))
        assert dict(zip(conflict.owners, conflict.declared)) == {
            "sql602/interrupt": Declared("other", "dbports_servers[0]"),
            "this host as a client (announcement)": Declared("db", "dbports_servers[0].clients[0]"),
        }
        assert conflict_name(conflict) == "other udp/5002"
        assert "this host as a client (announcement) (db: dbports_servers[0].clients[0])" in conflict_sentence(conflict)
        assert "sql602/interrupt (dbports_servers[0])" in conflict_sentence(conflict)

    def test_pgbouncer_declared_beside_postgresql_is_one_endpoint(self) -> None:
        plan = plan_of(
            "[{engine: postgresql, clients: [app-01], pgbouncer_port: 6433},"
            " {engine: pgbouncer, clients: [other], port: 6433}]"
        )
        assert plan.conflicts == []
        admitted = [peers for key, peers in plan.hosts["db"].rules.items() if key.ports == (PortRange(6433, 6433),)]
        assert sorted(name for peers in admitted for name in peers) == ["app-01", "other"]

    @pytest.mark.parametrize(
        "servers",
        [
            "[{engine: pgbouncer, clients: [app-01]}, {engine: pgbouncer, clients: [other]}]",
            "[{engine: postgresql, clients: [app-01], port: 6432}, {engine: pgbouncer, clients: [other]}]",
        ],
    )
    def test_two_programs_on_one_port_are_a_conflict(self, servers: str) -> None:
        (conflict,) = plan_of(servers).conflicts
        assert conflict_name(conflict) == "db tcp/6432"

    def test_dynamic_instances_are_in_nobodys_way(self) -> None:
        plan = plan_of("- {engine: mssql, clients: [app-01], instances: [{name: A}, {name: B}]}")
        assert plan.conflicts == []


def test_counts() -> None:
    plan = plan_of("[{engine: mssql, clients: [apps]}, {engine: sql602, minimum: true, clients: [apps]}]")
    assert plan.counts() == {"hosts": 3, "servers": 2, "flows": 4, "warnings": 0, "conflicts": 0}


def test_a_warning_names_the_host_and_path_it_comes_from() -> None:
    plan = plan_of("[{engine: mssql, clients: [apps]}, {engine: sql602, search: false, clients: [apps]}]")
    (warning,) = plan.warnings
    assert (warning.code, warning.host) == ("engine", "db")
    assert warning.path.startswith("dbports_servers[1]")
    assert plan.hosts["db"].warnings == [warning]
    assert sentence(warning) == f"db: {warning.path}: {warning.text}"


def test_work_grows_with_relations_not_with_their_square() -> None:
    """Count the look-ups of an inventory twice as large: about twice as many, and nobody else is looked at."""

    def lookups(size: int) -> int:
        hosts: dict[str, Any] = {f"idle-{n}": {} for n in range(size)}
        for n in range(size):
            hosts[f"app-{n}"] = {"dbports_addresses": [f"198.51.{n // 250}.{n % 250 + 1}"]}
            hosts[f"db-{n}"] = {
                "dbports_addresses": [f"203.0.{n // 250}.{n % 250 + 1}"],
                "dbports_servers": [{"engine": "sql602", "clients": [f"app-{n}"]}],
            }
        asked: list[str] = []

        class Counting(PlainInventory):
            def host(self, name: str) -> dict[str, Any] | None:
                asked.append(name)
                return super().host(name)

        build_plan(Counting({"hosts": hosts}))
        assert not [name for name in asked if name.startswith("idle")]
        return len(asked)

    assert lookups(80) <= 2 * lookups(40) + 10
