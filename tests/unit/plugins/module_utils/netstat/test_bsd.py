# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of netstat of macOS and the BSDs."""

from __future__ import annotations

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.bsd import parse
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import ANY_IPV4, Socket

HEADINGS = """\
Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
"""
MACOS = (
    HEADINGS
    + """\
tcp4       0      0  192.0.2.10.50122       192.0.2.21.1433        ESTABLISHED
tcp4       0      0  127.0.0.1.631          *.*                    LISTEN
tcp6       0      0  ::1.631                *.*                    LISTEN
tcp46      0      0  *.1433                 *.*                    LISTEN
tcp6       0      0  fe80::1%lo0.1434       *.*                    LISTEN
tcp4       0      0  *.*                    *.*                    CLOSED
udp4       0      0  *.1434                 *.*
udp4       0      0  192.0.2.10.50123       192.0.2.53.53
udp6       0      0  *.1434                 *.*
icm6       0      0  *.*                    *.*
Active Multipath Internet connections
Active LOCAL (UNIX) domain sockets
Address          Type   Recv-Q Send-Q            Inode             Conn             Refs          Nextref Addr
f3b1c8d2e4a59687 stream      0      0                0 f3b1c8d2e4a5968f                0                0
"""
)


def test_every_kind_of_row() -> None:
    """Dots before ports, wildcards of both families, zones and sockets without a connection."""
    assert parse(MACOS) == [
        Socket("ipv4", "tcp", "ESTABLISHED", "192.0.2.10", 50122, "192.0.2.21", 1433),
        Socket("ipv4", "tcp", "LISTEN", "127.0.0.1", 631),
        Socket("ipv6", "tcp", "LISTEN", "::1", 631),
        Socket("ipv6", "tcp", "LISTEN", "::", 1433),
        Socket("ipv6", "tcp", "LISTEN", "fe80::1", 1434),
        Socket("ipv4", "tcp", "CLOSE", ANY_IPV4, None),
        Socket("ipv4", "udp", None, ANY_IPV4, 1434),
        Socket("ipv4", "udp", "ESTABLISHED", "192.0.2.10", 50123, "192.0.2.53", 53),
        Socket("ipv6", "udp", None, "::", 1434),
    ]


@pytest.mark.parametrize(
    "row",
    [
        "tcp        0      0  *.1433                 *.*                    LISTEN",  # OpenBSD
        "tcp4       0      0 *.1433                 *.*                    LISTEN",  # FreeBSD
        "fffff8003bcf1000 tcp4       0      0 *.1433                 *.*                    LISTEN",  # -A
        "tcp4       0      0  *.1433                 *.*                    LISTEN      131072 131072    410      0",
    ],
)
def test_columns_around(row: str) -> None:
    assert parse(f"{row}\n") == [Socket("ipv4", "tcp", "LISTEN", ANY_IPV4, 1433)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "netstat: command not found",
        "tcp4       0      0  127.0.0.1.631",
        "tcp4       0      0  db01.1433              app-01.50122           ESTABLISHED",
        "tcp4       0      0  192.0.2.10.ms-sql-s    *.*                    LISTEN",
        "tcp4       0      0  192.0.2.10.1433        192.0.2.21.50122",
        "tcp6       0      0  2001:db8::1234:5.1433  *.*                    LISTEN",
        f"tcp4       0      0  *.{'9' * 4300}  *.*  LISTEN",
        "tcp4       0      0  *.70000                *.*                    LISTEN",
        "tcp4       0      0  *.14\r33               *.*                    LISTEN",
    ],
)
def test_what_cannot_be_read_is_an_error(text: str) -> None:
    """Names, half rows, and an address of sixteen characters, at which it may have been cut."""
    with pytest.raises(DbportsError):
        parse(text)


def test_a_heading_is_a_host_without_sockets() -> None:
    assert parse(HEADINGS) == []
