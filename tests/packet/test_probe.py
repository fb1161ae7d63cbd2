# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of probe in the lab: real packets from a client host to stand-in servers (not the real products).

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_probe.py``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import Lab, LabHost

LAB = Path(__file__).resolve().parent.parent / "lab"

SERVER, SERVER6 = "192.0.2.10", "2001:db8::10"
CLIENT, DENIED = "192.0.2.21", "192.0.2.66"
MUTE = "import socket,sys\ns=socket.create_server(('',7000))\nc=[]\nwhile True: c.append(s.accept())"
BABBLE = (
    "import socket\ns=socket.create_server(('',7001))\nwhile True: c=s.accept()[0];c.sendall(b'SSH-2.0-babble\\n'*9)"
)
BROWSE = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.settimeout(float(sys.argv[1]))
s.sendto(b"\\x02", ("192.0.2.255", 1434))
try:
    data, peer = s.recvfrom(65535)
    print(data[:1].hex(), *peer)
except socket.timeout:
    print("nothing")
"""
"""What sqlcmd -L sends: CLNT_BCAST_EX, by broadcast."""

INSTANCES = [
    *("--instance", "MSSQLSERVER:1433", "--instance", "SALES:50123"),
    *("--instance", "STRAY:999", "--hidden", "X:1", "--dac", "SALES:14340"),
]
PROBE = """
import json, sys
from ansible_collections.dbports.firewall.plugins.module_utils._probe.run import run_probes
json.dump(run_probes(json.load(sys.stdin), float(sys.argv[1])), sys.stdout)
"""

PATIENT = 30
"""Seconds for a probe that gets an answer: it takes what it takes, also on a busy machine."""

BRIEF = 1
"""Seconds for a probe that gets none: it waits for all of them."""

EVERYTHING = [
    ("tcp", "1433", None),
    ("tds", "1433", None),
    ("sql602_connect", "5002", None),
    ("icmp_echo", "", None),
    ("ssrp", "1434", "SALES"),
    ("ssrp_dac", "1434", "SALES"),
    ("sql602_search", "5001", None),
    ("http_tunnel", "8090", None),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One server host with all stand-ins, a client and a client that 602SQL itself denies."""
    with Lab() as lab:
        server = lab.host("erp-db", [f"{SERVER}/24", f"{SERVER6}/64"])
        lab.host("app-01", [f"{CLIENT}/24", "2001:db8::21/64"])
        lab.host("denied", [f"{DENIED}/24"])
        for arguments in (
            ["sql602", "--http-tunnel-port", "8090", "--web-port", "8080", "--deny", DENIED],
            ["sql602", "--port-base", "6001", "--server-name", "SECOND"],
            ["mssql", "--dac", "local"],
            ["mssql", "--port", "50123", "--instance", "SALES"],
            ["browser", *INSTANCES],
        ):
            server.popen([sys.executable, str(LAB / "stand_ins.py"), *arguments])
        for code in (MUTE, BABBLE):
            server.popen([sys.executable, "-c", code])
        listening = ("tcp/5002", "tcp/6002", "tcp/8090", "tcp/8080", "tcp/1433", "tcp/50123", "tcp/7000", "tcp/7001")
        server.wait_for(*listening, "udp/5001", "udp/6001", "udp/1434")
        yield lab


def run(host: LabHost, probes: list[dict[str, Any]], timeout: float = PATIENT) -> list[dict[str, Any]]:
    """Run probes on a host; each gets an id when it has none."""
    values = [{"id": str(number), "instance": None, **probe} for number, probe in enumerate(probes)]
    done = host.python(PROBE, str(timeout), input=json.dumps(values))
    results: list[dict[str, Any]] = json.loads(done.stdout)
    assert [item["id"] for item in results] == [item["id"] for item in values]
    return results


def one(lab: Lab, kind: str, ports: str = "", instance: str | None = None, **more: Any) -> dict[str, Any]:
    """Run one probe, from the client unless ``host`` says another one, for PATIENT seconds unless ``timeout`` does."""
    host, timeout = lab.hosts[more.pop("host", "app-01")], more.pop("timeout", PATIENT)
    probe = {"kind": kind, "address": SERVER, "ports": ports, "instance": instance}
    return run(host, [{**probe, **more}], timeout)[0]


def load(host: LabHost, hook: str, *rules: str) -> None:
    """Load a chain of its own on a host; ``unload`` takes it away."""
    lines = [f"type filter hook {hook} priority 0; policy accept;", *rules]
    host.run(["nft", "-f", "-"], input="table inet test {\nchain test {\n" + "\n".join(lines) + "\n}\n}\n")


def unload(host: LabHost) -> None:
    host.run(["nft", "delete", "table", "inet", "test"])


@pytest.fixture
def rules(lab: Lab) -> Iterator[Any]:
    """Give a function that loads rules for what comes into the server; they go at the end."""
    server = lab.hosts["erp-db"]
    # Neighbour discovery has to pass, or an IPv6 host would look dead and not filtered.
    always = ("ct state established,related accept", "icmpv6 type { 133, 134, 135, 136 } accept")
    yield lambda *statements: load(server, "input", *always, *statements)
    unload(server)


@pytest.mark.parametrize(("kind", "ports", "instance"), EVERYTHING)
def test_an_endpoint_answers(lab: Lab, kind: str, ports: str, instance: str | None) -> None:
    result = one(lab, kind, ports, instance)
    assert result["verdict"] == "answers", result
    assert result["port"] == (int(ports) if ports else None)
    assert result["milliseconds"] < 1000 * PATIENT


@pytest.mark.parametrize("kind", ["tcp", "tds", "ssrp", "icmp_echo"])
def test_an_endpoint_answers_over_ipv6(lab: Lab, kind: str) -> None:
    ports = {"ssrp": "1434", "icmp_echo": ""}.get(kind, "1433")
    assert one(lab, kind, ports, address=SERVER6)["verdict"] == "answers"


@pytest.mark.parametrize(
    ("kind", "ports", "instance"),
    [
        ("tcp", "1499", None),
        ("tds", "1499", None),
        ("sql602_connect", "5099", None),
        ("ssrp", "1499", "SALES"),
        ("ssrp_dac", "1499", "SALES"),
        ("sql602_search", "5099", None),
        ("http_tunnel", "5099", None),
    ],
)
def test_a_port_without_a_listener_refuses(lab: Lab, kind: str, ports: str, instance: str | None) -> None:
    result = one(lab, kind, ports, instance)
    assert result["verdict"] == "refused", result
    assert result["milliseconds"] < 900 * PATIENT, "it waited although it had its answer"


DROPPED = {"ssrp": "silent", "ssrp_dac": "silent", "sql602_search": "silent", "icmp_echo": "silent"}


@pytest.mark.parametrize(("kind", "ports", "instance"), EVERYTHING)
def test_a_firewall_drops(lab: Lab, rules: Any, kind: str, ports: str, instance: str | None) -> None:
    rules("drop")
    result = one(lab, kind, ports, instance, timeout=BRIEF)
    assert (result["verdict"], result["reached"]) == (DROPPED.get(kind, "filtered"), False), result
    assert result["milliseconds"] >= 900 * BRIEF


@pytest.mark.parametrize(("kind", "ports", "instance"), EVERYTHING)
def test_a_firewall_says_that_it_is_prohibited(
    lab: Lab, rules: Any, kind: str, ports: str, instance: str | None
) -> None:
    rules("reject with icmpx type admin-prohibited")
    result = one(lab, kind, ports, instance)
    assert result["verdict"] == "filtered", result
    assert result["milliseconds"] < 900 * PATIENT, "it waited although it had its answer"


@pytest.mark.parametrize("kind", ["tcp", "tds", "ssrp", "icmp_echo"])
@pytest.mark.parametrize(("reason", "verdict"), [("admin-prohibited", "filtered"), ("port-unreachable", "refused")])
def test_icmp_errors_are_heard_over_ipv6_too(lab: Lab, rules: Any, kind: str, reason: str, verdict: str) -> None:
    ports = {"ssrp": "1434", "icmp_echo": ""}.get(kind, "1433")
    rules(f"reject with icmpx type {reason}")
    result = one(lab, kind, ports, address=SERVER6)
    assert result["verdict"] == verdict
    assert result["milliseconds"] < 900 * PATIENT, "it waited although it had its answer"


@pytest.mark.parametrize(("kind", "ports", "instance"), EVERYTHING)
def test_a_reject_is_a_refusal(lab: Lab, rules: Any, kind: str, ports: str, instance: str | None) -> None:
    rules("meta l4proto tcp reject with tcp reset", "reject")
    result = one(lab, kind, ports, instance)
    assert (result["verdict"], result["reached"]) == ("refused", False)


@pytest.mark.parametrize("kind", ["tds", "sql602_connect", "http_tunnel"])
def test_a_mute_listener_is_silent_and_a_stranger_unknown(lab: Lab, kind: str) -> None:
    """Both were reached, so that a host that must not get in has got in."""
    mute, stranger = one(lab, kind, "7000", timeout=BRIEF), one(lab, kind, "7001")
    assert (mute["verdict"], mute["reached"]) == ("silent", True)
    assert (stranger["verdict"], stranger["reached"]) == ("unknown", True)


def test_a_tunnel_is_told_from_the_web_interface(lab: Lab) -> None:
    result = one(lab, "http_tunnel", "8080")
    assert result["verdict"] == "silent"
    assert "only the web interface listens" in result["detail"]
    assert one(lab, "tcp", "8080")["verdict"] == "answers"


def test_the_servers_own_filter_is_told_from_the_firewall(lab: Lab) -> None:
    result = one(lab, "sql602_connect", "5002", host="denied")
    assert (result["verdict"], result["reached"]) == ("refused", True)
    assert "own IP filter" in result["detail"]


def test_the_browser_names_the_port_of_an_administrator_connection(lab: Lab) -> None:
    assert "tcp port 14340" in one(lab, "ssrp_dac", "1434", "sales")["detail"]
    unknown = one(lab, "ssrp_dac", "1434", "STRAY")
    assert unknown["verdict"] == "silent"
    assert "knows no administrator connection" in unknown["detail"]


@pytest.mark.parametrize("instance", ["UNHEARD", "X"])
def test_the_browser_is_silent_about_unknown_and_hidden_instances(lab: Lab, instance: str) -> None:
    assert one(lab, "ssrp", "1434", instance, timeout=BRIEF)["verdict"] == "silent"


def test_the_browser_names_the_port_of_an_instance_and_none_of_the_default_one(lab: Lab) -> None:
    assert "tcp port 50123" in one(lab, "ssrp", "1434", "sales")["detail"]
    assert "no tcp port" in one(lab, "ssrp", "1434", "MSSQLSERVER")["detail"]


def test_a_dynamic_instance_is_found_through_the_browser(lab: Lab) -> None:
    result = one(lab, "tds", "49152-65535", "SALES")
    assert (result["verdict"], result["port"]) == ("answers", 50123)
    stray = one(lab, "tds", "49152-65535", "STRAY")
    assert (stray["verdict"], stray["port"]) == ("unknown", 999)
    assert one(lab, "tds", "49152-65535", "UNHEARD", timeout=BRIEF)["verdict"] == "unknown"


def test_a_dynamic_instance_behind_a_closed_browser_is_unknown(lab: Lab, rules: Any) -> None:
    rules("udp dport 1434 drop")
    result = one(lab, "tds", "49152-65535", "SALES", timeout=BRIEF)
    assert result["verdict"] == "unknown"
    assert "UDP 1434" in result["detail"]


def test_another_instance_on_the_port_is_told(lab: Lab) -> None:
    assert "another instance" in one(lab, "tds", "1433", "SALES")["detail"]
    assert "another instance" not in one(lab, "tds", "50123", "SALES")["detail"]


def test_several_ports_answer_only_when_all_do(lab: Lab) -> None:
    assert one(lab, "tds", "1433,50123")["verdict"] == "answers"
    result = one(lab, "tds", "1433,1499,50123")
    assert (result["verdict"], result["port"]) == ("refused", 1499)


def test_searches_for_many_servers_share_port_5002(lab: Lab) -> None:
    ports = ["5001", "6001", "5001", "5099"]
    results = run(lab.hosts["app-01"], [{"kind": "sql602_search", "address": SERVER, "ports": port} for port in ports])
    assert [item["verdict"] for item in results] == ["answers", "answers", "answers", "refused"]
    assert "SECOND" in results[1]["detail"]


def test_the_search_needs_the_clients_inbound_rule(lab: Lab) -> None:
    """The announcement comes from a new port: connection tracking does not know it."""
    client = lab.hosts["app-01"]
    load(client, "input", "ct state established,related accept", "udp dport 5002 accept", "drop")
    assert one(lab, "sql602_search", "5001")["verdict"] == "answers"
    unload(client)
    load(client, "input", "ct state established,related accept", "udp sport 5001 accept", "drop")
    try:
        assert one(lab, "sql602_search", "5001", timeout=BRIEF)["verdict"] == "silent"
    finally:
        unload(client)


def test_an_answer_to_a_broadcast_needs_the_clients_inbound_rule(lab: Lab) -> None:
    """The request went to another address than the one that answers: connection tracking does not relate them."""
    client, own = lab.hosts["app-01"], "ct state established,related accept"
    load(client, "input", own, "drop")
    assert client.python(BROWSE, str(BRIEF)).stdout.split() == ["nothing"]
    unload(client)
    load(client, "input", own, f"ip saddr {SERVER} udp sport 1434 udp dport 32768-60999 accept", "drop")
    try:
        assert client.python(BROWSE, str(PATIENT)).stdout.split() == ["05", SERVER, "1434"]
    finally:
        unload(client)


def test_a_search_beside_a_running_client_names_another_port(lab: Lab) -> None:
    client = lab.hosts["app-01"]
    code = "import socket,time\ns=socket.socket(2,2)\ns.bind(('',5002))\ntime.sleep(600)"
    holder = client.popen([sys.executable, "-c", code])
    try:
        client.wait_for("udp/5002")
        result = one(lab, "sql602_search", "5001")
    finally:
        holder.kill()
        holder.wait()
    assert result["verdict"] == "answers"
    assert "5002 is taken" in result["detail"]


def test_an_unprivileged_ping_socket_serves_as_well(lab: Lab) -> None:
    client = lab.host("pinger", ["192.0.2.30/24", "2001:db8::30/64"])
    client.run(["sh", "-c", "echo 0 0 >/proc/sys/net/ipv4/ping_group_range"])
    for address in (SERVER, SERVER6):
        assert one(lab, "icmp_echo", host="pinger", address=address)["verdict"] == "answers"


def test_this_hosts_own_firewall_is_named(lab: Lab) -> None:
    client = lab.hosts["app-01"]
    load(client, "output", "udp dport 1434 drop")
    try:
        result = one(lab, "ssrp", "1434", "SALES")
    finally:
        unload(client)
    assert result["verdict"] == "filtered"
    assert "own firewall" in result["detail"]


def test_a_hundred_dead_probes_take_little_longer_than_one(lab: Lab, rules: Any) -> None:
    rules("drop")
    probes = [{"kind": "tcp", "address": SERVER, "ports": str(port)} for port in range(2000, 2100)]
    results = run(lab.hosts["app-01"], probes, timeout=0.3)
    assert {item["verdict"] for item in results} == {"filtered"}
    assert all(300 <= item["milliseconds"] < 300 * 100 / 2 for item in results)
