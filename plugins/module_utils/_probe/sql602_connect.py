# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""602SQL over TCP: the connect result, ten bytes that a server says first on P+1, where P is its PORTBASE.

Source: observed on a 602SQL 11.0.1 server and client.
"""

from __future__ import annotations

import struct

from ansible_collections.dbports.firewall.plugins.module_utils._errors import malformed
from ansible_collections.dbports.firewall.plugins.module_utils._probe import tcp
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    MAX_PORTS,
    Deadline,
    Outcome,
    ProbeKind,
    Question,
    Target,
)

CONNECT_RESULT = struct.Struct("<IIBB")
ACCEPTED, FILTERED_BY_SERVER = 0x00, 0x2D


def parse_connect_result(data: bytes) -> int:
    """Read the ten bytes that a server says first on TCP P+1; returns the result, 0 when it accepts.

    :raises DbportsError: when they are something else.
    """
    if len(data) != CONNECT_RESULT.size:
        raise malformed("the answer is not a 602SQL connect result", data[:16])
    total, length, kind, result = CONNECT_RESULT.unpack(data)
    if (total, length, kind) != (CONNECT_RESULT.size, 1, 0xF7):
        raise malformed("the answer is not a 602SQL connect result", data)
    return int(result)


def judge_answer(data: bytes) -> Outcome | None:
    """Return what the bytes that came mean, or None while they are too few."""
    if len(data) < CONNECT_RESULT.size:
        return None
    result = parse_connect_result(data[: CONNECT_RESULT.size])
    if result == ACCEPTED:
        return Outcome("answers", "602SQL accepted the connection")
    if result == FILTERED_BY_SERVER:
        return Outcome("refused", "the 602SQL server's own IP filter refused this client (connect result 0x2d)")
    return Outcome("answers", f"602SQL answered with connect result 0x{result:02x}")


_TALK = tcp.Talk(b"", judge_answer)


def probe(target: Target, deadline: Deadline) -> Outcome:
    """Connect to TCP P+1 and wait for the server's connect result."""
    return tcp.connect(target, deadline, _TALK)


def question(target: Target) -> Question:
    """Return the same for another program to carry."""
    return tcp.question(target, _TALK)


KIND = ProbeKind("sql602_connect", ("tcp",), max_ports=MAX_PORTS, run=probe, question=question)
