# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts: what a host should be, what it shows, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import STAGES, VERDICTS
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import (
    ForeignRule,
    read_observation,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.probes import probes_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.sockets import (
    at_seen_ports,
    awaited_listeners,
    dynamic_ports,
    seen_ports,
    watched_ports,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

INVENTORY: dict[str, Any] = {
    "hosts": {
        "db": {
            "dbports_addresses": ["192.0.2.10", "2001:db8::10"],
            "dbports_servers": [
                {
                    "engine": "mssql",
                    "clients": ["app"],
                    "forbidden_clients": ["evil"],
                    "instances": [{}, {"name": "DYN"}],
                    "os": "linux",
                }
            ],
        },
        "app": {"dbports_addresses": ["192.0.2.21"]},
        "evil": {"ansible_host": "2001:db8::66"},
    },
}


def port_set(host: str) -> PortSet:
    """Return a host's part of the plan."""
    return build_plan(PlainInventory(INVENTORY)).hosts[host]


def socket(port: int, **other: Any) -> dict[str, Any]:
    """Return a listening TCP socket of sqlservr, with what differs."""
    return {
        "protocol": "tcp",
        "family": "ipv4",
        "state": "LISTEN",
        "local_address": "0.0.0.0",
        "local_port": port,
        "remote_address": None,
        "remote_port": None,
        "pid": 7,
        "process": "sqlservr",
        **other,
    }


def verdicts(host: str, **observation: Any) -> dict[tuple[str, str], tuple[str, str]]:
    """Return verdict and reason by stage and endpoint."""
    found = judge(port_set(host), read_observation(observation))
    return {(one.stage, one.endpoint): (one.verdict, one.reason) for one in found}


BROWSER = socket(1434, protocol="udp", state=None, process="sqlbrowser")
TDS, DYN, SSRP = "mssql/MSSQLSERVER/tds", "mssql/DYN/tds", "mssql/browser"


def test_listening_where_and_by_whom_it_should() -> None:
    found = verdicts("db", sockets=[socket(1433), socket(40000), BROWSER])
    assert {key: verdict for key, (verdict, _reason) in found.items()} == {
        ("listening", TDS): "ok",
        ("listening", DYN): "ok",
        ("listening", SSRP): "ok",
    }


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        ({"local_port": 1500}, "fail", "sqlservr listens on tcp 1500 instead of tcp 1433"),
        ({"state": "CLOSE_WAIT"}, "fail", "nobody listens"),
        ({"protocol": "udp"}, "fail", "nobody listens"),
        ({"process": "nginx"}, "fail", "nginx listens instead of sqlservr"),
        ({"process": None, "pid": None}, "unknown", "not visible"),
        ({"local_address": "127.0.0.1"}, "fail", "listens only on 127.0.0.1, where no client can reach it"),
        ({"local_address": "198.51.100.9"}, "fail", "listens only on 198.51.100.9"),
        ({"local_address": "192.0.2.10"}, "ok", "192.0.2.10"),
        ({"local_address": "::", "family": "ipv6"}, "ok", "sqlservr"),
        ({"local_address": "::ffff:192.0.2.10", "family": "ipv6"}, "ok", "sqlservr"),
        ({"process": "sqlservr.exe"}, "ok", "sqlservr.exe"),
        ({"process": "SQLSERVR.EXE"}, "ok", "SQLSERVR.EXE"),
    ],
)
def test_what_is_said_of_a_listener(change: dict[str, Any], verdict: str, reason: str) -> None:
    said = verdicts("db", sockets=[socket(1433, **change)])[("listening", TDS)]
    assert said[0] == verdict
    assert reason in said[1]


@pytest.mark.parametrize(
    ("endpoint", "change"),
    [
        ("mssql/MSSQLSERVER/fci@192.0.2.31", {"local_address": "192.0.2.31"}),
        ("oracle/scan@192.0.2.30", {"local_address": "192.0.2.30"}),
        ("oracle/scan@192.0.2.30", {"local_address": "::ffff:192.0.2.30", "family": "ipv6"}),
        ("mysql/galera_multicast", {"local_address": "239.192.0.11"}),
    ],
)
def test_an_address_that_is_not_the_hosts_own_is_reachable_where_the_plan_says_so(
    endpoint: str, change: dict[str, Any]
) -> None:
    oracle = {"engine": "oracle", "clients": ["192.0.2.21"]}
    oracle["scan_listeners"] = [{"address": "192.0.2.30", "tcp_port": 1521}]
    galera = {"engine": "mysql", "clients": ["192.0.2.21"], "galera_nodes": ["192.0.2.11"]}
    galera["galera_multicast"] = "239.192.0.11"
    instance = {"fci_addresses": ["192.0.2.31"]}
    mssql = {"engine": "mssql", "clients": ["192.0.2.21"], "instances": [instance]}
    hosts = {"db": {"ansible_host": "192.0.2.10", "dbports_servers": [oracle, galera, mssql]}}
    planned = build_plan(PlainInventory({"hosts": hosts})).hosts["db"]
    ports = {
        "oracle": ("tcp", "LISTEN", 1521, "tnslsnr"),
        "mysql": ("udp", None, 4567, "mariadbd"),
        "mssql": ("tcp", "LISTEN", 1433, "sqlservr"),
    }
    protocol, state, port, process = ports[endpoint.partition("/")[0]]
    seen = socket(port, protocol=protocol, state=state, process=process, **change)
    found = {one.endpoint: one for one in judge(planned, read_observation({"sockets": [seen]}))}
    assert found[endpoint].verdict == "ok"
    other = {**seen, "local_address": "198.51.100.9"}
    found = {one.endpoint: one for one in judge(planned, read_observation({"sockets": [other]}))}
    assert "where no client can reach it" in found[endpoint].reason


def test_another_program_in_the_dynamic_range_is_not_the_instance() -> None:
    assert verdicts("db", sockets=[socket(40000, process="nginx")])[("listening", DYN)] == (
        "fail",
        "no sqlservr listens in this range",
    )


def test_forbidden_clients_try_the_ports_that_a_dynamic_instance_was_seen_on() -> None:
    """Another program in the range, another state and the fixed instance's port are none of them."""
    sockets = [socket(40001), socket(40000), socket(40002, process="nginx"), socket(40003, state="TIME_WAIT")]
    shown = read_observation({"sockets": sockets}).sockets
    assert dynamic_ports(port_set("db")) == ["32768-60999"]
    found = seen_ports(port_set("db"), shown)
    assert found == {DYN: [40000, 40001]}
    evil = port_set("evil")
    moved = at_seen_ports(evil, {"db": found}.get)
    asked = {(item["kind"], item["ports"]) for item in probes_of(moved)}
    assert asked == {("tds", "1433"), ("tds", "40000"), ("tds", "40001"), ("ssrp", "1434")}
    assert at_seen_ports(evil, lambda host: {}).forbidden == evil.forbidden


def test_a_range_of_many_sockets_is_tried_at_few_ports() -> None:
    shown = read_observation({"sockets": [socket(port) for port in range(41000, 41100)]}).sockets
    assert seen_ports(port_set("db"), shown)[DYN] == list(range(41000, 41008))


@pytest.mark.parametrize(
    ("remote", "stranger"),
    [
        ("192.0.2.21", False),
        ("192.0.2.66", True),
        ("127.0.0.1", False),
        ("192.0.2.10", False),
        ("::ffff:192.0.2.21", False),
        ("2001:db8::66", True),
        ("::1", False),
    ],
)
def test_connections_of_strangers(remote: str, stranger: bool) -> None:
    connection = socket(1433, state="ESTABLISHED", remote_address=remote, remote_port=50000)
    found = verdicts("db", sockets=[socket(1433), connection])
    assert (("connected", TDS) in found) is stranger
    if stranger:
        assert found[("connected", TDS)][0] == "fail"


def test_an_outgoing_connection_from_a_guarded_range_is_no_stranger() -> None:
    outgoing = socket(40001, state="ESTABLISHED", remote_address="203.0.113.5", remote_port=443)
    assert ("connected", DYN) not in verdicts("db", sockets=[socket(40000), outgoing])


@pytest.mark.parametrize(
    ("ruleset", "verdict", "reason"),
    [
        ({"in_sync": True, "foreign": []}, "ok", "1 peer"),
        ({"in_sync": False, "foreign": []}, "fail", "not the planned one"),
        ({"error": "nft is missing"}, "fail", "nft is missing"),
        ({"error": "nft is missing", "permitted": True}, "fail", "nft is missing"),
        ({"error": "only root may", "permitted": False}, "unknown", "not known, needs become: only root may"),
        (
            {
                "in_sync": True,
                "foreign": [
                    {
                        "direction": "in",
                        "protocol": "tcp",
                        "ports": "1433",
                        "verdict": "drops",
                        "text": "ip x y drops it",
                    }
                ],
            },
            "fail",
            "ip x y drops it",
        ),
        (
            {
                "in_sync": True,
                "foreign": [
                    {"direction": "in", "protocol": "tcp", "ports": "1433", "verdict": "unknown", "text": "may"}
                ],
            },
            "ok",
            "1 peer",
        ),
        (
            {
                "in_sync": True,
                "foreign": [
                    {"direction": "in", "protocol": "udp", "ports": "1433", "verdict": "drops", "text": "other"}
                ],
            },
            "ok",
            "1 peer",
        ),
    ],
)
def test_configured(ruleset: dict[str, Any], verdict: str, reason: str) -> None:
    said = verdicts("db", ruleset=ruleset)[("configured", TDS)]
    assert said[0] == verdict
    assert reason in said[1]


def results(host: str, verdict: str, **by_address: str) -> list[dict[str, Any]]:
    """Return a result for every probe of a host, all with one verdict."""
    return [
        {**probe, "verdict": by_address.get(probe["address"], verdict), "detail": "why", "port": 1}
        for probe in probes_of(port_set(host))
    ]


def test_probes_go_only_to_families_that_both_have() -> None:
    assert {probe["address"] for probe in probes_of(port_set("app"))} == {"192.0.2.10"}
    assert {probe["address"] for probe in probes_of(port_set("evil"))} == {"2001:db8::10"}
    assert probes_of(port_set("db")) == []
    assert {probe["patient"] for probe in probes_of(port_set("app")) if probe["kind"] == "tds"} == {True}
    assert {probe["patient"] for probe in probes_of(port_set("evil"))} == {False}


@pytest.mark.parametrize(
    ("probed", "verdict"),
    [
        ("answers", "ok"),
        ("refused", "fail"),
        ("filtered", "fail"),
        ("silent", "fail"),
        ("unknown", "unknown"),
    ],
)
def test_a_required_flow(probed: str, verdict: str) -> None:
    found = verdicts("app", probes=results("app", probed))
    assert {key[0] for key in found} == {"reachable"}
    assert {said[0] for said in found.values()} == {verdict}


@pytest.mark.parametrize(
    ("probed", "verdict"),
    [
        ("answers", "fail"),
        ("refused", "ok"),
        ("filtered", "ok"),
        ("unknown", "unknown"),
    ],
)
def test_a_forbidden_flow(probed: str, verdict: str) -> None:
    found = verdicts("evil", probes=results("evil", probed))
    assert {key[0] for key in found} == {"forbidden"}
    assert {said[0] for said in found.values()} == {verdict}


def test_an_accepted_connection_got_through_even_when_nothing_was_said() -> None:
    found = verdicts("evil", probes=results("evil", "silent"))
    assert found[("forbidden", TDS)][0] == "fail"
    assert found[("forbidden", SSRP)][0] == "ok"


@pytest.mark.parametrize("probed", ["silent", "refused", "filtered"])
def test_a_kind_of_probe_that_no_one_knows_is_an_error_and_never_ok(probed: str) -> None:
    with pytest.raises(DbportsError) as caught:
        verdicts("evil", probes=[{**result, "kind": "telnet"} for result in results("evil", probed)])
    assert caught.value.code == "not_a_choice"


def test_a_probe_that_was_not_sent_is_not_taken_for_an_answer() -> None:
    assert {said[0] for said in verdicts("app", probes=[]).values()} == {"unknown"}


def test_only_sockets_of_the_hosts_own_endpoints_matter() -> None:
    assert watched_ports(port_set("db")) == ["1433", "1434", "32768-60999"]
    assert watched_ports(port_set("app")) == []


def test_only_the_listeners_that_must_be_there_are_waited_for() -> None:
    assert awaited_listeners(port_set("db")) == [
        {"protocol": "tcp", "ports": "1433", "processes": ["sqlservr"]},
        {"protocol": "tcp", "ports": "32768-60999", "processes": ["sqlservr"]},
        {"protocol": "udp", "ports": "1434", "processes": ["sqlbrowser", "sqlservr"]},
    ]
    assert awaited_listeners(port_set("app")) == []


def test_a_connection_is_allowed_when_any_rule_of_its_endpoint_allows_it() -> None:
    planned = port_set("db")
    key = next(key for key in planned.rules if key.endpoint == TDS)
    (peer,) = planned.rules[key].values()
    other = peer._replace(name="b", addresses=(AddressRange.parse("192.0.2.22"),))
    planned.rules[key._replace(purpose="another flow")] = {"b": other}
    connections = [socket(1433, state="ESTABLISHED", remote_address=f"192.0.2.{n}", remote_port=9) for n in (21, 22)]
    found = judge(planned, read_observation({"sockets": [socket(1433), *connections]}))
    assert "connected" not in {one.stage for one in found}


def test_verdicts_and_stages_are_those_of_the_documentation() -> None:
    assert VERDICTS == ("ok", "warn", "fail", "unknown")
    assert STAGES == ("configured", "listening", "connected", "reachable", "forbidden")


class TestObservation:
    """The module's result becomes values, or an error that says where it is wrong."""

    def test_all_of_it(self) -> None:
        foreign = {"direction": "in", "protocol": "icmp", "ports": "", "verdict": "unknown", "text": "may"}
        probe = {"id": "a@b", "kind": "tcp", "address": "192.0.2.1", "port": 1, "verdict": "silent", "detail": ""}
        seen = read_observation(
            {"sockets": [socket(1433)], "ruleset": {"in_sync": True, "foreign": [foreign]}, "probes": [probe]}
        )
        assert seen.sockets
        assert seen.sockets[0]._asdict() == socket(1433)
        assert seen.ruleset
        assert seen.ruleset.foreign == (ForeignRule("in", "icmp", (), "unknown", "may"),)
        assert (seen.probes[0].id, seen.probes[0].kind, str(seen.probes[0])) == ("a@b", "tcp", "silent")

    def test_what_nobody_looked_at(self) -> None:
        seen = read_observation({})
        assert (seen.sockets, seen.ruleset, seen.probes) == (None, None, ())
        assert judge(port_set("db"), seen) == []

    @pytest.mark.parametrize(
        ("observation", "path"),
        [
            (None, "observation"),
            ({"sockets": {}}, "observation.sockets"),
            ({"sockets": [5]}, "observation.sockets[0]"),
            ({"sockets": [socket(0)]}, "observation.sockets[0].local_port"),
            ({"sockets": [socket(1, local_port=True)]}, "observation.sockets[0].local_port"),
            ({"sockets": [socket(1), socket(1, local_address="db")]}, "observation.sockets[1].local_address"),
            ({"sockets": [socket(1, local_address=None)]}, "observation.sockets[0].local_address"),
            ({"sockets": [socket(1, state="LISTENING")]}, "observation.sockets[0].state"),
            ({"sockets": [socket(1, process=7)]}, "observation.sockets[0].process"),
            ({"ruleset": []}, "observation.ruleset"),
            ({"ruleset": {}}, "observation.ruleset.in_sync"),
            ({"ruleset": {"in_sync": 1}}, "observation.ruleset.in_sync"),
            ({"ruleset": {"in_sync": True, "foreign": [{}]}}, "observation.ruleset.foreign[0].direction"),
            ({"probes": [{"kind": None}]}, "observation.probes[0].kind"),
        ],
    )
    def test_what_the_module_does_not_return(self, observation: Any, path: str) -> None:
        with pytest.raises(DbportsError) as caught:
            read_observation(observation)
        assert (caught.value.code, caught.value.path) == ("unreadable", path)
