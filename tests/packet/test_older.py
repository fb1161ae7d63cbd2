# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that are older than the rules: they go on unless the plan excludes the peer, whoever speaks next.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_older.py``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from guarded import CLIENT, CLIENT6, INTRUDER, INTRUDER6, SERVER, SERVER6, apply, reaches
from lab import INTERFACE, Lab, LabHost
from talking import End, passes, talk

WIDE = [{"protocol": "tcp", "ports": ["1433", "50100-50199"], "peers": [CLIENT, CLIENT6], "purpose": "SQL"}]
"""A dynamic instance, as a server of SQL Server has it: its range holds source ports of the host itself."""

OUTBOUND = [*WIDE, {"direction": "out", "protocol": "tcp", "ports": ["50100-50199"], "peers": [CLIENT, CLIENT6]}]
"""The same and a client of one: the range also holds source ports of those who connect to the host."""

NOTRACK = """
table inet raw_rules {
  chain pre { type filter hook prerouting priority -300; notrack; }
  chain out { type filter hook output priority -300; notrack; }
}
"""

TRACK = """
table inet their_rules {
  chain in { type filter hook input priority 0; ct state established accept; }
}
"""


class Case(NamedTuple):
    """A connection: who opens it from which port to which, all by address.

    :ivar alive: whether the plan leaves it alone.
    """

    opener: str
    source: int
    listener: str
    port: int
    alive: bool
    rules: list[dict[str, Any]] = WIDE


CASES = {
    "the host's own, from its dynamic range": Case(SERVER, 50150, INTRUDER, 7000, True),
    "the host's own, from its dynamic range, IPv6": Case(SERVER6, 50150, INTRUDER6, 7000, True),
    "a client of the dynamic instance": Case(CLIENT, 40000, SERVER, 50123, True),
    "a stranger at the dynamic instance": Case(INTRUDER, 40000, SERVER, 50123, False),
    "a stranger at a fixed port": Case(INTRUDER, 40000, SERVER, 1433, False),
    "a stranger at the dynamic instance, IPv6": Case(INTRUDER6, 40000, SERVER6, 50123, False),
    "an administrator from a guarded destination port": Case(INTRUDER, 50155, SERVER, 22, True, OUTBOUND),
    "the host's own to a declared server": Case(SERVER, 40000, CLIENT, 50160, True, OUTBOUND),
    "the host's own to an undeclared server": Case(SERVER, 40000, INTRUDER, 50160, False, OUTBOUND),
}


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A server, a declared client and an intruder; nothing tracks connections."""
    with Lab() as lab:
        lab.host("erp-db", [f"{SERVER}/24", f"{SERVER6}/64"])
        lab.host("app-01", [f"{CLIENT}/24", f"{CLIENT6}/64"])
        lab.host("intruder", [f"{INTRUDER}/24", f"{INTRUDER6}/64"])
        yield lab


def host_of(lab: Lab, address: str) -> LabHost:
    """Return the host that has an address."""
    names = {SERVER: "erp-db", SERVER6: "erp-db", CLIENT: "app-01", CLIENT6: "app-01"}
    return lab.hosts[names.get(address, "intruder")]


def connect(lab: Lab, case: Case) -> tuple[End, End]:
    """Open a connection; return the server's end and the other one."""

    opener, listener = talk(
        (host_of(lab, case.opener), case.opener, case.source), (host_of(lab, case.listener), case.listener, case.port)
    )
    ends = {case.opener: opener, case.listener: listener}
    own = next(address for address in ends if address in (SERVER, SERVER6))
    other = next(address for address in ends if address != own)
    return ends[own], ends[other]


STRICT = "echo 0 >/proc/sys/net/netfilter/nf_conntrack_tcp_loose"
"""What hardened hosts do: then the tracking takes up no connection that it has not seen from the beginning."""

RUNS = [
    *(
        (name, first, tracking)
        for name in CASES
        for first in ("server", "peer")
        for tracking in ("tracked", "untracked")
    ),
    *((name, "peer", "strict") for name, case in CASES.items() if case.alive),
]


@pytest.mark.parametrize(
    ("name", "first", "tracking"), [run for run in RUNS if "IPv6" not in run[0] or run[1:] == ("peer", "tracked")]
)
def test_a_connection_older_than_the_rules(lab: Lab, name: str, first: str, tracking: str) -> None:
    """It goes on when the plan leaves its peer alone, and ends when not: whoever opened it and whoever speaks next."""
    case, server = CASES[name], lab.hosts["erp-db"]
    if tracking == "untracked":
        server.run(["nft", "-f", "-"], input=NOTRACK)
    if tracking == "strict":
        server.run(["sh", "-c", STRICT])
    own, other = connect(lab, case)
    apply(server, rules=case.rules, filter_outbound=case.rules is OUTBOUND)
    ends = (own, other) if first == "server" else (other, own)
    if case.alive:
        assert passes(*ends, "60") == "heard"
        assert passes(*reversed(ends), "60") == "heard"
    else:
        assert passes(*ends, "1") in ("silence", "ended")


READS = """
import socket, sys
with socket.create_server(("192.0.2.66", 7000)) as waiting:
    print("ready", flush=True)
    peer = waiting.accept()[0]
peer.shutdown(socket.SHUT_WR)
sys.stdin.readline()
peer.settimeout(60)
while peer.recv(1 << 20):
    pass
print("all", flush=True)
"""

SENDS = """
import socket
peer = socket.create_connection(("192.0.2.66", 7000), source_address=("192.0.2.10", 50150))
peer.recv(1)
peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
peer.setblocking(False)
try:
    while True:
        peer.send(bytes(1 << 16))
except BlockingIOError:
    pass
"""
"""Closes at its end, with more to send than the other side's window holds."""


def test_what_a_closed_connection_still_has_to_send_arrives(lab: Lab) -> None:
    """The kernel goes on sending after both sides have closed; nothing but the sockets tells whose connection it is."""
    server, other = lab.hosts["erp-db"], lab.hosts["intruder"]
    server.run(["sh", "-c", STRICT])
    reader = End(other.popen([sys.executable, "-c", READS], stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    assert reader.answer() == "ready"
    server.run([sys.executable, "-c", SENDS])
    assert server.run(["ss", "-Htn", "state", "last-ack"]).stdout
    apply(server, rules=WIDE)
    reader.order("read")
    assert reader.answer() == "all"


def test_the_tracking_is_put_right_where_it_took_the_wrong_side_for_the_opener(lab: Lab) -> None:
    """Somebody else's rules began to track in the middle of the connection, when the peer spoke."""
    server = lab.hosts["erp-db"]
    own, other = connect(lab, CASES["the host's own, from its dynamic range"])
    server.run(["nft", "-f", "-"], input=TRACK)
    assert passes(other, own, "60") == "heard"
    apply(server, rules=WIDE)
    assert passes(other, own, "60") == "heard"


@pytest.mark.parametrize("tracking", ["tracked", "untracked"])
def test_new_connections_from_the_guarded_range(lab: Lab, tracking: str) -> None:
    """The host itself opens connections from the range of its dynamic instance; nobody else gets into it."""
    server = lab.hosts["erp-db"]
    if tracking == "untracked":
        server.run(["nft", "-f", "-"], input=NOTRACK)
    apply(server, rules=WIDE)
    own, other = connect(lab, CASES["the host's own, from its dynamic range"])
    assert passes(own, other, "60") == "heard"
    assert passes(other, own, "60") == "heard"


STRANGER = CASES["a stranger at a fixed port"]


def test_what_would_be_cut_is_named_first(lab: Lab) -> None:
    """A check names the connections that the rules would cut; with refuse nothing is loaded, and they go on."""
    server = lab.hosts["erp-db"]
    own, other = connect(lab, STRANGER)
    connect(lab, Case(CLIENT, 40000, SERVER, 1434, True))
    connect(lab, Case(SERVER, 5022, INTRUDER, 7000, False))
    rules = [{"protocol": "tcp", "ports": ["1433-1434", "5022"], "peers": [CLIENT]}]
    predicted = apply(server, check=True, rules=rules)
    cut = [(item["peer"], item["peer_port"], item["local_port"], item["opened_by"]) for item in predicted["cut"]]
    assert cut == [(INTRUDER, 40000, 1433, "the peer"), (INTRUDER, 7000, 5022, "this host")]
    assert all(item["process"] and item["pid"] == own.process.pid for item in predicted["cut"][:1])
    said = "2 established connections: tcp 1433 from 192.0.2.66 port 40000 ("
    assert any(said in text for text in predicted["warnings"])
    refused = apply(server, rules=rules, cut_live="refuse")
    assert said in refused["error"]
    assert "dbports_cut_live" in refused["error"]
    assert passes(other, own, "60") == "heard"
    assert not any(
        "established" in text for text in apply(server, check=True, rules=rules, cut_live="allow")["warnings"]
    )


def test_since_when_a_connection_exists_is_told_where_the_kernel_knows(lab: Lab) -> None:
    """It does when it was asked to note times, of connections that its tracking has seen from the beginning."""
    server = lab.hosts["erp-db"]
    connect(lab, STRANGER)
    server.run(["sh", "-c", "echo 1 >/proc/sys/net/netfilter/nf_conntrack_timestamp"])
    server.run(["nft", "-f", "-"], input=TRACK)
    connect(lab, STRANGER._replace(source=40001, port=50150))
    result = apply(server, check=True, rules=WIDE)
    since = {item["peer_port"]: item["since"] for item in result["cut"]}
    assert since[40000] is None, "the tracking did not see it begin"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", since[40001])
    assert any(f", since {since[40001]})" in text for text in result["warnings"])


@pytest.mark.parametrize("tracking", ["tracked", "untracked"])
@pytest.mark.parametrize("name", ["a stranger at a fixed port", "a stranger at the dynamic instance"])
def test_a_session_that_the_rules_exclude_is_ended_on_the_server(lab: Lab, name: str, tracking: str) -> None:
    """The server's process gets an error at once instead of holding a dead session for hours."""
    server = lab.hosts["erp-db"]
    if tracking == "untracked":
        server.run(["nft", "-f", "-"], input=NOTRACK)
    own, _other = connect(lab, CASES[name])
    result = apply(server, rules=WIDE)
    assert [item["peer"] for item in result["cut"]] == [INTRUDER]
    own.order("hear 60")
    assert own.answer() == "ended"
    assert INTRUDER not in server.run(["ss", "-Htn"]).stdout


SERVES = """
import socket, sys
waiting = socket.socket(socket.AF_INET6)
waiting.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, sys.argv[1].encode())
waiting.bind(("::", 1433))
waiting.listen()
held = []
while True:
    held.append(waiting.accept()[0])
"""
"""A dual-stack server that holds what it accepts, bound to an interface as in a VRF, or to none."""

OPENS = """
import socket, sys
held = [socket.create_connection(("192.0.2.10", 1433)), socket.create_connection(("2001:db8::10", 1433))]
for one in held:
    assert one.getpeername()
print("open", flush=True)
for one in held:
    one.settimeout(60)
    try:
        print("ended" if not one.recv(1) else "alive", flush=True)
    except ConnectionResetError:
        print("ended", flush=True)
"""


@pytest.mark.parametrize("interface", ["", INTERFACE])
def test_only_the_session_is_ended_and_not_its_server(lab: Lab, interface: str) -> None:
    """Its listener goes on serving, also where the socket is bound to an interface."""
    server, client, intruder = (lab.hosts[name] for name in ("erp-db", "app-01", "intruder"))
    server.popen([sys.executable, "-c", SERVES, interface])
    server.wait_for("tcp/1433")
    stranger = intruder.popen([sys.executable, "-c", OPENS], stdout=subprocess.PIPE)
    assert stranger.stdout is not None
    assert stranger.stdout.readline() == "open\n"
    apply(server, rules=WIDE)
    assert stranger.stdout.read() == "ended\nended\n"
    assert reaches(client, 1433)
    assert reaches(client, 1433, SERVER6)


END = """
import json, sys
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.connections import Connection
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.sessions import Sessions
gone = [Connection("tcp", AddressRange.parse(local), 1433, AddressRange.parse(peer), 40000, "peer")
        for local, peer in json.load(sys.stdin)]
print(Sessions().end(gone))
"""


def test_a_session_that_has_ended_by_itself_does_not_take_its_server_along(lab: Lab) -> None:
    """In its place the kernel finds the listener, when it is asked by addresses."""
    server, client = lab.hosts["erp-db"], lab.hosts["app-01"]
    server.popen([sys.executable, "-c", SERVES, ""])
    server.wait_for("tcp/1433")
    assert server.python(END, input=json.dumps([(SERVER, INTRUDER), (SERVER6, INTRUDER6)])).stdout == "[]\n"
    assert reaches(client, 1433)


def test_the_command_that_ends_a_session_does_it(lab: Lab) -> None:
    """It is named where the kernel does not end a session when it is asked to."""
    server = lab.hosts["erp-db"]
    server.popen([sys.executable, "-c", SERVES, ""])
    server.wait_for("tcp/1433")
    stranger = lab.hosts["intruder"].popen([sys.executable, "-c", OPENS], stdout=subprocess.PIPE)
    assert stranger.stdout is not None
    assert stranger.stdout.readline() == "open\n"
    commands = server.python(COMMANDS).stdout
    assert commands.count("\n") == 2
    server.run(["sh", "-c", f"set -e\n{commands}"])
    assert stranger.stdout.read() == "ended\nended\n"
    assert reaches(lab.hosts["app-01"], 1433)


COMMANDS = """
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.connections import connections
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import collect
for one in connections(collect()[1]):
    print(one.command)
"""
