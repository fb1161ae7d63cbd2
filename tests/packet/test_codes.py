# SPDX-License-Identifier: GPL-3.0-or-later
"""Codes of findings, provoked with real rules, sockets and packets: one host with a server for each of them.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_codes.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.drift import (
    after_apply,
    after_verify,
    with_drift,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import CODES, Code, Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import (
    Observation,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.rules import digest_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.sockets import seen_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.verdicts import finding_sentence

from judged import Judged
from lab import Lab, LabHost

SERVER, SECOND, CLIENT, INTRUDER = "192.0.2.10", "192.0.2.11", "192.0.2.21", "192.0.2.66"
ELSEWHERE = 20199
"""An unguarded port of a program that is nobody's server."""

NOWHERE = 20198
"""A port on which nothing listens: the kernel answers with a reset."""

SERVERS = {
    "works": 20001,
    "partly": 20002,
    "open": 20003,
    "stopped": 20004,
    "moved": 20005,
    "local": 20006,
    "taken": 20007,
    "closed": 20008,
    "neither": 20009,
    "blocked": 20010,
    "maybe": 20011,
    "between": 20012,
    "rejected": 20013,
    "extra": 20014,
    "answered": 20015,
    "around": 20016,
    "lucky": 20017,
    "held": 20018,
}
"""A server for each thing that can be wrong, named after it, and its port."""

LISTENING = {
    **{f"{ANY}:{SERVERS[name]}": f"{name}d" for ANY in ("0.0.0.0",) for name in SERVERS},
    f"{SERVER}:{SERVERS['partly']}": "partlyd",
    f"127.0.0.1:{SERVERS['local']}": "locald",
    f"0.0.0.0:{SERVERS['taken']}": "worksd",
    "0.0.0.0:20101": "worksd",
    "0.0.0.0:20105": "movedd",
    "0.0.0.0:40123": "dynamicd",
    f"0.0.0.0:{ELSEWHERE}": "someone",
}
"""What listens where; the servers that do not listen are taken out below."""

for _name in ("partly", "stopped", "moved", "local", "neither", "answered"):
    del LISTENING[f"0.0.0.0:{SERVERS[_name]}"]

FOREIGN = f"""
table ip site {{
  chain late {{ type filter hook input priority 10; policy accept;
    tcp dport {SERVERS["blocked"]} drop
    tcp dport {SERVERS["maybe"]} meta mark 0 drop
    ip saddr {INTRUDER} tcp dport {SERVERS["lucky"]} drop
  }}
}}
table ip nat {{
  chain pre {{ type nat hook prerouting priority -100; policy accept;
    tcp dport {{ {SERVERS["answered"]}, {SERVERS["around"]} }} redirect to :{ELSEWHERE}
    tcp dport {SERVERS["rejected"]} redirect to :{NOWHERE}
  }}
}}
"""
ON_THE_WAY = ["ip", "rule", "add", "ipproto", "tcp", "sport", str(SERVERS["between"]), "blackhole"]
"""Stands for what is between client and server: answers of this port have no route. No firewall of a host does it."""

LISTEN = """
import json, os, socket, sys, time
for place, name in json.loads(sys.argv[1]).items():
    address, _colon, port = place.rpartition(":")
    if os.fork() == 0:
        open("/proc/self/comm", "w").write(name)
        server = socket.create_server((address, int(port)))
        kept = []
        while True:
            kept.append(server.accept())
time.sleep(3600)
"""
CONNECT = "import socket, time; s = socket.create_connection((%r, %d)); print('in', flush=True); time.sleep(3600)"


def inventory() -> dict[str, Any]:
    """Return hosts on which everything is declared and nothing is wrong."""
    engines: dict[str, Any] = {
        name: {
            "source": "this test",
            "flows": [{"name": "sql", "port": port, "process": f"{name}d", "purpose": f"Clients of {name}"}],
        }
        for name, port in SERVERS.items()
    }
    engines["dynamic"] = {
        "source": "this test",
        "flows": [{"name": "sql", "port": "dynamic", "process": "dynamicd", "purpose": "Clients of dynamic"}],
    }
    servers: list[dict[str, Any]] = [
        {"engine": name, "clients": ["app"], "forbidden_clients": ["evil"]} for name in SERVERS
    ]
    servers[0] = {"engine": "works", "clients": ["app", "app6"], "forbidden_clients": ["evil", "evil6"]}
    hosts: dict[str, Any] = {
        "db": {
            "dbports_addresses": [SERVER, SECOND],
            "dbports_os": "linux",
            "dbports_servers": [*servers, {"engine": "dynamic", "clients": ["app"]}],
        },
        "app": {"ansible_host": CLIENT, "dbports_filter_outbound": True},
        "evil": {"ansible_host": INTRUDER},
        "app6": {"ansible_host": "2001:db8::21"},
        "evil6": {"ansible_host": "2001:db8::66"},
    }
    return {"vars": {"dbports_engines": engines}, "hosts": hosts}


def on(rules: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the rule for a server."""
    (found,) = (rule for rule in rules if rule["ports"] == [str(SERVERS[name])])
    return found


def wrong_rules(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the database host's arguments with what somebody got wrong."""
    rules = json.loads(json.dumps(arguments["rules"]))
    for name in ("closed", "neither", "around"):
        on(rules, name)["peers"] = []
    for name in ("open", "lucky"):
        on(rules, name)["guarded"] = False
    on(rules, "extra")["peers"] = [CLIENT, INTRUDER]
    return {**arguments, "rules": rules}


@pytest.fixture(scope="module")
def scene() -> Iterator[Judged]:
    with Lab() as lab:
        for name, addresses in (("db", [SERVER, SECOND]), ("app", [CLIENT]), ("evil", [INTRUDER])):
            lab.host(name, [f"{address}/24" for address in addresses])
        scene = Judged(lab, inventory())
        scene.lab.hosts["db"].popen([sys.executable, "-c", LISTEN, json.dumps(LISTENING)])
        scene.lab.hosts["db"].wait_for(*(f"tcp/{place.rpartition(':')[2]}" for place in LISTENING))
        yield scene


@pytest.fixture(scope="module")
def seen(scene: Judged) -> dict[str, Any]:
    """Return what was observed: the database host before anything was applied, and all hosts afterwards."""
    found: dict[str, Any] = {"before": scene.observe("db")}
    scene.apply("db", wrong_rules(scene.arguments("db")))
    outward = scene.arguments("app")
    on(outward["rules"], "held")["peers"] = [INTRUDER]
    scene.apply("app", outward)
    scene.lab.hosts["db"].run(["nft", "-f", "-"], input=FOREIGN)
    scene.lab.hosts["db"].run(ON_THE_WAY)
    connected(scene.lab.hosts["evil"], SERVERS["open"])
    found.update(scene.observe_all(["db", "app", "evil"]))
    scene.lab.hosts["db"].run(["nft", "add", "rule", "inet", "dbports", "inbound", "tcp", "dport", "9", "accept"])
    return {**found, "edited": scene.observe("db")}


def connected(host: LabHost, port: int) -> None:
    """Connect a host to a port of the server, for as long as the lab is there."""
    process = host.popen([sys.executable, "-c", CONNECT % (SERVER, port)], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == "in\n"


def of(port_set: PortSet, seen: Observation, **more: Any) -> dict[Code, Finding]:
    """Return findings by code."""
    return {one.code: one for one in judge(port_set, seen, **more)}


@pytest.fixture(scope="module")
def findings(scene: Judged, seen: dict[str, Any]) -> dict[tuple[str, str], Finding]:
    """Return the findings of a run by host and server's name, and those of single facts by host and code."""
    nothing = {host: Observation(probes=()) for host in ("app6", "evil6")}
    found = {}
    for one in scene.findings({**{host: seen[host] for host in ("db", "app", "evil")}, **nothing}):
        name, _slash, flow = one.endpoint.partition("/")
        single = not flow or not one.intended or one.code == "accepts_too_many"
        found[one.host, one.code if single else name] = one
    return found


RUN: list[tuple[str, str, Code]] = [
    ("db", "works", "ready"),
    ("app", "works", "reachable"),
    ("evil", "works", "refused"),
    ("app6", "works", "no_common_family"),
    ("evil6", "works", "refused_no_family"),
    ("app", "partly", "partly_reachable"),
    ("db", "open", "unguarded"),
    ("app", "open", "reachable_unguarded"),
    ("evil", "open", "admitted_unguarded"),
    ("db", "stopped", "stopped"),
    ("app", "stopped", "stopped"),
    ("evil", "stopped", "refusal_unproven"),
    ("db", "moved", "moved"),
    ("app", "moved", "moved"),
    ("db", "local", "local_only"),
    ("app", "local", "local_only"),
    ("db", "taken", "other_program"),
    ("db", "closed", "closed"),
    ("app", "closed", "closed"),
    ("app", "neither", "closed_and_not_listening"),
    ("db", "blocked", "blocked"),
    ("app", "blocked", "blocked"),
    ("db", "maybe", "ready"),
    ("app", "maybe", "maybe_blocked"),
    ("db", "between", "ready"),
    ("app", "between", "dropped_between"),
    ("app", "rejected", "rejected_between"),
    ("evil", "extra", "admitted_by_rule"),
    ("app", "answered", "answered_by_another"),
    ("evil", "answered", "admitted_against_rules"),
    ("app", "around", "reachable_against_rules"),
    ("evil", "lucky", "refused_elsewhere"),
    ("app", "held", "outbound_closed"),
    ("db", "accepts_too_many", "accepts_too_many"),
    ("db", "outside", "outside"),
    ("db", "outside_guarded", "outside_guarded"),
    ("db", "stranger", "stranger"),
    ("db", "rules_differ", "rules_differ"),
]


@pytest.mark.parametrize(("host", "name", "code"), RUN)
def test_what_is_wrong_is_called_by_its_name(
    findings: dict[tuple[str, str], Finding], host: str, name: str, code: Code
) -> None:
    found = findings[host, name]
    assert found.code == code, (finding_sentence(found), found)


def test_sentences_name_what_was_seen(findings: dict[tuple[str, str], Finding]) -> None:
    said = {key: finding_sentence(found) for key, found in findings.items()}
    assert said["db", "moved"].startswith(
        "movedd moved from tcp 20005 to tcp 20105, but the rules open tcp 20005: move it back"
    )
    assert said["app", "between"].startswith(
        "listening and configured, but not reachable (filtered: no answer in time)"
    )
    assert "something between app and db drops it" in said["app", "between"]
    assert said["db", "accepts_too_many"] == f"the rules in force also let in {INTRUDER}: run apply"
    assert said["db", "stranger"].startswith(f"{INTRUDER} port ")
    assert f"ip site late drops tcp {SERVERS['blocked']} from {CLIENT}" in said["app", "blocked"]


def test_rules_of_all_flows_together(scene: Judged, seen: dict[str, Any]) -> None:
    """The same host is judged with what is known of its last apply, and after an edit by hand."""
    port_set = scene.plan["db"]
    applied = digest_of(DesiredState.from_arguments(wrong_rules(scene.arguments("db"))).ruleset)
    assert "rules_missing" in of(port_set, seen["before"])
    assert "rules_outdated" in of(port_set, seen["db"], applied=applied)
    assert "rules_edited" in of(port_set, seen["edited"], applied=applied)
    assert of(port_set, seen["edited"], applied=applied)["rules_edited"].drift
    assert "rules_of_another" in of(port_set, seen["db"], owner="db (role guard)")


def test_without_the_server_only_the_clients_side_is_known(scene: Judged, seen: dict[str, Any]) -> None:
    app, evil = (of(scene.plan[host], seen[host]) for host in ("app", "evil"))
    assert {"unreachable_unseen", "reachable"} <= set(app)
    assert "admitted" in evil


def test_a_dynamic_port_that_moved_is_drift(scene: Judged, seen: dict[str, Any]) -> None:
    port_set, plan_id = scene.plan["db"], "the same plan"
    before = seen["db"]
    kept = after_apply(None, plan_id, "rules", changed=True)
    kept = after_verify(kept, plan_id, judge(port_set, before), seen_ports(port_set, before.sockets))
    scene.lab.hosts["db"].popen([sys.executable, "-c", LISTEN, json.dumps({"0.0.0.0:40200": "dynamicd"})])
    scene.lab.hosts["db"].wait_for("tcp/40200")
    pid = next(one.pid for one in before.sockets if one.local_port == 40123 and one.is_listener)
    scene.lab.hosts["db"].run(["kill", str(pid)])
    scene.lab.hosts["db"].run(["sh", "-c", "while ss -Hlnt | grep -q :40123; do sleep 0.05; done"], timeout=120)
    now = scene.observe("db")
    found = with_drift(judge(port_set, now), kept, plan_id, seen_ports(port_set, now.sockets or ()), "db")
    (moved,) = [one for one in found if one.code == "port_moved"]
    assert finding_sentence(moved).startswith("the dynamic port moved from 40123 to 40200 (new since the last apply):")


def test_at_least_25_codes_are_provoked_here() -> None:
    codes = {code for _host, _name, code in RUN}
    assert codes <= set(CODES)
    assert len(codes) >= 25
