# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true of whatever a reader of sockets makes of any text, for Hypothesis and for atheris."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterable

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat import (
    bsd,
    net_tools,
    netlink,
    proc,
    ss,
    text,
    windows,
)
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import KERNEL_STATES, Socket

Reader = Callable[[str], list[Socket]]
HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
"""Of the files of /proc/net."""

ROWS = (
    "tcp        0      0 0.0.0.0:5002            0.0.0.0:*               LISTEN      23423/602sql11",
    "tcp6       0      0 2001:db8::10:1433       2001:db8::21:50122      ESTABLISHED 0 1081 31/sqlservr off (0.00/0/0)",
    "udp6       0      0 :::1434                 :::*                                -",
    'tcp LISTEN 0 128 [::]:54519 [::]:* users:(("python3",pid=5609,fd=6),("b",pid=2,fd=4))',
    'tcp LISTEN 0 128 *:22 *:* users:(("sshd",1231,3)) ino:637 sk:2 cgroup:/ <->',
    "   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1081 1 0 100 0",
    "  TCP    192.0.2.10:1433        192.0.2.22:50123       ESTABLISHED     3120",
    "  UDP    [fe80::1%16]:1434      *:*                                    2044",
    " [sqlservr.exe]",
    "tcp46      0      0  *.1433                 *.*                    LISTEN",
    "udp4       0      0  192.0.2.10.50123       192.0.2.53.53",
    "Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name",
    "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess",
    'users:(("',
    "tcp udp raw icmp6",
)
"""Rows and headings of all formats, and the beginnings of some."""


def _sockets(rows: Iterable[proc.Row]) -> list[Socket]:
    return [row.socket() for row in rows]


def _messages(content: str) -> list[Socket]:
    data = content.encode("utf-16-le", "surrogatepass")
    return [netlink.row("tcp", *message).socket() for message in netlink.messages([data])]


TEXTS: tuple[Reader, ...] = (
    net_tools.parse,
    ss.parse,
    windows.parse,
    bsd.parse,
    lambda content: text.parse(content)[1],
    lambda content: _sockets(net_tools.parse_rows(content)),
    lambda content: _sockets(ss.parse_rows(content)),
)
KERNEL: tuple[Reader, ...] = (
    lambda content: _sockets(proc.parse(HEADING + content, "udp")),
    _messages,
)


READERS = TEXTS + KERNEL


def check(content: str, read: Reader) -> None:
    """Let a reader read a text.

    :raises AssertionError: when what comes out makes no sense.
    :raises Exception: when it raises anything but DbportsError.
    """
    try:
        found = read(content)
    except DbportsError as error:
        assert str(error)
        return
    known = any(word in content for word in ("Proto ", "Netid", "BOUND"))
    assert found or known or read in KERNEL, "no heading says that there are no sockets"
    for one in found:
        _check_socket(one)


def _check_socket(one: Socket) -> None:
    for address in (one.local_address, one.remote_address):
        assert address is None or str(ipaddress.ip_address(address)) == address
    assert one.protocol in ("tcp", "udp", "icmp", "raw")
    assert (one.family == "ipv6") == (":" in one.local_address)
    assert one.state in (None, "UNKNOWN", *KERNEL_STATES.values())
    assert one.state or one.protocol != "tcp"
    for port in (one.local_port, one.remote_port):
        assert port is None or 1 <= port <= 65535
    assert one.pid is None or 0 <= one.pid < 10**10
    assert json.dumps(one._asdict())
