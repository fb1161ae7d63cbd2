# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send real packets to all ports of a host and tell which were reached; and echo on some ports.

    sweep.py tcp 192.0.2.10             every TCP port, as JSON {"answers": "1433", "refused": "1-1432,...", ...}
    sweep.py udp 2001:db8::10 53,1-99   some UDP ports
    sweep.py echo tcp/1433 udp/1434     listen on both families and send back what comes; says "ready"

For lab hosts only: it never limits its own pace.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import selectors
import socket
import sys
import time
from collections.abc import Iterable, Iterator

ANSWERS, REFUSED, SILENT, PROHIBITED = "answers", "refused", "silent", "prohibited"
"""A connection or a datagram came back; a reset or port unreachable did; nothing did; another ICMP error did."""

WINDOW = 400
"""Sockets in use at a time."""

TYPES = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def sweep(protocol: str, address: str, ports: Iterable[int], seconds: float = 1.0) -> dict[str, list[int]]:
    """Try ports and sort them by what came back.

    What stays silent is tried once more with twice the time, since a busy machine loses packets.

    :param seconds: how long a port may stay silent.
    :returns: sorted ports by ANSWERS, REFUSED, SILENT and PROHIBITED.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < WINDOW + 100:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    found = _Round(protocol, address, seconds).run(iter(ports))
    silent = found.pop(SILENT)
    for verdict, again in _Round(protocol, address, 2 * seconds).run(iter(silent)).items():
        found[verdict] = sorted(found.get(verdict, []) + again)
    return found


class _Round:
    """One pass over some ports, WINDOW of them at a time."""

    def __init__(self, protocol: str, address: str, seconds: float) -> None:
        self.type = TYPES[protocol]
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.address = address
        self.seconds = seconds
        self.found: dict[str, list[int]] = {ANSWERS: [], REFUSED: [], SILENT: [], PROHIBITED: []}
        self.selector = selectors.DefaultSelector()
        self.deadlines: dict[socket.socket, tuple[int, float]] = {}

    def run(self, ports: Iterator[int]) -> dict[str, list[int]]:
        """Try the ports, each once."""
        more = True
        while more or self.deadlines:
            while more and len(self.deadlines) < WINDOW:
                port = next(ports, 0)
                more = bool(port)
                if port:
                    self._send(port)
            for key, _events in self.selector.select(0.05):
                self._hear(key.fileobj)  # the sockets are the only file objects here
            self._expire()
        self.selector.close()
        return self.found

    def _send(self, port: int) -> None:
        sock = socket.socket(self.family, self.type)
        sock.setblocking(False)
        code = sock.connect_ex((self.address, port))
        if code not in (0, errno.EINPROGRESS):
            self._settle(sock, port, code)
            return
        tcp = self.type == socket.SOCK_STREAM
        if not tcp:
            sock.send(b"sweep")
        self.selector.register(sock, selectors.EVENT_WRITE if tcp else selectors.EVENT_READ)
        self.deadlines[sock] = (port, time.monotonic() + self.seconds)

    def _hear(self, sock: object) -> None:
        assert isinstance(sock, socket.socket)
        port, _deadline = self.deadlines.pop(sock)
        self.selector.unregister(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not code and self.type == socket.SOCK_DGRAM:
            try:
                sock.recv(64)
            except OSError as error:
                code = error.errno or errno.EIO
        self._settle(sock, port, code)

    def _settle(self, sock: socket.socket, port: int, code: int) -> None:
        verdict = {0: ANSWERS, errno.ECONNREFUSED: REFUSED}.get(code, PROHIBITED)
        self.found[verdict].append(port)
        # A reset instead of a long goodbye: a sweep would fill the server's table otherwise.
        if code == 0 and self.type == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()

    def _expire(self) -> None:
        now = time.monotonic()
        late = [(sock, port) for sock, (port, deadline) in self.deadlines.items() if deadline < now]
        for sock, port in late:
            del self.deadlines[sock]
            self.selector.unregister(sock)
            self.found[SILENT].append(port)
            sock.close()


def echo(endpoints: Iterable[str]) -> None:
    """Listen on ``tcp/PORT`` and ``udp/PORT`` of all addresses and send back what comes, until killed."""
    selector = selectors.DefaultSelector()
    for endpoint in endpoints:
        protocol, _slash, port = endpoint.partition("/")
        sock = socket.socket(socket.AF_INET6, TYPES[protocol])
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("::", int(port)))
        if protocol == "tcp":
            sock.listen(512)
        selector.register(sock, selectors.EVENT_READ, "listener" if protocol == "tcp" else "udp")
    print("ready", flush=True)
    while True:
        for key, _events in selector.select():
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if key.data == "listener":
                with contextlib.suppress(OSError):
                    selector.register(sock.accept()[0], selectors.EVENT_READ, "tcp")
            elif not _send_back(sock, key.data):
                selector.unregister(sock)
                sock.close()


def _send_back(sock: socket.socket, kind: str) -> bool:
    """Send back what is there to read; tell whether the socket is still of use."""
    try:
        data, peer = sock.recvfrom(4096)
        if kind == "tcp":
            sock.sendall(data)
        else:
            sock.sendto(data, peer)
    except OSError:
        return kind == "udp"
    return kind == "udp" or bool(data)


def format_ranges(ports: Iterable[int]) -> str:
    """Print sorted ports as ``1433,5000-5002``."""
    ranges: list[list[int]] = []
    for port in ports:
        if ranges and port == ranges[-1][1] + 1:
            ranges[-1][1] = port
        else:
            ranges.append([port, port])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def main(mode: str, *arguments: str) -> None:
    """Run one of the three modes; see the top."""
    if mode == "echo":
        echo(arguments)
        return
    ranges = (item.partition("-") for item in (arguments[1] if len(arguments) > 1 else "1-65535").split(","))
    ports = (port for first, _dash, last in ranges for port in range(int(first), int(last or first) + 1))
    found = sweep(mode, arguments[0], ports)
    json.dump({verdict: format_ranges(ports) for verdict, ports in found.items()}, sys.stdout)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)
