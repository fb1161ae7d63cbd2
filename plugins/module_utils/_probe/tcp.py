# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP: connect, and for other kinds let a protocol speak on the connection."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    MAX_PORTS,
    Answer,
    Deadline,
    Outcome,
    ProbeKind,
    Question,
    Target,
    family_of,
    is_timeout,
    of_error,
    tell_errors,
)

_PART = 4096
"""Bytes that are read at once."""


class Talk(NamedTuple):
    """What a protocol says on a connection, and how it understands the answer.

    :param request: what is sent first; nothing where the server speaks first.
    :param judge: says what the bytes mean that came so far, or None while they may become an answer; raises
        DbportsError when they never will.
    :param mute: what it means that the server ends the connection without a word, where the protocol knows.
    """

    request: bytes
    judge: Callable[[bytes], Optional[Outcome]]
    mute: str = ""


def connect(target: Target, deadline: Deadline, talk: Talk | None = None) -> Outcome:
    """Connect to the target's only port and, when that works, judge what is said on the connection.

    A mute peer (timeout, end or reset after the connection stands) is ``silent``; an answer that is not of the
    protocol, or ends too early, is ``unknown``.
    """
    port = target.port
    with socket.socket(family_of(target.address), socket.SOCK_STREAM) as sock:
        try:
            tell_errors(sock)
            deadline.arm(sock)
            sock.connect((target.address, port))
        except (ConnectionResetError, BrokenPipeError) as error:
            # Linux says so only of a connection that stood: what refuses one is ECONNREFUSED (tcp_reset).
            return _listen(port, talk, Answer(True, error=error).parts())
        except OSError as error:
            return of_error(error, port, no_answer="filtered")
        return _listen(port, talk, _parts(sock, talk.request if talk else b"", deadline))


def question(target: Target, talk: Talk | None = None) -> Question:
    """Return the same for another program to carry."""
    port = target.port

    def judge(answer: Answer) -> Outcome:
        if not answer.reached:
            return of_error(answer.error or TimeoutError(), port, no_answer="filtered")
        return _listen(port, talk, answer.parts())

    return Question("tcp", target.address, port, talk.request if talk else b"", judge, waits=talk is not None)


def _parts(sock: socket.socket, request: bytes, deadline: Deadline) -> Iterator[bytes]:
    """Yield what comes on a connection until the peer closes it.

    :raises OSError: when the time is over or the connection is reset.
    """
    sock.sendall(request)
    while True:
        deadline.arm(sock)
        part = sock.recv(_PART)
        if not part:
            return
        yield part


def _listen(port: int, talk: Talk | None, parts: Iterable[bytes]) -> Outcome:
    """Judge what is said on a connection that stands."""
    if talk is None:
        return Outcome("answers", "the connection was accepted", port, True)
    data = b""
    try:
        for part in parts:
            data += part
            found = talk.judge(data)
            if found is not None:
                return replace(found, port=port, reached=True)
        what = talk.mute or "the server closed the connection without an answer"
    except DbportsError as error:
        return Outcome("unknown", f"connected, but {error.reason}", port, True)
    except OSError as error:
        what = "the server sent nothing in time" if is_timeout(error) else talk.mute or "the connection was reset"
    if data:
        return Outcome("unknown", f"connected, but the answer ended after {len(data)} bytes", port, True)
    return Outcome("silent", f"connected, but {what}", port, True)


KIND = ProbeKind("tcp", ("tcp",), max_ports=MAX_PORTS, run=connect, question=question, generic=True)
