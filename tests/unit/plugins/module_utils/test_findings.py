# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts: what a host should be, what it shows, and what is said of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._findings import judge, probes_of, watched_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.artifact import host_file, render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import PlainInventory
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


def port_set(host: str) -> dict[str, Any]:
    """Return a host's file of the plan, as data."""
    return json.loads(render_plan(build_plan(PlainInventory(INVENTORY))).files[host_file(host)])


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
    found = judge(port_set(host), observation)
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
        ({"local_port": 1500}, "fail", "nobody listens"),
        ({"state": "CLOSE_WAIT"}, "fail", "nobody listens"),
        ({"protocol": "udp"}, "fail", "nobody listens"),
        ({"process": "nginx"}, "fail", "nginx listens instead of sqlservr"),
        ({"process": None, "pid": None}, "unknown", "not visible"),
        ({"local_address": "127.0.0.1"}, "fail", "listens on 127.0.0.1 alone"),
        ({"local_address": "198.51.100.9"}, "fail", "listens on 198.51.100.9 alone"),
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


def test_another_program_in_the_dynamic_range_is_not_the_instance() -> None:
    assert verdicts("db", sockets=[socket(40000, process="nginx")])[("listening", DYN)] == (
        "fail",
        "no sqlservr listens in this range",
    )


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
