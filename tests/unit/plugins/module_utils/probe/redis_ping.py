# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kind of probe as a newcomer adds one: a file. It is only here, and test_walks.py shows that this is enough."""

from __future__ import annotations

import socket

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import tcp
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    Deadline,
    Outcome,
    ProbeKind,
    Target,
)

PONG = b"+PONG\r\n"


def probe(target: Target, deadline: Deadline) -> Outcome:
    """Send PING and wait for PONG."""

    def speak(sock: socket.socket, until: Deadline) -> Outcome:
        sock.sendall(b"PING\r\n")
        if tcp.read_exactly(sock, len(PONG), until) != PONG:
            raise DbportsError("the answer is not that of Redis", code="malformed_answer")
        return Outcome("answers", f"Redis answered {target.instance or ''}".rstrip())

    return tcp.connect(target, deadline, speak)


KIND = ProbeKind("redis_ping", ("tcp",), silence="reached", max_ports=4, run=probe, names_instance=True, generic=True)
