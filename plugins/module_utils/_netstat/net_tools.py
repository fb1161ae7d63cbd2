# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What netstat of net-tools (and of BusyBox) prints on Linux -> sockets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.dbports.firewall.plugins.module_utils._errors import malformed
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import (
    KERNEL_STATES,
    NOBODY,
    PID_DIGITS,
    Owner,
    Row,
    RowProtocol,
    Socket,
    State,
    not_listed,
    parse_endpoint,
    refuse_cut,
)

ARGUMENTS = ("-nWeaA", "inet,inet6")
"""The 602SQL documentation's ``netstat -npaA inet`` for both families, with -W so that no address is cut.

-e prints inodes. Without -p, because it prints what a process calls itself, line ends included.
"""

NAME = "netstat of net-tools or BusyBox"
HEADING = re.compile(r"^Proto +(?:Recv-Q|Přích-F|VvJrk|受信-Q) ", re.MULTILINE)
ROW = re.compile(
    r"^\s*(?P<protocol>tcp|udp|raw)[46]?\s+\d+\s+\d+\s+(?P<local>\S+:\S+)\s+(?P<remote>\S+:\S+)(?P<rest>.*)",
    re.ASCII | re.MULTILINE,
)
"""A row; the program name at its end may hold anything but a line end."""

# The translations of net-tools 2.10 (po/cs.po, de.po, pt_BR.po and the word for unknown in the others).
_TRANSLATED: dict[str, State] = {
    "SPOJENO": "ESTABLISHED",
    "VERBUNDEN": "ESTABLISHED",
    "ESTABELECIDA": "ESTABLISHED",
    "SYN_ENVIADO": "SYN_SENT",
    "SYN_RECEBIDO": "SYN_RECV",
    "ESPERA_FIN1": "FIN_WAIT1",
    "ESPERA_FIN2": "FIN_WAIT2",
    "ZAVŘEN": "CLOSE",
    "FECHAR": "CLOSE",
    "ESPERANDO_FECHAR": "CLOSE_WAIT",
    "POSLEDNÍ ACK": "LAST_ACK",
    "ÚLTIMO_ACK": "LAST_ACK",
    "NASLOUCHÁ": "LISTEN",
    "OUÇA": "LISTEN",
    "ZAVÍRÁ": "CLOSING",
    "FECHANDO": "CLOSING",
    "NEZNÁM": "UNKNOWN",
    "UNBEKANNT": "UNKNOWN",
    "TUNDMATU": "UNKNOWN",
    "INCONNU": "UNKNOWN",
    "不明": "UNKNOWN",
    "DESCONHECIDA": "UNKNOWN",
}
_STATES: dict[str, State] = {**{word: word for word in KERNEL_STATES.values()}, "UNKNOWN": "UNKNOWN", **_TRANSLATED}

_PROTOCOLS: dict[str, RowProtocol] = {"tcp": "tcp", "udp": "udp", "raw": "raw"}
_PROTOCOL = re.compile(r"\s*(?:tcp|udp|raw)[46]?\s", re.ASCII)
_LAST_COLUMN = re.compile(r"^Proto .*PID/Program name *$", re.MULTILINE)
_TIMER = re.compile(r"\s\S+ \(+-?\d+\.\d+/-?\d+/-?\d+\)\s*$", re.ASCII)  # of -o, after everything else
_OWNER = re.compile(rf"\s(?:(?P<pid>\d{{1,{PID_DIGITS}}})/(?P<process>.*)|-)\s*$", re.ASCII)
_USER_AND_INODE = re.compile(r"\s\S+\s+(\d{1,20})$", re.ASCII)  # of -e, between state and owner
_WIDTH = 23
"""Of the columns of addresses without -W."""


def parse(text: str) -> list[Socket]:
    """Read the TCP, UDP and raw sockets of ``netstat -n`` with any of -a, -p, -e, -o and -W, in any language.

    Headings, other protocols and unix sockets are skipped. netstat names one owner a socket,
    the one with the lowest pid.

    :raises DbportsError: for a row of TCP, UDP or raw that cannot be read, for names and cut addresses, and for a text
        without rows and heading.
    """
    found = list(_rows(text))
    refuse_cut((end for match, _row, _owner in found for end in match.group("local", "remote")), _WIDTH)
    return [row.socket(owner) for _match, row, owner in found]


def parse_rows(text: str) -> Iterator[Row]:
    """Yield the sockets with their inodes from what netstat prints when it is run with ``ARGUMENTS``.

    :raises DbportsError: see :func:`parse`.
    """
    return (row for _match, row, _owner in _rows(text))


def _rows(text: str) -> Iterator[tuple[re.Match[str], Row, Owner]]:
    # Not splitlines: a process may have a form feed or a line separator of Unicode in its name.
    lines = [line.rstrip("\r") for line in text.split("\n") if _PROTOCOL.match(line)]
    if not lines and not HEADING.search(text):
        raise not_listed(NAME, text)
    # A process may call itself what looks like a timer: with -o every row has one.
    timers = all(map(_TIMER.search, lines)) and not _LAST_COLUMN.search(text)
    for line in lines:
        match = ROW.fullmatch(line)
        if match is None:
            raise malformed("not a row of netstat", line)
        yield match, *_row(line, match, timers)


def _row(line: str, match: re.Match[str], timers: bool) -> tuple[Row, Owner]:
    """Take apart a row: after the addresses come state, user and inode, owner and timer, each of which may be missing.

    No address is ``*`` and TCP has a state: a row that a process hides behind a line end in its name is shorter.
    """
    protocol = _PROTOCOLS[match["protocol"]]
    rest, owner, inode = match["rest"], NOBODY, 0
    if timers:
        rest = _TIMER.sub("", rest)
    found = _OWNER.search(rest)
    if found is not None:
        rest = rest[: found.start()]
        if found["pid"] is not None:
            owner = int(found["pid"]), found["process"].rstrip()
    user = _USER_AND_INODE.search(rest.rstrip())
    if user is not None:
        rest, inode = rest[: user.start()], int(user[1])
    word = " ".join(rest.split())
    if protocol == "tcp" and not word:
        raise malformed("not a row of netstat", line)
    # net-tools has no words for the states of raw sockets.
    number = int(word) if protocol == "raw" and word in ("1", "7") else 0
    state = KERNEL_STATES.get(number) or _STATES.get(word)
    return Row(protocol, state, parse_endpoint(match["local"]), parse_endpoint(match["remote"]), inode), owner
