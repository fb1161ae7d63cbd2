# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP: connect, and for other kinds let a protocol speak on the connection."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, malformed
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    MAX_PORTS,
    Deadline,
    Outcome,
    ProbeKind,
    Target,
    family_of,
    is_timeout,
    of_error,
    tell_errors,
)

Speak = Callable[[socket.socket, Deadline], Outcome]


def connect(target: Target, deadline: Deadline, speak: Speak | None = None) -> Outcome:
    """Connect to the target's only port and, when that works, let ``speak`` judge what is said on the connection.

    A mute peer (timeout, end or reset after the connection stands) is ``silent``; an answer that is not of the
    protocol (DbportsError) is ``unknown``.
    """
    port = target.port
    with socket.socket(family_of(target.address), socket.SOCK_STREAM) as sock:
        try:
            tell_errors(sock)
            deadline.arm(sock)
            sock.connect((target.address, port))
        except OSError as error:
            return of_error(error, port, no_answer="filtered")
        if speak is None:
            return Outcome("answers", "the connection was accepted", port)
        try:
            found = speak(sock, deadline)
        except DbportsError as error:
            return Outcome("unknown", f"connected, but {error.reason}", port)
        except EOFError:
            return Outcome("silent", "connected, but the server closed the connection without an answer", port)
        except OSError as error:
            what = "the server sent nothing in time" if is_timeout(error) else "the connection was reset"
            return Outcome("silent", f"connected, but {what}", port)
        return Outcome(found.verdict, found.detail, port)


def read_exactly(sock: socket.socket, size: int, deadline: Deadline) -> bytes:
    """Read ``size`` bytes.

    :raises EOFError: when the peer closes before the first byte.
    :raises DbportsError: when it closes in the middle.
    :raises OSError: when the time is over or the connection is reset.
    """
    data = b""
    while len(data) < size:
        deadline.arm(sock)
        part = sock.recv(size - len(data))
        if not part:
            if not data:
                raise EOFError
            raise malformed(f"the answer ended after {len(data)} of {size} bytes")
        data += part
    return data


KIND = ProbeKind("tcp", ("tcp",), silence="reached", max_ports=MAX_PORTS, run=connect, generic=True)
