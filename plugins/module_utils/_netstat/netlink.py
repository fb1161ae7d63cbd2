# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own list of TCP and UDP sockets over netlink (sock_diag) -> rows.

Source: include/uapi/linux/inet_diag.h and netlink.h. Ports and addresses are big-endian, all else as this machine is.
Raw sockets, of which there are few, come from /proc: not every kernel lists them here.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from itertools import product

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, malformed
from ansible_collections.dbports.firewall.plugins.module_utils._netstat import proc
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import (
    KERNEL_STATES,
    Row,
    RowProtocol,
    State,
    parse_address,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT, PortRange

TIMEOUT = 30.0
"""Seconds to wait for the kernel, which needs milliseconds."""

_AF_NETLINK, _SOCK_DIAG = 16, 4
_SOCK_DIAG_BY_FAMILY, _REQUEST_AND_DUMP = 20, 0x301
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_REQUEST = struct.Struct("=BBBxI48x")  # inet_diag_req_v2: family, protocol, extensions, states, any socket
_ENDS = struct.Struct(">HH16s16s")  # idiag_sport, idiag_dport, idiag_src, idiag_dst
_PORTS = struct.Struct(">HH")  # of _ENDS, for all sockets, of which few may matter
_HOLDER = struct.Struct("=II")  # idiag_uid, idiag_inode
_ENDS_AT, _HOLDER_AT = _HEADER.size + 4, _HEADER.size + 64
_ERROR_SIZE = _HEADER.size + 4
"""Of a message that begins with an error, which is less than 4096."""
_SIZE = _HOLDER_AT + _HOLDER.size
"""Of a message about one socket: nlmsghdr and inet_diag_msg, behind which attributes may follow."""

_PROTOCOLS: dict[RowProtocol, int] = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def read(
    ports: Collection[PortRange] | None = None,
    *,
    listeners: bool = False,
    states: Collection[State] = proc.STATES,
    proc_path: str = "/proc",
) -> Iterator[Row]:
    """Yield the sockets of this network namespace that the kernel lists; see :func:`proc.read`.

    :raises DbportsError: when the kernel does not answer, or cannot list sockets in this way.
    """
    mask = sum(1 << number for number, state in KERNEL_STATES.items() if state in states)
    wanted = None if ports is None else _table(ports)
    for protocol, family in product(_PROTOCOLS, _FAMILIES):
        for message, at in messages(_dump(family, _PROTOCOLS[protocol], mask)):
            local, peer = _PORTS.unpack_from(message, at + _ENDS_AT)
            if wanted is None or wanted[local] or wanted[peer] or (listeners and not peer):
                yield row(protocol, message, at)
    if ports is None:
        yield from proc.read_tables(proc_path, proc.RAW)


def _dump(family: int, protocol: int, mask: int) -> Iterator[bytes]:
    """Yield the kernel's datagrams about the sockets of one table, each with whole messages, without an end.

    :raises DbportsError: when the kernel has no such list, or this process may not ask for it.
    """
    request = _REQUEST.pack(family, protocol, 0, mask)
    header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _REQUEST_AND_DUMP, 1, 0)
    try:
        with socket.socket(_AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
            kernel.settimeout(TIMEOUT)
            kernel.send(header + request)
            while True:
                yield kernel.recv(1 << 17)
    except OSError as error:
        raise _unlisted(error.strerror or str(error)) from None


def _unlisted(reason: str) -> DbportsError:
    return DbportsError(
        f"the kernel does not list sockets over netlink: {reason}",
        code="unreadable",
        fix="Set source to auto, or to proc",
    )


def messages(datagrams: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield the messages of a dump: the datagram and where in it the message begins.

    :raises DbportsError: when the kernel reports an error, or a message is cut.
    """
    for datagram in datagrams:
        at = 0
        while at + _HEADER.size <= len(datagram):
            length, kind, _flags, _sequence, _port = _HEADER.unpack_from(datagram, at)
            if kind == _DONE:
                return
            if length < (_ERROR_SIZE if kind == _ERROR else _SIZE) or at + length > len(datagram):
                raise malformed("not a message of sock_diag", datagram[at : at + _HEADER.size])
            if kind == _ERROR:
                number = -struct.unpack_from("=i", datagram, at + _HEADER.size)[0]
                raise _unlisted(os.strerror(number & 0xFFF))
            yield datagram, at
            at += (length + 3) & ~3


def _table(ports: Iterable[PortRange]) -> bytes:
    """Return whether each port is wanted: one byte for each, as there may be many sockets."""
    table = bytearray(MAX_PORT + 1)
    for first, last in ports:
        table[first : last + 1] = b"\1" * (last + 1 - first)
    return bytes(table)


def row(protocol: RowProtocol, message: bytes, at: int) -> Row:
    """Read one message; see :func:`messages`.

    :raises DbportsError: when it is not about a socket of IPv4 or IPv6.
    """
    family, state = message[at + _HEADER.size], message[at + _HEADER.size + 1]
    if family not in _FAMILIES:
        raise malformed("not a message about a socket of IPv4 or IPv6", message[at : at + _SIZE])
    port, peer, address, remote = _ENDS.unpack_from(message, at + _ENDS_AT)
    uid, inode = _HOLDER.unpack_from(message, at + _HOLDER_AT)
    return Row(
        protocol,
        KERNEL_STATES.get(state),
        (_address(family, address), port or None),
        (_address(family, remote), peer or None),
        inode,
        uid,
    )


@lru_cache(maxsize=4096)
def _address(family: int, packed: bytes) -> str:
    return parse_address(socket.inet_ntop(family, packed[:4] if family == socket.AF_INET else packed))
