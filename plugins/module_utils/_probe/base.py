# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every probe shares: verdicts, the time it may take, and what an error of a socket means."""

from __future__ import annotations

import errno
import os
import socket
import time
from dataclasses import dataclass

ANSWERS, REFUSED, FILTERED, SILENT, UNKNOWN = "answers", "refused", "filtered", "silent", "unknown"
VERDICTS = (ANSWERS, REFUSED, FILTERED, SILENT, UNKNOWN)
"""The verdicts of a probe.

``answers``: the endpoint was reached and spoke as it should. ``refused``: a reset or an ICMP port unreachable came
back, or the server itself turned us away. ``filtered``: nothing came back to a TCP connect, or an ICMP message said
that the way is closed. ``silent``: nothing came back where silence has several causes (UDP, ICMP echo), or a
connection was accepted and nothing was said. ``unknown``: something else, said in the detail.
"""


@dataclass(frozen=True)
class Outcome:
    """What one probe found: one of VERDICTS, a sentence without a full stop, and the port that was tried, if any."""

    verdict: str
    detail: str
    port: int | None = None


class Deadline:
    """A moment in the future, ``seconds`` from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left, 0 when it has passed."""
        return max(0.0, self._end - time.monotonic())

    def arm(self, sock: socket.socket) -> None:
        """Make the socket's next operation end at this moment.

        :raises TimeoutError: when it has passed (a timeout of 0 would mean "do not block" to a socket).
        """
        left = self.left()
        if left <= 0:
            raise TimeoutError("the time is over")
        sock.settimeout(left)


TIMEOUTS = (socket.timeout, TimeoutError)
"""Both names, because they became one only in Python 3.10."""


def is_timeout(error: OSError) -> bool:
    """Tell whether nothing came back in time."""
    return isinstance(error, TIMEOUTS) or error.errno == errno.ETIMEDOUT


def family_of(address: str) -> int:
    """Return the socket family of an address literal."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}


def tell_errors(sock: socket.socket) -> None:
    """Have every ICMP error reach the socket: IP_RECVERR and IPV6_RECVERR of <linux/in.h>, unnamed in Python 3.9.

    Without it Linux keeps some to itself, and a refused IPv6 connection looks filtered.
    """
    sock.setsockopt(*_RECVERR[sock.family], 1)


_CLOSED = {
    errno.EHOSTUNREACH: "the host is down, or a firewall on the way answered that it is not reachable",
    errno.ENETUNREACH: "there is no route, or a firewall on the way answered that the network is not reachable",
    errno.EACCES: "a firewall on the way answered that it is prohibited",
    errno.EPERM: "this host's own firewall does not let the packet out",
}


def of_error(error: OSError, port: int | None = None, *, no_answer: str) -> Outcome:
    """Say what an error of a socket means.

    :param no_answer: the verdict when nothing came back in time: ``filtered`` for a TCP connect, else ``silent``.
    """
    if is_timeout(error):
        return Outcome(no_answer, "no answer in time", port)
    if error.errno == errno.ECONNREFUSED:
        return Outcome(REFUSED, "a reset or an ICMP port unreachable came back", port)
    if error.errno in _CLOSED:
        return Outcome(FILTERED, _CLOSED[error.errno], port)
    return Outcome(UNKNOWN, os.strerror(error.errno) if error.errno else str(error), port)


def printable(text: str, limit: int = 80) -> str:
    """Return text from the network fit for a terminal, a log and a report: printable ASCII, ``limit`` characters."""
    clean = "".join(char if " " <= char <= "~" else "?" for char in text[: limit + 1])
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."
