# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts: what a host should be, what it shows, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding
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
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.verdicts import finding_sentence
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

from socket_rows import listening

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


def judged(host: str, **observation: Any) -> list[Finding]:
    """Return all findings of a host."""
    return judge(port_set(host), read_observation(observation))


def codes(host: str, **observation: Any) -> dict[str, tuple[str, str]]:
    """Return code and verdict by endpoint."""
    return {one.endpoint: (one.code, one.verdict) for one in judged(host, **observation)}


BROWSER = listening(1434, protocol="udp", state=None, process="sqlbrowser")
TDS, DYN, SSRP = "mssql/MSSQLSERVER/tds", "mssql/DYN/tds", "mssql/browser"


def test_listening_where_and_by_whom_it_should() -> None:
    found = codes("db", sockets=[listening(1433), listening(40000), BROWSER])
    assert found == dict.fromkeys((TDS, DYN, SSRP), ("listening", "ok"))


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        ({"local_port": 1500}, "moved", "sqlservr moved from tcp 1433 to tcp 1500, but the rules open tcp 1433: move"),
        ({"state": "CLOSE_WAIT"}, "stopped", "nothing listens on tcp 1433: start the server"),
        ({"protocol": "udp"}, "stopped", "nothing listens on tcp 1433"),
        ({"process": "nginx"}, "other_program", "nginx listens on tcp 1433 instead of sqlservr: stop nginx or"),
        ({"process": None, "pid": None}, "listener_hidden", "its name is not visible: verify with become"),
        ({"local_address": "127.0.0.1"}, "local_only", "sqlservr listens only on 127.0.0.1, where no client can reach"),
        ({"local_address": "198.51.100.9"}, "local_only", "listens only on 198.51.100.9"),
        ({"local_address": "192.0.2.10"}, "listening", "sqlservr listens"),
        ({"local_address": "::", "family": "ipv6"}, "listening", "sqlservr"),
        ({"local_address": "::ffff:192.0.2.10", "family": "ipv6"}, "listening", "sqlservr"),
        ({"process": "sqlservr.exe"}, "listening", "sqlservr.exe"),
        ({"process": "SQLSERVR.EXE"}, "listening", "SQLSERVR.EXE"),
    ],
)
def test_what_is_said_of_a_listener(change: dict[str, Any], code: str, sentence: str) -> None:
    (found,) = [one for one in judged("db", sockets=[listening(1433, **change)]) if one.endpoint == TDS]
    assert found.code == code
    assert sentence in finding_sentence(found)


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
    seen = listening(port, protocol=protocol, state=state, process=process, **change)
    found = {one.endpoint: one for one in judge(planned, read_observation({"sockets": [seen]}))}
    assert found[endpoint].code == "listening"
    other = {**seen, "local_address": "198.51.100.9"}
    found = {one.endpoint: one for one in judge(planned, read_observation({"sockets": [other]}))}
    assert found[endpoint].code == "local_only"


def test_another_program_in_the_dynamic_range_is_not_the_instance() -> None:
    assert codes("db", sockets=[listening(40000, process="nginx")])[DYN] == ("stopped", "fail")


def test_forbidden_clients_try_the_ports_that_a_dynamic_instance_was_seen_on() -> None:
    """Another program in the range, another state and the fixed instance's port are none of them."""
    sockets = [listening(40001), listening(40000), listening(40002, "nginx"), listening(40003, state="TIME_WAIT")]
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
    shown = read_observation({"sockets": [listening(port) for port in range(41000, 41100)]}).sockets
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
    connection = listening(1433, state="ESTABLISHED", remote_address=remote, remote_port=50000)
    found = judged("db", sockets=[listening(1433), connection])
    assert [(one.endpoint, one.verdict) for one in found if one.code == "stranger"] == [(TDS, "fail")] * stranger


def test_an_outgoing_connection_from_a_guarded_range_is_no_stranger() -> None:
    outgoing = listening(40001, state="ESTABLISHED", remote_address="203.0.113.5", remote_port=443)
    assert codes("db", sockets=[listening(40000), outgoing])[DYN] == ("listening", "ok")


FOREIGN = {"direction": "in", "protocol": "tcp", "ports": "1433", "verdict": "drops", "text": "ip x y drops it"}
APP = {"peers": ["192.0.2.21"]}


@pytest.mark.parametrize(
    ("ruleset", "code", "verdict"),
    [
        ({"in_sync": True, "foreign": []}, "configured", "ok"),
        ({"error": "nft is missing"}, "rules_unknown", "unknown"),
        ({"in_sync": True, "foreign": [{**FOREIGN, **APP}]}, "blocked", "fail"),
        ({"in_sync": True, "foreign": [{**FOREIGN, **APP, "verdict": "unknown"}]}, "configured", "ok"),
        ({"in_sync": True, "foreign": [{**FOREIGN, **APP, "protocol": "udp"}]}, "configured", "ok"),
        ({"in_sync": True, "foreign": [{**FOREIGN, "peers": ["192.0.2.22"]}]}, "configured", "ok"),
        ({"in_sync": False, "carried": {}}, "unguarded", "fail"),
    ],
)
def test_configured(ruleset: dict[str, Any], code: str, verdict: str) -> None:
    assert codes("db", ruleset=ruleset)[TDS] == (code, verdict)


@pytest.mark.parametrize(
    ("ruleset", "code", "verdict"),
    [
        ({"error": "nft is missing"}, "rules_unread", "fail"),
        ({"error": "nft is missing", "permitted": True}, "rules_unread", "fail"),
        ({"error": "only root may", "permitted": False}, "rules_not_permitted", "unknown"),
        ({"in_sync": False, "carried": {}}, "rules_missing", "fail"),
    ],
)
def test_what_is_said_of_all_rules_together(ruleset: dict[str, Any], code: str, verdict: str) -> None:
    first = judged("db", ruleset=ruleset)[0]
    assert (first.code, first.verdict, first.endpoint) == (code, verdict, "")


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
    found = judged("app", probes=results("app", probed))
    assert {(one.intended, one.verdict) for one in found} == {("accept", verdict)}


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
    found = judged("evil", probes=results("evil", probed))
    assert {(one.intended, one.verdict) for one in found} == {("refuse", verdict)}


@pytest.mark.parametrize("probed", ["silent", "unknown", "refused"])
def test_who_reaches_a_program_got_through_whatever_it_says(probed: str) -> None:
    """Nothing, another protocol, or a refusal by the server itself; UDP may be silent because a packet was dropped."""
    reached = [{**result, "reached": result["kind"] != "ssrp"} for result in results("evil", probed)]
    found = codes("evil", probes=reached)
    assert found[TDS] == ("admitted", "fail")
    assert found[SSRP] == (("refusal_unclear", "unknown") if probed == "unknown" else ("refused", "ok"))
    assert codes("evil", probes=results("evil", "silent"))[TDS] == ("refused", "ok")


def test_a_refusal_is_proven_at_every_address_and_port() -> None:
    (tds,) = [probe for probe in probes_of(port_set("evil")) if probe["ports"] == "1433"]
    assert tds["id"].endswith("@2001:db8::10")
    server = {**INVENTORY["hosts"]["db"]["dbports_servers"][0], "instances": [{"tcp_port": "1433,1500"}]}
    hosts = {**INVENTORY["hosts"], "db": {**INVENTORY["hosts"]["db"], "dbports_servers": [server]}}
    evil = build_plan(PlainInventory({"hosts": hosts})).hosts["evil"]
    probes = [probe for probe in probes_of(evil) if probe["kind"] == "tds"]
    assert [probe["ports"] for probe in probes] == ["1433", "1500"]
    assert len({probe["id"] for probe in probes}) == 2
    for second, code in (("answers", "admitted"), ("unknown", "refusal_unclear"), ("filtered", "refused")):
        met = [{**probe, "verdict": word, "detail": "why"} for probe, word in zip(probes, ("filtered", second))]
        assert [one.code for one in judge(evil, read_observation({"probes": met}))] == [code]


@pytest.mark.parametrize("probed", ["silent", "refused", "filtered"])
def test_a_kind_of_probe_that_no_one_knows_is_an_error_and_never_ok(probed: str) -> None:
    with pytest.raises(DbportsError) as caught:
        judged("evil", probes=[{**result, "kind": "telnet"} for result in results("evil", probed)])
    assert caught.value.code == "not_a_choice"


def test_a_probe_that_was_not_sent_is_not_taken_for_an_answer() -> None:
    assert set(codes("app", probes=[]).values()) == {("not_probed", "unknown")}
    assert set(codes("evil", probes=[]).values()) == {("not_probed", "unknown")}


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
    connections = [listening(1433, state="ESTABLISHED", remote_address=f"192.0.2.{n}", remote_port=9) for n in (21, 22)]
    found = judge(planned, read_observation({"sockets": [listening(1433), *connections]}))
    assert "stranger" not in {one.code for one in found}


class TestObservation:
    """The module's result becomes values, or an error that says where it is wrong."""

    def test_all_of_it(self) -> None:
        foreign = {"direction": "in", "protocol": "icmp", "ports": "", "verdict": "unknown", "text": "may", **APP}
        probe = {"id": "a@b", "kind": "tcp", "address": "192.0.2.1", "port": 1, "verdict": "silent", "detail": ""}
        seen = read_observation(
            {"sockets": [listening(1433)], "ruleset": {"in_sync": True, "foreign": [foreign]}, "probes": [probe]}
        )
        assert seen.sockets
        assert seen.sockets[0]._asdict() == listening(1433)
        assert seen.ruleset
        assert seen.ruleset.foreign == (
            ForeignRule("in", "icmp", (), "unknown", "may", (AddressRange.parse("192.0.2.21"),)),
        )
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
            ({"sockets": [listening(0)]}, "observation.sockets[0].local_port"),
            ({"sockets": [listening(1, local_port=True)]}, "observation.sockets[0].local_port"),
            ({"sockets": [listening(1), listening(1, local_address="db")]}, "observation.sockets[1].local_address"),
            ({"sockets": [listening(1, local_address=None)]}, "observation.sockets[0].local_address"),
            ({"sockets": [listening(1, state="LISTENING")]}, "observation.sockets[0].state"),
            ({"sockets": [listening(1, process=7)]}, "observation.sockets[0].process"),
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
