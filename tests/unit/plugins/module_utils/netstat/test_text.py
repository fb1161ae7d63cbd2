# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of all systems: read as what they are, or refused by name."""

from __future__ import annotations

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat import bsd
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import ANY_IPV4
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.text import FORMATS, parse, read

NET_TOOLS = """\
Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name
tcp        0      0 0.0.0.0:1433            0.0.0.0:*               LISTEN      31/sqlservr
"""
SS = """\
Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess
tcp   LISTEN 0      128          0.0.0.0:1433      0.0.0.0:*    users:(("sqlservr",pid=31,fd=3))
"""
WINDOWS = (
    "\ufeff\r\nActive Connections\r\n\r\n  TCP    0.0.0.0:1433           0.0.0.0:0              LISTENING       31\r\n"
)
BSD = """\
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp4       0      0  *.1433                 *.*                    LISTEN
"""
BSD_HEADINGS = (
    BSD.splitlines()[0],
    "Proto Recv-Q Send-Q Local Address          Foreign Address        (state)",  # FreeBSD since 11, with libxo
    "Tcpcb            Proto Recv-Q Send-Q Local Address      Foreign Address    (state)",  # the same with -A
    "Proto   Recv-Q Send-Q  Local Address          Foreign Address        TCP-State",  # OpenBSD
    "Proto Recv-Q Send-Q  Local Address          Foreign Address        State",  # NetBSD
)
TEXTS = {"netstat of Windows": WINDOWS, "netstat of macOS": BSD, "netstat of net-tools": NET_TOOLS, "ss": SS}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("headings", [True, False])
def test_each_text_is_known(name: str, headings: bool) -> None:
    """By its heading or by its rows."""
    text = TEXTS[name] if headings else TEXTS[name].strip().splitlines()[-1]
    found, (one,) = parse(text)
    assert found.startswith(name)
    assert (one.state, one.local_address, one.local_port) == ("LISTEN", ANY_IPV4, 1433)


@pytest.mark.parametrize("heading", BSD_HEADINGS)
@pytest.mark.parametrize("rows", [BSD.splitlines()[1:], []])
def test_each_bsd_is_known_by_its_heading(heading: str, rows: list[str]) -> None:
    found, sockets = parse("\n".join(["Active Internet connections (including servers)", heading, *rows]))
    assert (found, len(sockets)) == (bsd.NAME, len(rows))


def test_all_formats_are_tried_here() -> None:
    assert {next(key for key in TEXTS if item.name.startswith(key)) for item in FORMATS} == set(TEXTS)


@pytest.mark.parametrize("hidden", [WINDOWS.strip(), BSD.splitlines()[1], "tcp LISTEN 0 1 0.0.0.0:1 0.0.0.0:*"])
@pytest.mark.parametrize("headings", [True, False])
def test_a_name_does_not_choose_the_format(hidden: str, headings: bool) -> None:
    """A process with a line end in its name can add what looks like a line, but none before the first."""
    first = NET_TOOLS if headings else NET_TOOLS.splitlines()[1] + "\n"
    try:
        assert parse(f"{first[:-1]}\n{hidden}\n")[0].startswith("netstat of net-tools")
    except DbportsError as error:
        assert "not a row of netstat" in str(error)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("State  Recv-Q Send-Q Local Address:Port\nLISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n", "ss without the column Netid"),
        ("LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n", "ss without the column Netid"),
        ("TCP: IPv4\n   Local Address        Remote Address    Swind Send-Q Rwind Recv-Q    State\n", "Solaris"),
        ("UDP: IPv4\n   Local Address        Remote Address      State\n", "Solaris"),
        ("COMMAND  PID USER   FD   TYPE DEVICE SIZE/OFF NODE NAME\n", "lsof"),
        ("USER     COMMAND    PID   FD PROTO  LOCAL ADDRESS         FOREIGN ADDRESS\n", "sockstat"),
        ("LocalAddress  LocalPort RemoteAddress RemotePort State\n", "Get-NetTCPConnection"),
        ("", "not the output of netstat or ss"),
        ("bash: netstat: command not found\n", "not the output of netstat or ss"),
        ("Netzwerkverbindungen\n\nkeine\n", "not the output of netstat or ss"),
    ],
)
def test_other_texts_are_refused_by_name(text: str, name: str) -> None:
    with pytest.raises(DbportsError, match=name):
        parse(text)


def test_plain_data() -> None:
    """What the filter returns."""
    found = read(WINDOWS)
    assert found["source"] == "netstat of Windows"
    assert found["sockets"][0]["pid"] == 31
    for wrong in (None, [NET_TOOLS], {}):
        with pytest.raises(DbportsError, match="expected the output"):
            read(wrong)
