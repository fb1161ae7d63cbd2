# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SOCKS 4: ask a SOCKS host for a connection to a server, as a 602SQL client does, and end it.

Source: SOCKS: A protocol for TCP proxy across firewalls (Ying-Da Lee, NEC), as 602SQL sends it: CONNECT by address and
with an empty user id (cejpmart/602sql11, krnl/msw/tcpip.cpp). Answers of Dante 1.4.2 were observed.
"""

from __future__ import annotations

import struct

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, malformed
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.module_utils._probe import tcp
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    Deadline,
    Outcome,
    ProbeKind,
    Question,
    Target,
)

_MESSAGE = struct.Struct(">BBHI")
_VERSION, _CONNECT, _GRANTED, _REFUSED = 4, 1, 0x5A, (0x5B, 0x5C, 0x5D)

DENIED = "the SOCKS host answered 0x{:02x}: it refuses the request, or the server does; SOCKS 4 does not tell which"
MUTE = "the SOCKS host hung up, as Dante does where the host is none of its clients"


def request(server: str) -> bytes:
    """Return the nine bytes that ask for a connection.

    :param server: an IPv4 address and a port, such as ``198.51.100.10:5002``.
    :raises DbportsError: for anything else.
    """
    address, _colon, port = server.rpartition(":")
    where, number = AddressRange.address(address), PortRange.parse(port)
    if where.family != 4:
        raise DbportsError("SOCKS 4 carries only IPv4", code="not_an_address", path="instance", value=server)
    return _MESSAGE.pack(_VERSION, _CONNECT, number.first, where.first) + b"\0"


def parse_answer(data: bytes) -> int:
    """Read the answer of a SOCKS host; returns its code, 0x5a where it granted the request.

    :raises DbportsError: when it is none.
    """
    if len(data) != _MESSAGE.size:
        raise malformed("the answer is not one of SOCKS 4", data[:16])
    version, code = data[0], data[1]
    if version != 0 or code not in (_GRANTED, *_REFUSED):
        raise malformed("the answer is not one of SOCKS 4", data)
    return code


def question(target: Target) -> Question:
    """Return the same for another program to carry."""
    return tcp.question(target, _talk(target))


def probe(target: Target, deadline: Deadline) -> Outcome:
    """Ask the SOCKS host for a connection to the server that the instance names."""
    return tcp.connect(target, deadline, _talk(target))


def _talk(target: Target) -> tcp.Talk:
    def judge(data: bytes) -> Outcome | None:
        if len(data) < _MESSAGE.size:
            return None
        code = parse_answer(data[: _MESSAGE.size])  # what follows is the server's
        if code == _GRANTED:
            return Outcome("answers", f"the SOCKS host connected to {target.instance}")
        return Outcome("refused", DENIED.format(code))

    return tcp.Talk(request(target.instance or ""), judge, MUTE)


KIND = ProbeKind("socks", ("tcp",), max_ports=1, run=probe, question=question, names_instance=True)
