# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What netstat prints on macOS and the BSDs -> sockets."""

from __future__ import annotations

import re

from ansible_collections.dbports.firewall.plugins.module_utils._errors import malformed
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import (
    ANY_IPV4,
    ANY_IPV6,
    RowProtocol,
    Socket,
    State,
    make_socket,
    not_listed,
    parse_endpoint,
    refuse_cut,
)

NAME = "netstat of macOS or a BSD"
HEADING = re.compile(
    r"^(?:\S+ +)?Proto +Recv-Q +Send-Q +(?:(?<=  )Local Address +Foreign Address +\S|Local Address +.*\(state\))",
    re.MULTILINE,
)
"""Two blanks before the addresses, or, as FreeBSD prints it, the state in brackets: net-tools has neither."""
ROW = re.compile(
    r"^(?:[0-9a-f]{8,16} +)?(?P<protocol>tcp|udp)(?P<family>4|6|46)? +\d+ +\d+ +"
    r"(?P<local>\S+\.(?:\d{1,5}|\*)) +(?P<remote>\S+\.(?:\d{1,5}|\*))(?: +(?P<state>[A-Z_0-9]+))?(?: [^\n]*)?$",
    re.ASCII | re.MULTILINE,
)
"""A row; -A puts the address of a structure before it, -v numbers behind it."""

_STATES: dict[str, State] = {
    "LISTEN": "LISTEN",
    "ESTABLISHED": "ESTABLISHED",
    "SYN_SENT": "SYN_SENT",
    "SYN_RCVD": "SYN_RECV",
    "FIN_WAIT_1": "FIN_WAIT1",
    "FIN_WAIT_2": "FIN_WAIT2",
    "TIME_WAIT": "TIME_WAIT",
    "CLOSED": "CLOSE",
    "CLOSE_WAIT": "CLOSE_WAIT",
    "LAST_ACK": "LAST_ACK",
    "CLOSING": "CLOSING",
}
_PROTOCOLS: dict[str, RowProtocol] = {"tcp": "tcp", "udp": "udp"}
_START = re.compile(r"(?:[0-9a-f]{8,16} +)?(?:tcp|udp)(?:4|6|46)? ", re.ASCII)
_WIDTH = 16
"""An IPv6 address is cut at so many characters, unless -W (FreeBSD) or -l (macOS) is given."""


def parse(text: str) -> list[Socket]:
    """Read the TCP and UDP sockets of ``netstat -n`` with any of -a, -A, -W, -l and -v; none has an owner.

    Headings, other protocols and unix sockets are skipped. ``tcp46`` is a dual-stack listener.

    :raises DbportsError: for a row that cannot be read, for names and cut addresses, and for a text without rows and
        heading.
    """
    lines = [line.rstrip("\r") for line in text.split("\n") if _START.match(line)]
    if not lines and not HEADING.search(text):
        raise not_listed(NAME, text)
    matches = []
    for line in lines:
        match = ROW.fullmatch(line)
        if match is None or (match["protocol"] == "tcp" and not match["state"]):
            raise malformed("not a row of netstat of macOS or a BSD", line)
        matches.append(match)
    refuse_cut((end.rpartition(".")[0] for match in matches for end in match.group("local", "remote")), _WIDTH)
    return [_socket(match) for match in matches]


def _socket(match: re.Match[str]) -> Socket:
    wildcard = ANY_IPV6 if "6" in (match["family"] or "") else ANY_IPV4
    local, remote = parse_endpoint(match["local"], wildcard, "."), parse_endpoint(match["remote"], wildcard, ".")
    protocol = _PROTOCOLS[match["protocol"]]
    if protocol == "tcp":
        return make_socket(protocol, _STATES.get(match["state"], "UNKNOWN"), local, remote)
    return make_socket(protocol, None if remote[1] is None else "ESTABLISHED", local, remote)
