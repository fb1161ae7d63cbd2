# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between: declarations and their errors, ways through several gateways, statements and their files.

Flows through single gateways are in tests/scenarios/gateways.yml, the completeness of filters in tests/property.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    format_addresses,
    parse_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorCode
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.explain import explain
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.flows import flows_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.question import view_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import gateway_file
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import Index, read_gateway, read_index
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import write_artifact
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Networks, Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.kinds import gateway_kinds
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan, Probe
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Ports, Published, Statement
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.markdown import plan_markdown
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import sentence
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from jsonschema import Draft202012Validator

from counting import assert_linear, steps

ROOT = Path(__file__).resolve().parents[5]
SCHEMA = ROOT / "docs" / "schema" / "plan-gateway.schema.json"
NETWORKS = "{office: [192.0.2.0/24], dc: [198.51.100.0/24, 2001:db8:d::/48]}"
SOCKS = "{name: s, kind: socks, between: [office, dc], addresses: {office: 192.0.2.1, dc: 198.51.100.1}}"
ACL = "{name: fw, kind: filter, between: [office, dc], stateful: false}"
DC_NAT = "name: n, kind: nat, inside: dc, between: [office, dc], addresses: {office: 192.0.2.1, dc: 198.51.100.1}"
OFFICE_NAT = DC_NAT.replace("inside: dc", "inside: office")


def inventory(gateways: str, servers: str = "", networks: str = NETWORKS, **hosts: Any) -> dict[str, Any]:
    """Return an inventory of a server in the data centre with two clients in the office."""
    servers = servers or "[{engine: mssql, clients: [app-01, app-02]}]"
    return {
        "hosts": {
            "db": {"ansible_host": "198.51.100.10", "dbports_servers": yaml.safe_load(servers)},
            "app-01": {"ansible_host": "192.0.2.21", "dbports_os": "linux"},
            "app-02": {"ansible_host": "192.0.2.22", "dbports_os": "windows"},
            **hosts,
        },
        "vars": {"dbports_networks": yaml.safe_load(networks), "dbports_gateways": yaml.safe_load(gateways)},
    }


def plan_of(gateways: str, servers: str = "", networks: str = NETWORKS, **hosts: Any) -> Plan:
    """Plan such an inventory."""
    return build_plan(PlainInventory(inventory(gateways, servers, networks, **hosts)))


def errors_of(gateways: str, servers: str = "", networks: str = NETWORKS, **hosts: Any) -> tuple[DbportsError, ...]:
    """Return why such an inventory cannot be planned."""
    with pytest.raises(PlanError) as caught:
        plan_of(gateways, servers, networks, **hosts)
    return caught.value.errors


def lines(plan: Plan, name: str) -> list[str]:
    """Return a gateway's statements in short."""
    (found,) = [item for item in plan.gateways if item.name == name]
    return [
        f"{item.kind} {protocol_text(item)} {shown(item.source, item.source_ports)} -> "
        f"{shown(item.destination, item.destination_ports)}"
        for item in found.statements
    ]


def shown(addresses: Ranges, ports: Ports) -> str:
    """Return one side of a statement in short."""
    return f"{','.join(format_addresses(addresses))}:{format_ports(ports)}"


def protocol_text(item: Statement) -> str:
    """Return a statement's protocol in short: ``tcp established``, ``icmp 3/4``."""
    if item.icmp_type is not None:
        code = "" if item.icmp_code is None else f"/{item.icmp_code}"
        return f"{'icmpv6' if item.family == 'ipv6' else 'icmp'} {item.icmp_type}{code}"
    return f"{item.protocol} established" if item.established else item.protocol


def published(addresses: str, ports: int) -> Published:
    """Return what clients use in the place of a destination."""
    return Published(parse_addresses([addresses]), (PortRange(ports, ports),))


class Case(NamedTuple):
    """A declaration and the one error that it leads to."""

    gateways: str
    code: ErrorCode
    path: str
    reason: str
    fix: str
    networks: str = NETWORKS


G = "dbports_gateways[0]"
CASES = {
    "networks are a dictionary": Case(
        "[]", "wrong_type", "dbports_networks", "expected a dictionary", "office:", "[192.0.2.0/24]"
    ),
    "a network without addresses": Case(
        "[]", "wrong_type", "dbports_networks.a", "expected a list", "office:", "{a: []}"
    ),
    "a network's name": Case(
        "[]", "not_a_name", "dbports_networks.a b", "not a name", "letter first", "{'a b': [192.0.2.0/24]}"
    ),
    "host bits": Case(
        "[]", "not_an_address", "dbports_networks.a[0]", "not an IPv4", "192.0.2.0/24", "{a: [192.0.2.1/24]}"
    ),
    "a range": Case(
        "[]", "not_an_address", "dbports_networks.a[0]", "prefix", "192.0.2.1, ", "{a: [192.0.2.1-192.0.2.5]}"
    ),
    "one network, two names": Case(
        "[]",
        "duplicate",
        "dbports_networks.b[0]",
        "also network a",
        "one of the two",
        "{a: [192.0.2.0/24], b: [192.0.2.0/24]}",
    ),
    "not a list": Case("{name: fw}", "wrong_type", "dbports_gateways", "expected a list", "kind: filter"),
    "not a dictionary": Case("[fw]", "wrong_type", G, "expected a dictionary", "name: fw-1"),
    "no name": Case("[{kind: filter, between: [office, dc]}]", "not_a_name", f"{G}.name", "not a name", "letters"),
    "a name for a shell": Case("[{name: 'a;b', kind: filter}]", "not_a_name", f"{G}.name", "not a name", "letters"),
    "two of one name": Case(f"[{ACL}, {ACL}]", "duplicate", "dbports_gateways[1].name", "two gateways", "its own"),
    "no kind": Case("[{name: fw, between: [office, dc]}]", "missing", f"{G}.kind", "not a kind", "filter, socks, nat"),
    "an unknown kind": Case(
        "[{name: fw, kind: vpn, between: [office, dc]}]", "not_a_choice", f"{G}.kind", "not a kind", "filter"
    ),
    "between is almost written": Case(
        "[{name: fw, kind: filter, betwen: [office, dc]}]", "unknown_key", f"{G}.betwen", "unknown", "between"
    ),
    "a key that is almost one": Case(
        "[{name: fw, kind: filter, between: [office, dc], statefull: true}]",
        "unknown_key",
        f"{G}.statefull",
        "unknown",
        "stateful",
    ),
    "another kind's key": Case(
        "[{name: fw, kind: filter, between: [office, dc], mappings: []}]",
        "unknown_key",
        f"{G}.mappings",
        "unknown",
        "Known keys",
    ),
    "stateful is no word": Case(
        "[{name: fw, kind: filter, between: [office, dc], stateful: maybe}]",
        "not_a_choice",
        f"{G}.stateful",
        "not true",
        "true",
    ),
    "between one": Case(
        "[{name: fw, kind: filter, between: [office]}]", "wrong_type", f"{G}.between", "two networks", "office, dc"
    ),
    "between nothing": Case("[{name: fw, kind: filter}]", "missing", f"{G}.between", "two networks", "office, dc"),
    "between nowhere": Case(
        "[{name: fw, kind: filter, between: [office, moon]}]",
        "unknown_name",
        f"{G}.between[1]",
        "no such network",
        "office, dc",
    ),
    "between itself": Case(
        "[{name: fw, kind: filter, between: [office, office]}]", "duplicate", f"{G}.between[1]", "twice", "Remove"
    ),
    "an unknown engine": Case(
        "[{name: fw, kind: filter, between: [office, dc], engines: [msql]}]",
        "unknown_name",
        f"{G}.engines",
        "engines",
        "mssql",
    ),
    "an unknown platform": Case(
        "[{name: fw, kind: filter, between: [office, dc], platform: iso}]",
        "not_a_choice",
        f"{G}.platform",
        "not a platform",
        "ios",
    ),
    "a platform of another kind": Case(
        "[{name: fw, kind: filter, between: [office, dc], platform: dante}]",
        "not_a_choice",
        f"{G}.platform",
        "not a platform",
        "linux",
    ),
    "a platform that tracks no connections": Case(
        "[{name: fw, kind: filter, between: [office, dc], platform: ios, stateful: true}]",
        "contradiction",
        f"{G}.stateful",
        "A Cisco IOS access list does not track connections",
        "stateful: false",
    ),
    "a platform that tracks them": Case(
        "[{name: fw, kind: filter, between: [office, dc], platform: asa, stateful: false}]",
        "contradiction",
        f"{G}.stateful",
        "Cisco ASA tracks connections",
        "stateful: true",
    ),
    "a router that is no host": Case(
        "[{name: fw, kind: filter, between: [office, dc], platform: linux}]",
        "missing",
        f"{G}.host",
        "A Linux router has to be an inventory host",
        "inventory host",
    ),
    "a host that is not there": Case(
        "[{name: fw, kind: filter, between: [office, dc], platform: ios, host: moon}]",
        "unknown_name",
        f"{G}.host",
        "no such host",
        "inventory host",
    ),
    "an owner that is no text": Case(
        "[{name: fw, kind: filter, between: [office, dc], owner: [a]}]",
        "wrong_type",
        f"{G}.owner",
        "expected a text",
        "network-team",
    ),
    "socks without addresses": Case(
        "[{name: s, kind: socks, between: [office, dc]}]", "missing", f"{G}.addresses", "own", "dc: ..."
    ),
    "an address missing": Case(
        "[{name: s, kind: socks, between: [office, dc], addresses: {office: 192.0.2.1}}]",
        "missing",
        f"{G}.addresses.dc",
        "own address in this network",
        "dc: ...",
    ),
    "an address elsewhere": Case(
        "[{name: s, kind: socks, between: [office, dc], addresses: {office: 192.0.2.1, moon: 192.0.2.2}}]",
        "unknown_key",
        f"{G}.addresses.moon",
        "unknown",
        "Known keys: dc, office",
    ),
    "socks by IPv6": Case(
        "[{name: s, kind: socks, between: [office, dc], addresses: {office: 192.0.2.1, dc: '2001:db8:d::1'}}]",
        "not_an_address",
        f"{G}.addresses.dc",
        "only IPv4 addresses",
        "IPv4",
    ),
    "a port too high": Case(f"[{SOCKS[:-1]}, port: 70000}}]", "not_a_port", f"{G}.port", "a number from 1", "one port"),
    "nat without inside": Case(
        f"[{{{DC_NAT.replace('inside: dc, ', '')}}}]",
        "missing",
        f"{G}.inside",
        "the network that it hides",
        "office, dc",
    ),
    "a proxy without mode": Case(
        "[{name: p, kind: http_proxy, between: [office, dc]}]", "missing", f"{G}.mode", "HTTP", "mode: tcp"
    ),
    "nat with a network that it does not touch": Case(
        f"[{{{DC_NAT.replace('inside: dc', 'inside: moon')}}}]", "unknown_name", f"{G}.inside", "hides", "office, dc"
    ),
    "mappings are a list": Case(f"[{{{DC_NAT}, mappings: db}}]", "wrong_type", f"{G}.mappings", "list", "host: erp-db"),
    "a mapping that is none": Case(
        f"[{{{DC_NAT}, mappings: [db]}}]", "wrong_type", f"{G}.mappings[0]", "dictionary", "host:"
    ),
    "a mapping to nothing": Case(
        f"[{{{DC_NAT}, mappings: [{{protocol: tcp, port: 1433}}]}}]",
        "missing",
        f"{G}.mappings[0]",
        "host or to an address",
        "one",
    ),
    "a mapping to two": Case(
        f"[{{{DC_NAT}, mappings: [{{host: db, address: 198.51.100.10, protocol: tcp, port: 1433}}]}}]",
        "contradiction",
        f"{G}.mappings[0]",
        "host or to an address",
        "one",
    ),
    "a mapping to nobody": Case(
        f"[{{{DC_NAT}, mappings: [{{host: dbb, protocol: tcp, port: 1433}}]}}]",
        "unknown_name",
        f"{G}.mappings[0].host",
        "no such host",
        "Did you mean db?",
    ),
    "a mapping outwards": Case(
        f"[{{{DC_NAT}, mappings: [{{host: app-01, protocol: tcp, port: 1433}}]}}]",
        "contradiction",
        f"{G}.mappings[0].host",
        "in network dc",
        "dbports_networks",
    ),
    "a mapping of icmp": Case(
        f"[{{{DC_NAT}, mappings: [{{host: db, protocol: icmp, port: 1433}}]}}]",
        "not_a_choice",
        f"{G}.mappings[0].protocol",
        "not a protocol",
        "tcp, udp",
    ),
    "a mapping without port": Case(
        f"[{{{DC_NAT}, mappings: [{{host: db, protocol: tcp}}]}}]",
        "not_a_port",
        f"{G}.mappings[0].port",
        "not a port",
        "1433",
    ),
    "more outside than inside": Case(
        f"[{{{DC_NAT}, mappings: [{{host: db, protocol: tcp, port: 1433, public_port: 1-9}}]}}]",
        "contradiction",
        f"{G}.mappings[0].public_port",
        "the same number of ports",
        "same length",
    ),
    "another's address": Case(
        f"[{{{DC_NAT}, mappings: [{{host: db, protocol: tcp, port: 1433, public_address: 192.0.2.9}}]}}]",
        "not_a_choice",
        f"{G}.mappings[0].public_address",
        "not an outside address",
        "192.0.2.1",
    ),
    "two hosts with Browser on one address": Case(
        f"[{{{DC_NAT}, mappings: [{{host: db, protocol: udp, port: 1434}}, "
        "{address: 198.51.100.11, protocol: udp, port: 1434}]}]",
        "duplicate",
        f"{G}.mappings[1].public_port",
        "one public address serves one host with SQL Server Browser",
        "another",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_wrong_declaration_names_path_and_fix(case: Case) -> None:
    (error,) = errors_of(case.gateways, networks=case.networks)
    assert (error.code, error.path) == (case.code, case.path)
    assert case.reason in error.reason
    assert error.fix is not None
    assert case.fix in error.fix


def test_all_errors_are_there_at_once() -> None:
    found = errors_of("[fw, {name: x, kind: filter, between: [office]}]", "[{engine: mssql}]")
    assert [error.path for error in found] == [
        "dbports_gateways[0]",
        "dbports_gateways[1].between",
        "dbports_servers[0].clients",
    ]


def test_a_wrong_gateway_does_not_hide_that_others_are_right() -> None:
    """Flows are routed all the same, to find all errors: through the gateways that could be read."""
    (error,) = errors_of(f"[{{name: x, kind: filter, between: [office]}}, {ACL}]")
    assert error.path == "dbports_gateways[0].between"


class TestNetworks:
    """The longest prefix owns an address; what spans several is split at their borders."""

    NAMED = Networks(
        {
            name: tuple(AddressRange.parse(text) for text in listed)
            for name, listed in {
                "all": ["0.0.0.0/0"],
                "site": ["192.0.2.0/24"],
                "rack": ["192.0.2.64/26", "192.0.2.255"],
                "box": ["192.0.2.64"],
                "six": ["2001:db8::/32"],
            }.items()
        }
    )

    @pytest.mark.parametrize(
        ("address", "owner"),
        [
            ("192.0.1.255", "all"),
            ("192.0.2.0", "site"),
            ("192.0.2.63", "site"),
            ("192.0.2.64", "box"),
            ("192.0.2.65", "rack"),
            ("192.0.2.127", "rack"),
            ("192.0.2.128", "site"),
            ("192.0.2.254", "site"),
            ("192.0.2.255", "rack"),
            ("192.0.3.0", "all"),
            ("255.255.255.255", "all"),
            ("0.0.0.0", "all"),
            ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", ""),
            ("2001:db8::", "six"),
            ("2001:db9::", ""),
        ],
    )
    def test_the_longest_prefix(self, address: str, owner: str) -> None:
        assert self.NAMED.parts(parse_addresses([address])) == {owner: (AddressRange.parse(address),)}

    def test_what_spans_several_is_split(self) -> None:
        parts = self.NAMED.parts(parse_addresses(["192.0.2.60-192.0.2.130", "2001:db8::/31"]))
        assert {name: [str(item) for item in items] for name, items in parts.items()} == {
            "site": ["192.0.2.60/30", "192.0.2.128-192.0.2.130"],
            "box": ["192.0.2.64"],
            "rack": ["192.0.2.65-192.0.2.127"],
            "six": ["2001:db8::/32"],
            "": ["2001:db9::/32"],
        }


class TestFilters:
    """Request, reply, unrelated datagram, ICMP errors."""

    def test_without_tracking_replies_go_to_the_range_of_the_clients_system(self) -> None:
        assert lines(plan_of(f"[{ACL}]"), "fw") == [
            "icmp_error icmp 3/4 0.0.0.0/0: -> 192.0.2.21,192.0.2.22:",
            "icmp_error icmp 3/4 0.0.0.0/0: -> 198.51.100.10:",
            "request tcp 192.0.2.21:32768-60999 -> 198.51.100.10:1433",
            "request tcp 192.0.2.22:49152-65535 -> 198.51.100.10:1433",
            "reply tcp established 198.51.100.10:1433 -> 192.0.2.21:32768-60999",
            "reply tcp established 198.51.100.10:1433 -> 192.0.2.22:49152-65535",
        ]

    def test_with_tracking_one_request_serves_all(self) -> None:
        plan = plan_of(f"[{ACL.replace('false', 'true')}]")
        assert lines(plan, "fw") == ["request tcp 192.0.2.21,192.0.2.22: -> 198.51.100.10:1433"]

    def test_an_announcement_is_a_statement_of_its_own_and_has_no_reply(self) -> None:
        for stateful in ("true", "false"):
            found = lines(
                plan_of(
                    f"[{ACL.replace('false', stateful)}]",
                    "[{engine: sql602, clients: [app-01, app-02], search: false, interrupt: false}]",
                ),
                "fw",
            )
            udp = [line for line in found if " udp " in line]
            assert udp == ["unrelated udp 198.51.100.10:1024-65535 -> 192.0.2.21,192.0.2.22:5002"]

    def test_ssrp_is_answered_from_1434_by_udp(self) -> None:
        found = lines(plan_of(f"[{ACL}]", "[{engine: mssql, clients: [app-01], instances: [{name: A}]}]"), "fw")
        assert "reply udp 198.51.100.10:1434 -> 192.0.2.21:32768-60999" in found

    def test_a_source_port_of_the_protocol_counts_in_both_directions(self) -> None:
        server = "[{engine: mssql, clients: [app-01], ipsec: true}]"
        statements = [line for line in lines(plan_of(f"[{ACL}]", server), "fw") if " udp " in line]
        ends = [("192.0.2.21", "198.51.100.10"), ("198.51.100.10", "192.0.2.21")]
        assert sorted(statements) == sorted(
            f"{kind} udp {a}:{port} -> {b}:{port}"
            for kind in ("request", "reply")
            for a, b in ends
            for port in (500, 4500)
        )

    def test_multicast_goes_to_the_group_and_nobody_answers(self) -> None:
        server = "[{engine: mysql, clients: [app-01], galera_nodes: [db, app-01], galera_multicast: 239.192.0.11}]"
        statements = [line for line in lines(plan_of(f"[{ACL}]", server), "fw") if " udp " in line]
        assert sorted(statements) == [
            "request udp 192.0.2.21:4567 -> 239.192.0.11:4567",
            "request udp 198.51.100.10:4567 -> 239.192.0.11:4567",
        ]

    def test_multicast_is_not_translated(self) -> None:
        server = "[{engine: mysql, clients: [app-01], galera_nodes: [db, app-01], galera_multicast: 239.192.0.11}]"
        mappings = ", ".join(f"{{host: app-01, protocol: tcp, port: {port}}}" for port in (4567, 4568, 4444))
        plan = plan_of(f"[{{{OFFICE_NAT}, mappings: [{mappings}]}}]", server)
        told = [item for item in plan.warnings if item.code == "lost_on_gateway"]
        assert {flow.name for item in told for flow in item.flows} == {"galera_multicast"}
        assert {item.reason for item in told} == {"a multicast group has no address to translate"}

    def test_a_source_port_of_the_protocol_is_no_guess(self) -> None:
        wide = {"ansible_host": "192.0.2.30"}
        plan = plan_of(f"[{ACL}]", "[{engine: mssql, clients: [wide], ipsec: true}]", wide=wide)
        assert "request udp 192.0.2.30:500 -> 198.51.100.10:500" in lines(plan, "fw")
        assert "reply udp 198.51.100.10:500 -> 192.0.2.30:500" in lines(plan, "fw")

    def test_a_translator_keeps_a_source_port_of_the_protocol_or_takes_any(self) -> None:
        server = "[{engine: mssql, clients: [app-01], ipsec: true}]"
        plan = plan_of(f"[{ACL}, {{{OFFICE_NAT}}}]", server)
        seen = {(flow["initiator"], flow["ports"]): flow["source_ports"] for flow in flows_of(plan)}
        assert (seen["app-01", "500"], seen["n", "500"], seen["n", "1433"]) == ("500", "1-65535", "1024-65535")

    def test_ike_is_published_at_its_own_ports(self) -> None:
        server = "[{engine: mssql, clients: [app-01], ipsec: true}]"
        mapping = "mappings: [{host: db, protocol: tcp, port: 1433}, {host: db, protocol: udp, port: 500%s}]"
        (error,) = errors_of(f"[{{{DC_NAT}, {mapping % ', public_port: 1500'}}}]", server)
        assert (error.code, error.path) == ("cannot_pass", f"{G}.mappings")
        (error,) = errors_of(f"[{{{DC_NAT}, {mapping % ''}}}]", server)
        assert (error.code, error.path) == ("not_published", f"{G}.mappings")
        assert "port: 4500" in (error.fix or "")

    def test_echo_and_its_reply_by_family(self) -> None:
        plan = plan_of(
            f"[{ACL}]",
            "[{engine: sql602, ping: true, clients: [app-01, six]}]",
            networks="{office: [192.0.2.0/24, '2001:db8:a::/48'], dc: [198.51.100.0/24, '2001:db8:d::/48']}",
            db={
                "dbports_addresses": ["198.51.100.10", "2001:db8:d::10"],
                "dbports_servers": [{"engine": "sql602", "ping": True, "minimum": False, "clients": ["app-01", "six"]}],
            },
            six={"ansible_host": "2001:db8:a::6"},
        )
        found = [line for line in lines(plan, "fw") if " icmp" in line]
        assert "request icmp 8/0 192.0.2.21: -> 198.51.100.10:" in found
        assert "reply icmp 0/0 198.51.100.10: -> 192.0.2.21:" in found
        assert "request icmpv6 128/0 2001:db8:a::6: -> 2001:db8:d::10:" in found
        assert "reply icmpv6 129/0 2001:db8:d::10: -> 2001:db8:a::6:" in found
        assert "icmp_error icmpv6 2 ::/0: -> 2001:db8:a::6:" in found

    def test_neighbours_become_one_network(self) -> None:
        hosts = {f"h{number}": {"ansible_host": f"192.0.2.{number}"} for number in range(64, 80)}
        servers = f"[{{engine: mssql, clients: [{', '.join(hosts)}]}}]"
        plan = plan_of(f"[{ACL.replace('false', 'true')}]", servers, **hosts)
        assert lines(plan, "fw") == ["request tcp 192.0.2.64/28: -> 198.51.100.10:1433"]

    def test_flows_within_a_network_or_beside_all_networks_meet_no_gateway(self) -> None:
        plan = plan_of(
            f"[{ACL}]",
            "[{engine: mssql, clients: [near, far]}]",
            near={"ansible_host": "198.51.100.30"},
            far={"ansible_host": "203.0.113.5"},
        )
        assert lines(plan, "fw") == []
        assert plan.warnings == []

    def test_a_declared_range_of_all_high_ports_is_no_guess(self) -> None:
        wide = {"ansible_host": "192.0.2.30", "dbports_ephemeral_ports": "1024-65535"}
        unknown = {"ansible_host": "192.0.2.31"}
        servers = "[{engine: mssql, clients: [wide, app-01]}]"
        assert plan_of(f"[{ACL}]", servers, wide=wide).warnings == []
        (warning,) = plan_of(f"[{ACL}]", servers, wide=unknown).warnings
        assert (warning.code, warning.host, warning.peers) == ("unknown_source_ports", "fw", ("wide",))

    def test_what_a_gateway_sends_from_is_known_of_a_translator_and_warned_of_with_others(self) -> None:
        """With address translation in front the range is 1024-65535."""
        behind = ACL.replace("fw", "behind")
        assert plan_of(f"[{{{OFFICE_NAT}}}, {behind}]").warnings == []
        servers = "[{engine: sql602, minimum: true, clients: [app-01]}]"
        (warning,) = plan_of(f"[{SOCKS}, {behind}]", servers).warnings
        assert (warning.code, warning.host, warning.peers) == ("unknown_source_ports", "behind", ("s",))
        assert plan_of(f"[{SOCKS[:-1]}, os: linux}}, {behind}]", servers).warnings == []

    def test_only_the_engines_that_are_named_go_through(self) -> None:
        only = ACL.replace("stateful: false", "engines: [sql602]")
        sql602 = "{engine: sql602, minimum: true, clients: [app-01]}"
        plan = plan_of(f"[{only}]", f"[{{engine: mssql, clients: [app-01]}}, {sql602}]")
        assert lines(plan, "fw") == ["request tcp 192.0.2.21: -> 198.51.100.10:5002"]


class TestWays:
    """Several gateways: each sees the flow as it looks on its own stretch of the way."""

    def stretch(self, name: str) -> str:
        return f"{{name: {name}, kind: filter, between: [office, dc]}}"

    def test_filters_before_and_behind_a_socks_host(self) -> None:
        plan = plan_of(
            f"[{self.stretch('front')}, {SOCKS}, {self.stretch('back')}]",
            "[{engine: sql602, minimum: true, clients: [app-01, app-02]}]",
        )
        clients = "192.0.2.21,192.0.2.22"
        assert lines(plan, "front") == [f"request tcp {clients}: -> 192.0.2.1:1080"]
        assert lines(plan, "s") == [
            f"request tcp {clients}: -> 192.0.2.1:1080",
            f"relay tcp {clients}: -> 198.51.100.10:5002",
        ]
        assert lines(plan, "back") == ["request tcp 198.51.100.1: -> 198.51.100.10:5002"]

    def test_the_other_way_round_the_list_is_read_backwards(self) -> None:
        """The server stands in the first network: its clients meet the last gateway first."""
        plan = plan_of(
            f"[{self.stretch('front')}, {{{OFFICE_NAT}, mappings: [{{host: db, protocol: tcp, port: 1433}}]}}, "
            f"{self.stretch('back')}]",
            "[{engine: mssql, clients: [far]}]",
            db={"ansible_host": "192.0.2.10", "dbports_servers": [{"engine": "mssql", "clients": ["far"]}]},
            far={"ansible_host": "198.51.100.77"},
        )
        assert lines(plan, "back") == ["request tcp 198.51.100.77: -> 198.51.100.1:1433"]
        assert lines(plan, "front") == ["request tcp 192.0.2.1: -> 192.0.2.10:1433"]

    def test_a_socks_host_before_a_published_server(self) -> None:
        nat = DC_NAT.replace("192.0.2.1", "192.0.2.2").replace("198.51.100.1", "198.51.100.2")
        plan = plan_of(
            f"[{SOCKS}, {{{nat}, mappings: [{{host: db, protocol: tcp, port: 5002, public_port: 7002}}]}}]",
            "[{engine: sql602, minimum: true, clients: [app-01]}]",
        )
        assert "relay tcp 192.0.2.21: -> 192.0.2.2:7002" in lines(plan, "s")
        (statement,) = plan.gateways[1].statements
        assert statement.published == published("192.0.2.2", 7002)
        assert [(flow["initiator"], flow["initiator_addresses"], flow["responder"]) for flow in flows_of(plan)] == [
            ("n", ["198.51.100.2"], "db"),
            ("app-01", ["192.0.2.21"], "s"),
        ]

    def test_statements_of_a_translator_name_what_is_behind_it(self) -> None:
        mapping = "{host: db, protocol: tcp, port: 1433, public_port: 21433}"
        plan = plan_of(f"[{{{DC_NAT}, mappings: [{mapping}]}}]")
        assert lines(plan, "n") == ["request tcp 192.0.2.21,192.0.2.22: -> 198.51.100.10:1433"]
        assert plan.gateways[0].statements[0].published == published("192.0.2.1", 21433)
        assert "after the destination was translated" in plan.gateways[0].note

    def test_gateways_that_name_networks_in_different_orders(self) -> None:
        (error,) = errors_of(
            f"[{SOCKS}, {{name: fw, kind: filter, between: [dc, office]}}]",
            "[{engine: sql602, minimum: true, clients: [app-01]}]",
        )
        assert error.path == "dbports_gateways[1].between"
        assert "one order" in (error.fix or "")

    def test_the_device_has_the_addresses_of_all_its_clients_families(self) -> None:
        """A client with only IPv4 and one with only IPv6: the server lets the device in by both."""
        plan = plan_of(
            "[{name: n, kind: nat, inside: office, between: [office, dc], "
            "addresses: {office: [192.0.2.1, '2001:db8:a::1'], dc: [198.51.100.1, '2001:db8:d::1']}}]",
            networks="{office: [192.0.2.0/24, '2001:db8:a::/48'], dc: [198.51.100.0/24, '2001:db8:d::/48']}",
            db={
                "dbports_addresses": ["198.51.100.10", "2001:db8:d::10"],
                "dbports_servers": [{"engine": "mssql", "clients": ["four", "six"]}],
            },
            four={"ansible_host": "192.0.2.4"},
            six={"ansible_host": "2001:db8:a::6"},
        )
        (peers,) = plan.hosts["db"].rules.values()
        assert format_addresses(peers["n"].addresses) == ["198.51.100.1", "2001:db8:d::1"]
        assert peers["n"].kind == "gateway"
        assert list(peers) == ["n"]
        assert plan.flows == len(flows_of(plan)) == 3

    def test_a_family_that_the_gateway_lacks_does_not_pass(self) -> None:
        plan = plan_of(
            f"[{SOCKS}]",
            "[{engine: sql602, minimum: true, clients: [six]}]",
            networks="{office: ['2001:db8:a::/48'], dc: [198.51.100.0/24, '2001:db8:d::/48']}",
            db={
                "dbports_addresses": ["2001:db8:d::10"],
                "dbports_servers": [{"engine": "sql602", "minimum": True, "clients": ["six"]}],
            },
            six={"ansible_host": "2001:db8:a::6"},
        )
        assert flows_of(plan) == []
        ipv4, warning = plan.warnings
        assert (ipv4.code, ipv4.peers) == ("ipv4_only", ("db", "six"))
        assert (warning.code, warning.gateway, warning.networks) == ("lost_on_gateway", "s", ("dc", "office"))
        assert "no address family in common" in warning.reason

    def test_no_way_leads_from_one_family_to_the_other(self) -> None:
        """The server has an address in no named network, past all gateways, of a family that the client lacks."""
        both = {
            "dbports_addresses": ["198.51.100.10", "2001:db8:e::10"],
            "dbports_servers": [{"engine": "sql602", "minimum": True, "clients": ["app-01"]}],
        }
        (error,) = errors_of(f"[{{{DC_NAT}, mappings: []}}]", db=both)
        assert error.code == "not_published"

    def test_an_instance_behind_translation_with_a_dynamic_port_needs_its_whole_range(self) -> None:
        servers = "[{engine: mssql, os: windows, clients: [app-01], instances: [{name: A}]}]"
        browser = "{host: db, protocol: udp, port: 1434}"
        (error,) = errors_of(f"[{{{DC_NAT}, mappings: [{browser}]}}]", servers)
        assert "port: 49152-65535" in (error.fix or "")
        wanted = str(error.fix).partition("Add ")[2].partition("}")[0]
        plan = plan_of(f"[{{{DC_NAT}, mappings: [{browser}, {wanted}}}]}}]", servers)
        assert sorted(flow["ports"] for flow in flows_of(plan)) == ["1434", "1434", "49152-65535", "49152-65535"]

    def test_a_named_instance_needs_udp_1434_published_too(self) -> None:
        servers = "[{engine: mssql, clients: [app-01], instances: [{name: A, tcp_port: 14330, connect_by: name}]}]"
        (error,) = errors_of(f"[{{{DC_NAT}, mappings: [{{host: db, protocol: tcp, port: 14330}}]}}]", servers)
        assert "browser (udp 1434) of db is not published by n" in error.reason

    def test_one_of_two_instances_may_stay_unpublished(self) -> None:
        servers = "[{engine: mssql, clients: [app-01], instances: [{tcp_port: 1433}, {name: B, tcp_port: 14331}]}]"
        plan = plan_of(f"[{{{DC_NAT}, mappings: [{{host: db, protocol: tcp, port: 1433}}]}}]", servers)
        assert [flow["ports"] for flow in flows_of(plan)] == ["1433", "1433"]
        (warning,) = [item for item in plan.warnings if item.code == "not_published"]
        assert (warning.host, warning.peers, warning.gateway) == ("db", ("db",), "n")
        assert "tds (tcp 14331) of db is not published by n" in sentence(warning)

    def test_a_mapping_that_nothing_uses_is_warned_of(self) -> None:
        mappings = "{host: db, protocol: tcp, port: 1433}, {host: db, protocol: tcp, port: 3389}"
        (warning,) = plan_of(f"[{{{DC_NAT}, mappings: [{mappings}]}}]").warnings
        assert (warning.code, warning.path) == ("unused_mapping", "dbports_gateways[0].mappings[1]")
        assert sentence(warning).startswith("n: dbports_gateways[0].mappings[1] publishes tcp 3389")

    def test_one_port_of_a_relay_leads_to_one_server(self) -> None:
        proxy = (
            "{name: p, kind: http_proxy, mode: tcp, port: 80, between: [office, dc], "
            "addresses: {office: 192.0.2.1, dc: 198.51.100.1}}"
        )
        server = {"engine": "sql602", "http_tunnel_port": 8080, "clients": ["app-01"]}
        (error,) = errors_of(
            f"[{proxy}]",
            db={"ansible_host": "198.51.100.10", "dbports_servers": [server]},
            db2={"ansible_host": "198.51.100.11", "dbports_servers": [server]},
        )
        assert (error.host, error.path) == ("db2", "dbports_gateways[0].port")

    def test_a_gateway_with_the_name_of_a_host_of_the_plan(self) -> None:
        (error,) = errors_of(f"[{{{OFFICE_NAT.replace('name: n', 'name: app-01')}}}]")
        assert error.path == "dbports_gateways[0].name"
        assert plan_of(f"[{ACL.replace('name: fw', 'name: app-01')}]").gateways, "a filter stands in nobody's place"

    def test_ping_reaches_the_device_that_publishes_and_passes_the_one_that_hides_clients(self) -> None:
        quiet = "search: false, interrupt: false, announcements: false"
        servers = f"[{{engine: sql602, ping: true, {quiet}, clients: [app-01]}}]"
        outside = plan_of(f"[{{{DC_NAT}, mappings: [{{host: db, protocol: tcp, port: 5002}}]}}]", servers)
        assert any("ping (icmp) does not pass" in sentence(item) for item in outside.warnings)
        hiding = plan_of(f"[{{{OFFICE_NAT}}}]", servers)
        assert [flow["flow"] for flow in flows_of(hiding)].count("ping") == 2

    def test_how_a_client_probes_what_stands_in_the_servers_place(self) -> None:
        sql602 = "[{engine: sql602, minimum: true, clients: [app-01]}]"

        def probes(plan: Plan) -> list[tuple[str, Any]]:
            return [(format_ports(key.ports), key.probe) for key in plan.hosts["app-01"].rules]

        assert probes(plan_of(f"[{SOCKS}]", sql602)) == [("1080", Probe("socks", "198.51.100.10:5002"))]
        mapping = "{host: db, protocol: tcp, port: 5002, public_port: 7002}"
        plan = plan_of(f"[{{{DC_NAT}, mappings: [{mapping}]}}]", sql602)
        assert probes(plan) == [("7002", Probe("sql602_connect", None))]
        (key,) = plan.hosts["app-01"].rules
        assert key.purpose.endswith("through n (clients register port 7001)")

    def test_behind_two_translators_the_outer_one_says_which_port_clients_register(self) -> None:
        """The inner one moves the server's ports, the outer one moves them back: nothing is left to say."""
        inner = DC_NAT.replace("name: n", "name: inner").replace("office: 192.0.2.1", "office: 198.51.100.99")
        plan = plan_of(
            f"[{{{DC_NAT}, mappings: [{{address: 198.51.100.99, protocol: tcp, port: 7002, public_port: 5002}}]}}, "
            f"{{{inner}, mappings: [{{host: db, protocol: tcp, port: 5002, public_port: 7002}}]}}]",
            "[{engine: sql602, minimum: true, clients: [app-01]}]",
        )
        (key,) = plan.hosts["app-01"].rules
        assert format_ports(key.ports) == "5002"
        assert key.purpose.endswith("through n")


class TestExplained:
    """Who stands behind a device is another case than who does not get through at all."""

    def verdict(self, gateways: str, servers: str, peer: str) -> tuple[str, set[str]]:
        data = PlainInventory(inventory(gateways, servers))
        answer = explain(view_of(build_plan(data), data), "db", "1433/tcp", peer)
        return answer.verdict or "", {reason.code for reason in answer.reasons}

    def test_behind_a_device_that_hides_it(self) -> None:
        servers = "[{engine: mssql, clients: [app-01]}]"
        assert self.verdict(f"[{{{OFFICE_NAT}}}]", servers, "app-01") == ("allowed", {"through_gateway"})
        assert self.verdict(f"[{{{OFFICE_NAT}}}]", servers, "app-02")[0] == "refused"

    def test_before_a_device_that_publishes_the_server(self) -> None:
        gateways = f"[{{{DC_NAT}, mappings: [{{host: db, protocol: tcp, port: 1433, public_port: 21433}}]}}]"
        servers = "[{engine: mssql, clients: [app-01]}]"
        assert self.verdict(gateways, servers, "app-01") == ("allowed", {"through_gateway"})


class TestForbidden:
    """Behind one device the server cannot tell its clients from others, so nobody has to show it."""

    SERVERS = "[{engine: mssql, clients: [app-01], forbidden_clients: [app-02]}]"

    def test_without_a_device_it_is_probed(self) -> None:
        assert plan_of(f"[{ACL}]", self.SERVERS).hosts["app-02"].forbidden

    def test_behind_the_device_of_a_client_it_is_not(self) -> None:
        plan = plan_of(f"[{{{OFFICE_NAT}}}]", self.SERVERS)
        assert "app-02" not in plan.hosts
        (warning,) = plan.warnings
        assert (warning.code, warning.host, warning.path) == (
            "behind_translation",
            "db",
            "dbports_servers[0].forbidden_clients[0]",
        )
        assert (warning.peers, warning.gateway) == (("app-02",), "n")

    def test_nobody_else_is_sampled_behind_it(self) -> None:
        server = {"engine": "mssql", "clients": ["app-02", "near"]}
        other = {"ansible_host": "198.51.100.99", "dbports_servers": [server]}
        near = {"ansible_host": "198.51.100.30"}
        servers = "[{engine: mssql, clients: [app-01]}]"
        hidden = plan_of(f"[{{{OFFICE_NAT}}}]", servers, other=other, near=near)
        assert not [item for item in hidden.hosts["app-02"].forbidden if item.host == "db"]
        assert [item for item in hidden.hosts["near"].forbidden if item.host == "db"]


class TestPlatforms:
    """What a gateway runs on decides what it does of its own accord."""

    def test_an_access_list_needs_replies_without_being_told(self) -> None:
        found = plan_of("[{name: fw, kind: filter, between: [office, dc], platform: ios}]").gateways[0]
        assert (found.platform, found.stateful) == ("ios", False)
        assert any(item.kind == "reply" for item in found.statements)

    def test_on_linux_it_is_a_choice(self) -> None:
        linux = "{name: fw, kind: filter, between: [office, dc], platform: linux, host: db, owner: net, stateful: %s}"
        plans = [plan_of(f"[{linux % word}]").gateways[0] for word in ("true", "false", "null")]
        assert [plan.stateful for plan in plans] == [True, False, True]
        assert {(plan.host, plan.owner) for plan in plans} == {("db", "net")}

    def test_all_are_in_the_published_schema(self) -> None:
        schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
        known = {item.name for kind in gateway_kinds().values() for item in kind.platforms}
        assert set(schema["properties"]["platform"]["enum"]) == {"", *known}


class TestArtifact:
    """What a gateway has to permit is a file of the plan, proven by its index."""

    def test_the_file_is_as_published_and_has_one_line_a_statement(self) -> None:
        schema = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
        Draft202012Validator.check_schema(schema.schema)
        gateways = (
            f"[{ACL}, {SOCKS.replace('addresses', 'engines: [sql602], addresses')}, "
            f"{{{DC_NAT}, engines: [mssql], mappings: [{{host: db, protocol: tcp, port: 1433}}]}}, "
            "{name: p, kind: http_proxy, mode: tcp, between: [dc, office], addresses: {office: 192.0.2.3, "
            "dc: 198.51.100.3}, engines: [postgresql]}]"
        )
        servers = "[{engine: mssql, clients: [app-01, app-02]}, {engine: sql602, ping: true, clients: [app-01]}]"
        plan = plan_of(gateways, servers)
        artifact = render_plan(plan)
        names = [name for name in artifact.files if name.startswith("gateways/")]
        assert names == [f"gateways/{name}.json" for name in ("fw", "s", "n", "p")]
        for name in names:
            data = json.loads(artifact.files[name])
            schema.validate(data)
            rows = [line for line in artifact.files[name].splitlines() if line.startswith(' {"action"')]
            assert len(rows) == len(data["statements"])
        assert "## Gateway fw" in plan_markdown(plan, artifact.plan_id, artifact.inputs_id)

    def test_without_gateways_the_index_says_so(self) -> None:
        data = inventory("[]")
        assert json.loads(render_plan(build_plan(PlainInventory(data))).files["index.json"])["gateways"] == []
        del data["vars"]
        assert json.loads(render_plan(build_plan(PlainInventory(data))).files["index.json"])["gateways"] == []

    def test_it_is_read_back_and_refused_when_it_was_changed(self, tmp_path: Path) -> None:
        plan = plan_of(f"[{ACL}]")
        artifact = render_plan(plan)
        write_artifact(artifact, tmp_path)
        index = read_index(tmp_path, artifact.plan_id)
        assert read_gateway(tmp_path, index, "fw") == plan.gateways[0]
        assert len(plan.gateways[0].statements) == 6
        assert self.refused(tmp_path, index, "fw2") == "not_in_plan"
        path = tmp_path / gateway_file("fw")
        path.write_text(path.read_text(encoding="utf-8").replace("1433", "1434"), encoding="utf-8")
        assert self.refused(tmp_path, index, "fw") == "changed_plan"
        path.unlink()
        assert self.refused(tmp_path, index, "fw") == "changed_plan"

    def refused(self, place: Path, index: Index, name: str) -> ErrorCode:
        with pytest.raises(DbportsError) as caught:
            read_gateway(place, index, name)
        return caught.value.code

    def test_a_gateway_that_is_gone_leaves_no_file(self, tmp_path: Path) -> None:
        write_artifact(render_plan(plan_of(f"[{ACL}]")), tmp_path)
        write_artifact(render_plan(plan_of("[]")), tmp_path)
        assert not list((tmp_path / "gateways").iterdir())

    def test_gateways_and_networks_are_inputs(self) -> None:
        first, second = render_plan(plan_of(f"[{ACL}]")), render_plan(plan_of(f"[{ACL.replace('false', 'true')}]"))
        assert first.inputs_id != second.inputs_id


def test_twice_the_clients_are_twice_the_work() -> None:
    def work(count: int) -> int:
        hosts = {f"c{n}": {"ansible_host": f"192.0.{2 + n // 250}.{n % 250}"} for n in range(count)}
        data = inventory(
            f"[{ACL}, {{{OFFICE_NAT}}}]", networks="{office: [192.0.0.0/16], dc: [198.51.100.0/24]}", **hosts
        )
        data["groups"] = {"all": list(hosts)}
        data["hosts"]["db"]["dbports_servers"] = [{"engine": "mssql", "clients": ["all"]}]
        return steps(lambda: build_plan(PlainInventory(data)))

    work(100)
    assert_linear(work(count) for count in (200, 400, 800))
