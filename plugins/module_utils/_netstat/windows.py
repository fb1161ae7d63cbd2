# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What netstat prints on Windows -> sockets."""

from __future__ import annotations

import re

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, malformed
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import (
    ANY_IPV4,
    NOBODY,
    PID_DIGITS,
    Owner,
    Socket,
    State,
    make_socket,
    not_listed,
    parse_endpoint,
)

NAME = "netstat of Windows"
ROW = re.compile(r"^[ \t]*(TCP|UDP)[ \t]+(\S+:\S+)[ \t]+(\S+:\S+)([^\n]*)", re.ASCII | re.MULTILINE)

# Of all languages only German translates states, and a code page may damage ABHÖREN: a listener is known by its peer.
_STATES: dict[str, State] = {
    "LISTENING": "LISTEN",
    "ESTABLISHED": "ESTABLISHED",
    "SYN_SENT": "SYN_SENT",
    "SYN_RECEIVED": "SYN_RECV",
    "FIN_WAIT_1": "FIN_WAIT1",
    "FIN_WAIT_2": "FIN_WAIT2",
    "TIME_WAIT": "TIME_WAIT",
    "CLOSED": "CLOSE",
    "DELETE_TCB": "CLOSE",
    "CLOSE_WAIT": "CLOSE_WAIT",
    "LAST_ACK": "LAST_ACK",
    "CLOSING": "CLOSING",
    "HERGESTELLT": "ESTABLISHED",
    "SYN_GESENDET": "SYN_SENT",
    "SYN_EMPFANGEN": "SYN_RECV",
    "FIN_WARTEN_1": "FIN_WAIT1",
    "FIN_WARTEN_2": "FIN_WAIT2",
    "WARTEND": "TIME_WAIT",
    "SCHLIESSEN_WARTEN": "CLOSE_WAIT",
    "ABHÖREN": "LISTEN",
}
_BOUND = "BOUND"
"""The state of -q: a port that is taken and on which nothing listens."""
_SYSTEM: Owner = (4, "System")
"""The kernel, which holds the ports of HTTP.sys and SMB; -b cannot tell its name."""

_START = re.compile(r"[ \t]*(?:TCP|UDP)[ \t]", re.ASCII)
_NUMBER = re.compile(rf"\d{{1,{PID_DIGITS}}}", re.ASCII)
_PROGRAM = re.compile(r"[ \t]*\[([^\n]+)\][ \t]*")  # of -b, in a line of its own behind the row
_TIMES = re.compile(r"\(ms\)")  # of -i, whose numbers may be taken for pids


def parse(text: str) -> list[Socket]:
    """Read the sockets of ``netstat -n`` with any of -a, -o, -b, -q and -t, in any language.

    With -o the owner has a pid, with -b a name. Names of services and messages, which -b prints between a row and its
    program, are skipped.

    :raises DbportsError: for a row that cannot be read, for names in the place of numbers, for a text without rows, and
        for the output of -i.
    """
    if _TIMES.search(text):
        raise DbportsError("netstat of Windows with -i", code="malformed_answer", fix="List sockets with netstat -ano")
    found: list[Socket | None] = []
    for line in (line.rstrip("\r") for line in text.split("\n")):
        program = _PROGRAM.fullmatch(line)
        if program and found:
            last = found[-1]
            found[-1] = last and last._replace(process=last.process or program[1])
        elif _START.match(line):
            found.append(_row(line))
    if not found:
        raise not_listed(NAME, text)
    return [one for one in found if one is not None]


def _row(line: str) -> Socket | None:
    match = ROW.fullmatch(line)
    words = match[4].split() if match else []
    numbers = [at for at, word in enumerate(words) if _NUMBER.fullmatch(word)]
    if match is None or len(numbers) > 1:
        raise malformed("not a row of netstat of Windows", line)
    state = " ".join(words[: numbers[0]] if numbers else words[:1])
    if (match[1] == "TCP") != bool(state):
        raise malformed("not a row of netstat of Windows", line)
    if state == _BOUND:
        return None
    pid = int(words[numbers[0]]) if numbers else 0
    owner = _SYSTEM if pid == _SYSTEM[0] else (pid, None) if pid else NOBODY
    local, remote = parse_endpoint(match[2]), parse_endpoint(match[3], ANY_IPV4)
    return make_socket("tcp" if match[1] == "TCP" else "udp", _STATES.get(state), local, remote, owner)
