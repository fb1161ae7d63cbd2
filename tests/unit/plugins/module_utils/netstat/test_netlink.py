# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of the kernel: whole ones, the end of a dump, errors, and what no kernel sends."""

from __future__ import annotations

import errno
import socket
import struct

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.netlink import messages, row
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import ANY_IPV4, Row

DONE = struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0)


def message(family: int, state: int, local: tuple[str, int], remote: tuple[str, int], more: bytes = b"") -> bytes:
    """Return a message about one socket of user 1000 with inode 1081, and ``more`` as its attributes."""
    ends = [socket.inet_pton(family, address).ljust(16, b"\0") for address, _port in (local, remote)]
    body = struct.pack("=BBBB", family, state, 0, 0) + struct.pack(">HH16s16s", local[1], remote[1], *ends)
    body += struct.pack("=IQ3III", 0, 0, 0, 0, 0, 1000, 1081) + more
    return struct.pack("=IHHII", 16 + len(body), 20, 2, 1, 0) + body + bytes(-len(body) % 4)


LISTENER = message(socket.AF_INET, 10, ("192.0.2.10", 5002), (ANY_IPV4, 0), b"\5\0\x08\0\0")
MAPPED = message(socket.AF_INET6, 1, ("::ffff:192.0.2.10", 1433), ("::ffff:192.0.2.21", 50122))


@pytest.mark.parametrize("datagrams", [[LISTENER + MAPPED + DONE], [LISTENER, MAPPED, DONE], [LISTENER + MAPPED, DONE]])
def test_a_dump(datagrams: list[bytes]) -> None:
    """Attributes are stepped over, and the end is found in a datagram of its own or behind others."""
    assert [row("tcp", *found) for found in messages([*datagrams, b"never asked for"])] == [
        Row("tcp", "LISTEN", ("192.0.2.10", 5002), (ANY_IPV4, None), 1081, 1000),
        Row("tcp", "ESTABLISHED", ("192.0.2.10", 1433), ("192.0.2.21", 50122), 1081, 1000),
    ]


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -errno.ENOENT), "No such file"),
        (struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -(2**31)), "over netlink"),
        (struct.pack("=IHHIIH", 20, 2, 0, 1, 0, 1), "not a message of sock_diag"),
        (LISTENER[:-20], "not a message of sock_diag"),
        (struct.pack("=IHHII", 0, 20, 2, 1, 0) + LISTENER[16:], "not a message of sock_diag"),
        (struct.pack("=IHHII", 2**32 - 1, 20, 2, 1, 0) + LISTENER[16:], "not a message of sock_diag"),
        (LISTENER[:16] + b"\x11" + LISTENER[17:], "not a message about a socket of IPv4"),
    ],
)
def test_what_cannot_be_read_is_an_error(datagram: bytes, reason: str) -> None:
    """An error of the kernel, which has no such list, a message that is cut or has no end, and another family."""
    with pytest.raises(DbportsError, match=reason):
        assert not [row("tcp", *found) for found in messages([datagram])]
