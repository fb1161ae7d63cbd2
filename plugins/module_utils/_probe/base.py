# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every probe shares: verdicts, what a kind of probe is, the time it may take, what an error of a socket means."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Optional, Union

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol

Verdict = Literal["answers", "refused", "filtered", "silent", "unknown"]
"""What a probe concludes.

``answers``: the endpoint was reached and spoke as it should. ``refused``: a reset or an ICMP port unreachable came
back, or the server itself rejected this client. ``filtered``: nothing came back to a TCP connect, or an ICMP message
said that the traffic is blocked. ``silent``: nothing came back where silence has several causes (UDP, ICMP echo), or a
connection was accepted and nothing was said. ``unknown``: something else, which the detail explains.
"""


@dataclass(frozen=True)
class Outcome:
    """What one probe found: its verdict, a sentence without a full stop, and the port that was tried, if any.

    :param reached: a connection stood or a program answered, so that nothing keeps this host out, whatever the verdict.
    """

    verdict: Verdict
    detail: str
    port: int | None = None
    reached: bool = False


class Target(NamedTuple):
    """What one probe tries: an address, a port or a range of ports (None for a kind without ports), an instance."""

    address: str
    ports: Optional[PortRange] = None
    instance: Optional[str] = None

    @property
    def port(self) -> int:
        """Return the only port.

        :raises DbportsError: when there is none, or a range of them.
        """
        if self.ports is None or self.ports.first != self.ports.last:
            what = f"the range {self.ports} does not say which port to try" if self.ports else "no port to try"
            raise DbportsError(what, code="not_a_port")
        return self.ports.first


PAUSE = 0.25
"""Seconds between two looks at something that may still come."""


class Deadline:
    """A moment in the future, ``seconds`` from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left, 0 when it has passed."""
        return max(0.0, self._end - time.monotonic())

    def pause(self) -> bool:
        """Wait a little, and tell whether there is time for another look; no later than at this moment."""
        left = self.left()
        time.sleep(min(PAUSE, left))
        return left > 0

    def arm(self, sock: socket.socket) -> None:
        """Make the socket's next operation end at this moment.

        :raises TimeoutError: when it has passed (a timeout of 0 would mean "do not block" to a socket).
        """
        left = self.left()
        if left <= 0:
            raise TimeoutError("the time is up")
        sock.settimeout(left)


Timed = tuple[Outcome, float]
"""An outcome and the seconds that it took."""

Run = Callable[[Target, Deadline], Outcome]
"""Tries one target before the deadline; may raise DbportsError and OSError, which make the verdict ``unknown``."""

RunTogether = Callable[[Sequence[Target], float], dict[Target, Timed]]
"""Tries all targets at once, each for so many seconds, and raises nothing."""


class Answer(NamedTuple):
    """What became of a question that another program carried.

    :param reached: whether a connection stands, an echo came back, or a datagram was sent.
    :param data: what came, parts of a stream or datagrams.
    :param error: what ended it; None where the peer closed the connection.
    """

    reached: bool
    data: tuple[bytes, ...] = ()
    error: Optional[OSError] = None

    def parts(self) -> Iterator[bytes]:
        """Yield what came.

        :raises OSError: at its end, when an error ended it.
        """
        yield from self.data
        if self.error:
            raise self.error


class Question(NamedTuple):
    """What is sent to a target and what its answer means, for a program that has sockets and knows no protocol.

    :param port: None where there is none.
    :param request: what is sent; nothing where the peer speaks first, or nothing is to be said.
    :param judge: says what an answer means, or asks on.
    :param waits: whether there is something to hear once a connection stands.
    :param hears_at: the UDP port of the asking host at which answers arrive, see :class:`ProbeKind`.
    :param patient: a refused connection is tried again, as its server may have been started just now.
    """

    protocol: Protocol
    address: str
    port: Optional[int]
    request: bytes
    judge: Callable[[Answer], Union[Outcome, Question]]
    waits: bool = True
    hears_at: Optional[int] = None
    patient: bool = False


@dataclass(frozen=True)
class ProbeKind:
    """One kind of probe: everything that runner, verdicts, engines and documentation need to know of it.

    :param name: what engines, plans and users call it.
    :param protocols: the protocols of the flows that it proves.
    :param max_ports: how many ports one probe may have, of which all must answer; 0 where there are none to name.
    :param run: tries one target; None where ``run_together`` tries all.
    :param run_together: for a kind whose probes share a socket.
    :param question: the same for hosts without Python; None where it cannot be asked there.
    :param names_instance: it asks for an instance by its name.
    :param hears_at: the UDP port of this host at which servers answer, whatever port asked; None for the one that did.
    :param generic: it works with any product, so that engines of users may have it.
    """

    name: str
    protocols: tuple[Protocol, ...]
    max_ports: int
    run: Run | None = None
    run_together: RunTogether | None = None
    question: Callable[[Target], Question] | None = None
    names_instance: bool = False
    hears_at: int | None = None
    generic: bool = False


MAX_PORTS = 32
"""How many ports a probe that connects may have."""

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


_BLOCKED = {
    errno.EHOSTUNREACH: "the host is down, or a firewall on the path reported that it is unreachable",
    errno.ENETUNREACH: "there is no route, or a firewall on the path reported that the network is unreachable",
    errno.EHOSTDOWN: "the host is down, or a firewall on the path reported that it is unknown",
    errno.ENOPROTOOPT: "a firewall on the path reported that the protocol is unreachable",
    errno.EACCES: "a firewall on the path reported that the traffic is prohibited",
    errno.EPERM: "this host's own firewall blocked the packet",
}


def of_error(error: OSError, port: int | None = None, *, no_answer: Verdict) -> Outcome:
    """Say what an error of a socket means.

    :param no_answer: the verdict when nothing came back in time: ``filtered`` for a TCP connect, else ``silent``.
    """
    if is_timeout(error):
        return Outcome(no_answer, "no answer in time", port)
    if error.errno == errno.ECONNREFUSED:
        return Outcome("refused", "a TCP reset or an ICMP port unreachable message came back", port)
    if error.errno in _BLOCKED:
        return Outcome("filtered", _BLOCKED[error.errno], port)
    return Outcome("unknown", os.strerror(error.errno) if error.errno else str(error), port)


def printable(text: str, limit: int = 80) -> str:
    """Return text from the network fit for a terminal, a log and a report: printable ASCII, ``limit`` characters."""
    clean = "".join(char if " " <= char <= "~" else "?" for char in text[: limit + 1])
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."
