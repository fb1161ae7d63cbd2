# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of netstat, taken from real hosts, and what they mean."""

from __future__ import annotations

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.net_tools import parse, parse_rows
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import ANY_IPV4, Socket

HEADINGS = """\
Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name
"""

PLAIN = (
    HEADINGS
    + """\
tcp        0      0 0.0.0.0:5002            0.0.0.0:*               LISTEN      23423/602sql11
tcp        0    240 192.0.2.10:5002         192.0.2.21:40312        ESTABLISHED 23423/602sql11
tcp        0      0 192.0.2.10:5002         192.0.2.22:50000        TIME_WAIT   -
udp        0      0 0.0.0.0:5001            0.0.0.0:*                           23423/602sql11
udp        0      0 192.0.2.10:33000        192.0.2.53:53           ESTABLISHED 7/resolver
raw        0      0 0.0.0.0:1               0.0.0.0:*               7           5609/ping
tcp6       0      0 :::1433                 :::*                    LISTEN      31/sqlservr
tcp6       0      0 192.0.2.10:1433         192.0.2.21:50001        ESTABLISHED 31/sqlservr
tcp6       0      0 ::ffff:192.0.2.10:1433  ::ffff:192.0.2.23:4000  CLOSE_WAIT  31/sqlservr
udp6       0      0 2001:db8::10:1434       :::*                                -
raw6       0      0 :::89                   :::*                    7           9/ospf6d
"""
)


def test_every_kind_of_row() -> None:
    """State, wildcards, peers, mapped addresses and owners of the kinds of rows that a Linux host shows."""
    server, sqlservr = (23423, "602sql11"), (31, "sqlservr")
    assert parse(PLAIN) == [
        Socket("ipv4", "tcp", "LISTEN", ANY_IPV4, 5002, None, None, *server),
        Socket("ipv4", "tcp", "ESTABLISHED", "192.0.2.10", 5002, "192.0.2.21", 40312, *server),
        Socket("ipv4", "tcp", "TIME_WAIT", "192.0.2.10", 5002, "192.0.2.22", 50000),
        Socket("ipv4", "udp", None, ANY_IPV4, 5001, None, None, *server),
        Socket("ipv4", "udp", "ESTABLISHED", "192.0.2.10", 33000, "192.0.2.53", 53, 7, "resolver"),
        Socket("ipv4", "icmp", None, ANY_IPV4, None, None, None, 5609, "ping"),
        Socket("ipv6", "tcp", "LISTEN", "::", 1433, None, None, *sqlservr),
        Socket("ipv4", "tcp", "ESTABLISHED", "192.0.2.10", 1433, "192.0.2.21", 50001, *sqlservr),
        Socket("ipv4", "tcp", "CLOSE_WAIT", "192.0.2.10", 1433, "192.0.2.23", 4000, *sqlservr),
        Socket("ipv6", "udp", None, "2001:db8::10", 1434, None, None),
        Socket("ipv6", "raw", None, "::", None, None, None, 9, "ospf6d"),
    ]


def test_line_ends_of_windows_change_nothing() -> None:
    """A text that went through a Windows editor means the same."""
    assert parse(PLAIN.replace("\n", "\r\n")) == parse(PLAIN)


@pytest.mark.parametrize(
    ("word", "peer", "state"),
    [
        ("NASLOUCHÁ", "0.0.0.0:*", "LISTEN"),
        ("OUÇA", "0.0.0.0:*", "LISTEN"),
        ("OU\ufffdA", "0.0.0.0:*", "LISTEN"),
        ("ABH\u2122REN", "0.0.0.0:0", "LISTEN"),
        ("SPOJENO", "192.0.2.21:40312", "ESTABLISHED"),
        ("VERBUNDEN", "192.0.2.21:40312", "ESTABLISHED"),
        ("ESTABELECIDA", "192.0.2.21:40312", "ESTABLISHED"),
        ("POSLEDNÍ ACK", "192.0.2.21:40312", "LAST_ACK"),
        ("POSLEDN\ufffd ACK", "192.0.2.21:40312", "UNKNOWN"),
        ("CLOSE", "0.0.0.0:*", "CLOSE"),
    ],
)
@pytest.mark.parametrize("tail", ["", "-", "42/602sql11", "root       1081       42/602sql11", "0  1081"])
def test_states_in_other_languages(word: str, peer: str, state: str, tail: str) -> None:
    """A translated or damaged state is understood with and without the columns that may follow it."""
    (one,) = parse(f"tcp        0      0 192.0.2.10:5002         {peer:<23} {word:<11} {tail}\n")
    owner = (42, "602sql11") if "602sql11" in tail else (None, None)
    assert (one.state, one.pid, one.process) == (state, *owner)


@pytest.mark.parametrize(
    ("column", "process"),
    [
        ("1234/nginx: master p", "nginx: master p"),
        ("1234/postgres: wal writer", "postgres: wal writer"),
        ("1234/avahi-daemon: r   ", "avahi-daemon: r"),
        ("1234/a/b 77/c", "a/b 77/c"),
        ("1234/x -", "x -"),
        ("1234/", ""),
        ("1234/602sql11          off (0.00/0/0)", "602sql11"),
        ("1234/my server  keepalive (7189.37/0/0)", "my server"),
        ("0 9082 1234/602sql11", "602sql11"),
        ("mssql      9082       1234/sqlservr       unkn-4 (3.21/0/0)", "sqlservr"),
    ],
)
@pytest.mark.parametrize("row", ["tcp 0 0 0.0.0.0:5002 0.0.0.0:* LISTEN ", "udp 0 0 0.0.0.0:5001 0.0.0.0:*          "])
def test_the_process_column(row: str, column: str, process: str) -> None:
    """Names with spaces, colons, slashes and dashes, the user and inode before them, the timer behind them."""
    (one,) = parse(row + column)
    assert (one.pid, one.process) == (1234, process)
    assert one.state == ("LISTEN" if one.protocol == "tcp" else None)


def test_other_rows_are_not_sockets_of_the_network() -> None:
    """Unix sockets, headings in any language and protocols that are not ours are skipped."""
    assert (
        parse(
            """\
(Not all processes could be identified, non-owned process info
Aktivní Internetová spojení (servery a navázaná spojení)
Proto Přích-F Odch-F Místní Adresa          Vzdálená Adresa         Stav      PID/Program name
sctp       0      0 192.0.2.10:2905         0.0.0.0:*               LISTEN      1/x
unix  2      [ ACC ]     STREAM     LISTENING     16423    1/init               /run/tcp
unix  3      [ ]         STREAM     CONNECTED     17000    800/dbus-daemon      /run/dbus
"""
        )
        == []
    )
    assert parse(HEADINGS) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "bash: netstat: command not found\n",
        "Active UNIX domain sockets (servers and established)\nProto RefCnt Flags       Type       State\n",
        "  TCP    0.0.0.0:1433           0.0.0.0:0              LISTENING       31\n",
    ],
)
def test_a_text_without_rows_and_heading_is_not_a_host_without_sockets(text: str) -> None:
    with pytest.raises(DbportsError, match="not what netstat of net-tools"):
        parse(text)


def test_inodes() -> None:
    """What netstat prints when this collection runs it: user and inode, and no name of a process."""
    text = (
        HEADINGS
        + "tcp6       0      0 :::5002        :::*       LISTEN      1000       1081\n"
        + "udp        0      0 0.0.0.0:5001   0.0.0.0:*              0          1082\n"
    )
    assert [(row.state, row.inode) for row in parse_rows(text)] == [("LISTEN", 1081), (None, 1082)]


@pytest.mark.parametrize(
    ("endpoint", "fix"),
    [
        ("2001:db8:1234:5678:1433", "-nWpaA"),
        ("192.168.100.20:ms-sql-s", "-nWpaA"),
        ("db.example.com:1433", "-nWpaA"),
        ("10.0.0.1.1433", "not a row"),
        ("192.0.2.10:70000", "-nWpaA"),
        ("192.0.2.10:\u0664", "-nWpaA"),
    ],
)
def test_cut_and_resolved_addresses_are_refused(endpoint: str, fix: str) -> None:
    """What netstat without -n or -W shortened is no address, and guessing would blame the wrong peer."""
    with pytest.raises(DbportsError, match=fix):
        parse(f"tcp6       0      0 {endpoint}        :::*        LISTEN      -")


@pytest.mark.parametrize("name", ["x (0.00/0/0)", "a off (0.00/0/0)", "on (1.00/2/3)"])
@pytest.mark.parametrize("headings", ["", HEADINGS])
def test_a_name_that_looks_like_a_timer(name: str, headings: str) -> None:
    """Only where every row has a timer are they timers."""
    row = f"tcp        0      0 0.0.0.0:5002            0.0.0.0:*               LISTEN      42/{name}\n"
    other = "tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      1/sshd\n"
    assert [(one.pid, one.process) for one in parse(headings + row + other)] == [(42, name), (1, "sshd")]
    if headings:
        assert [(one.pid, one.process) for one in parse(headings + row)] == [(42, name)]


@pytest.mark.parametrize("fake", ["tcp", "tcp 0 0 *:80 *:*", "tcp6 0 0 :::1 :::*", "tcp 0 0 1.2.3.4:5 *:*"])
def test_a_line_end_in_a_name_makes_no_row(fake: str) -> None:
    """What fits into a name is too short for a row: it is refused, or no row at all."""
    row = "tcp        0      0 0.0.0.0:5002            0.0.0.0:*               LISTEN      42/x"
    try:
        found = parse(f"{HEADINGS}{row}\n{fake}\n")
    except DbportsError as error:
        assert error.code in ("malformed_answer", "not_an_address")
    else:
        assert [one.local_port for one in found] == [5002]


def test_addresses_that_may_be_cut() -> None:
    """An IPv6 address that fills its column may have been longer, unless the text has longer ones."""
    row = "tcp6       0      0 2001:db8::1234:567:1433 :::*                    LISTEN      -\n"
    wide = "tcp6       0      0 2001:db8:0:1:2:3:4:5678:1433 :::*                    LISTEN      -\n"
    with pytest.raises(DbportsError, match="may be cut"):
        parse(HEADINGS + row)
    assert [one.local_address for one in parse(HEADINGS + row + wide)] == [
        "2001:db8::1234:567",
        "2001:db8:0:1:2:3:4:5678",
    ]


@pytest.mark.parametrize("number", ["9" * 4300, "9" * 11, "\u0661"])
@pytest.mark.parametrize(
    "row",
    [
        "tcp 0 0 0.0.0.0:{} 0.0.0.0:* LISTEN 1/x",
        "tcp {} 0 0.0.0.0:5002 0.0.0.0:* LISTEN {}/x",
        "raw 0 0 0.0.0.0:1 0.0.0.0:* {}",
    ],
)
def test_numbers_without_end(row: str, number: str) -> None:
    """They are refused or part of a word, and never an error of another kind."""
    try:
        found = parse(HEADINGS + row.replace("{}", number))
    except DbportsError:
        return
    assert [one.pid for one in found] == [None]


def test_half_a_row_is_refused() -> None:
    """A row that breaks off is an error, not one listener less."""
    with pytest.raises(DbportsError, match="not a row of netstat"):
        parse("tcp        0      0 0.0.0.0:5002\n")


def test_zone_ids_are_left_out() -> None:
    """An address with the id of a zone is the address."""
    (one,) = parse("udp6 0 0 fe80::1%eth0:546 :::* 5/dhclient")
    assert (one.local_address, one.local_port) == ("fe80::1", 546)
