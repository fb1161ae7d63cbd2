# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why is this port open, and why can that one not reach it: every answer with its code."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.explain import explain
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.explain import explain_data as answer_from
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.flows import flows_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.question import view_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.reasons import REASONS
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.explanation import answer_data
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

INVENTORY: dict[str, Any] = {
    "hosts": {
        "erp-db": {
            "ansible_host": "192.0.2.10",
            "dbports_os": "windows",
            "dbports_servers": [
                {
                    "engine": "mssql",
                    "clients": ["apps", "198.51.100.0/24", "2001:db8:1::/48"],
                    "forbidden_clients": ["intruder"],
                    "instances": [{}, {"name": "SALES", "clients": ["app-01"]}],
                },
                {"engine": "sql602", "clients": ["app-02"], "ping": True},
            ],
        },
        "app-01": {"ansible_host": "192.0.2.21"},
        "app-02": {"ansible_host": "192.0.2.22", "dbports_filter_outbound": True},
        "two-homes": {"dbports_addresses": ["203.0.113.7", "198.51.100.7"]},
        "intruder": {"ansible_host": "192.0.2.66"},
        "six": {"ansible_host": "2001:db8::5"},
        "reports-01": {"ansible_host": "203.0.113.9"},
        "homeless": {},
    },
    "groups": {"apps": ["app-01", "app-02"]},
}


def explain_data(data: dict[str, Any], host: str, port: str, peer: str | None = None) -> dict[str, Any]:
    """Return the whole answer as users get it."""
    return answer_data(answer_from(data, host, port, peer))


def ask(port: str, peer: str | None = None, host: str = "erp-db", **server: Any) -> dict[str, Any]:
    """Ask on the inventory above; ``server`` changes the first server of erp-db."""
    data = copy.deepcopy(INVENTORY)
    data["hosts"]["erp-db"]["dbports_servers"][0].update(server)
    return explain_data(data, host, port, peer)


def codes(answer: dict[str, Any]) -> list[str]:
    """Return the codes of an answer's reasons, each once."""
    return list(dict.fromkeys(reason["code"] for reason in answer["reasons"]))


class TestWhyIsItOpen:
    def test_for_whom_since_when_and_by_which_source(self) -> None:
        answer = ask("1434/udp")
        (rule,) = answer["rules"]
        assert answer["open"] is True
        assert rule["endpoint"] == "mssql/browser"
        assert "KB 287932" in rule["citation"]
        assert rule["peers"] == [
            {
                "name": "app-01",
                "addresses": ["192.0.2.21"],
                "source_ports": "1024-65535",
                "declared": "erp-db: dbports_servers[0].instances[1].clients[0]",
            }
        ]
        text = "\n".join(answer["lines"])
        for part in (
            "udp 1434 on erp-db",
            "1 peer",
            rule["citation"],
            "app-01 (192.0.2.21), declared by erp-db: dbports",
        ):
            assert part in text

    def test_all_rules_of_one_port(self) -> None:
        assert {rule["flow"] for rule in ask("5001/udp")["rules"]} == {"search", "interrupt", "search_broadcast"}

    def test_a_port_inside_a_range(self) -> None:
        assert [rule["ports"] for rule in ask("50000/tcp")["rules"]] == ["49152-65535"]
        assert ask("49151/tcp")["rules"] == []

    def test_without_a_protocol_both_count(self) -> None:
        assert {rule["protocol"] for rule in ask("1434", dac="remote")["rules"]} == {"tcp", "udp"}

    def test_what_the_host_itself_sends(self) -> None:
        answer = ask("5002/udp")
        assert answer["rules"] == []
        assert [rule["flow"] for rule in answer["outbound"]] == ["announcement"]
        assert [line for line in answer["lines"] if "to app-02 (192.0.2.22), declared by erp-db" in line]

    def test_a_clients_own_port(self) -> None:
        (rule,) = ask("5002/udp", host="app-02")["rules"]
        assert [peer["name"] for peer in rule["peers"]] == ["erp-db"]
        assert rule["peers"][0]["declared"].startswith("erp-db: dbports_servers[1].clients")

    def test_nothing_there(self) -> None:
        answer = ask("22/tcp")
        assert (answer["open"], answer["rules"]) == (False, [])
        assert "nothing is opened or closed" in answer["lines"][0]

    def test_many_peers_are_grouped_by_their_declaration(self) -> None:
        data = copy.deepcopy(INVENTORY)
        data["groups"]["apps"] = [f"app-{n:03}" for n in range(200)]
        data["hosts"].update({f"app-{n:03}": {"ansible_host": f"203.0.113.{n + 10}"} for n in range(200)})
        lines = explain_data(data, "erp-db", "1433/tcp")["lines"]
        assert len(lines) < 8
        assert [line for line in lines if "and 190 more, declared by erp-db: dbports_servers[0].clients[0]" in line]

    @pytest.mark.parametrize("port", ["1434/udp", "udp/1434", " 1434/UDP "])
    def test_ways_to_write_a_port(self, port: str) -> None:
        assert ask(port)["port"] == "udp 1434"

    @pytest.mark.parametrize("port", ["", "x", "0/tcp", "65536", "1434/sctp", "1434/", "1433-1434/tcp", "-1", "1/icmp"])
    def test_no_port(self, port: str) -> None:
        with pytest.raises(DbportsError, match="not a port") as caught:
            ask(port)
        assert caught.value.code == "not_a_port"

    def test_no_host(self) -> None:
        with pytest.raises(DbportsError, match="no such host") as caught:
            ask("1433/tcp", host="erp-bd")
        assert (caught.value.code, caught.value.fix) == ("unknown_name", "Did you mean erp-db?")


class TestWhyCanItNotReachIt:
    def test_a_peer_that_is_misspelt(self) -> None:
        assert [line for line in ask("1433/tcp", "report-01")["lines"] if line.endswith("did you mean reports-01?")]
        assert not [line for line in ask("1433/tcp", "nothing-alike")["lines"] if "did you mean" in line]

    @pytest.mark.parametrize(
        ("port", "peer", "verdict", "reasons"),
        [
            ("1433/tcp", "app-01", "allowed", ["declared"]),
            ("1433/tcp", "192.0.2.21", "allowed", ["declared"]),
            ("1433/tcp", "198.51.100.99", "allowed", ["declared"]),
            ("1433/tcp", "198.51.100.128/25", "allowed", ["declared"]),
            ("1433/tcp", "two-homes", "allowed", ["declared"]),
            ("1433/tcp", "198.51.0.0/16", "partly", ["declared", "partly_in_networks"]),
            ("1433/tcp", "reports-01", "refused", ["not_declared", "not_in_networks"]),
            ("1433/tcp", "203.0.113.200", "refused", ["not_declared", "not_in_networks"]),
            ("1433/tcp", "intruder", "refused", ["forbidden", "not_declared", "not_in_networks"]),
            ("1433/tcp", "six", "refused", ["no_common_family", "not_declared", "not_in_networks"]),
            ("1433/tcp", "2001:db8:1::5", "refused", ["no_common_family"]),
            ("1434/udp", "app-02", "refused", ["other_endpoint", "not_declared", "warning"]),
            ("50000/tcp", "app-01", "allowed", ["declared"]),
            ("22/tcp", "reports-01", "unguarded", ["nothing_planned"]),
            ("icmp", "app-02", "allowed", ["declared"]),
            ("icmp", "reports-01", "unguarded", ["not_declared", "icmp"]),
            ("1433/tcp", "erp-db", "unguarded", ["itself"]),
            ("1433/tcp", "apps", "unknown", ["group"]),
            ("1433/tcp", "report-01", "unknown", ["unknown_host"]),
            ("1433/tcp", "homeless", "unknown", ["no_address"]),
        ],
    )
    def test_every_reason(self, port: str, peer: str, verdict: str, reasons: list[str]) -> None:
        answer = ask(port, peer)
        assert answer["verdict"] == verdict, answer["lines"]
        assert codes(answer) == reasons, answer["lines"]
        assert set(codes(answer)) <= set(REASONS)
        assert all(reason["text"] in "\n".join(answer["lines"]) for reason in answer["reasons"])

    def test_another_instance_is_named(self) -> None:
        texts = [item["text"] for item in ask("50000/tcp", "app-02")["reasons"] if item["code"] == "other_endpoint"]
        wanted = "app-02 is declared for mssql/MSSQLSERVER/tds (tcp 1433) by erp-db: dbports_servers[0].clients[0]"
        assert wanted in texts

    def test_it_says_where_to_declare(self) -> None:
        (text,) = [item["text"] for item in ask("1433/tcp", "reports-01")["reasons"] if item["code"] == "not_declared"]
        assert "erp-db: dbports_servers[0].clients" in text

    def test_a_sample_of_verify_is_no_prohibition(self) -> None:
        """Clients of other servers prove that they are refused, but nobody forbade them anything."""
        data = {
            "hosts": {
                "db-a": {"ansible_host": "192.0.2.10", "dbports_servers": [{"engine": "mssql", "clients": ["a"]}]},
                "db-b": {"ansible_host": "192.0.2.11", "dbports_servers": [{"engine": "mssql", "clients": ["b"]}]},
                "a": {"ansible_host": "192.0.2.21"},
                "b": {"ansible_host": "192.0.2.22"},
            }
        }
        assert codes(explain_data(data, "db-b", "1433/tcp", "a")) == ["not_declared"]

    def test_open_policy_refuses_nobody(self) -> None:
        data = copy.deepcopy(INVENTORY)
        data["hosts"]["erp-db"]["dbports_policy"] = "open"
        answer = explain_data(data, "erp-db", "1433/tcp", "reports-01")
        assert answer["verdict"] == "unguarded"
        assert "open_policy" in codes(answer)
        assert "refused to everyone else" not in answer["lines"][0]

    def test_the_peers_own_outbound_rules(self) -> None:
        """app-02 guards its traffic to UDP 5001 and may send it to another server alone."""
        data = {
            "hosts": {
                "db-a": {"ansible_host": "192.0.2.10", "dbports_servers": [{"engine": "sql602", "clients": ["app"]}]},
                "db-b": {
                    "ansible_host": "192.0.2.11",
                    "dbports_servers": [{"engine": "sql602", "clients": ["192.0.2.0/24"]}],
                },
                "app": {"ansible_host": "192.0.2.21", "dbports_filter_outbound": True},
            },
        }
        answer = explain_data(data, "db-b", "5002/tcp", "app")
        assert answer["verdict"] == "refused"
        assert codes(answer) == ["declared", "outbound"]
        data["hosts"]["app"]["dbports_filter_outbound"] = False
        assert explain_data(data, "db-b", "5002/tcp", "app")["verdict"] == "allowed"


class TestHostileNames:
    def test_lines_are_single_and_plain(self) -> None:
        name = "app\x1b[31m\n- fake line\u202e"
        data = {
            "hosts": {
                "db\r\nx": {"ansible_host": "192.0.2.10", "dbports_servers": [{"engine": "mssql", "clients": [name]}]},
                name: {"ansible_host": "192.0.2.21"},
            }
        }
        answer = explain_data(data, "db\r\nx", "1433/tcp", name)
        assert answer["verdict"] == "allowed"
        assert not [line for line in answer["lines"] if not line.isprintable()]
        assert answer["rules"][0]["peers"][0]["name"] == name, "data stays as it is"


def test_the_answers_agree_with_the_plan() -> None:
    """Every flow of the plan is explained as allowed; no other pair of hosts is."""
    inventory = PlainInventory(INVENTORY)
    plan = build_plan(inventory)
    view = view_of(plan, inventory)
    flows = {
        (flow["initiator"], flow["responder"], flow["protocol"], flow["ports"].split("-")[0])
        for flow in flows_of(plan)
        if flow["protocol"] != "icmp" and ":" not in flow["initiator"]
    }
    allowed = set()
    for _initiator, responder, protocol, port in {(None, *flow[1:]) for flow in flows if flow[1] in plan.hosts}:
        for peer in [*INVENTORY["hosts"], "198.51.100.0/24"]:
            if explain(view, responder, f"{port}/{protocol}", peer).verdict == "allowed":
                allowed.add((peer, responder, protocol, port))
    # two-homes is in the plan under the network that holds it, and by no name
    assert {flow for flow in allowed if flow[0] != "two-homes"} == {flow for flow in flows if flow[1] in plan.hosts}


class TestGateways:
    """A gateway that rewrites stands in the client's place on the server, and in the server's on the client."""

    NETWORKS: ClassVar[dict[str, Any]] = {
        "dbports_networks": {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"]},
        "dbports_gateways": [
            {
                "name": "socks1",
                "kind": "socks",
                "between": ["office", "dc"],
                "addresses": {"office": ["192.0.2.1"], "dc": ["198.51.100.1"]},
            }
        ],
    }

    def ask(self, port: str, peer: str) -> dict[str, Any]:
        server = {"engine": "sql602", "clients": ["app", "near", "192.0.2.0/25"]}
        data = {
            "hosts": {
                "db": {"ansible_host": "198.51.100.10", "dbports_servers": [server]},
                "app": {"ansible_host": "192.0.2.21"},
                "near": {"ansible_host": "198.51.100.77"},
                "other": {"ansible_host": "192.0.2.200"},
            },
            "vars": self.NETWORKS,
        }
        return explain_data(data, "db", port, peer)

    def test_through_a_gateway(self) -> None:
        answer = self.ask("5002/tcp", "app")
        assert (answer["verdict"], codes(answer)) == ("allowed", ["through_gateway"])
        assert "tcp 1080 of socks1 (192.0.2.1)" in answer["reasons"][0]["text"]

    def test_lost_on_a_gateway(self) -> None:
        answer = self.ask("5001/udp", "app")
        assert (answer["verdict"], codes(answer)) == ("refused", ["lost_on_gateway"])
        assert "socks1" in answer["reasons"][0]["text"]

    def test_not_behind_it(self) -> None:
        for port in ("5002/tcp", "5001/udp"):
            answer = self.ask(port, "near")
            assert (answer["verdict"], codes(answer)) == ("allowed", ["declared"])

    def test_behind_it_and_not_declared(self) -> None:
        assert self.ask("5002/tcp", "other")["verdict"] == "refused"
        assert "not_declared" in codes(self.ask("5001/udp", "other"))

    def test_who_is_behind_it_without_a_name(self) -> None:
        answer = self.ask("5002/tcp", "192.0.2.5")
        assert (answer["verdict"], codes(answer)) == ("unknown", ["through_gateway"])

    def test_two_servers_behind_one_gateway(self) -> None:
        """The client has a rule for each server that it asks the gateway for."""
        server = [{"engine": "sql602", "clients": ["app"]}]
        data = {
            "hosts": {
                "db-1": {"ansible_host": "198.51.100.10", "dbports_servers": server},
                "db-2": {"ansible_host": "198.51.100.11", "dbports_servers": server},
                "app": {"ansible_host": "192.0.2.21"},
            },
            "vars": self.NETWORKS,
        }
        answer = explain_data(data, "db-2", "5002/tcp", "app")
        assert (answer["verdict"], codes(answer)) == ("allowed", ["through_gateway"])

    def test_outbound_rules_that_allow_the_gateway(self) -> None:
        """A published port is the server's own number here: the rule for the gateway is one for the server."""
        mapping = {"host": "db", "protocol": "tcp", "port": 1433}
        nat = {**self.NETWORKS["dbports_gateways"][0], "kind": "nat", "inside": "dc", "mappings": [mapping]}
        data = {
            "hosts": {
                "db": {"ansible_host": "198.51.100.10", "dbports_servers": [{"engine": "mssql", "clients": ["app"]}]},
                "app": {"ansible_host": "192.0.2.21", "dbports_filter_outbound": True},
            },
            "vars": {**self.NETWORKS, "dbports_gateways": [nat]},
        }
        answer = explain_data(data, "db", "1433/tcp", "app")
        assert (answer["verdict"], codes(answer)) == ("allowed", ["through_gateway"])

    def test_in_the_servers_own_network_nothing_is_lost(self) -> None:
        server = {"engine": "sql602", "clients": ["app"]}
        data = {
            "hosts": {
                "db": {"ansible_host": "198.51.100.10", "dbports_servers": [server]},
                "app": {"ansible_host": "192.0.2.21"},
                "near": {"ansible_host": "198.51.100.77"},
            },
            "vars": self.NETWORKS,
        }
        assert codes(explain_data(data, "db", "5001/udp", "near")) == ["not_declared"]
        assert codes(explain_data(data, "db", "5001/udp", "app")) == ["lost_on_gateway"]


class TestNamesAreNotWords:
    """A name that is also a word of a sentence, or holds what separates words, means itself and nothing else."""

    CLIENTS: ClassVar[list[str]] = [f"app-{number}" for number in range(8)]

    def ask(self, peer: str, *more: str) -> dict[str, Any]:
        """Ask for the Browser: everybody but app-0 is a client of the server, and may name an instance closed to it."""
        server = {
            "engine": "mssql",
            "clients": self.CLIENTS,
            "instances": [{}, {"name": "SALES", "clients": ["app-0"]}],
        }
        data = {
            "hosts": {
                "db": {"ansible_host": "192.0.2.10", "dbports_servers": [server]},
                **{
                    name: {"ansible_host": f"192.0.2.{number}"}
                    for number, name in enumerate([*self.CLIENTS, *more], 21)
                },
            }
        }
        return explain_data(data, "db", "1434/udp", peer)

    @pytest.mark.parametrize("name", ["server", "instance", "SALES", "clients", "it"])
    def test_a_host_named_like_a_word_of_a_warning(self, name: str) -> None:
        assert codes(self.ask(name, name)) == ["not_declared"]

    @pytest.mark.parametrize("name", CLIENTS[1:])
    def test_every_client_that_a_warning_is_about(self, name: str) -> None:
        assert codes(self.ask(name)) == ["other_endpoint", "not_declared", "warning"]

    def test_a_network_named_like_a_word_of_a_warning(self) -> None:
        """The device answers for its own address, says the reason, not the host behind it."""
        nat = {
            "name": "nat1",
            "kind": "nat",
            "between": ["office", "dc"],
            "inside": "dc",
            "addresses": {"office": ["192.0.2.1"], "dc": ["198.51.100.1"]},
            "mappings": [{"host": "db", "protocol": "tcp", "port": 5002}],
        }
        networks = {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"], "host": ["203.0.113.0/24"]}
        server = {"engine": "sql602", "clients": ["app"], "ping": True}
        data = {
            "hosts": {
                "db": {"ansible_host": "198.51.100.10", "dbports_servers": [server]},
                "app": {"ansible_host": "192.0.2.21"},
                "far": {"ansible_host": "203.0.113.9"},
            },
            "vars": {"dbports_networks": networks, "dbports_gateways": [nat]},
        }
        assert codes(explain_data(data, "db", "icmp", "app")) == ["lost_on_gateway", "icmp"]
        assert codes(explain_data(data, "db", "icmp", "far")) == ["not_declared", "icmp"]

    def test_a_host_with_a_colon_in_its_name(self) -> None:
        """What "db: two" declares is not declared by db."""
        data = {
            "hosts": {
                "db": {"ansible_host": "198.51.100.10", "dbports_servers": [{"engine": "sql602", "clients": ["far"]}]},
                "db: two": {
                    "ansible_host": "198.51.100.11",
                    "dbports_servers": [{"engine": "sql602", "clients": ["app"]}],
                },
                "app": {"ansible_host": "192.0.2.21"},
                "far": {"ansible_host": "203.0.113.9"},
            },
            "vars": TestGateways.NETWORKS,
        }
        assert "through_gateway" in codes(explain_data(data, "db: two", "5002/tcp", "app"))
        answer = explain_data(data, "db", "5002/tcp", "app")
        assert (answer["verdict"], codes(answer)) == ("refused", ["not_declared"])
        assert "add it to db: dbports_servers[0].clients" in answer["reasons"][0]["text"]
