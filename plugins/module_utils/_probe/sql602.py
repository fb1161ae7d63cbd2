# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""602SQL: its messages, the connect result over TCP and the HTTP tunnel's greeting.

Source: observed on a 602SQL 11.0.1 server and client. P is the server's PORTBASE. Texts end with a NUL. A server
announces itself from a NEW source port, never from P, so no connection tracking lets the announcement in.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import tcp
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    ANSWERS,
    REFUSED,
    UNKNOWN,
    Deadline,
    Outcome,
)

ANSWER_PORT = 5002
"""Where a client waits for announcements; fixed, whatever P is."""

DEFAULT_BASE = 5001
CONNECT_RESULT = struct.Struct("<IIBB")
ACCEPTED, FILTERED_BY_SERVER = 0x00, 0x2D
TUNNEL_HELLO = bytes.fromhex("f100000b00")
"""The version message that opens an HTTP tunnel; the tunnel is silent until it comes in a POST."""

MAX_STATUS_LINE = 256


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
        raise DbportsError("the datagram is no 602SQL announcement", value=data[:16])
    name, mark, base = data[1:-1].partition(b"\x01")
    if not 1 <= len(name) <= 31:
        raise DbportsError("a 602SQL server's name has 1 to 31 bytes", value=data[:48])
    # P + 1 has to exist, so P ends at 65534.
    if mark and not (base.isdigit() and len(base) <= 5 and 1 <= int(base) <= 65534):
        raise DbportsError("the 602SQL announcement has no valid PORTBASE", value=data[:48])
    return Announcement(name.decode("ascii", "replace"), int(base) if mark else DEFAULT_BASE)


def parse_connect_result(data: bytes) -> int:
    """Read the ten bytes that a server says first on TCP P+1; returns the result, 0 when it accepts.

    :raises DbportsError: when they are something else.
    """
    if len(data) != CONNECT_RESULT.size:
        raise DbportsError("the answer is no 602SQL connect result", value=data[:16])
    total, length, kind, result = CONNECT_RESULT.unpack(data)
    if (total, length, kind) != (CONNECT_RESULT.size, 1, 0xF7):
        raise DbportsError("the answer is no 602SQL connect result", value=data)
    return int(result)


def encode_tunnel_hello(address: str) -> bytes:
    """Return the HTTP request that opens a tunnel to ``address``."""
    head = f"POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len(TUNNEL_HELLO)}\r\n\r\n"
    return head.encode("ascii") + TUNNEL_HELLO


def parse_status_line(line: bytes) -> int:
    """Return the status code of an HTTP/1.x status line.

    :raises DbportsError: when it is none.
    """
    parts = line.split(None, 2)
    if len(parts) < 2 or parts[0] not in (b"HTTP/1.0", b"HTTP/1.1") or len(parts[1]) != 3 or not parts[1].isdigit():
        raise DbportsError("the answer is no HTTP", value=line[:32])
    return int(parts[1])


def probe_connect(address: str, port: int, deadline: Deadline) -> Outcome:
    """Connect to TCP P+1 and wait for the server's connect result."""

    def speak(sock: socket.socket, until: Deadline) -> Outcome:
        result = parse_connect_result(tcp.read_exactly(sock, CONNECT_RESULT.size, until))
        if result == ACCEPTED:
            return Outcome(ANSWERS, "602SQL accepted the connection")
        if result == FILTERED_BY_SERVER:
            return Outcome(REFUSED, "the 602SQL server's own IP filter refused this client (connect result 0x2d)")
        return Outcome(ANSWERS, f"602SQL answered with connect result 0x{result:02x}")

    return tcp.probe(address, port, deadline, speak)


def probe_tunnel(address: str, port: int, deadline: Deadline) -> Outcome:
    """Open an HTTP tunnel and wait for its 200."""

    def speak(sock: socket.socket, until: Deadline) -> Outcome:
        sock.sendall(encode_tunnel_hello(address))
        line = b""
        while b"\n" not in line and len(line) < MAX_STATUS_LINE:
            try:
                until.arm(sock)
                part = sock.recv(MAX_STATUS_LINE)
            except OSError:
                if not line:
                    raise
                break  # it said something, so judge that
            if not part and not line:
                raise EOFError
            if not part:
                break
            line += part
        status = parse_status_line(line.split(b"\r\n", 1)[0])
        if status != 200:
            return Outcome(UNKNOWN, f"HTTP status {status} instead of the tunnel's 200")
        return Outcome(ANSWERS, "the 602SQL HTTP tunnel answered")

    return tcp.probe(address, port, deadline, speak)
