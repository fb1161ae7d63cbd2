# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL Server beyond the flows, which tests/scenarios has: addresses, probes, inheritance, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._engines import (
    azure_sql,
    mssql,
    mssql_services,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.flows import flows_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Endpoint, Plan, RuleKey
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

HOSTS: dict[str, dict[str, Any]] = {
    "db": {"dbports_addresses": ["192.0.2.10", "198.51.100.10"], "dbports_os": "windows"},
    "db-2": {"dbports_addresses": ["192.0.2.11"], "dbports_os": "windows"},
    "app": {"dbports_addresses": ["192.0.2.21"], "dbports_os": "linux"},
    "dba": {"dbports_addresses": ["192.0.2.99"]},
}


def plan_of(options: str, os: str = "windows") -> Plan:
    """Plan for a SQL Server on host db with these options (YAML, without engine)."""
    server = {"engine": "mssql", "clients": ["app"], **(yaml.safe_load(options) or {})}
    hosts = {name: dict(values) for name, values in HOSTS.items()}
    hosts["db"].update(dbports_os=os, dbports_servers=[server])
    return build_plan(PlainInventory({"hosts": hosts, "groups": {"nodes": ["db", "db-2"]}}))


def heads(plan: Plan, host: str, direction: str) -> dict[str, RuleKey]:
    """Return a host's rules of one direction by their endpoint."""
    return {head.endpoint: head for head in plan.hosts[host].rules if head.direction == direction}


def goes_to(plan: Plan, flow: str, host: str = "app") -> list[tuple[str, ...]]:
    """Return the addresses that a flow goes to, as its initiator's outbound rules have them."""
    return sorted(
        tuple(format_addresses(ref.addresses))
        for head, peers in plan.hosts[host].rules.items()
        if head.direction == "out" and head.flow == flow
        for ref in peers.values()
    )


def endpoint(plan: Plan, name: str) -> Endpoint:
    """Return an endpoint of the server by its id."""
    return next(item for item in plan.hosts["db"].endpoints if item.id == name)


class TestAddresses:
    """Clients go to the addresses at which an instance really is."""

    def test_everywhere(self) -> None:
        assert goes_to(plan_of(""), "tds") == [("192.0.2.10", "198.51.100.10")]

    def test_a_port_for_each_address(self) -> None:
        plan = plan_of(
            "instances: [{listen: [{address: 192.0.2.10, tcp_port: 1433}, {address: 198.51.100.10, tcp_port: 1500}]}]"
        )
        out = {
            format_ports(head.ports): [tuple(format_addresses(ref.addresses)) for ref in peers.values()]
            for head, peers in plan.hosts["app"].rules.items()
            if head.flow == "tds"
        }
        assert out == {"1433": [("192.0.2.10",)], "1500": [("198.51.100.10",)]}
        assert endpoint(plan, "mssql/MSSQLSERVER/tds@198.51.100.10").address == AddressRange.parse("198.51.100.10")

    def test_one_port_on_two_addresses_is_two_flows_of_one_client(self) -> None:
        plan = plan_of(
            "instances: [{listen: [{address: 192.0.2.10, tcp_port: 1433}, {address: 198.51.100.10, tcp_port: 1433}]}]"
        )
        assert goes_to(plan, "tds") == [("192.0.2.10",), ("198.51.100.10",)]

    def test_a_failover_cluster_instance_is_at_its_own_address_with_everything(self) -> None:
        plan = plan_of(
            "{dac: remote, instances: [{name: FCI, fci_addresses: [192.0.2.50]}], browser: true}",
        )
        for flow in ("fci", "browser", "dac_dynamic", "dac_browser"):
            assert goes_to(plan, flow) == [("192.0.2.50",)], flow

    def test_partners_find_a_failover_cluster_instance_at_its_own_address(self) -> None:
        plan = plan_of(
            "{ag_replicas: [db-2], broker_port: 4022, broker_peers: [db-2], mi_link_subnets: [203.0.113.0/24],"
            " instances: [{fci_addresses: [192.0.2.50]}]}"
        )
        for flow in ("ag_endpoint", "service_broker"):
            assert goes_to(plan, flow, "db-2") == [("192.0.2.50",)], flow
            assert goes_to(plan, flow, "db") == [("192.0.2.11",)], flow
            assert f"mssql/MSSQLSERVER/{flow}" in heads(plan, "db-2", "in")
        assert endpoint(plan, "mssql/MSSQLSERVER/mi_link@192.0.2.50").ports[0].first == 5022

    def test_two_instances_of_two_clusters_find_each_other_at_their_own_addresses(self) -> None:
        hosts = {name: dict(values) for name, values in HOSTS.items()}
        for host, address, other in (("db", "192.0.2.50", "db-2"), ("db-2", "192.0.2.51", "db")):
            server = {"engine": "mssql", "clients": [], "ag_replicas": [other]}
            hosts[host]["dbports_servers"] = [{**server, "instances": [{"fci_addresses": [address]}]}]
        plan = build_plan(PlainInventory({"hosts": hosts}))
        assert goes_to(plan, "ag_endpoint", "db") == [("192.0.2.51",)]
        assert goes_to(plan, "ag_endpoint", "db-2") == [("192.0.2.50",)]

    def test_browser_of_an_ordinary_and_a_clustered_instance_is_asked_at_both(self) -> None:
        plan = plan_of("instances: [{name: A}, {name: FCI, fci_addresses: [192.0.2.50]}]")
        assert goes_to(plan, "browser") == [("192.0.2.10", "198.51.100.10"), ("192.0.2.50",)]

    def test_a_listener_is_at_its_addresses(self) -> None:
        plan = plan_of("{ag_replicas: [nodes], ag_listener_addresses: [192.0.2.50, 198.51.100.50]}")
        assert goes_to(plan, "listener") == [("192.0.2.50",), ("198.51.100.50",)]

    def test_a_listener_may_have_the_port_of_a_clustered_instance(self) -> None:
        """That one listens at its own address alone (dbi-services, TCP port conflict issues)."""
        plan = plan_of(
            "{ag_replicas: [nodes], instances: [{name: FCI, tcp_port: 1433, fci_addresses: [192.0.2.51]},"
            " {name: B, tcp_port: 1500, endpoint_port: 5023, ag_listener_addresses: [192.0.2.50]}]}"
        )
        assert goes_to(plan, "listener") == [("192.0.2.50",)]
        assert plan.conflicts == []

    def test_an_address_twice_is_one(self) -> None:
        plan = plan_of("{ag_replicas: [nodes], ag_listener_addresses: [192.0.2.50, 192.0.2.50]}")
        assert goes_to(plan, "listener") == [("192.0.2.50",)]


class TestBroadcast:
    """Clients that list the servers of their network."""

    def test_it_goes_to_everyone_and_the_answer_comes_from_1434(self) -> None:
        plan = plan_of("broadcast_clients: [app]")
        assert goes_to(plan, "browse") == [("192.0.2.10", "198.51.100.10", "255.255.255.255")]
        rules = plan.hosts["app"].rules.items()
        (peer,) = [peers["db"] for key, peers in rules if (key.direction, key.flow) == ("in", "browse_answer")]
        assert (peer.addresses, str(peer.source_ports)) == (plan.hosts["db"].addresses, "1434")

    @pytest.mark.parametrize("gateway", [{"kind": "filter", "stateful": False}, {"kind": "nat", "inside": "dc"}])
    def test_no_gateway_passes_it_on(self, gateway: dict[str, Any]) -> None:
        """A router passes no broadcast on, so that no answer comes through it either."""
        server = {"engine": "mssql", "clients": [], "broadcast_clients": ["app"]}
        hosts: dict[str, Any] = {
            "db": {"dbports_addresses": ["198.51.100.10"], "dbports_os": "windows", "dbports_servers": [server]},
            "app": HOSTS["app"],
        }
        networks = {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"]}
        between = {"name": "gw", "between": ["office", "dc"], **gateway}
        if gateway["kind"] == "nat":
            between["addresses"] = {"office": "192.0.2.1", "dc": "198.51.100.1"}
        settings = {"dbports_networks": networks, "dbports_gateways": [between]}
        plan = build_plan(PlainInventory({"hosts": hosts, "vars": settings}))
        assert [statement.endpoint for item in plan.gateways for statement in item.statements] == []


class TestDynamicBesideFixed:
    """``tcp_dynamic_port``: a switch or the present number."""

    @pytest.mark.parametrize(
        ("written", "opened"),
        [
            ("true", "49152-65535"),
            ("'True'", "49152-65535"),
            ("49626", "49626"),
            ("'49626'", "49626"),
            ("false", None),
            ("null", None),
        ],
    )
    def test_what_is_opened_to_those_who_name_the_instance(self, written: str, opened: str | None) -> None:
        plan = plan_of(f"instances: [{{name: A, tcp_port: 1450, connect_by: name, tcp_dynamic_port: {written}}}]")
        found = {key.flow: format_ports(key.ports) for key in heads(plan, "db", "in").values()}
        assert found.pop("tds_dynamic", None) == opened
        assert found == {"tds": "1450", "browser": "1434"}


_LINKED = {"dist>pub", "pub>dist"}
"""The agents of a remote distributor, and the publisher's link to it."""


@pytest.mark.parametrize(
    ("options", "near", "far"),
    [
        ({}, {"pub>sub"}, {"dist>sub"}),
        ({"replication_type": "merge"}, {"pub>sub"}, {"dist>sub"}),
        ({"replication_subscription": "pull"}, {"sub>pub"}, {"sub>dist"}),
        ({"replication_subscription": "pull", "replication_type": "merge"}, {"sub>pub"}, {"sub>dist", "sub>pub"}),
        ({"replication_updates": "immediate"}, {"pub>sub", "sub>pub"}, {"dist>sub", "sub>pub"}),
        (
            {"replication_subscription": "pull", "replication_updates": "queued"},
            {"sub>pub", "pub>sub"},
            {"sub>dist", "dist>sub"},
        ),
        ({"replication_web_sync": ["iis"]}, {"sub>iis", "iis>pub"}, {"sub>iis", "iis>pub", "iis>dist"}),
    ],
)
def test_who_connects_to_whom_in_replication(options: dict[str, Any], near: set[str], far: set[str]) -> None:
    """Replication agents overview and Replication agent security model, with a local and with a remote distributor."""
    for distributor, expected in ((None, near), (["dist"], far | _LINKED)):
        server = {"engine": "mssql", "clients": [], "replication_subscribers": ["sub"], **options}
        hosts: dict[str, Any] = {
            name: {"ansible_host": f"192.0.2.{number}"} for number, name in enumerate(("pub", "dist", "sub", "iis"), 10)
        }
        hosts["pub"]["dbports_servers"] = [{**server, "replication_distributor": distributor}]
        flows = flows_of(build_plan(PlainInventory({"hosts": hosts})))
        assert {f"{flow['initiator']}>{flow['responder']}" for flow in flows} == expected


class TestVerified:
    """What verify looks for: only what is there all the time."""

    @pytest.mark.parametrize(
        ("options", "name", "listening", "process"),
        [
            ("", "mssql/MSSQLSERVER/tds", "required", ("sqlservr",)),
            ("ag_replicas: [nodes]", "mssql/MSSQLSERVER/ag_endpoint", "required", ("sqlservr",)),
            (
                "{ag_replicas: [nodes], ag_listener_addresses: [192.0.2.50]}",
                "mssql/MSSQLSERVER/listener@192.0.2.50",
                "optional",
                ("sqlservr",),
            ),
            (
                "instances: [{fci_addresses: [192.0.2.50]}]",
                "mssql/MSSQLSERVER/fci@192.0.2.50",
                "optional",
                ("sqlservr",),
            ),
            ("dac: remote", "mssql/MSSQLSERVER/dac", "required", ("sqlservr",)),
            ("reporting_services: true", "mssql/reporting", "optional", ()),
            ("analysis_services: true", "mssql/analysis", "required", ("msmdsrv",)),
        ],
    )
    def test_endpoints(self, options: str, name: str, listening: str, process: tuple[str, ...]) -> None:
        found = endpoint(plan_of(options), name)
        assert (found.listening, found.process) == (listening, process)

    def test_msdtc_on_linux_listens_from_its_first_transaction_on(self) -> None:
        plan = plan_of("msdtc_partners: [db-2]", os="linux")
        assert endpoint(plan, "mssql/msdtc_linux").listening == "optional"
        assert endpoint(plan, "mssql/msdtc_linux_rpc").listening == "required"
        assert not [item for item in plan.hosts["db"].endpoints if item.id == "mssql/msdtc_rpc"]

    def test_partners_probe_each_other(self) -> None:
        plan = plan_of("ag_replicas: [nodes]")
        for host in ("db", "db-2"):
            assert heads(plan, host, "out")["mssql/MSSQLSERVER/ag_endpoint"].probe == ("tcp", None)

    def test_ranges_are_not_probed_by_a_plain_connect(self) -> None:
        plan = plan_of("{rpc_ports: 5000-5100, wmi_clients: [dba], polybase_group: [nodes], version: 2019}")
        assert [head for head in heads(plan, "dba", "out").values() if "-" in head.ports and head.probe] == []
        assert heads(plan, "db-2", "out")["mssql/polybase"].probe is None


class TestCorosync:
    """Nodes of a Pacemaker cluster, with a multicast group or without."""

    CLUSTER = "{cluster: pacemaker, cluster_nodes: [nodes], "

    def test_multicast_goes_to_its_group_and_the_token_to_the_nodes(self) -> None:
        plan = plan_of(f"{self.CLUSTER} corosync_multicast: 239.255.1.1}}", os="linux")
        assert goes_to(plan, "corosync_multicast", "db") == [("239.255.1.1",)]
        assert goes_to(plan, "corosync", "db") == [("192.0.2.11",)]

    @pytest.mark.parametrize(
        ("options", "path", "reason"),
        [
            ("corosync_multicast: 192.0.2.1", "corosync_multicast", "not a multicast address"),
            ("corosync_multicast: 239.255.1.1, corosync_transport: udpu", "corosync_transport", "another transport"),
        ],
    )
    def test_refused(self, options: str, path: str, reason: str) -> None:
        with pytest.raises(PlanError) as caught:
            plan_of(f"{self.CLUSTER} {options}}}", os="linux")
        (error,) = caught.value.errors
        assert error.path == f"dbports_servers[0].{path}"
        assert reason in error.reason


class TestInheritance:
    """What is said of the server holds for each instance that says nothing else."""

    def test_an_instance_beats_the_server(self) -> None:
        plan = plan_of(
            "{dac: remote, dac_clients: [dba], endpoint_port: 7022, ag_replicas: [nodes], instances: ["
            "{}, {name: HR, tcp_port: 14331, dac: local, endpoint_port: 7023}]}"
        )
        rules = heads(plan, "db", "in")
        assert format_ports(rules["mssql/MSSQLSERVER/dac"].ports) == "1434"
        assert "mssql/HR/dac" not in rules
        assert format_ports(rules["mssql/MSSQLSERVER/ag_endpoint"].ports) == "7022"
        assert format_ports(rules["mssql/HR/ag_endpoint"].ports) == "7023"

    def test_a_false_at_the_instance_is_said(self) -> None:
        plan = plan_of(
            "{ag_replicas: [nodes], ag_listener_addresses: [192.0.2.50], ag_read_only_routing: true,"
            " instances: [{ag_read_only_routing: false}]}"
        )
        assert "mssql/MSSQLSERVER/read_only_routing" not in heads(plan, "db", "in")

    def test_administrators_alone_use_the_dac(self) -> None:
        plan = plan_of("{dac: remote, dac_clients: [dba]}")
        assert goes_to(plan, "dac", "app") == []
        assert goes_to(plan, "dac", "dba") == [("192.0.2.10", "198.51.100.10")]


class TestPartners:
    """Both-way traffic is in the port set of every node."""

    @pytest.mark.parametrize(
        "options",
        [
            "ag_replicas: [nodes]",
            "mirroring_partners: [db-2]",
            "{cluster: wsfc, cluster_nodes: [nodes]}",
            "{broker_port: 4022, broker_peers: [db-2]}",
            "msdtc_partners: [db-2]",
            "debugger_clients: [db-2]",
            "polybase_group: [nodes]",
        ],
    )
    def test_both_sides_let_the_other_in(self, options: str) -> None:
        plan = plan_of(options)
        for host, other in (("db", "db-2"), ("db-2", "db")):
            admitted = [peers for head, peers in plan.hosts[host].rules.items() if head.direction == "in"]
            assert any(other in peers for peers in admitted), host

    def test_several_declarations_are_one_mesh(self) -> None:
        server = {"engine": "mssql", "clients": ["app"], "ag_replicas": ["nodes"]}
        hosts = {name: dict(values) for name, values in HOSTS.items()}
        hosts["db"]["dbports_servers"] = hosts["db-2"]["dbports_servers"] = [server]
        plan = build_plan(PlainInventory({"hosts": hosts, "groups": {"nodes": ["db", "db-2"]}}))
        assert plan.flows == 4


REFUSED = {
    "a Pacemaker option on a Windows cluster": (
        "{cluster: wsfc, cluster_nodes: [nodes], dlm: true}",
        "dlm",
        "only a Pacemaker cluster has this",
    ),
    "a cluster without nodes": ("cluster: wsfc", "cluster", "List all nodes"),
    "nodes without a cluster": ("cluster_nodes: [nodes]", "cluster_nodes", "cluster: wsfc or cluster: pacemaker"),
    "a witness share without a cluster": ("cluster_witness_share: [203.0.113.5]", "cluster_witness_share", "wsfc"),
    "a witness share that is an inventory host": (
        "{cluster: wsfc, cluster_nodes: [nodes], cluster_witness_share: [dba]}",
        "cluster_witness_share[0]",
        "closed to everyone else",
    ),
    "a witness without partners": ("mirroring_witness: [db-2]", "mirroring_witness", "mirroring_partners"),
    "a listener without replicas": ("ag_listener_addresses: [192.0.2.50]", "ag_listener_addresses", "ag_replicas"),
    "routing without a listener": (
        "{ag_replicas: [nodes], ag_read_only_routing: true}",
        "ag_read_only_routing",
        "needs a listener",
    ),
    "availability groups before 2012": ("{version: 2008, ag_replicas: [nodes]}", "ag_replicas", "2012"),
    "an endpoint on the instance's own port": (
        "{ag_replicas: [nodes], endpoint_port: 1433}",
        "endpoint_port",
        "port of its own",
    ),
    "the same, said of the instance": (
        "{ag_replicas: [nodes], instances: [{tcp_port: 5022, endpoint_port: 5022}]}",
        "instances[0].endpoint_port",
        "port of its own",
    ),
    "a listener on another instance's port": (
        "instances: [{ag_replicas: [nodes], ag_listener_addresses: [192.0.2.50], ag_listener_port: 1500},"
        " {name: B, tcp_port: 1499-1501}]",
        "instances[0].ag_listener_port",
        "instance B already uses this port",
    ),
    "tcp_port and listen": (
        "instances: [{tcp_port: 1433, listen: [{address: 192.0.2.10, tcp_port: 1433}]}]",
        "instances[0].listen",
        "IPAll is ignored",
    ),
    "listen and fci_addresses": (
        "instances: [{fci_addresses: [192.0.2.50], listen: [{address: 192.0.2.10, tcp_port: 1433}]}]",
        "instances[0].listen",
        "only on fci_addresses",
    ),
    "listen without a port": (
        "instances: [{listen: [{address: 192.0.2.10}]}]",
        "instances[0].listen[0]",
        "an address and its tcp_port",
    ),
    "listen with a wrong address": (
        "instances: [{listen: [{address: db, tcp_port: 1433}]}]",
        "instances[0].listen[0].address",
        "not an IPv4 or IPv6 address",
    ),
    "listen with a wrong port": (
        "instances: [{listen: [{address: 192.0.2.10, tcp_port: 0}]}]",
        "instances[0].listen[0].tcp_port",
        "from 1 to 65535",
    ),
    "listen with an unknown key": (
        "instances: [{listen: [{address: 192.0.2.10, tcp_port: 1433, prot: tcp}]}]",
        "instances[0].listen[0].prot",
        "unknown key",
    ),
    "an empty listen": ("instances: [{listen: []}]", "instances[0].listen", "expected a list with entries"),
    "a listener address that is a name": (
        "{ag_replicas: [nodes], ag_listener_addresses: [listener]}",
        "ag_listener_addresses[0]",
        "not an IPv4 or IPv6 address",
    ),
    "a dynamic port besides a dynamic port": (
        "instances: [{name: A, tcp_dynamic_port: true}]",
        "instances[0].tcp_dynamic_port",
        "needs a fixed port",
    ),
    "a listener of an instance without TCP/IP": (
        "{tcp_enabled: false, ag_replicas: [nodes], ag_listener_addresses: [192.0.2.50]}",
        "ag_listener_addresses",
        "TCP/IP disabled",
    ),
    "PolyBase without TCP/IP": (
        "{tcp_enabled: false, named_pipes: true, version: 2019, polybase_group: [nodes]}",
        "polybase_group",
        "TCP/IP disabled",
    ),
    "broadcasts that nothing answers": (
        "{browser: false, broadcast_clients: [dba]}",
        "browser",
        "broadcast_clients needs SQL Server Browser",
    ),
    "the name of an Analysis instance that has none": (
        "{analysis_services: true, analysis_connect_by: name}",
        "analysis_connect_by",
        "only name a named instance",
    ),
    "clients of Analysis Services that is not there": (
        "analysis_clients: [dba]",
        "analysis_clients",
        "analysis_services: true",
    ),
    "clients of Reporting Services that is not there": (
        "reporting_clients: [dba]",
        "reporting_clients",
        "reporting_services: true",
    ),
    "named pipes without a Database Engine": (
        "{instances: [], analysis_services: true, named_pipes: true}",
        "named_pipes",
        "there is no Database Engine",
    ),
    "an availability group without a Database Engine": (
        "{instances: [], reporting_services: true, ag_replicas: [nodes]}",
        "ag_replicas",
        "there is no Database Engine",
    ),
    "storage without its hosts": ("fci_storage: nfs", "fci_storage", "fci_storage_hosts"),
    "a health probe from nowhere": ("health_probe_port: 59999", "health_probe_port", "health_probe_from"),
    "an Analysis port without Analysis Services": ("analysis_port: 2383", "analysis_port", "analysis_services: true"),
    "a Service Broker port without peers": ("broker_port: 4022", "broker_port", "broker_peers"),
    "a snapshot for nobody": ("replication_snapshot: smb", "replication_snapshot", "replication_subscribers"),
    "a transport of Corosync on a Windows cluster": (
        "{cluster: wsfc, cluster_nodes: [nodes], corosync_transport: udpu}",
        "corosync_transport",
        "only a Pacemaker cluster has this",
    ),
    "a multicast group of Corosync on a Windows cluster": (
        "{cluster: wsfc, cluster_nodes: [nodes], corosync_multicast: 239.255.1.1}",
        "corosync_multicast",
        "only a Pacemaker cluster has this",
    ),
    "a cloud witness without a cluster": ("cluster_cloud_witness: [203.0.113.5]", "cluster_cloud_witness", "wsfc"),
    "a distributed availability group before 2016": (
        "{version: 2014, ag_replicas: [nodes], ag_listener_addresses: [192.0.2.50],"
        " ag_distributed_replicas: [203.0.113.5]}",
        "ag_distributed_replicas",
        "2016 or later",
    ),
    "mirroring before 2005": ("{version: 2000, mirroring_partners: [db-2]}", "mirroring_partners", "2005 or later"),
    "clients of a listener that is not there": (
        "{ag_replicas: [nodes], ag_listener_clients: [app]}",
        "ag_listener_clients",
        "Set ag_listener_addresses or ag_dnn_port",
    ),
    "a distributed network name on another instance's port": (
        "{instances: [{ag_replicas: [nodes], ag_dnn_port: 6789}, {name: B, tcp_port: 6789}]}",
        "instances[0].ag_dnn_port",
        "instance B already uses this port",
    ),
    "a distributed network name on the listener's port": (
        "{ag_replicas: [nodes], ag_listener_addresses: [192.0.2.50], ag_listener_port: [1433, 6789],"
        " ag_dnn_port: 6789}",
        "ag_dnn_port",
        "the endpoint or another listener",
    ),
    "a listener on the endpoint's port": (
        "{ag_replicas: [nodes], ag_listener_addresses: [192.0.2.50], ag_listener_port: 5022}",
        "ag_listener_port",
        "the endpoint or another listener",
    ),
    "a distributed network name without TCP/IP": (
        "{instances: [{tcp_enabled: false, ag_replicas: [nodes], ag_dnn_port: 6789}]}",
        "instances[0].ag_dnn_port",
        "has TCP/IP disabled",
    ),
    "web synchronization for nobody": (
        "replication_web_sync: [dba]",
        "replication_web_sync",
        "replication_subscribers",
    ),
    "updatable subscriptions of merge replication": (
        "{replication_subscribers: [app], replication_type: merge, replication_updates: queued}",
        "replication_updates",
        "only transactional replication",
    ),
    "a backup share without secondaries": (
        "log_shipping_share: [203.0.113.5]",
        "log_shipping_share",
        "log_shipping_secondaries",
    ),
    "a backup share that is an inventory host": (
        "{log_shipping_secondaries: [db-2], log_shipping_share: [dba]}",
        "log_shipping_share[0]",
        "closed to everyone else",
    ),
    "PolyBase groups before 2016": ("{version: 2014, polybase_group: [nodes]}", "polybase_group", "2016 to 2019"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_cannot_be_is_refused(case: str) -> None:
    options, path, reason = REFUSED[case]
    with pytest.raises(PlanError) as caught:
        plan_of(options)
    (error,) = caught.value.errors
    assert (error.host, error.path) == ("db", f"dbports_servers[0].{path}")
    assert reason in str(error)
    assert error.fix


_SAMPLES: dict[str, Any] = {"bool": True, "clients": ["db-2"], "port": 8000, "ports": "8000-8001"}


@pytest.mark.parametrize("name", mssql_services._WINDOWS_ONLY)
def test_what_linux_does_not_have(name: str) -> None:
    (option,) = [item for item in mssql_services.OPTIONS if item.name == name]
    with pytest.raises(PlanError) as caught:
        plan_of(yaml.safe_dump({name: _SAMPLES[option.type]}), os="linux_3")
    (error,) = caught.value.errors
    assert error.path == f"dbports_servers[0].{name}"
    assert "on Linux does not support this" in error.reason


def test_every_flow_is_confirmed() -> None:
    assert [flow.name for flow in mssql.FLOWS if not flow.confirmed] == []


def test_reporting_and_web_services_share_the_kernels_http() -> None:
    plan = plan_of("{version: 2005, http_endpoint_port: 80, reporting_services: true}")
    assert plan.conflicts == []


def test_services_share_the_endpoint_mapper() -> None:
    plan = plan_of(
        "{wmi_clients: [dba], ssis_clients: [dba], msdtc_partners: [db-2], filestream: true, named_pipes: true}"
    )
    assert plan.conflicts == []


def test_clients_of_instances_alone_use_the_services_too() -> None:
    hosts = {name: dict(values) for name, values in HOSTS.items()}
    hosts["db"]["dbports_servers"] = [{"engine": "mssql", "named_pipes": True, "instances": [{"clients": ["app"]}]}]
    assert goes_to(build_plan(PlainInventory({"hosts": hosts})), "named_pipes")


class TestAzure:
    """A destination that is no host."""

    def plan(self, **options: Any) -> Plan:
        server = {"engine": "azure_sql", "gateways": ["203.0.113.0/28"], **options}
        return build_plan(PlainInventory({"hosts": {"app": {**HOSTS["app"], "dbports_servers": [server]}}}))

    def test_nothing_is_opened_inbound(self) -> None:
        port_set = self.plan(connection_policy="redirect", dac=True).hosts["app"]
        assert {head.direction for head in port_set.rules} == {"out"}
        assert port_set.endpoints == []

    def test_redirect_without_clusters_warns(self) -> None:
        plan = self.plan(connection_policy="redirect")
        assert goes_to(plan, "redirect") == [("203.0.113.0/28",)]
        assert [(item.code, item.reason) for item in plan.warnings] == [("engine", "redirect_without_clusters")]

    @pytest.mark.parametrize(
        ("options", "path"),
        [
            ({"clients": ["app"]}, "clients"),
            ({"public_endpoint": True}, "public_endpoint"),
            ({"service": "managed_instance", "public_endpoint": True, "dac": True}, "dac"),
            ({"service": "managed_instance", "public_endpoint": True, "private_endpoint": True}, "public_endpoint"),
            ({"connection_policy": "default"}, "connection_policy"),
        ],
    )
    def test_refused(self, options: dict[str, Any], path: str) -> None:
        with pytest.raises(PlanError) as caught:
            self.plan(**options)
        (error,) = caught.value.errors
        assert error.path == f"dbports_servers[0].{path}"

    def test_every_source_was_looked_up(self) -> None:
        plan = self.plan(service="managed_instance", connection_policy="redirect", clusters=["203.0.113.0/24"])
        assert {format_ports(head.ports): head.citation for head in plan.hosts["app"].rules} == {
            "1433": "Azure SQL Managed Instance connection types",
            "11000-11999": "Azure SQL Managed Instance connection types",
        }


@pytest.mark.parametrize("engine", [mssql.ENGINE, azure_sql.ENGINE], ids=lambda engine: str(engine.name))
def test_names_are_unique(engine: Any) -> None:
    for items in (engine.options, engine.instance_options, engine.flows):
        names = [item.name for item in items]
        assert len(names) == len(set(names))


SHARED = "{named_pipes: true, wmi_clients: [app], msdtc_partners: [db-2], filestream: true}"


def unguarded(plan: Plan, host: str) -> set[str]:
    """Return the inbound flows of a host that it accepts without refusing everyone else."""
    return {key.flow for key in plan.hosts[host].rules if key.direction == "in" and not key.guarded}


def test_ports_that_windows_shares_are_accepted_and_not_guarded_there() -> None:
    plan = plan_of(SHARED)
    flows = {"named_pipes", "filestream", "wmi_mapper", "wmi_rpc", "msdtc_mapper", "msdtc_rpc"}
    assert unguarded(plan, "db") == flows
    assert unguarded(plan, "db-2") == {"msdtc_mapper", "msdtc_rpc"}
    assert {key.flow for key in plan.hosts["db"].rules if key.guarded and key.direction == "in"} >= {"tds"}
    assert not [
        item
        for item in plan_of(f"{SHARED[:-1]}, forbidden_clients: [dba]}}").hosts["dba"].forbidden
        if item.endpoint.rpartition("/")[2] in flows
    ]


def test_on_linux_the_same_ports_are_guarded() -> None:
    assert not unguarded(plan_of("{msdtc_partners: [app]}", os="linux"), "db")


def test_answers_to_a_broadcast_leave_the_range_of_a_client_open() -> None:
    plan = plan_of("{broadcast_clients: [app]}")
    assert unguarded(plan, "app") == {"browse_answer"}
    assert not unguarded(plan, "db")
