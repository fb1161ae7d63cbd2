# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of netstat of Windows, in several languages and with several options."""

from __future__ import annotations

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import ANY_IPV4, Socket
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.windows import parse

HEADINGS = (
    "\r\nActive Connections\r\n\r\n  Proto  Local Address          Foreign Address        State           PID\r\n"
)
ANO = (
    HEADINGS
    + """\
  TCP    0.0.0.0:80             0.0.0.0:0              LISTENING       4\r
  TCP    0.0.0.0:1433           0.0.0.0:0              LISTENING       3120\r
  TCP    192.0.2.10:1433        192.0.2.21:50122       ESTABLISHED     3120\r
  TCP    192.0.2.10:1433        192.0.2.22:50123       TIME_WAIT       0\r
  TCP    [::]:1433              [::]:0                 LISTENING       3120\r
  TCP    [fe80::1%16]:1434      [::]:0                 LISTENING       3120\r
  TCP    [2001:db8::10]:1433    [2001:db8::21]:50124   CLOSE_WAIT      3120\r
  UDP    0.0.0.0:1434           *:*                                    2044\r
  UDP    [::]:1434              *:*                                    2044\r
"""
)


def test_every_kind_of_row() -> None:
    """Listeners, connections, zones, both families; TIME_WAIT has no owner, and pid 4 is the system."""
    assert parse(ANO) == [
        Socket("ipv4", "tcp", "LISTEN", ANY_IPV4, 80, None, None, 4, "System"),
        Socket("ipv4", "tcp", "LISTEN", ANY_IPV4, 1433, None, None, 3120),
        Socket("ipv4", "tcp", "ESTABLISHED", "192.0.2.10", 1433, "192.0.2.21", 50122, 3120),
        Socket("ipv4", "tcp", "TIME_WAIT", "192.0.2.10", 1433, "192.0.2.22", 50123),
        Socket("ipv6", "tcp", "LISTEN", "::", 1433, None, None, 3120),
        Socket("ipv6", "tcp", "LISTEN", "fe80::1", 1434, None, None, 3120),
        Socket("ipv6", "tcp", "CLOSE_WAIT", "2001:db8::10", 1433, "2001:db8::21", 50124, 3120),
        Socket("ipv4", "udp", None, ANY_IPV4, 1434, None, None, 2044),
        Socket("ipv6", "udp", None, "::", 1434, None, None, 2044),
    ]


ANOB = """\
  Proto  Local Address          Foreign Address        State           PID
  TCP    0.0.0.0:135            0.0.0.0:0              LISTENING       900
  RpcEptMapper
 [svchost.exe]
  TCP    0.0.0.0:445            0.0.0.0:0              LISTENING       4
 Can not obtain ownership information
  TCP    0.0.0.0:1433           0.0.0.0:0              LISTENING       3120
 [sqlservr.exe]
  TCP    192.0.2.10:1433        192.0.2.22:50123       TIME_WAIT       0
  UDP    0.0.0.0:1434           *:*                                    2044
 [sqlbrowser.exe]
"""


@pytest.mark.parametrize("pids", [True, False])
def test_programs_behind_their_rows(pids: bool) -> None:
    """With -b the program follows in brackets, after the name of a service or a message; without -o it has no pid."""
    text = ANOB if pids else "".join(line.rstrip("0123456789") + "\n" for line in ANOB.splitlines())
    assert [(one.pid, one.process) for one in parse(text)] == [
        (900 if pids else None, "svchost.exe"),
        (4, "System") if pids else (None, None),
        (3120 if pids else None, "sqlservr.exe"),
        (None, None),
        (2044 if pids else None, "sqlbrowser.exe"),
    ]


@pytest.mark.parametrize(
    ("word", "peer", "state"),
    [
        ("ABHÖREN", "0.0.0.0:0", "LISTEN"),
        ("ABH\u2122REN", "0.0.0.0:0", "LISTEN"),
        ("ABH?REN", "0.0.0.0:0", "LISTEN"),
        ("ABH\ufffdREN", "[::]:0", "LISTEN"),
        ("HERGESTELLT", "192.0.2.21:50122", "ESTABLISHED"),
        ("WARTEND", "192.0.2.21:50122", "TIME_WAIT"),
        ("SCHLIESSEN_WARTEN", "192.0.2.21:50122", "CLOSE_WAIT"),
        ("FIN_WARTEN_2", "192.0.2.21:50122", "FIN_WAIT2"),
        ("WARTEN AUF SCHLIESSEN", "192.0.2.21:50122", "UNKNOWN"),
        ("SYN_RECEIVED", "192.0.2.21:50122", "SYN_RECV"),
    ],
)
@pytest.mark.parametrize("heading", ["Aktive Verbindungen", "Connexions actives", "Активные подключения", ""])
def test_states_in_other_languages(word: str, peer: str, state: str, heading: str) -> None:
    """A listener is known by its peer, whatever became of its state; the headings say nothing."""
    local = "[::]:1433" if "[" in peer else "192.0.2.10:1433"
    (one,) = parse(f"{heading}\n\n  TCP    {local:<22} {peer:<22} {word}     3120\n")
    assert (one.state, one.pid) == (state, 3120)


def test_other_columns_and_ports_that_only_are_taken() -> None:
    """-t adds a column behind the pid; a port of -q in the state BOUND has no listener."""
    text = """\
  TCP    0.0.0.0:1433           0.0.0.0:0              LISTENING       3120     InHost
  TCP    0.0.0.0:50000          0.0.0.0:0              BOUND           3120
 [sqlservr.exe]
"""
    assert parse(text) == [Socket("ipv4", "tcp", "LISTEN", ANY_IPV4, 1433, None, None, 3120)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADINGS,
        "  TCP    0.0.0.0:135",
        "  TCP    0.0.0.0:14\r33         0.0.0.0:0              LISTENING       4",
        "  TCP    0.0.0.0:135            DB01:0                 LISTENING",
        "  TCP    db01:ms-sql-s          app-01:50122           ESTABLISHED     3120",
        "  TCP    192.0.2.10:1433        192.0.2.21:50122",
        "  TCP    192.0.2.10:1433        192.0.2.21:50122       ESTABLISHED     3120   31455",
        "  UDP    0.0.0.0:1434           *:*                    LISTENING",
        f"  TCP    0.0.0.0:{'9' * 4300}  0.0.0.0:0  LISTENING",
        "  State   Time in State (ms)\n  TCP    192.0.2.10:1433        192.0.2.21:50122       ESTABLISHED     31455\n",
    ],
)
def test_what_cannot_be_read_is_an_error(text: str) -> None:
    """Names, half rows, a host without any socket, and numbers that may be times."""
    with pytest.raises(DbportsError):
        parse(text)
