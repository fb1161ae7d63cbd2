# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ss of iproute2 prints -> sockets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ansible_collections.dbports.firewall.plugins.module_utils._errors import malformed
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import (
    ANY_IPV4,
    ANY_IPV6,
    NOBODY,
    PID_DIGITS,
    Owner,
    Row,
    RowProtocol,
    Socket,
    State,
    not_listed,
    parse_endpoint,
)

ARGUMENTS = ("-naetu",)
"""Numbers, all states, inodes; TCP and UDP, which makes ss print the protocol's column.

Without -p, because it prints what a process calls itself, line ends and brackets included.
"""

NAME = "ss of iproute2"
HEADING = re.compile(r"^Netid\s+State\s", re.MULTILINE)

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
# What only iproute2 before 4.14 prints: IPv6 without brackets, and a peer * beside an IPv4 address.
_OLD = re.compile(r"\s*(?:\S+\s+){4}(?::::|\d+\.\d+\.\d+\.\d+(?:%\S+)?:\S+\s+\*:\*)", re.ASCII)
# The end of a row's processes, behind which no name follows: it tells whether they are written with keys.
_END = re.compile(r'.*",(pid=)?\d+,(?:fd=)?\d+\)\)', re.ASCII | re.DOTALL)
NO_PROTOCOL = re.compile(r"^\s*(?:State\s+Recv-Q\s|(?:LISTEN|ESTAB|UNCONN)\s+\d+\s+\d+\s)", re.MULTILINE)
ROW = re.compile(
    r"^\s*(tcp|udp|raw|icmp6?)\s+([A-Z][A-Z0-9-]*)\s+\d+\s+\d+\s+(\S+)\s+(\S+)(.*)", re.ASCII | re.DOTALL | re.MULTILINE
)
# A name is at most 15 bytes and may hold what looks like the end of an entry: the longest reading is the true one.
_CLOSED = re.compile(r'users:\((?:\(".{0,15}",(?:pid=)?\d+,(?:fd=)?\d+\),?)+\)(?:\s|$)', re.ASCII | re.DOTALL)
_LINES = 100  # more than the names of a row's processes have in practice; a damaged text ends here
_USER = re.compile(rf'\("(.{{0,15}})",pid=(\d{{1,{PID_DIGITS}}}),fd=\d+\)(,(?=\(")|\)(?:\s|$))', re.ASCII | re.DOTALL)
# Without keys the end of an entry fits into a name: no name may have a quote there.
_OLD_USER = re.compile(rf'\("([^"]{{0,15}})",(\d{{1,{PID_DIGITS}}}),\d+\)(,(?=\(")|\)(?:\s|$))', re.ASCII)
_INODE = re.compile(r"(?:^|\s)ino:(\d{1,20})(?:\s|$)", re.ASCII)


def parse(text: str) -> list[Socket]:
    """Read the TCP, UDP and raw sockets of ``ss -naptuw``; -e, -o and a heading do no harm.

    A socket that several processes share comes once for each of them, a socket without a known owner once.
    Rows of other protocols are skipped.

    :raises DbportsError: for a row of TCP, UDP or raw that cannot be read, for names, and for a text without rows and
        heading.
    """
    return [row.socket(owner) for row, rest in _read(text, _long_rows(text)) for owner in _owners(rest) or [NOBODY]]


def parse_rows(text: str) -> Iterator[Row]:
    """Yield the sockets with their inodes from what ss prints when it is run with ``ARGUMENTS``.

    :raises DbportsError: see :func:`parse`.
    """
    return (row for row, _rest in _read(text, text.split("\n")))


def _read(text: str, lines: Iterable[str]) -> Iterator[tuple[Row, str]]:
    """Yield the rows and what stands behind their addresses."""
    found = [line for line in lines if _PROTOCOL.match(line)]
    if not found and not HEADING.search(text):
        raise not_listed(NAME, text)
    # The wildcard * was that of IPv4; now it is the dual-stack one.
    wildcard = ANY_IPV4 if any(_OLD.match(line) or _has_no_keys(line) for line in found) else ANY_IPV6
    return (_row(line, wildcard) for line in found)


def _long_rows(text: str) -> Iterator[str]:
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


def _row(line: str, wildcard: str) -> tuple[Row, str]:
    match = ROW.fullmatch(line)
    if match is None:
        raise malformed("not a row of ss", line)
    protocol, word, rest = _PROTOCOLS[match[1]], match[2], match[5]
    state = _STATES.get(word)
    if protocol == "tcp" and state == "CLOSE":
        protocol = "udp"  # old ss labels UDP rows tcp, and lists no TCP socket without a connection
    inode = _INODE.search(rest)
    local, remote = parse_endpoint(match[3], wildcard), parse_endpoint(match[4], wildcard)
    return Row(protocol, state, local, remote, int(inode[1]) if inode else 0), rest


def _has_no_keys(line: str) -> bool:
    """Tell whether a row names processes as iproute2 before 3.17 does, ``("a",1,3)`` for ``("a",pid=1,fd=3)``."""
    end = _END.match(line)
    return end is not None and end[1] is None


def _owners(rest: str) -> list[Owner]:
    """Read ``users:(("a",pid=1,fd=3),("b",pid=2,fd=4))``: each process once, in the order of the text."""
    _before, marker, users = rest.partition("users:(")
    user = _OLD_USER if _has_no_keys(rest) else _USER
    owners: dict[int, str] = {}
    at = 0
    while marker:
        match = user.match(users, at)
        if match is None:
            raise malformed("not a list of processes of ss", rest)
        owners.setdefault(int(match[2]), match[1])
        if not match[3].startswith(","):
            break
        at = match.end()
    return list(owners.items())
