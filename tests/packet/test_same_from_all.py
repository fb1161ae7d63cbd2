# SPDX-License-Identifier: GPL-3.0-or-later
"""Real sockets of real processes, seen by the real netstat, by the real ss and in the real /proc."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import collect
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange

SOURCES = ("netlink", "netstat", "ss", "proc")
ATTEMPTS = 50
IPV4, IPV6 = socket.AF_INET, socket.AF_INET6
LOOPBACK = "127.0.0.1"

# A process that takes a name in both places where tools look, listens, and tells its port; it ends with its input.
LISTENER = """
import ctypes, os, socket, sys
if len(sys.argv) == 2:
    os.execv(sys.executable, [sys.argv[1], "-c", sys.orig_argv[2], sys.argv[1], "again"])
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


def _seen(source: str, ports: set[int], ended: bool = False) -> list[Socket]:
    """Return the sockets of some ports; unless asked for, without those of earlier connections that used the ports."""
    used, sockets = collect(source, [PortRange(port, port) for port in sorted(ports)])
    assert used == source
    return [one for one in sockets if ended or one.state != "TIME_WAIT"]


def _shown(source: str, ports: set[int], expected: set[Socket]) -> list[Socket]:
    """Return the sockets of some ports; look again while they are not what is expected.

    While others open and close sockets, the kernel may list one twice or leave one out.
    """
    sockets = _seen(source, ports)
    for _attempt in range(ATTEMPTS):
        if len(sockets) == len(expected) and set(sockets) == expected:
            break
        sockets = _seen(source, ports)
    return sockets


def _settled(source: str, port: int, states: set[str]) -> list[Socket]:
    """Return the sockets of a port once they are in these states: the kernel may delay an acknowledgement."""
    sockets = _seen(source, {port}, ended=True)
    for _attempt in range(3000):
        if {one.state for one in sockets} == states:
            break
        time.sleep(0.02)
        sockets = _seen(source, {port}, ended=True)
    return sockets


def _port(one: socket.socket) -> int:
    return int(one.getsockname()[1])


def test_many(stack: ExitStack) -> None:
    """Listeners of both families, a backlog that nobody accepts, and more sockets than fit into one answer."""
    listeners = [
        _bound(stack, family, socket.SOCK_STREAM, address)
        for family, address in ((IPV4, LOOPBACK), (IPV6, "::1"), (IPV6, "::"))
        for _number in range(100)
    ]
    for listener in listeners[::3]:
        address = "::1" if listener.family == IPV6 else LOOPBACK
        stack.enter_context(socket.create_connection((address, _port(listener)), timeout=60))
    ports = {_port(listener) for listener in listeners}
    expected = _seen("netlink", ports)
    assert len([one for one in expected if one.state == "LISTEN" and one.pid == os.getpid()]) == len(listeners)
    assert len([one for one in expected if one.state == "ESTABLISHED" and one.pid is None]) >= len(listeners) / 3
    for source in SOURCES:
        for _attempt in range(ATTEMPTS):  # others have sockets on some of these ports, too
            sockets, expected = _seen(source, ports), _seen("netlink", ports)
            if sockets == expected:
                break
        assert sockets == expected, source


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Close what a test opened."""
    with ExitStack() as opened:
        yield opened


def _bound(stack: ExitStack, family: int, kind: int, address: str, v6only: bool = False) -> socket.socket:
    one = stack.enter_context(socket.socket(family, kind))
    if family == IPV6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    one.bind((address, 0))
    if kind == socket.SOCK_STREAM:
        one.listen()
    return one


def _connection(stack: ExitStack, listener: socket.socket, address: str) -> tuple[socket.socket, socket.socket]:
    client = stack.enter_context(socket.create_connection((address, _port(listener)), timeout=60))
    accepted = stack.enter_context(listener.accept()[0])
    return client, accepted


def test_tcp(stack: ExitStack) -> None:
    """IPv4, dual-stack and IPv6-only listeners, and both ends of a connection to each."""
    me = (os.getpid(), Path("/proc/self/comm").read_text()[:-1])
    expected = set()
    for family, address, v6only, target in (
        (IPV4, LOOPBACK, False, LOOPBACK),
        (IPV6, "::", False, LOOPBACK),
        (IPV6, "::", True, "::1"),
        (IPV6, "::1", True, "::1"),
    ):
        listener = _bound(stack, family, socket.SOCK_STREAM, address, v6only)
        client, _accepted = _connection(stack, listener, target)
        server, peer = _port(listener), _port(client)
        wire = "ipv6" if ":" in target else "ipv4"
        expected |= {
            Socket("ipv4" if family == IPV4 else "ipv6", "tcp", "LISTEN", address, server, None, None, *me),
            Socket(wire, "tcp", "ESTABLISHED", target, server, target, peer, *me),
            Socket(wire, "tcp", "ESTABLISHED", target, peer, target, server, *me),
        }
    ports = {one.local_port for one in expected if one.local_port}
    for source in SOURCES:
        sockets = _shown(source, ports, expected)
        assert set(sockets) == expected, source
        assert len(sockets) == len(expected), source


def test_udp(stack: ExitStack) -> None:
    """Bound and connected UDP sockets of both families, and an IPv4 one on an IPv6 socket."""
    me = (os.getpid(), Path("/proc/self/comm").read_text()[:-1])
    server = _bound(stack, IPV4, socket.SOCK_DGRAM, LOOPBACK)
    dual = _bound(stack, IPV6, socket.SOCK_DGRAM, "::")
    clients = []
    for family, target, to in ((IPV4, LOOPBACK, server), (IPV6, "::1", dual), (IPV6, f"::ffff:{LOOPBACK}", dual)):
        client = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        client.connect((target, _port(to)))
        clients.append(client)
    plain, six, mapped = (_port(one) for one in clients)
    expected = {
        Socket("ipv4", "udp", None, LOOPBACK, _port(server), None, None, *me),
        Socket("ipv6", "udp", None, "::", _port(dual), None, None, *me),
        Socket("ipv4", "udp", "ESTABLISHED", LOOPBACK, plain, LOOPBACK, _port(server), *me),
        Socket("ipv6", "udp", "ESTABLISHED", "::1", six, "::1", _port(dual), *me),
        Socket("ipv4", "udp", "ESTABLISHED", LOOPBACK, mapped, LOOPBACK, _port(dual), *me),
    }
    for source in SOURCES:
        assert set(_shown(source, {_port(server), _port(dual)}, expected)) == expected, source


def test_states_of_a_connection_that_ends(stack: ExitStack) -> None:
    """Half-closed ends have owners, an end in TIME_WAIT has none, and the words are the same everywhere."""
    me = (os.getpid(), Path("/proc/self/comm").read_text()[:-1])
    listener = _bound(stack, IPV4, socket.SOCK_STREAM, LOOPBACK)
    client, accepted = _connection(stack, listener, LOOPBACK)
    server, port = _port(listener), _port(client)
    client.shutdown(socket.SHUT_WR)
    assert accepted.recv(1) == b""
    half_closed = {
        Socket("ipv4", "tcp", "FIN_WAIT2", LOOPBACK, port, LOOPBACK, server, *me),
        Socket("ipv4", "tcp", "CLOSE_WAIT", LOOPBACK, server, LOOPBACK, port, *me),
    }
    for source in SOURCES:
        assert set(_settled(source, port, {"FIN_WAIT2", "CLOSE_WAIT"})) == half_closed, source
    accepted.close()
    client.close()
    waiting = Socket("ipv4", "tcp", "TIME_WAIT", LOOPBACK, port, LOOPBACK, server)
    for source in SOURCES:
        assert _settled(source, port, {"TIME_WAIT"}) == [waiting], source


@pytest.mark.parametrize(
    "name",
    [
        "602sql11",
        "my server: a/b",
        '",pid=1,fd=3)) ',
        '",pid=1,fd=3),(',
        "Žluťoučký",
        "a) S 1 (b",
        "\ntcp x",
        "a\n",
        "a\rb",
        "x (0.00/0/0)",
        "\ntcp",
        "\ntcp 0 0 *:1 *",
    ],
)
def test_the_process_of_a_listener(name: str) -> None:
    """The owner is the process that listens, whatever it calls itself."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        for source in SOURCES:
            expected = Socket(
                "ipv4", "tcp", "LISTEN", LOOPBACK, port, None, None, child.pid, name.encode()[:15].decode()
            )
            assert _shown(source, {port}, {expected}) == [expected], source
        child.communicate(timeout=120)


def test_a_socket_that_two_processes_share(stack: ExitStack) -> None:
    """Each of them is an owner."""
    listener = _bound(stack, IPV4, socket.SOCK_STREAM, LOOPBACK)
    port = _port(listener)
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
        pass_fds=[listener.fileno()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        both, name = sorted((os.getpid(), child.pid)), Path("/proc/self/comm").read_text()[:-1]
        for source in SOURCES:
            expected = {Socket("ipv4", "tcp", "LISTEN", LOOPBACK, port, None, None, pid, name) for pid in both}
            assert [one.pid for one in _shown(source, {port}, expected)] == both, source
        child.communicate(timeout=120)
