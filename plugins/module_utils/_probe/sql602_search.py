# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The 602SQL search over UDP: all servers at once, over one receiving socket, as the client does it.

Source: observed on a 602SQL 11.0.1 server and client. P is the server's PORTBASE. Texts end with a NUL. A server
announces itself from a NEW source port, never from P, so no connection tracking lets the announcement in.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, malformed
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    Answer,
    Deadline,
    Outcome,
    ProbeKind,
    Question,
    Target,
    Timed,
    is_timeout,
    of_error,
    printable,
)

ANSWER_PORT = 5002
"""Where a client waits for announcements; fixed, whatever P is."""

DEFAULT_BASE = 5001
MAX_DATAGRAM = 2048
SEARCHED_AT_ONCE = 200
"""Servers that are asked at once: each takes a descriptor, and 1024 is a common limit."""

Server = tuple[str, int]
"""An IPv4 address and a P."""


@dataclass(frozen=True)
class Announcement:
    """What a server says of itself: its name and its PORTBASE."""

    name: str
    port_base: int


def encode_search(answer_port: int = ANSWER_PORT) -> bytes:
    """Return a search; the announcement is asked for on UDP 5002, or on the port that the search names."""
    text = "QueryForServer" if answer_port == ANSWER_PORT else str(answer_port)
    return b"\x01" + text.encode("ascii") + b"\0"


def parse_announcement(data: bytes) -> Announcement:
    """Read an announcement: byte 12 (version 8: 11), the name, and 01 with P in decimal when P is not 5001.

    :raises DbportsError: when it is malformed.
    """
    if len(data) < 3 or data[0] not in (0x11, 0x12) or data.find(b"\0") != len(data) - 1:
        raise malformed("the datagram is not a 602SQL announcement", data[:16])
    name, mark, base = data[1:-1].partition(b"\x01")
    if not 1 <= len(name) <= 31:
        raise malformed("a 602SQL server's name has 1 to 31 bytes", data[:48])
    # P + 1 has to exist, so P ends at 65534.
    if mark and not (base.isdigit() and len(base) <= 5 and 1 <= int(base) <= 65534):
        raise malformed("the 602SQL announcement has no valid PORTBASE", data[:48])
    return Announcement(name.decode("ascii", "replace"), int(base) if mark else DEFAULT_BASE)


class Search:
    """One search for many servers.

    One receiving socket for all, because no two could hold UDP 5002; one connected socket a server for the query,
    because only a connected one is told of an ICMP error, and because the client too asks from an ephemeral port.

    :param answer_port: the UDP port of this host where announcements are waited for; 0 for any that is free.
    """

    def __init__(self, servers: list[Server], answer_port: int = ANSWER_PORT) -> None:
        self.servers = list(dict.fromkeys(servers))
        self.answer_port = answer_port
        self.announced: dict[Server, Announcement] = {}
        self._found: dict[Server, Timed] = {}
        self._began = time.monotonic()
        self._note = ""

    def run(self, timeout: float) -> dict[Server, Timed]:
        """Search for ``timeout`` seconds at most; returns every server's outcome and the seconds it took.

        :raises OSError: when this host has no sockets to give.
        """
        self._began = time.monotonic()
        deadline = Deadline(timeout)
        with contextlib.ExitStack() as stack:
            receiver = stack.enter_context(self._receiver())
            senders = {stack.enter_context(_udp()): server for server in self.servers}
            selector = stack.enter_context(selectors.DefaultSelector())
            for sock in (receiver, *senders):
                selector.register(sock, selectors.EVENT_READ)
            self.answer_port = receiver.getsockname()[1]
            request = encode_search(self.answer_port)
            # Twice, as datagrams get lost.
            for until in (Deadline(timeout / 2), deadline):
                for sender, server in senders.items():
                    self._send(sender, server, request)
                for ready in self._ready(selector, until):
                    if ready is receiver:
                        self._hear(receiver)
                    else:
                        self._complain(ready, senders[ready])
        for server in self.servers:
            self._settle(server, Outcome("silent", f"no announcement arrived{self._note}", server[1]))
        return self._found

    def _receiver(self) -> socket.socket:
        """Return a socket on the answer port, or on another one when a client of this host holds that."""
        sock = _udp()
        try:
            sock.bind(("", self.answer_port))
        except OSError:
            sock.bind(("", 0))
            named = sock.getsockname()[1]
            self._note = f" (UDP {self.answer_port} is taken on this host: the search named UDP {named})"
        return sock

    def _send(self, sock: socket.socket, server: Server, request: bytes) -> None:
        if server in self._found:
            return
        try:
            sock.connect(server)
            sock.send(request)
        except OSError as error:
            self._settle(server, of_error(error, server[1], no_answer="silent"))

    def _ready(self, selector: selectors.BaseSelector, until: Deadline) -> Iterator[socket.socket]:
        """Yield sockets that have something to read, until the time is up or all servers are settled."""
        while len(self._found) < len(self.servers) and until.left() > 0:
            for key, _events in selector.select(until.left()):
                if isinstance(key.fileobj, socket.socket):
                    yield key.fileobj

    def _hear(self, receiver: socket.socket) -> None:
        """Take one datagram: an announcement counts when it comes from a server we asked."""
        try:
            data, peer = receiver.recvfrom(MAX_DATAGRAM)
            found = parse_announcement(data)
        except (DbportsError, BlockingIOError):
            return  # anyone may send anything to this port
        server = (peer[0], found.port_base)
        if server in self.servers:
            self.announced.setdefault(server, found)
            self._settle(server, _heard(found, self._note))

    def _complain(self, sock: socket.socket, server: Server) -> None:
        """Take what a query's own socket has: an ICMP error, as servers never answer there."""
        try:
            sock.recv(MAX_DATAGRAM)
        except BlockingIOError:
            return
        except OSError as error:
            self._settle(server, of_error(error, server[1], no_answer="silent"))

    def _settle(self, server: Server, outcome: Outcome) -> None:
        self._found.setdefault(server, (outcome, time.monotonic() - self._began))


def _heard(found: Announcement, note: str = "") -> Outcome:
    return Outcome("answers", f"602SQL server {printable(found.name)} announced itself{note}", found.port_base, True)


def _udp() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    return sock


def search_all(targets: Sequence[Target], timeout: float) -> dict[Target, Timed]:
    """Search for 602SQL servers; the product has no IPv6."""
    found: dict[Target, Timed] = {}
    servers: dict[Target, Server] = {}
    for target in targets:
        try:
            servers[target] = _server(target)
        except DbportsError as error:
            found[target] = Outcome("unknown", error.reason), 0.0
    wanted = sorted(set(servers.values()))
    outcomes: dict[Server, Timed] = {}
    for start in range(0, len(wanted), SEARCHED_AT_ONCE):
        part = wanted[start : start + SEARCHED_AT_ONCE]
        try:
            outcomes.update(Search(part).run(timeout))
        except OSError as error:
            outcomes.update({server: (of_error(error, server[1], no_answer="unknown"), 0.0) for server in part})
    return {**found, **{target: outcomes[server] for target, server in servers.items()}}


def _server(target: Target) -> Server:
    """Return what to search for.

    :raises DbportsError: when nothing can be.
    """
    if ":" in target.address or target.ports is None or target.ports.first != target.ports.last:
        raise DbportsError("a 602SQL search needs an IPv4 address and a single port", code="not_an_address")
    return target.address, target.port


def question(target: Target) -> Question:
    """Return the same for another program to carry."""
    address, port = _server(target)

    def judge(answer: Answer) -> Outcome:
        for data in answer.data:
            with contextlib.suppress(DbportsError):
                found = parse_announcement(data)
                if found.port_base == port:
                    return _heard(found)
        if answer.error and answer.error.errno == errno.EADDRINUSE:
            return Outcome("unknown", f"UDP {ANSWER_PORT} is taken on this host: no announcement can be heard", port)
        if not answer.error or is_timeout(answer.error):
            return Outcome("silent", "no announcement arrived", port)
        return of_error(answer.error, port, no_answer="silent")

    return Question("udp", address, port, encode_search(), judge, hears_at=ANSWER_PORT)


KIND = ProbeKind(
    "sql602_search",
    ("udp",),
    max_ports=1,
    run_together=search_all,
    question=question,
    hears_at=ANSWER_PORT,
)
