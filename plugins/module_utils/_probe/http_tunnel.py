# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""602SQL's HTTP tunnel: it is silent until a version message comes in a POST, and then answers with 200.

Source: observed on a 602SQL 11.0.1 server and client.
"""

from __future__ import annotations

import socket

from ansible_collections.dbports.firewall.plugins.module_utils._errors import malformed
from ansible_collections.dbports.firewall.plugins.module_utils._probe import tcp
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    MAX_PORTS,
    Deadline,
    Outcome,
    ProbeKind,
    Target,
)

TUNNEL_HELLO = bytes.fromhex("f100000b00")
"""The version message."""

MAX_STATUS_LINE = 256


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
        raise malformed("the answer is not HTTP", line[:32])
    return int(parts[1])


def probe(target: Target, deadline: Deadline) -> Outcome:
    """Open an HTTP tunnel and wait for its 200."""

    def speak(sock: socket.socket, until: Deadline) -> Outcome:
        sock.sendall(encode_tunnel_hello(target.address))
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
            return Outcome("unknown", f"HTTP status {status} instead of the tunnel's 200")
        return Outcome("answers", "the 602SQL HTTP tunnel answered")

    return tcp.connect(target, deadline, speak)


KIND = ProbeKind("http_tunnel", ("tcp",), silence="reached", max_ports=MAX_PORTS, run=probe)
