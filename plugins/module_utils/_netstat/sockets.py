# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket, one row of netstat, and what all formats of it have in common."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT, PortRange

State = Literal[
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "UNKNOWN",
]
"""The words of net-tools; ``UNKNOWN`` is its word for a state that it has no word for."""

RowProtocol = Literal["tcp", "udp", "raw"]
SocketProtocol = Literal["tcp", "udp", "icmp", "raw"]
Family = Literal["ipv4", "ipv6"]

KERNEL_STATES: dict[int, State] = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "CLOSE",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
}
"""The Linux kernel's numbers (include/net/tcp_states.h) and the words that net-tools prints for them."""

ANY_IPV4 = str(ipaddress.IPv4Address(0))
ANY_IPV6 = str(ipaddress.IPv6Address(0))
_ICMP = (1, 58)  # IP protocol numbers of ICMP and ICMPv6, which raw sockets show in the place of a port

Endpoint = tuple[str, Optional[int]]
"""A canonical address and a port; no port stands for any, which the formats write as 0 or ``*``."""
_KEPT = 15
"""So many bytes of a program's name Linux keeps (TASK_COMM_LEN without the NUL)."""
PID_DIGITS = 10
"""No system has process ids with more; int() refuses texts of some thousand digits with an error of its own."""
Owner = tuple[Optional[int], Optional[str]]
"""A process: its id and its name, or twice None where the owner is not known."""
NOBODY: Owner = (None, None)


IN_FULL = (
    "List sockets with numbers and in full: netstat -nWpaA inet,inet6 or ss -naeptuw on Linux, netstat -ano on Windows"
)
SocketAddress = Annotated[str, "an address in its canonical form, without a zone id"]
SocketPort = Annotated[int, "1 to 65535"]


class Socket(NamedTuple):
    """One socket of one owner: a socket that several processes share is one ``Socket`` for each of them.

    ``family`` is ``ipv4`` or ``ipv6``, as the packets are: an IPv4 client of a dual-stack listener is ``ipv4``.
    ``protocol`` is ``tcp``, ``udp``, ``icmp`` (a raw socket for ICMP or ICMPv6) or ``raw`` (any other raw socket).
    ``state`` is None for UDP and raw sockets without a fixed peer.
    Addresses are canonical and have no zone id. ``::`` is an IPv6-only listener as well as a dual-stack one,
    because netstat and /proc show both alike. ``remote_address`` is None where there is no peer.
    Ports are 1 to 65535; None where there is none, always so for raw sockets.
    ``pid`` and ``process`` are None for sockets of the kernel, for TIME_WAIT, and where the reader
    was not allowed to see the owner.
    """

    family: Family
    protocol: SocketProtocol
    state: State | None
    local_address: SocketAddress
    local_port: SocketPort | None
    remote_address: SocketAddress | None = None
    remote_port: SocketPort | None = None
    pid: int | None = None
    process: str | None = None

    def touches(self, ports: Iterable[PortRange]) -> bool:
        """Tell whether the local or the remote port is one of ``ports``."""
        return touches(self.local_port, self.remote_port, ports)

    @property
    def is_listener(self) -> bool:
        """Tell whether it waits for clients: a TCP socket that listens, a UDP socket without a fixed peer."""
        return self.state == "LISTEN" if self.protocol == "tcp" else self.remote_port is None

    def is_of(self, processes: Iterable[str]) -> bool:
        """Tell whether its process has one of these names; patterns as in a shell, without ``.exe`` and case.

        A longer name is known by what Linux keeps of it.
        """
        name = (self.process or "").lower()
        name = name[:-4] if name.endswith(".exe") else name
        cut = len(name) == _KEPT
        patterns = [pattern.lower() for pattern in processes if name]
        return any(fnmatchcase(name, pattern) or (cut and pattern.startswith(name)) for pattern in patterns)

    def order(self) -> tuple[str, str, int, str, str, int, int]:
        """Return a sort key that does not depend on the format that the socket was read from."""
        return (
            self.protocol,
            self.family,
            self.local_port or 0,
            self.local_address,
            self.remote_address or "",
            self.remote_port or 0,
            self.pid or 0,
        )


class Row(NamedTuple):
    """A socket as the kernel lists it: its owner is known by the inode only.

    :param inode: that of the socket; 0 where no process holds one, as in TIME_WAIT and in a listener's backlog.
    :param uid: the user who opened it, or None where the source does not say it.
    """

    protocol: RowProtocol
    state: State | None
    local: Endpoint
    remote: Endpoint
    inode: int
    uid: int | None = None

    def is_wanted(self, ports: Iterable[PortRange] | None, listeners: bool) -> bool:
        """Tell whether a port is one of ``ports``, or, with ``listeners``, it has no peer; a raw socket has neither."""
        if self.protocol == "raw":
            return ports is None
        return ports is None or (listeners and self.remote[1] is None) or touches(self.local[1], self.remote[1], ports)

    def socket(self, owner: Owner = NOBODY) -> Socket:
        """Return the socket of one owner."""
        return make_socket(self.protocol, self.state, self.local, self.remote, owner)


def touches(local: int | None, remote: int | None, ports: Iterable[PortRange]) -> bool:
    """Tell whether one of two ports is one of ``ports``."""
    return any((local is not None and local in item) or (remote is not None and remote in item) for item in ports)


def make_socket(
    row: RowProtocol, state: State | None, local: Endpoint, remote: Endpoint, owner: Owner = NOBODY
) -> Socket:
    """Build a socket from what a row says, and give it the meaning that is the same in all formats.

    :param row: the protocol that the row has.
    :param state: its state, or None where the row has none or one that is in no table.
    """
    address, port = local
    peer: str | None = remote[0]
    if remote[1] is None and peer in (ANY_IPV4, ANY_IPV6):
        peer = None
    protocol: SocketProtocol = row
    if row == "tcp":
        # Translated or damaged words: only a listener has no peer.
        state = state or ("LISTEN" if peer is None else "UNKNOWN")
    elif state == "CLOSE":
        state = None  # the kernel's number 7 is "not connected" for everything but TCP
    if row == "raw":
        protocol = "icmp" if port in _ICMP else "raw"
        local, remote = (address, None), (remote[0], None)
    family: Family = "ipv6" if ":" in address else "ipv4"
    return Socket(family, protocol, state, address, local[1], peer, remote[1], owner[0], owner[1])


@lru_cache(maxsize=4096)
def parse_address(text: str) -> str:
    """Return an address in its canonical form, without zone id and brackets, and a mapped IPv4 one as IPv4.

    :raises DbportsError: for a name, or for an IPv6 address that netstat cut to the width of its column.
    """
    try:
        return str(AddressRange.of_socket(text.replace("[", "").replace("]", "")))
    except DbportsError:
        raise DbportsError(
            "not an address: a name, or an address that was cut to its column",
            code="not_an_address",
            value=text,
            fix=IN_FULL,
        ) from None


def parse_endpoint(text: str, wildcard: str | None = None, separator: str = ":") -> Endpoint:
    """Read ``address:port``; the port may be ``*`` for any.

    :param wildcard: the address that ``*`` stands for; without one it is refused.
    :param separator: what stands between address and port.
    :raises DbportsError: when the address or the port is not written as a number, or is cut.
    """
    host, _separator, port = text.rpartition(separator)
    if not (port == "*" or (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= MAX_PORT)):
        raise DbportsError("not an address and port in numbers", code="malformed_answer", value=text, fix=IN_FULL)
    address = wildcard if wildcard and host.partition("%")[0] == "*" else parse_address(host)
    return address, (int(port) or None) if port != "*" else None


def refuse_cut(ends: Iterable[str], width: int) -> None:
    """Refuse an IPv6 address that may be cut to its column, because it fills it and none is longer.

    :param ends: what stands in the columns of the addresses.
    :param width: the width at which the program cuts.
    :raises DbportsError: for the first of them.
    """
    longest = max((end for end in ends if end.count(":") > 1), key=len, default="")
    if len(longest) == width:
        raise DbportsError(
            "an address that may be cut to its column", code="not_an_address", value=longest, fix=IN_FULL
        )


def not_listed(program: str, text: str) -> DbportsError:
    """Return the error of a text without a socket and without the heading of a list without sockets."""
    fix = "Use the whole output of the command, with its heading"
    return DbportsError(f"not what {program} prints", code="malformed_answer", value=text, fix=fix)
