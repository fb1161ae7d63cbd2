# SPDX-License-Identifier: GPL-3.0-or-later
"""Codes: every combination has one, every code is provoked here by what hosts show, and each has its sentence."""

from __future__ import annotations

import json
import string
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import (
    TABLE,
    VERDICT_OF,
    code_of,
    failing,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.drift import Baseline, with_drift
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import (
    CODES,
    CONFIGURED,
    INTENDED,
    LISTENING,
    REACHED,
    VERDICTS,
    Finding,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.join import join
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import read_observation
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.probes import probes_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.rules import digest_of, wanted_ruleset
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.sockets import seen_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import as_data
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.verdicts import TEXTS, finding_sentence
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan
from jsonschema import Draft202012Validator

from socket_rows import listening

SCHEMA = Path(__file__).parents[5] / "docs" / "schema" / "findings.schema.json"
APP, EVIL = "192.0.2.21", "192.0.2.66"
HOSTS: dict[str, Any] = {
    "db": {
        "ansible_host": "192.0.2.10",
        "dbports_servers": [
            {"engine": "mssql", "clients": ["app"], "forbidden_clients": ["evil"], "instances": [{}], "os": "linux"}
        ],
    },
    "app": {"ansible_host": APP},
    "evil": {"ansible_host": EVIL},
}
TDS = "mssql/MSSQLSERVER/tds"


def with_server(**changes: Any) -> dict[str, Any]:
    """Return the hosts with another declaration of the server."""
    return {**HOSTS, "db": {**HOSTS["db"], "dbports_servers": [{**HOSTS["db"]["dbports_servers"][0], **changes}]}}


IN = {"direction": "in", "protocol": "tcp", "ports": "1433"}
ACCEPT = {"accept": True, **IN, "peers": [APP], "comment": "SQL Server"}
GUARD = {"accept": False, **IN}
PLANNED: dict[str, Any] = {"in_sync": True}
DROPS = {"in_sync": True, "foreign": [{**IN, "verdict": "drops", "text": "ip late input drops it", "peers": [APP]}]}
MAY_DROP = {"in_sync": True, "foreign": [{**DROPS["foreign"][0], "verdict": "unknown", "text": "it may drop"}]}
STRANGER = listening(state="ESTABLISHED", local_address="192.0.2.10", remote_address=EVIL, remote_port=50000)
OTHER = {"name": "no plan", "ansible_host": "192.0.2.99"}
INSTALLED: dict[str, Any] = {
    "engine": "mssql",
    "instance": "MSSQLSERVER",
    "service": "MSSQLSERVER",
    "state": "running",
    "pid": 7,
    "flows": ["tds"],
    "enabled": True,
    "ports": "1450",
}
APPLIED = Baseline("plan", "rules", verified=True, ports=((TDS, "49712"),))


def carried(*rules: dict[str, Any], **other: Any) -> dict[str, Any]:
    """Return what the host shows whose rules are not the planned ones."""
    return {"in_sync": False, "carried": {"rules": list(rules), "owner": "db", **other}}


def shown(
    *,
    rules: dict[str, Any] | bool = True,
    sockets: list[dict[str, Any]] | None = None,
    app: str | None = None,
    evil: str | None = None,
    here: bool = True,
    app_rules: dict[str, Any] | None = None,
    app_sockets: list[dict[str, Any]] | None = None,
    hosts: dict[str, Any] | None = None,
    applied: str = "",
    baseline: Baseline | None = None,
    instances: list[dict[str, Any]] | None = None,
) -> list[Finding]:
    """Return the findings of all hosts of a run.

    :param rules: what the database host shows of its rules; True: the planned ones, False: nobody looked.
    :param sockets: its sockets; by default the server listens.
    :param app: the verdict of each probe of the client, by default that it answers; empty: it has none.
    :param evil: the same of the host that must not get in, by default that nothing comes back.
    :param instances: what the database host has installed, as far as it knows.
    :param here: whether the database host was verified at all.
    """
    plan = build_plan(PlainInventory({"hosts": HOSTS if hosts is None else hosts})).hosts
    ruleset = PLANNED if rules is True else rules
    listed = [listening()] if sockets is None else sockets
    seen: dict[str, dict[str, Any]] = {"db": {"sockets": listed, **({} if ruleset is False else {"ruleset": ruleset})}}
    seen["db"]["instances"] = instances or []
    for host, verdict in (("app", "answers" if app is None else app), ("evil", "filtered" if evil is None else evil)):
        results = probes(plan[host], verdict) if verdict else []
        seen[host] = {"probes": results, **({"ruleset": app_rules} if host == "app" and app_rules else {})}
    seen["app"] |= {"sockets": app_sockets} if app_sockets else {}
    found = {
        host: judge(plan[host], read_observation(value), applied=applied if host == "db" else "")
        for host, value in seen.items()
        if here or host != "db"
    }
    ports = seen_ports(plan["db"], read_observation(seen["db"]).sockets or ())
    found["db"] = list(with_drift(found.get("db", ()), baseline or Baseline("", ""), "plan", ports, "db"))
    return [one for host in found for one in join(found[host], lambda name: found.get(name, []))]


def probes(port_set: PortSet, verdict: str) -> list[dict[str, Any]]:
    """Return a result for every probe of a host; ``partly`` is an answer of the first address only."""
    words = {"partly": ["answers", "filtered"]}.get(verdict, [verdict] * 2)
    return [
        {**probe, "verdict": words[min(number, 1)], "detail": "why"} for number, probe in enumerate(probes_of(port_set))
    ]


UNREAD = {"error": "nft is missing"}
TWO_FAMILIES = {
    **HOSTS,
    "db": {**HOSTS["db"], "dbports_addresses": ["192.0.2.10", "192.0.2.11"]},
}
FILTERING = {**HOSTS, "app": {**HOSTS["app"], "dbports_filter_outbound": True}}
SEARCH = with_server(engine="sql602", instances=None, os=None)
SEARCH["db"]["dbports_servers"] = [{"engine": "sql602", "clients": ["app"], "forbidden_clients": ["evil"]}]
DYNAMIC = with_server(instances=[{"name": "DYN"}])

CASES: dict[str, dict[str, Any]] = {
    "reachable": {},
    "partly_reachable": {"app": "partly", "hosts": TWO_FAMILIES},
    "reachable_unguarded": {"rules": carried(ACCEPT)},
    "reachable_against_rules": {"rules": carried(GUARD)},
    "answered_by_another": {"sockets": []},
    "dropped_between": {"app": "filtered"},
    "rejected_between": {"app": "refused"},
    "blocked": {"app": "filtered", "rules": DROPS},
    "maybe_blocked": {"app": "filtered", "rules": MAY_DROP},
    "closed": {"app": "filtered", "rules": carried(GUARD)},
    "outbound_closed": {
        "app": "filtered",
        "hosts": FILTERING,
        "app_rules": carried({**GUARD, "direction": "out"}, owner="app"),
    },
    "stopped": {"app": "refused", "sockets": []},
    "moved": {"app": "refused", "sockets": [listening(51003)]},
    "local_only": {"app": "refused", "sockets": [listening(local_address="127.0.0.1")]},
    "other_program": {"app": "silent", "sockets": [listening(process="nginx")]},
    "closed_and_not_listening": {"app": "filtered", "sockets": [], "rules": carried(GUARD)},
    "unreachable_unseen": {"app": "filtered", "here": False},
    "unreachable_unread": {"app": "filtered", "rules": UNREAD},
    "probe_unclear": {"app": "unknown"},
    "no_common_family": {"hosts": {**HOSTS, "app": {"ansible_host": "2001:db8::21"}}},
    "answer_port_taken": {
        "app": "silent",
        "hosts": SEARCH,
        "app_sockets": [listening(5002, protocol="udp", state=None, process="602sqlcl")],
    },
    "not_probed": {"app": ""},
    "ready": {},
    "configured": {"hosts": SEARCH, "app_rules": PLANNED},
    "listening": {"rules": False},
    "unguarded": {"rules": carried(ACCEPT)},
    "rules_unknown": {"rules": UNREAD},
    "listener_hidden": {"sockets": [listening(process=None, pid=None)]},
    "refused": {},
    "refused_elsewhere": {"rules": carried(ACCEPT)},
    "refused_no_family": {"hosts": {**HOSTS, "evil": {"ansible_host": "2001:db8::66"}}},
    "refusal_unproven": {"sockets": []},
    "refusal_unclear": {"evil": "unknown"},
    "admitted": {"evil": "answers", "here": False},
    "admitted_by_rule": {"evil": "answers", "rules": carried({**ACCEPT, "peers": [APP, EVIL]}, GUARD)},
    "admitted_unguarded": {"evil": "answers", "rules": carried(ACCEPT)},
    "admitted_against_rules": {"evil": "answers"},
    "accepts_too_many": {"rules": carried({**ACCEPT, "peers": ["192.0.2.0/24"]}, GUARD)},
    "stranger": {"sockets": [listening(), STRANGER], "rules": carried(ACCEPT)},
    "dead_session": {"sockets": [listening(), STRANGER]},
    "outside": {"sockets": [listening(), listening(1500)]},
    "outside_guarded": {
        "sockets": [listening(), listening(5432)],
        "hosts": {
            **HOSTS,
            "db": {
                **HOSTS["db"],
                "dbports_servers": [*HOSTS["db"]["dbports_servers"], {"engine": "postgresql", "clients": ["app"]}],
            },
        },
    },
    "port_moved": {
        "hosts": DYNAMIC,
        "sockets": [listening(51003)],
        "baseline": APPLIED._replace(ports=(("mssql/DYN/tds", "49712"),)),
    },
    "configured_otherwise": {"hosts": with_server(), "instances": [INSTALLED]},
    "rules_missing": {"rules": carried(owner="")},
    "rules_edited": {"rules": carried(ACCEPT, GUARD, unexpected=["tcp dport 1433 accept"])},
    "rules_outdated": {"rules": carried(GUARD), "applied": "carried"},
    "rules_differ": {"rules": carried(GUARD)},
    "rules_of_another": {"rules": carried(ACCEPT, GUARD, owner="other")},
    "rules_unread": {"rules": UNREAD},
    "rules_not_in_force": {"rules": {"error": "the firewall is off", "in_force": False}},
    "not_forwarding": {"rules": {**PLANNED, "not_forwarding": ["net.ipv4.ip_forward"]}},
    "rules_not_permitted": {"rules": {**UNREAD, "permitted": False}},
}
"""By code, what hosts show so that it is said."""


def provoked(code: str) -> Finding:
    """Return the finding with a code."""
    case = dict(CASES[code])
    if case.get("applied") == "carried":
        value = {"ruleset": case["rules"]}
        state = read_observation(value).ruleset
        assert state
        assert state.carried
        case["applied"] = digest_of(state.carried.ruleset())
    found = [one for one in shown(**case) if one.code == code]
    assert found, {one.code for one in shown(**case)}
    return found[0]


def test_every_code_is_provoked_and_explained() -> None:
    assert set(CASES) == set(CODES) == set(TEXTS) == set(VERDICT_OF)
    assert len(set(CODES)) == len(CODES)


@pytest.mark.parametrize("code", CASES)
def test_a_code_has_its_sentence_its_verdict_and_its_place_in_the_schema(code: str) -> None:
    found = provoked(code)
    assert found.verdict in (VERDICT_OF[found.code], "warn")
    said = finding_sentence(found)
    text = TEXTS[found.code]
    assert text.fix == "" or ": " in said
    named = {word for _text, word, _spec, _conversion in string.Formatter().parse(text.says + text.fix) if word}
    empty = {word for word in named - {"also", "line", "service"} if f"{{{word}}}" in said}
    assert not empty, said
    assert "()" not in said, said
    assert "  " not in said, said
    assert not said.endswith("."), said
    VALIDATOR.validate(whole(found))


VALIDATOR = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def whole(*findings: Finding) -> dict[str, Any]:
    """Return the file of a host with these findings."""
    return {
        "schema": "dbports.findings/2",
        "host": "db",
        "plan_id": "0" * 64,
        "verified_at": "2026-01-02T03:04:05+00:00",
        "run": "a run",
        "findings": [as_data(one) for one in findings],
    }


def test_the_schema_names_the_same_words_and_allows_no_others() -> None:
    fields = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]["finding"]["properties"]
    ways = (("configured", CONFIGURED), ("listening", LISTENING), ("reached", REACHED), ("intended", INTENDED))
    words = [("code", CODES), ("verdict", VERDICTS), *ways]
    assert {name: fields[name]["enum"] for name, _values in words} == {
        name: [item for item in values if item] for name, values in words
    }
    assert set(fields) == {*Finding._fields, "sentence"}
    assert not VALIDATOR.is_valid({**whole(), "more": 1})


def test_every_combination_has_one_code() -> None:
    found = {
        code_of(intended, *ways)
        for intended in INTENDED
        if intended
        for ways in product(CONFIGURED, LISTENING, REACHED)
    }
    assert found == {line.code for lines in TABLE.values() for line in lines}


def test_the_words_of_a_way_are_told_apart() -> None:
    assert all(len(set(values)) == len(values) for values in (INTENDED, CONFIGURED, LISTENING, REACHED))
    assert set(get_args(Finding.__annotations__["verdict"])) <= set(VERDICTS)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "dropped_between",
            "listening and configured, but not reachable (filtered: why): something between app and db drops it; look "
            "at the firewalls and routes on the way",
        ),
        (
            "moved",
            "sqlservr moved from tcp 1433 to tcp 51003, but the rules open tcp 1433: "
            "move it back, or declare the port that it has now",
        ),
        (
            "port_moved",
            "the dynamic port moved from 49712 to 51003 (new since the last apply): give the instance a fixed port "
            "where connection strings or gateways name it",
        ),
        ("ready", "sqlservr (pid 7) listens on 0.0.0.0 port 1433, 1 peer is let in (accept in tcp 1433 # Clients "),
        ("closed", "the rules in force on db keep the clients out (refuse in tcp 1433): run apply on db"),
        ("accepts_too_many", "the rules in force also let in 192.0.2.0-192.0.2.20, 192.0.2.22-192.0.2.255: run apply"),
        ("blocked", "ip late input drops it: change that rule on db, which is not of this collection"),
    ],
)
def test_what_is_said(code: str, sentence: str) -> None:
    assert finding_sentence(provoked(code)).startswith(sentence)


def test_what_nobody_looked_at_is_not_said_to_listen() -> None:
    """A server in a container: whether it runs shows in none of the host's sockets."""
    server = {"engine": "postgresql", "published": True, "clients": ["app"], "forbidden_clients": ["evil"]}
    hosts = {**HOSTS, "db": {**HOSTS["db"], "dbports_servers": [server]}}
    said = {
        word: finding_sentence(one)
        for word in ("refused", "filtered")
        for one in shown(hosts=hosts, app=word, sockets=[])
        if one.host == "app"
    }
    assert said["refused"].startswith("configured, but refused (refused: why): something between app and db rejects it")
    assert said["refused"].endswith("or does not run")
    assert said["filtered"].startswith("configured, but not reachable (filtered: why): something between app and db")


@pytest.mark.parametrize(("peer", "said"), [(EVIL, EVIL), ("2001:db8::66", "'[2001:db8::66]'")])
def test_a_dead_session_is_ended_by_a_command_that_ss_understands(peer: str, said: str) -> None:
    found = provoked("dead_session")._replace(peers=(peer,))
    assert finding_sentence(found).endswith(f"end it on db: ss --kill --tcp dst {said} sport = 1433")


def test_rules_of_an_earlier_plan_are_told_from_edited_ones() -> None:
    edited = [one.code for one in shown(rules=carried(GUARD), applied="of something else") if not one.endpoint]
    assert edited == ["rules_edited"]
    same = wanted_ruleset(build_plan(PlainInventory({"hosts": HOSTS})).hosts["db"])
    assert digest_of(same) == digest_of(same)
    assert digest_of(same) != digest_of(same.of("other"))


class TestFailOn:
    """Which findings fail a run."""

    FOUND = (provoked("stopped"), provoked("port_moved"), provoked("probe_unclear"), provoked("reachable"))

    @pytest.mark.parametrize(
        ("fail_on", "codes"),
        [
            (["fail"], ["stopped"]),
            (["warn"], ["stopped", "port_moved"]),
            (["unknown"], ["stopped", "probe_unclear"]),
            (["never"], []),
            (["never", "reachable"], ["reachable"]),
            (["port_moved", "fail"], ["stopped", "port_moved"]),
        ],
    )
    def test_verdicts_and_codes(self, fail_on: list[str], codes: list[str]) -> None:
        assert [one.code for one in failing(self.FOUND, fail_on)] == codes

    @pytest.mark.parametrize("fail_on", [[], ["ok"], ["fail", "stoped"]])
    def test_anything_else_is_an_error(self, fail_on: list[str]) -> None:
        with pytest.raises(DbportsError) as caught:
            failing(self.FOUND, fail_on)
        assert (caught.value.code, caught.value.path) == ("not_a_choice", "fail_on")


EDITED = carried(ACCEPT, GUARD, unexpected=["ip saddr 192.0.2.66 accept"])


def test_edited_rules_prove_nothing_of_who_gets_in() -> None:
    """A rule that somebody added may let in or drop anyone, whatever the planned ones beside it say."""
    found = shown(rules=EDITED, sockets=[listening(), STRANGER], evil="answers")
    assert {(one.host, one.code) for one in found if one.verdict != "ok"} == {
        ("db", "rules_edited"),
        ("db", "stranger"),
        ("evil", "admitted_by_rule"),
    }
    found = shown(rules=EDITED, app="filtered")
    (unreached,) = [one for one in found if one.host == "app"]
    assert unreached.code == "maybe_blocked"
    assert "the rules were edited by hand (ip saddr 192.0.2.66 accept)" in finding_sentence(unreached)
    found = shown(rules=carried(GUARD, unexpected=["x"]), app="filtered")
    assert [one.code for one in found if one.host == "app"] == ["maybe_blocked"]
    found = shown(rules={**EDITED, "foreign": DROPS["foreign"]}, app="filtered")
    assert [one.code for one in found if one.host == "app"] == ["blocked"]
