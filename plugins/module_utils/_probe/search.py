# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The 602SQL search over UDP: all servers at once, over one receiving socket, as the client does it."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Iterator

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    ANSWERS,
    SILENT,
    Deadline,
    Outcome,
    of_error,
    printable,
)
from ansible_collections.dbports.firewall.plugins.module_utils._probe.sql602 import (
    ANSWER_PORT,
    encode_search,
    parse_announcement,
)

Target = tuple[str, int]
"""A server: its IPv4 address and its P."""

MAX_DATAGRAM = 2048


class Search:
    """One search for many servers.

    One receiving socket for all, because no two could hold UDP 5002; one connected socket a server for the query,
    because only a connected one is told of an ICMP error, and because the client too asks from an ephemeral port.
    """

    def __init__(self, targets: list[Target]) -> None:
        self.targets = list(dict.fromkeys(targets))
        self._found: dict[Target, tuple[Outcome, float]] = {}
        self._began = time.monotonic()
        self._note = ""

    def run(self, timeout: float) -> dict[Target, tuple[Outcome, float]]:
        """Search for ``timeout`` seconds at most; returns every target's outcome and the seconds it took.

        :raises OSError: when this host has no sockets to give.
        """
        self._began = time.monotonic()
        deadline = Deadline(timeout)
        with contextlib.ExitStack() as stack:
            receiver = stack.enter_context(self._receiver())
            senders = {stack.enter_context(_udp()): target for target in self.targets}
            selector = stack.enter_context(selectors.DefaultSelector())
            for sock in (receiver, *senders):
                selector.register(sock, selectors.EVENT_READ)
            request = encode_search(receiver.getsockname()[1])
            # Twice, as datagrams get lost.
            for until in (Deadline(timeout / 2), deadline):
                for sender, target in senders.items():
                    self._send(sender, target, request)
                for ready in self._ready(selector, until):
                    if ready is receiver:
                        self._hear(receiver)
                    else:
                        self._complain(ready, senders[ready])
        for target in self.targets:
            self._settle(target, Outcome(SILENT, f"no announcement came{self._note}", target[1]))
        return self._found

    def _receiver(self) -> socket.socket:
        """Return a socket on UDP 5002, or on another port when the client of this host holds that."""
        sock = _udp()
        try:
            sock.bind(("", ANSWER_PORT))
        except OSError:
            sock.bind(("", 0))
            self._note = f" (UDP {ANSWER_PORT} is taken here: asked for on UDP {sock.getsockname()[1]})"
        return sock

    def _send(self, sock: socket.socket, target: Target, request: bytes) -> None:
        if target in self._found:
            return
        try:
            sock.connect(target)
            sock.send(request)
        except OSError as error:
            self._settle(target, of_error(error, target[1], no_answer=SILENT))

    def _ready(self, selector: selectors.BaseSelector, until: Deadline) -> Iterator[socket.socket]:
        """Yield sockets that have something to read, until the time is over or all targets are settled."""
        while len(self._found) < len(self.targets) and until.left() > 0:
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
        text = f"602SQL server {printable(found.name)} announced itself{self._note}"
        target = (peer[0], found.port_base)
        if target in self.targets:
            self._settle(target, Outcome(ANSWERS, text, found.port_base))

    def _complain(self, sock: socket.socket, target: Target) -> None:
        """Take what a query's own socket has: an ICMP error, as servers never answer there."""
        try:
            sock.recv(MAX_DATAGRAM)
        except BlockingIOError:
            return
        except OSError as error:
            self._settle(target, of_error(error, target[1], no_answer=SILENT))

    def _settle(self, target: Target, outcome: Outcome) -> None:
        self._found.setdefault(target, (outcome, time.monotonic() - self._began))


def _udp() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    return sock
