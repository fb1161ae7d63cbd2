# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ss of iproute2 prints -> sockets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.dbports.firewall.plugins.module_utils._errors import malformed
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import (
    ANY_IPV4,
    ANY_IPV6,
    NOBODY,
    Owner,
    RowProtocol,
    Socket,
    State,
    make_socket,
    parse_endpoint,
)

ARGUMENTS = ("-Hnaptuw",)
"""No heading, numbers, all states, processes; TCP, UDP and raw, which makes ss print the protocol's column."""

_STATES: dict[str, State] = {
    "ESTAB": "ESTABLISHED",
    "SYN-SENT": "SYN_SENT",
    "SYN-RECV": "SYN_RECV",
    "FIN-WAIT-1": "FIN_WAIT1",
    "FIN-WAIT-2": "FIN_WAIT2",
    "TIME-WAIT": "TIME_WAIT",
    "UNCONN": "CLOSE",
    "CLOSE-WAIT": "CLOSE_WAIT",
    "LAST-ACK": "LAST_ACK",
    "LISTEN": "LISTEN",
    "CLOSING": "CLOSING",
}
# Raw sockets of ICMP bear the protocol's name in some versions.
_PROTOCOLS: dict[str, RowProtocol] = {"tcp": "tcp", "udp": "udp", "raw": "raw", "icmp": "raw", "icmp6": "raw"}

_PROTOCOL = re.compile(r"\s*(?:tcp|udp|raw|icmp6?)\s", re.ASCII)
_UNBRACKETED = re.compile(r"\s*(?:\S+\s+){4}:::")
_ROW = re.compile(r"\s*(\S+)\s+(\S+)\s+\d+\s+\d+\s+(\S+)\s+(\S+)(.*)", re.DOTALL)
# A name is at most 15 bytes and may hold what looks like the end of an entry: the longest reading is the true one.
_CLOSED = re.compile(r'users:\((?:\(".{0,15}",pid=\d+,fd=\d+\),?)+\)(?:\s|$)', re.DOTALL)
_LINES = 100  # more than the names of a row's processes have in practice; a damaged text ends here
_USER = re.compile(r'\("(.{0,15})",pid=(\d+),fd=\d+\)(,(?=\(")|\)(?:\s|$))', re.DOTALL)


def parse(text: str) -> list[Socket]:
    """Read the TCP, UDP and raw sockets of ``ss -naptuw``; -e, -o and a heading do no harm.

    A socket that several processes share comes once for each of them, a socket without a known owner once.
    Rows of other protocols are skipped.

    :raises DbportsError: for a row of TCP, UDP or raw that cannot be read, and for names.
    """
    rows = [row for row in _rows(text) if _PROTOCOL.match(row)]
    # iproute2 before 4.14 wrote no brackets, and * for the IPv4 wildcard, which now is the dual-stack one.
    wildcard = ANY_IPV4 if any(_UNBRACKETED.match(row) for row in rows) else ANY_IPV6
    return [item for row in rows for item in _row(row, wildcard)]


def _rows(text: str) -> Iterator[str]:
    """Yield the rows; one whose process has line ends in its name is longer than a line.

    Without this, any user of the host could make up a line of his own.
    """
    row = ""
    # Not splitlines: a name may have a form feed or a line separator of Unicode, too.
    for line in text.split("\n"):
        row = f"{row}\n{line}" if row else line
        if "users:((" in row and not _CLOSED.search(row) and row.count("\n") < _LINES:
            continue
        yield row.rstrip("\r")
        row = ""
    yield row


def _row(row: str, wildcard: str) -> list[Socket]:
    match = _ROW.fullmatch(row)
    if match is None:
        raise malformed("not a row of ss", row)
    protocol, word = _PROTOCOLS[match[1]], match[2]
    state = _STATES.get(word)
    if protocol == "tcp" and state == "CLOSE":
        protocol = "udp"  # old ss labels UDP rows tcp, and lists no TCP socket without a connection
    local, remote = parse_endpoint(match[3], wildcard), parse_endpoint(match[4], wildcard)
    return [make_socket(protocol, state, local, remote, owner) for owner in _owners(match[5]) or [NOBODY]]


def _owners(rest: str) -> list[Owner]:
    """Read ``users:(("a",pid=1,fd=3),("b",pid=2,fd=4))``: each process once, in the order of the text."""
    _before, marker, users = rest.partition("users:(")
    owners: dict[int, str] = {}
    at = 0
    while marker:
        match = _USER.match(users, at)
        if match is None:
            raise malformed("not a list of processes of ss", rest)
        owners.setdefault(int(match[2]), match[1])
        if not match[3].startswith(","):
            break
        at = match.end()
    return list(owners.items())
