# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TDS: the PRELOGIN exchange, the first packet each way on a SQL Server connection.

Source: [MS-TDS] 2.2.3.1 (packet header, big-endian) and 2.2.6.5 (PRELOGIN). It needs no account, and the server
accepts it before any login; a server set to strict encryption (TDS 8.0) wants TLS first and closes instead.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, malformed
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.module_utils._probe import ssrp, tcp
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    MAX_PORTS,
    Answer,
    Deadline,
    Outcome,
    ProbeKind,
    Question,
    Target,
    of_error,
)

PRELOGIN, TABULAR_RESULT = 0x12, 0x04
VERSION, ENCRYPTION, INSTANCE, TERMINATOR = 0x00, 0x01, 0x02, 0xFF
HEADER = struct.Struct(">BBHHBB")
OPTION = struct.Struct(">BHH")
MAX_PACKET = 4096
"""The packet size before a login has agreed on another one, header included."""


@dataclass(frozen=True)
class PreloginResponse:
    """What a server says of itself before a login.

    ``version`` is its product version such as ``16.0.4150``; ``other_instance`` tells that it denies to be the
    instance it was asked for (the INSTOPT option), None when it did not say.
    """

    version: str
    other_instance: bool | None


def encode_prelogin(instance: str | None = None) -> bytes:
    """Return a PRELOGIN packet, with the instance's name when one is given.

    :raises DbportsError: when the name is not ASCII or has a NUL.
    """
    name = instance or ""
    if not name.isascii() or "\0" in name:
        raise DbportsError("a probe can only ask for an instance with an ASCII name", code="not_a_name", value=instance)
    options = [
        (VERSION, bytes(6)),
        (ENCRYPTION, b"\x00"),  # available, but off: it asks for nothing
        (INSTANCE, name.encode("ascii") + b"\0"),
    ]
    offset = OPTION.size * len(options) + 1
    heads = data = b""
    for token, value in options:
        heads += OPTION.pack(token, offset + len(data), len(value))
        data += value
    body = heads + bytes([TERMINATOR]) + data
    return HEADER.pack(PRELOGIN, 1, HEADER.size + len(body), 0, 1, 0) + body


def parse_header(data: bytes) -> int:
    """Return the length of the body that follows an answer's 8-byte header.

    :raises DbportsError: when it is no header of a PRELOGIN answer.
    """
    if len(data) != HEADER.size:
        raise malformed("the answer is not a TDS packet")
    kind, status, length, _spid, _number, _window = HEADER.unpack(data)
    if kind != TABULAR_RESULT or not status & 1 or not HEADER.size < length <= MAX_PACKET:
        raise malformed("the answer is not a TDS packet")
    return int(length) - HEADER.size


def parse_prelogin_response(body: bytes) -> PreloginResponse:
    """Read the body of a PRELOGIN answer.

    :raises DbportsError: when it is malformed or has no version.
    """
    options: dict[int, bytes] = {}
    at = 0
    while True:
        if at >= len(body):
            raise malformed("the options of the TDS answer have no end")
        if body[at] == TERMINATOR:
            break
        if at + OPTION.size > len(body):
            raise malformed("the TDS answer ends in the middle of an option")
        token, offset, length = OPTION.unpack_from(body, at)
        if offset + length > len(body):
            raise malformed("a TDS option points past the end of the answer")
        options.setdefault(token, body[offset : offset + length])
        at += OPTION.size
    if len(options.get(VERSION, b"")) != 6:
        raise malformed("the TDS answer has no version")
    major, minor, build = struct.unpack(">BBH", options[VERSION][:4])
    said = options.get(INSTANCE)
    return PreloginResponse(f"{major}.{minor}.{build}", said != b"\0" if said else None)


def probe(target: Target, deadline: Deadline) -> Outcome:
    """Connect and exchange PRELOGIN; in a range of ports, at the one that SQL Server Browser names."""
    if not _is_dynamic(target):
        return tcp.connect(target, deadline, _talk(target))
    name = _instance_of(target)
    # Half of the time at most, so that the connection has some left.
    there = _found(target, lambda: ssrp.find_instance(target.address, ssrp.PORT, name, Deadline(deadline.left() / 2)))
    return there if isinstance(there, Outcome) else _by_browser(probe(there, deadline))


def question(target: Target) -> Question:
    """Return the same for another program to carry."""
    if not _is_dynamic(target):
        return tcp.question(target, _talk(target))
    request, read = ssrp.instance_query(_instance_of(target))

    def ask_on(answer: Answer) -> Outcome | Question:
        there = _found(target, lambda: ssrp.first(answer, read))
        if isinstance(there, Outcome):
            return there
        second = tcp.question(there, _talk(there))

        def judge(heard: Answer) -> Outcome | Question:
            found = second.judge(heard)
            return _by_browser(found) if isinstance(found, Outcome) else found

        return second._replace(judge=judge)

    return Question("udp", target.address, ssrp.PORT, request, ask_on)


def _is_dynamic(target: Target) -> bool:
    return bool(target.ports and target.ports.first != target.ports.last)


def _talk(target: Target) -> tcp.Talk:
    def judge(data: bytes) -> Outcome | None:
        if len(data) < HEADER.size:
            return None
        end = HEADER.size + parse_header(data[: HEADER.size])
        if len(data) < end:
            return None
        response = parse_prelogin_response(data[HEADER.size : end])
        detail = f"SQL Server {response.version} answered"
        if target.instance and response.other_instance:
            detail += f", but reports that it is another instance than {target.instance}"
        return Outcome("answers", detail)

    return tcp.Talk(encode_prelogin(target.instance), judge)


def _instance_of(target: Target) -> str:
    """Return the instance whose port is not known.

    :raises DbportsError: when it is not named.
    """
    if not target.instance:
        what = f"the range {target.ports} does not say which port to try, and no instance is named"
        raise DbportsError(what, code="missing", path="instance")
    return target.instance


def _found(target: Target, ask: Callable[[], ssrp.Instance]) -> Target | Outcome:
    """Ask SQL Server Browser for the port, as a client does, and return where to go, or why that is not known."""
    try:
        found = ask()
    except OSError as error:
        what = of_error(error, no_answer="silent").detail
        return Outcome("unknown", f"the port is dynamic, and SQL Server Browser on UDP 1434 did not report it: {what}")
    if found.tcp_port is None:
        return Outcome("unknown", f"SQL Server Browser reported no TCP port for {target.instance}")
    if target.ports and found.tcp_port not in target.ports:
        detail = f"SQL Server Browser reported port {found.tcp_port}, which is not in the planned range {target.ports}"
        return Outcome("unknown", detail, found.tcp_port)
    return target._replace(ports=PortRange(found.tcp_port, found.tcp_port))


def _by_browser(found: Outcome) -> Outcome:
    return replace(found, detail=f"{found.detail} (port reported by SQL Server Browser)")


KIND = ProbeKind("tds", ("tcp",), max_ports=MAX_PORTS, run=probe, question=question, names_instance=True)
