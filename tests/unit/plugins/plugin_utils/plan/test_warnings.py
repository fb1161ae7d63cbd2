# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan must warn of before anything is applied."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, parse_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Declared, Settings
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Endpoint, PortSet, shown_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import Conflict, FlowPorts, PlanWarning
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import conflict_sentence, sentence
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.conflicts import find_conflicts

ADDRESSES = {
    "db": ["192.0.2.10"],
    "app-4": ["192.0.2.21"],
    "app-6": ["2001:db8::21"],
    "both": ["192.0.2.22", "2001:db8::22"],
}


def warnings(servers: str, **hosts: dict[str, Any]) -> list[PlanWarning]:
    """Plan for a host db with these servers (YAML) and return its warnings; ``hosts`` adds variables."""
    merged = {name: {"dbports_addresses": found, **hosts.get(name, {})} for name, found in ADDRESSES.items()}
    merged["db"]["dbports_servers"] = yaml.safe_load(servers)
    return build_plan(PlainInventory({"hosts": merged, "groups": {"apps": ["app-4", "app-6"]}})).hosts["db"].warnings


class TestFixedPortInTheDynamicRange:
    """A port there can be taken by an outgoing connection before the service starts."""

    SERVER = "- {engine: mssql, clients: [app-4], instances: [{tcp_port: %s}]}"

    @pytest.mark.parametrize(
        ("variables", "port", "command"),
        [
            ({"dbports_os": "linux"}, 50000, "net.ipv4.ip_local_reserved_ports=50000"),
            ({"dbports_os": "linux"}, 60999, "=60999"),
            ({"dbports_os": "linux"}, 32768, "=32768"),
            ({"dbports_os": "windows"}, 51999, "startport=51999 numberofports=1"),
            ({"dbports_os": "windows_2003"}, 1433, "outside this range"),
            ({"dbports_ephemeral_ports": "1024-65535"}, 1433, "ip_local_reserved_ports=1433"),
            ({"dbports_os": "linux", "dbports_ephemeral_ports": "10000-65000"}, 14330, "=14330"),
        ],
    )
    def test_warned_of_with_the_way_to_reserve_it(self, variables: dict[str, Any], port: int, command: str) -> None:
        (warning,) = warnings(self.SERVER % port, db=variables)
        assert warning.code == "fixed_port_in_dynamic_range"
        assert warning.flows == (FlowPorts("mssql/MSSQLSERVER/tds", "tds", "tcp", (PortRange(port, port),)),)
        assert f"tcp {port} (mssql/MSSQLSERVER/tds)" in sentence(warning)
        assert command in sentence(warning)

    @pytest.mark.parametrize(
        ("variables", "port"),
        [
            ({"dbports_os": "linux"}, 5022),
            ({"dbports_os": "linux"}, 32767),
            ({"dbports_os": "linux"}, 61000),
            ({"dbports_os": "windows"}, 49151),
            ({"dbports_os": "windows_2003"}, 5001),
            ({}, 50000),
            ({"dbports_os": "linux", "dbports_ephemeral_ports": "60000-65000"}, 50000),
        ],
    )
    def test_not_outside_of_it_nor_where_nobody_knows(self, variables: dict[str, Any], port: int) -> None:
        assert warnings(self.SERVER % port, db=variables) == []

    def test_the_servers_own_system_counts(self) -> None:
        server = "- {engine: mssql, os: windows, clients: [app-4], instances: [{tcp_port: 40000}]}"
        assert warnings(server, db={"dbports_os": "linux"}) == []

    def test_a_pool_of_ports_is_no_fixed_port(self) -> None:
        assert warnings(self.SERVER % "50000-50099", db={"dbports_os": "linux"}) == []

    def test_one_setting_for_all_ports_of_a_host(self) -> None:
        """ip_local_reserved_ports is set as a whole: two commands would undo each other."""
        (warning,) = warnings(self.SERVER % "[50000, 50001, 50010]", db={"dbports_os": "linux"})
        assert "ip_local_reserved_ports=50000-50001,50010" in sentence(warning)

    def test_a_client_that_receives_on_a_fixed_port(self) -> None:
        """602SQL announcements arrive at UDP 5002 of the client."""
        hosts = {name: {"dbports_addresses": found} for name, found in ADDRESSES.items()}
        hosts["db"]["dbports_servers"] = [{"engine": "sql602", "clients": ["app-4"]}]
        hosts["app-4"]["dbports_ephemeral_ports"] = "5000-9999"
        plan = build_plan(PlainInventory({"hosts": hosts}))
        (warning,) = plan.hosts["app-4"].warnings
        assert [shown_ports(flow.protocol, flow.ports) for flow in warning.flows] == ["udp 5002"]


class TestSameAddresses:
    def test_a_line_that_was_copied(self) -> None:
        """The second of two clients would be shut out, although both were declared."""
        hosts: dict[str, Any] = {name: {"dbports_addresses": found} for name, found in ADDRESSES.items()}
        hosts["db"]["dbports_servers"] = [{"engine": "mssql", "clients": ["app-4", "copied", "again"]}]
        hosts["copied"] = hosts["again"] = {"ansible_host": ADDRESSES["app-4"][0]}
        plan = build_plan(PlainInventory({"hosts": hosts}))
        (warning,) = [item for item in plan.warnings if item.code == "same_addresses"]
        assert (warning.host, warning.others) == ("again", ("app-4", "copied"))
        assert sentence(warning).startswith("again: has the same addresses as app-4, copied, so that no rule can")

    def test_an_address_that_hosts_share_beside_their_own(self) -> None:
        """As of a cluster, where it belongs to whichever node is active."""
        found = warnings(
            "- {engine: mssql, clients: [app-4]}", db={"dbports_addresses": ["192.0.2.10", ADDRESSES["app-4"][0]]}
        )
        assert found == []


class TestNoCommonFamily:
    def test_an_ipv6_client_of_an_ipv4_server(self) -> None:
        (warning,) = warnings("- {engine: mssql, clients: [app-4, app-6, both]}")
        assert (warning.code, warning.peers, warning.others) == ("no_common_family", ("db",), ("app-6",))
        assert "db (IPv4) and app-6 (IPv6)" in sentence(warning)

    def test_an_ipv4_client_of_an_ipv6_server(self) -> None:
        (warning,) = warnings("- {engine: mssql, clients: [app-4, app-6]}", db={"dbports_addresses": ["2001:db8::10"]})
        assert (warning.peers, warning.others) == (("app-4",), ("db",))

    def test_a_network(self) -> None:
        (warning,) = warnings("- {engine: mssql, clients: [198.51.100.0/24, '2001:db8:1::/48']}")
        assert warning.others == ("2001:db8:1::/48",)

    def test_once_for_all_flows_of_a_server(self) -> None:
        assert len(warnings("- {engine: sql602, clients: [apps]}")) == 1

    def test_a_server_with_both_families_is_reached_by_all(self) -> None:
        assert (
            warnings(
                "- {engine: mssql, clients: [apps, both]}", db={"dbports_addresses": ["192.0.2.10", "2001:db8::10"]}
            )
            == []
        )


class TestIPv4Only:
    """602SQL listens on 0.0.0.0 (facts/602sql.md: observed)."""

    def test_a_client_without_an_ipv4_address(self) -> None:
        addresses = {"dbports_addresses": ["192.0.2.10", "2001:db8::10"]}
        (warning,) = warnings("- {engine: sql602, clients: [apps, both, '2001:db8:1::/48']}", db=addresses)
        assert (warning.code, warning.peers) == ("ipv4_only", ("2001:db8:1::/48", "app-6"))
        assert "602SQL uses IPv4 only" in sentence(warning)

    def test_a_server_without_one(self) -> None:
        (warning,) = warnings("- {engine: sql602, clients: [both]}", db={"dbports_addresses": ["2001:db8::10"]})
        assert warning.peers == ("db",)

    def test_not_where_all_have_one(self) -> None:
        assert warnings("- {engine: sql602, clients: [app-4, both]}") == []


class TestNotDeclaredThere:
    """What is planned to another server, and what that one declares of itself, are two texts that may differ."""

    OTHER = "{engine: mssql, clients: [], instances: [{name: SUB, tcp_port: 16000}]}"

    def other(self, server: str, other: str = OTHER) -> list[PlanWarning]:
        """Return the warnings of a server whose partner, app-4, declares one of its own."""
        return warnings(f"- {server}", **{"app-4": {"dbports_servers": [yaml.safe_load(other)]}})

    @pytest.mark.parametrize(
        ("options", "flows"),
        [
            ("replication_subscribers: [app-4]", ["replication_push"]),
            ("replication_distributor: [app-4]", ["replication_distributor_link"]),
            (
                "log_shipping_secondaries: [both], log_shipping_monitor: [app-4]",
                ["log_shipping_monitor", "log_shipping_monitor_secondary"],
            ),
            ("reporting_services: true, reporting_catalog: [app-4]", ["reporting_catalog"]),
            ("ag_replicas: [app-4]", ["ag_endpoint"]),
            ("mirroring_partners: [app-4], endpoint_port: 7022", ["mirroring_endpoint"]),
            ("broker_peers: [app-4], broker_port: 4022", ["service_broker"]),
        ],
    )
    def test_a_port_that_the_other_server_does_not_have(self, options: str, flows: list[str]) -> None:
        found = self.other(f"{{engine: mssql, os: windows, clients: [both], {options}}}")
        (warning,) = [item for item in found if item.code == "not_declared_there"]
        assert (warning.peers, [flow.name for flow in warning.flows]) == (("app-4",), flows)
        assert "no mssql server that is declared on app-4 receives this" in sentence(warning)

    def test_the_server_itself_in_another_role(self) -> None:
        server = "{engine: mssql, clients: [], instances: [{tcp_port: 1500}], log_shipping_monitor: [db], %s}"
        (warning,) = warnings(f"- {server}" % "log_shipping_secondaries: [both]", db={"dbports_os": "linux"})
        assert (warning.code, warning.peers) == ("not_declared_there", ("db",))

    @pytest.mark.parametrize(
        ("options", "other"),
        [
            ("replication_subscribers: [app-4], replication_subscriber_port: 16000", OTHER),
            ("replication_subscribers: [app-6]", OTHER),
            ("replication_subscribers: [app-4]", "{engine: postgresql, clients: []}"),
            ("ag_replicas: [app-4]", "{engine: mssql, clients: [], endpoint_port: 5030, ag_replicas: [db]}"),
            (
                "cluster: wsfc, cluster_nodes: [app-4]",
                "{engine: mssql, clients: [], cluster: wsfc, cluster_nodes: [db]}",
            ),
        ],
    )
    def test_not_where_it_has_or_declares_nothing(self, options: str, other: str) -> None:
        found = self.other(f"{{engine: mssql, os: windows, clients: [both], {options}}}", other)
        assert "not_declared_there" not in [item.code for item in found]


class TestClosedInstances:
    def test_a_client_of_the_server_may_name_an_instance_that_is_closed_to_it(self) -> None:
        found = warnings(
            "- {engine: mssql, clients: [app-4, both], instances: [{}, {name: PAY, tcp_port: 1500, connect_by: name,"
            " clients: [both]}]}"
        )
        (warning,) = [item for item in found if item.code == "closed_instance"]
        assert (warning.peers, warning.others) == (("app-4",), ("PAY",))
        assert warning.path == "dbports_servers[0].instances[1].clients"
        assert "instance PAY is closed to app-4," in sentence(warning)

    def test_not_where_nobody_names_it(self) -> None:
        assert (
            warnings(
                "- {engine: mssql, clients: [app-4, both],"
                " instances: [{}, {name: PAY, tcp_port: 1500, clients: [both]}]}"
            )
            == []
        )

    def test_not_where_its_clients_hold_the_servers(self) -> None:
        assert (
            warnings(
                "- {engine: mssql, clients: [app-4], instances: [{name: PAY, tcp_port: 1500, connect_by: name,"
                " clients: [192.0.2.0/24]}]}"
            )
            == []
        )

    def test_a_list_that_no_instance_uses_is_still_read(self) -> None:
        with pytest.raises(PlanError, match="nowhere"):
            warnings(
                "- {engine: mssql, clients: [nowhere], instances: [{name: PAY, tcp_port: 1500, connect_by: name,"
                " clients: [both]}]}"
            )


class TestConflictsByAddress:
    """Two programs can have one port on two addresses of a host, and not on one."""

    @staticmethod
    def conflicts(*addresses: str | None) -> list[Conflict]:
        host = PortSet("db", parse_addresses(["192.0.2.10", "192.0.2.11"]), Settings("guard", False))
        host.endpoints = [
            Endpoint(
                f"mssql/I{n}/tds",
                "mssql",
                "mssql",
                f"I{n}",
                "tcp",
                (PortRange(1433, 1433),),
                address and AddressRange.parse(address),
                ("sqlservr",),
                "required",
                "",
                False,
            )
            for n, address in enumerate(addresses)
        ]
        return find_conflicts(host, {"mssql": Declared("db", "dbports_servers[0]")})

    def test_side_by_side(self) -> None:
        assert self.conflicts("192.0.2.10", "192.0.2.11") == []

    def test_on_one_address(self) -> None:
        (conflict,) = self.conflicts("192.0.2.10", "192.0.2.10")
        assert conflict.address == AddressRange.parse("192.0.2.10")
        assert conflict_sentence(conflict).endswith("both need tcp 1433 on 192.0.2.10")

    def test_all_addresses_hold_each(self) -> None:
        (conflict,) = self.conflicts("192.0.2.10", None)
        assert set(conflict.owners) == {"mssql/I0/tds", "mssql/I1/tds"}

    def test_each_pair_is_one(self) -> None:
        assert len(self.conflicts("192.0.2.10", "192.0.2.11", None)) == 2


HALF: dict[str, Any] = {
    "db": {"dbports_addresses": ["192.0.2.10"], "dbports_servers": [{"engine": "mssql", "clients": ["apps"]}]},
    "app": {"dbports_addresses": ["192.0.2.21"]},
}


class TestHalfAnInventory:
    """A plan from half an inventory looks valid and shuts real clients out."""

    def error(self, **data: Any) -> DbportsError:
        with pytest.raises(PlanError) as caught:
            build_plan(PlainInventory({"hosts": HALF, **data}))
        (error,) = caught.value.errors
        return error

    def test_fewer_hosts_than_expected(self) -> None:
        error = self.error(groups={"apps": ["app"]}, vars={"dbports_expected_hosts": 3})
        assert (error.code, error.path) == ("incomplete_inventory", "dbports_expected_hosts")
        assert "only 2 hosts" in error.reason

    def test_an_emptied_group(self) -> None:
        error = self.error(groups={"apps": []})
        assert (error.code, error.host, error.path) == ("empty_group", "db", "dbports_servers[0].clients[0]")
        assert "allow_empty" in (error.fix or "")

    def test_a_lost_group(self) -> None:
        assert self.error().code == "unknown_name"

    def test_all_expected_hosts_are_there(self) -> None:
        plan = build_plan(
            PlainInventory({"hosts": HALF, "groups": {"apps": ["app"]}, "vars": {"dbports_expected_hosts": 2}})
        )
        assert plan.flows == 1


def test_the_checks_grow_with_the_relations() -> None:
    """Every pair would be a million names: here it is a line a server."""
    hosts: dict[str, Any] = {f"app-{n}": {"dbports_addresses": [f"2001:db8::{n:x}"]} for n in range(1, 1001)}
    for n in range(1, 101):
        hosts[f"db-{n}"] = {
            "dbports_addresses": [f"192.0.2.{n}"],
            "dbports_servers": [{"engine": "mssql", "clients": ["apps"]}],
        }
    groups = {"apps": [name for name in hosts if name.startswith("app")]}
    plan = build_plan(PlainInventory({"hosts": hosts, "groups": groups}))
    texts = [sentence(item) for name in hosts for item in plan.hosts[name].warnings]
    assert len(texts) == 100
    assert all("and 994 more" in text and len(text) < 400 for text in texts)
