# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What netstat of net-tools (and of BusyBox) prints on Linux -> sockets."""

from __future__ import annotations

import re

from ansible_collections.dbports.firewall.plugins.module_utils._errors import malformed
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import (
    ANY_IPV4,
    ANY_IPV6,
    KERNEL_STATES,
    NOBODY,
    Owner,
    RowProtocol,
    Socket,
    State,
    make_socket,
    parse_endpoint,
)

ARGUMENTS = ("-nWpaA", "inet,inet6")
"""The 602SQL documentation's own ``netstat -npaA inet``, for both families, and -W so that no address is cut."""

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
_PROTOCOL = re.compile(r"\s*(tcp|udp|raw)[46]?\s", re.ASCII)
_ROW = re.compile(
    r"\s*(?P<protocol>tcp|udp|raw)(?P<six>6?)4?\s+\d+\s+\d+\s+(?P<local>\S+)\s+(?P<remote>\S+)(?P<rest>.*)"
)
_TIMER = re.compile(r"\s\S+ \(-?\d+\.\d+/-?\d+/-?\d+\)\s*$")  # of -o, after everything else
_OWNER = re.compile(r"\s(?:(?P<pid>\d+)/(?P<process>.*)|-)\s*$")
_USER_AND_INODE = re.compile(r"\s\S+\s+\d+$")  # of -e, between state and owner


def parse(text: str) -> list[Socket]:
    """Read the TCP, UDP and raw sockets of ``netstat -n`` with any of -a, -p, -e, -o and -W, in any language.

    Headings, other protocols and unix sockets are skipped. netstat names one owner a socket,
    the one with the lowest pid.

    :raises DbportsError: for a row of TCP, UDP or raw that cannot be read, for names and for cut addresses.
    """
    # Not splitlines: a process may have a form feed or a line separator of Unicode in its name.
    return [_row(line) for line in text.split("\n") if _PROTOCOL.match(line)]


def _row(line: str) -> Socket:
    match = _ROW.fullmatch(line.rstrip("\r"))
    if match is None:
        raise malformed("not a row of netstat", line)
    wildcard = ANY_IPV6 if match["six"] else ANY_IPV4
    protocol = _PROTOCOLS[match["protocol"]]
    state, owner = _state_and_owner(protocol, match["rest"])
    local, remote = parse_endpoint(match["local"], wildcard), parse_endpoint(match["remote"], wildcard)
    return make_socket(protocol, state, local, remote, owner)


def _state_and_owner(protocol: RowProtocol, rest: str) -> tuple[State | None, Owner]:
    """Take apart what follows the addresses: state, user and inode, owner, timer; any of them may be missing."""
    rest = _TIMER.sub("", rest)
    owner: Owner = NOBODY
    found = _OWNER.search(rest)
    if found is not None:
        rest = rest[: found.start()]
        if found["pid"] is not None:
            owner = int(found["pid"]), found["process"].rstrip()
    rest = _USER_AND_INODE.sub("", rest.rstrip())
    word = " ".join(rest.split())
    if protocol == "raw" and word.isdigit():  # net-tools has no words for the states of raw sockets
        return KERNEL_STATES.get(int(word)), owner
    return _STATES.get(word), owner
