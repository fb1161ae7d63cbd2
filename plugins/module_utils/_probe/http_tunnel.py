# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""602SQL's HTTP tunnel: asked in a POST, it answers with 200 and a body that begins with FE.

Where only the web interface listens, the same POST ends the connection without data; GET gives 200 on both.
Source: observed on a 602SQL 11.0.1 server and client.
"""

from __future__ import annotations

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

TUNNEL_QUERY = bytes.fromhex("ff1e040000000a35")
"""What a tunnel answers at once; the version message that a client sends first is only stored."""

TUNNEL_ANSWER = b"\xfe"
"""How the body of the answer, 12 bytes, begins."""

WEB_ONLY = (
    "the server closed the connection without an answer, as 602SQL does where the HTTP tunnel is off and only the web "
    "interface listens"
)

MAX_STATUS_LINE = 256
MAX_ANSWER = 4096


def encode_tunnel_query(address: str) -> bytes:
    """Return the HTTP request that asks the tunnel at ``address``."""
    head = f"POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len(TUNNEL_QUERY)}\r\n\r\n"
    return head.encode("ascii") + TUNNEL_QUERY


def parse_status_line(line: bytes) -> int:
    """Return the status code of an HTTP/1.x status line.

    :raises DbportsError: when it is none.
    """
    parts = line.split(None, 2)
    if len(parts) < 2 or parts[0] not in (b"HTTP/1.0", b"HTTP/1.1") or len(parts[1]) != 3 or not parts[1].isdigit():
        raise malformed("the answer is not HTTP", line[:32])
    return int(parts[1])


def judge_answer(data: bytes) -> Outcome | None:
    """Return what the bytes that came mean, or None while they may still become the tunnel's answer.

    :raises DbportsError: when they never will.
    """
    line, ended, _rest = data.partition(b"\n")
    if not ended and len(data) < MAX_STATUS_LINE:
        return None
    status = parse_status_line(line)
    if status != 200:
        return Outcome("unknown", f"HTTP status {status} instead of the tunnel's 200")
    body = data.partition(b"\r\n\r\n")[2]
    if body.startswith(TUNNEL_ANSWER):
        return Outcome("answers", "the 602SQL HTTP tunnel answered")
    if body or len(data) >= MAX_ANSWER:
        raise malformed("the answer is not that of a 602SQL HTTP tunnel", body[:32])
    return None


def _talk(target: Target) -> tcp.Talk:
    return tcp.Talk(encode_tunnel_query(target.address), judge_answer, WEB_ONLY)


def probe(target: Target, deadline: Deadline) -> Outcome:
    """Ask an HTTP tunnel and wait for its answer."""
    return tcp.connect(target, deadline, _talk(target))


def question(target: Target) -> Question:
    """Return the same for another program to carry."""
    return tcp.question(target, _talk(target))


KIND = ProbeKind("http_tunnel", ("tcp",), max_ports=MAX_PORTS, run=probe, question=question)
