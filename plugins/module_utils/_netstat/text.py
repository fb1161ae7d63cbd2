# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text of sockets from any system -> the program that printed it, and the sockets."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, Protocol

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat import bsd, net_tools, ss, windows
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket


class _Parse(Protocol):
    def __call__(self, text: str) -> list[Socket]: ...


class Format(NamedTuple):
    """The output of one program.

    :param signs: its rows and headings, which no other program prints.
    """

    name: str
    signs: tuple[re.Pattern[str], ...]
    parse: _Parse


# What tells BSD from net-tools is the dot before the port, so its rows come first, and its headings are more exact.
FORMATS = (
    Format(windows.NAME, (windows.ROW,), windows.parse),
    Format(bsd.NAME, (bsd.ROW, bsd.HEADING), bsd.parse),
    Format(net_tools.NAME, (net_tools.ROW, net_tools.HEADING), net_tools.parse),
    Format(ss.NAME, (ss.ROW, ss.HEADING), ss.parse),
)

_REFUSED = {
    "ss without the column Netid": ss.NO_PROTOCOL,
    "netstat of Solaris": re.compile(r"^ *Local Address +Remote Address +(?:Swind|State)\b", re.MULTILINE),
    "lsof": re.compile(r"^COMMAND +PID +USER +FD ", re.MULTILINE),
    "sockstat": re.compile(r"^USER +COMMAND +PID +FD ", re.MULTILINE),
    "Get-NetTCPConnection or Get-NetUDPEndpoint": re.compile(r"^ *LocalAddress +(?:LocalPort|:)", re.MULTILINE),
}
_FIX = (
    "Use the output of netstat -nWpaA inet,inet6 or ss -naeptuw on Linux, netstat -ano on Windows, netstat -an on macOS"
)


def parse(text: str) -> tuple[str, list[Socket]]:
    """Read what netstat or ss printed, whatever the system and its language.

    The format is that of the first row or heading: a process may have another one's row in its name, but a heading and
    a row are printed before any name.

    :returns: the name of the format, and the sockets in the order of :meth:`Socket.order`.
    :raises DbportsError: for a text of no known format, or one that its format cannot read.
    """
    text = text.lstrip("\ufeff")
    places = [
        (match.start(), number)
        for number, item in enumerate(FORMATS)
        for match in (sign.search(text) for sign in item.signs)
        if match
    ]
    if not places:
        refused = next((name for name, sign in _REFUSED.items() if sign.search(text)), None)
        reason = f"the output of {refused} cannot be read" if refused else "not the output of netstat or ss"
        raise DbportsError(reason, code="malformed_answer", value=text, fix=_FIX)
    found = FORMATS[min(places)[1]]
    return found.name, sorted(found.parse(text), key=Socket.order)


def read(text: Any) -> dict[str, Any]:
    """Return what :func:`parse` returns as plain data, ``source`` and ``sockets``.

    :raises DbportsError: see :func:`parse`, and for what is no text.
    """
    if not isinstance(text, str):
        raise DbportsError("expected the output of netstat or ss", value=text)
    source, sockets = parse(str(text))
    return {"source": source, "sockets": [one._asdict() for one in sockets]}
