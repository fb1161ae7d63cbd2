# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of ss, old and new, and what they mean."""

from __future__ import annotations

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import ANY_IPV4, Socket
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.ss import parse, parse_rows

NEW = """\
Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess
raw UNCONN 0      0                 0.0.0.0:1                0.0.0.0:*     users:(("ping",pid=5609,fd=20))
icmp6 UNCONN 0    0                  *%ens3:58                     *:*     users:(("networkd",pid=9,fd=2))
udp ESTAB  0      0      [::ffff:192.0.2.10]:55641 [::ffff:192.0.2.53]:53  users:(("resolver",pid=7,fd=18))
udp UNCONN 0      0                    [::]:1434                [::]:*
tcp LISTEN 0      128         127.0.0.53%lo:53               0.0.0.0:*     users:(("resolver",pid=7,fd=23))
tcp LISTEN 0      128                     *:1433                   *:*     users:(("sqlservr",pid=31,fd=5))
tcp LISTEN 0      128          [fe80::1]%lo:1444                [::]:*     users:(("sqlservr",pid=31,fd=6))
tcp SYN-SENT 0    1              192.0.2.10:40000         192.0.2.99:25    users:(("sqlservr",pid=31,fd=7))
tcp FIN-WAIT-2 0  0              192.0.2.10:1433          192.0.2.21:40312
tcp TIME-WAIT 0   0            [2001:db8::10]:1433    [2001:db8::21]:40313
mptcp LISTEN 0      128             127.0.0.1:54813            0.0.0.0:*   users:(("x",pid=1,fd=22))
u_str ESTAB  0      0                       * 17000                  * 17001
"""


def test_every_kind_of_row() -> None:
    """Zones, brackets, mapped addresses, the dual-stack wildcard and states get the structure of netstat."""
    assert parse(NEW) == [
        Socket("ipv4", "icmp", None, ANY_IPV4, None, None, None, 5609, "ping"),
        Socket("ipv6", "icmp", None, "::", None, None, None, 9, "networkd"),
        Socket("ipv4", "udp", "ESTABLISHED", "192.0.2.10", 55641, "192.0.2.53", 53, 7, "resolver"),
        Socket("ipv6", "udp", None, "::", 1434, None, None),
        Socket("ipv4", "tcp", "LISTEN", "127.0.0.53", 53, None, None, 7, "resolver"),
        Socket("ipv6", "tcp", "LISTEN", "::", 1433, None, None, 31, "sqlservr"),
        Socket("ipv6", "tcp", "LISTEN", "fe80::1", 1444, None, None, 31, "sqlservr"),
        Socket("ipv4", "tcp", "SYN_SENT", "192.0.2.10", 40000, "192.0.2.99", 25, 31, "sqlservr"),
        Socket("ipv4", "tcp", "FIN_WAIT2", "192.0.2.10", 1433, "192.0.2.21", 40312),
        Socket("ipv6", "tcp", "TIME_WAIT", "2001:db8::10", 1433, "2001:db8::21", 40313),
    ]


@pytest.mark.parametrize(
    ("row", "address", "owner"),
    [
        ('tcp LISTEN 0 128 *:22 *:* users:(("sshd",1231,3))', ANY_IPV4, (1231, "sshd")),
        ('tcp LISTEN 0 128 *:22 *:* users:(("a",1,3),("b",2,4))', ANY_IPV4, (1, "a")),
        ('tcp LISTEN 0 128 *:22 *:* users:(("x",pid=1,fd=3)",9,3))', None, (None, None)),
        ('tcp LISTEN 0 128 *:22 *:* users:(("",pid=1,fd=3)) ",9,3))', None, (None, None)),
        ('tcp LISTEN 0 128 *:22 *:* users:(("a",1,3)",pid=9,fd=3))', "::", (9, 'a",1,3)')),
        ("udp UNCONN 0 0 192.0.2.10:123 *:*", "192.0.2.10", (None, None)),
        ('tcp LISTEN 0 128 *:22 *:* users:(("sshd",pid=1231,fd=3))', "::", (1231, "sshd")),
    ],
)
def test_what_only_old_ss_prints(row: str, address: str | None, owner: tuple[int | None, str | None]) -> None:
    """Processes without keys, and a peer * beside an IPv4 address: there * is the wildcard of IPv4.

    Without keys a name with a quote cannot be told from the end of an entry, and is refused.
    """
    if address is None:
        with pytest.raises(DbportsError, match="list of processes"):
            parse(row)
        return
    one = parse(row)[0]
    assert (one.local_address, (one.pid, one.process)) == (address, owner)


def test_inodes() -> None:
    """What ss prints when this collection runs it; a group's name cannot pass for an inode."""
    text = """\
Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess
tcp   LISTEN 0      128          0.0.0.0:5002      0.0.0.0:*    uid:1000 ino:637 sk:2 cgroup:/a users:(("x ino:9 <->
udp   UNCONN 0      0          127.0.0.1:5001      0.0.0.0:*    timer:(keepalive,34min,0) ino:638 sk:3
tcp   TIME-WAIT 0   0         192.0.2.10:5002   192.0.2.21:4031 timer:(timewait,34sec,0) ino:0 sk:4
"""
    assert [row.inode for row in parse_rows(text)] == [637, 638, 0]


def test_old_ss() -> None:
    """Before brackets: ``*`` is IPv4, a zone stands inside, and some UDP rows are labelled tcp."""
    rows = parse(
        """\
tcp    UNCONN     0      0         *:68                    *:*      users:(("dhclient",pid=5,fd=6))
tcp    LISTEN     0      128       *:5002                  *:*      users:(("602sql11",pid=8,fd=8))
tcp    LISTEN     0      128      :::22                   :::*      users:(("sshd",pid=4,fd=4))
udp    UNCONN     0      0      fe80::1%eth0:123          :::*      users:(("ntpd",pid=3,fd=3))
tcp    ESTAB      0      0      ::ffff:192.0.2.10:1433    ::ffff:192.0.2.21:40312
"""
    )
    assert [(one.protocol, one.family, one.state, one.local_address, one.local_port) for one in rows] == [
        ("udp", "ipv4", None, ANY_IPV4, 68),
        ("tcp", "ipv4", "LISTEN", ANY_IPV4, 5002),
        ("tcp", "ipv6", "LISTEN", "::", 22),
        ("udp", "ipv6", None, "fe80::1", 123),
        ("tcp", "ipv4", "ESTABLISHED", "192.0.2.10", 1433),
    ]


@pytest.mark.parametrize(
    ("users", "owners"),
    [
        ('users:(("a",pid=1,fd=3),("b",pid=2,fd=4))', [(1, "a"), (2, "b")]),
        ('users:(("a",pid=1,fd=3),("a",pid=1,fd=4),("a",pid=2,fd=3))', [(1, "a"), (2, "a")]),
        ('users:(("postgres: wal",pid=7,fd=3)) ino:1081 sk:1 cgroup:/ <-> uid:5', [(7, "postgres: wal")]),
        ('timer:(keepalive,34min,0) users:(("a b",pid=7,fd=3)) ino:3 sk:2', [(7, "a b")]),
        ("ino:1081 sk:1 cgroup:/ <->", [(None, None)]),
        ("", [(None, None)]),
        # A process chooses its own name, and may try to look as if it were another one.
        ('users:(("",pid=1,fd=3)) ",pid=8152,fd=3))', [(8152, '",pid=1,fd=3)) ')]),
        ('users:(("",pid=1,fd=3)",pid=8152,fd=3))', [(8152, '",pid=1,fd=3)')]),
        ('users:(("\ntcp x\n",pid=8152,fd=3),("b",pid=9,fd=1))', [(8152, "\ntcp x\n"), (9, "b")]),
        ('users:(("",pid=1,fd=3),(",pid=8152,fd=3))', [(8152, '",pid=1,fd=3),(')]),
    ],
)
def test_owners(users: str, owners: list[tuple[int | None, str | None]]) -> None:
    """Each process that holds the socket is one row, once, and no process passes for another."""
    rows = parse(f"tcp LISTEN 0 128 0.0.0.0:5002 0.0.0.0:* {users}\n")
    assert [(one.pid, one.process) for one in rows] == owners


@pytest.mark.parametrize(
    "text",
    [
        "tcp LISTEN 0 128 0.0.0.0:5002",
        "tcp LISTEN 0 128 0.0.0.0:ms-sql-s 0.0.0.0:*",
        "tcp LISTEN 0 128 db.example.com:1433 0.0.0.0:*",
        'tcp LISTEN 0 128 0.0.0.0:5002 0.0.0.0:* users:(("cut',
        f'tcp LISTEN 0 128 0.0.0.0:5002 0.0.0.0:* users:(("x",pid={"9" * 4300},fd=3))',
        f"tcp LISTEN 0 128 0.0.0.0:{'9' * 4300} 0.0.0.0:*",
        'tcp LISTEN 0 128 0.0.0.0:5002 0.0.0.0:* users:(("cut' + "\nudp UNCONN 0 0 0.0.0.0:1 0.0.0.0:*" * 200,
    ],
)
def test_what_cannot_be_read_is_an_error(text: str) -> None:
    """Half a row, a name in the place of a number, processes without an end: never a row less."""
    with pytest.raises(DbportsError):
        parse(text)


def test_a_heading_is_a_host_without_sockets_and_nothing_else_is() -> None:
    assert parse("Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n") == []
    for text in (
        "",
        "ss: command not found",
        "State  Recv-Q Send-Q Local Address:Port\nLISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n",
    ):
        with pytest.raises(DbportsError, match="not what ss"):
            parse(text)
