# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSRP: asking SQL Server Browser on UDP 1434 which port an instance has.

Source: [MC-SQLR] 2.2.3 (CLNT_UCAST_EX), 2.2.4 (CLNT_UCAST_INST) and 2.2.5 (SVR_RESP). Integers are little-endian. The
Browser is silent about instances that are unknown or hidden, and leaves out the port of the default instance.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, malformed
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    Answer,
    Deadline,
    Outcome,
    ProbeKind,
    Question,
    Target,
    family_of,
    is_timeout,
    of_error,
    printable,
)

PORT = 1434
MAX_NAME = 32
"""Bytes of an instance's name in a request, without its terminator."""

SVR_RESP = 0x05
_T = TypeVar("_T")


@dataclass(frozen=True)
class Instance:
    """One instance as the Browser describes it; ``tcp_port`` is None when it does not say one."""

    server: str
    name: str
    version: str
    tcp_port: int | None
    protocols: dict[str, str] = field(default_factory=dict)


def name_bytes(instance: str) -> bytes:
    """Return an instance's name for a request.

    Only ASCII: the protocol's MBCS means the code page of the server, which nobody here knows.

    :raises DbportsError: when the name cannot be asked for.
    """
    if not instance or not instance.isascii() or not instance.isprintable() or ";" in instance:
        raise DbportsError(
            "a probe can only ask for an instance with a printable ASCII name", code="not_a_name", value=instance
        )
    if len(instance) > MAX_NAME:
        raise DbportsError(f"an instance's name has at most {MAX_NAME} bytes", code="not_a_name", value=instance)
    return instance.encode("ascii")


def encode_list_request() -> bytes:
    """Return CLNT_UCAST_EX: asks for all instances."""
    return b"\x03"


def encode_instance_request(instance: str) -> bytes:
    """Return CLNT_UCAST_INST: asks for one instance.

    :raises DbportsError: when the name cannot be asked for.
    """
    return b"\x04" + name_bytes(instance) + b"\0"


def parse_response(data: bytes) -> tuple[Instance, ...]:
    """Read SVR_RESP: the instances it describes, at least one.

    :raises DbportsError: when the answer is malformed.
    """
    if len(data) < 3 or data[0] != SVR_RESP:
        raise malformed("the answer is not an SSRP answer", data[:16])
    if struct.unpack_from("<H", data, 1)[0] != len(data) - 3:
        raise malformed("the length of the SSRP answer is not the one it states", data[:16])
    if not data.endswith(b";;"):
        raise malformed("the SSRP answer ends inside an instance", data[-16:])
    # Bytes that are not ASCII belong to an unknown code page; they must not make the rest unreadable.
    tokens = data[3:].decode("ascii", "replace").split(";")
    found: list[Instance] = []
    at = 0
    # The text ends with ";;" and so the tokens with two empty ones: a key is never the last token.
    while at < len(tokens) - 1:
        pairs: dict[str, str] = {}
        while tokens[at]:
            pairs.setdefault(tokens[at].lower(), tokens[at + 1])
            at += 2
        at += 1
        found.append(_instance(pairs))
    return tuple(found)


def _instance(pairs: dict[str, str]) -> Instance:
    known = ("servername", "instancename", "isclustered", "version")
    if not pairs.get("instancename"):
        raise malformed("the SSRP answer has an instance without a name")
    protocols = {key: value for key, value in pairs.items() if key not in known}
    return Instance(
        server=pairs.get("servername", ""),
        name=pairs["instancename"],
        version=pairs.get("version", ""),
        tcp_port=parse_port(pairs["tcp"]) if "tcp" in pairs else None,
        protocols=protocols,
    )


def parse_port(text: str) -> int:
    """Read a port in decimal.

    :raises DbportsError: when it is none.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise malformed("the SSRP answer names an invalid port", text)
    return int(text)


def ask(address: str, port: int, request: bytes, read: Callable[[bytes], _T], deadline: Deadline) -> _T:
    """Send a request and return the first answer that ``read`` accepts.

    :raises DbportsError: when only answers came that ``read`` refused.
    :raises OSError: when none came in time, or an ICMP message did.
    """
    return next(answers(address, port, request, read, deadline))


def answers(
    address: str, port: int, request: bytes, read: Callable[[bytes], _T], deadline: Deadline, quiet: float = 0.0
) -> Iterator[_T]:
    """Send a request and yield the answers that ``read`` accepts, at least one.

    The socket is connected: the kernel drops datagrams from any other address or port. The request goes out twice
    unless it is answered, as datagrams get lost.

    :param quiet: seconds to wait for others after the first answer.
    :raises DbportsError: when only answers came that ``read`` refused.
    :raises OSError: when none came in time, or an ICMP message did.
    """
    refusal: DbportsError | None = None
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as sock:
        sock.connect((address, port))
        for half in (Deadline(deadline.left() / 2), deadline):
            sock.send(request)
            until, heard = half, False
            while True:
                try:
                    until.arm(sock)
                    found = read(sock.recv(65535))
                except DbportsError as error:
                    refusal = error
                except OSError as error:
                    if heard:
                        return
                    if is_timeout(error):
                        break
                    raise
                else:
                    until = until if heard else Deadline(min(quiet, deadline.left()))
                    heard = True
                    yield found
    raise refusal or TimeoutError("no answer")


def first(answer: Answer, read: Callable[[bytes], _T]) -> _T:
    """Return the first answer that ``read`` accepts among those that another program heard.

    :raises DbportsError: when ``read`` refused all of them.
    :raises OSError: when there are none.
    """
    refusal: DbportsError | None = None
    for data in answer.data:
        try:
            return read(data)
        except DbportsError as error:
            refusal = error
    raise refusal or answer.error or TimeoutError("no answer")


class Query(NamedTuple):
    """What a kind of probe asks a Browser.

    :param read: returns the detail of an answer; raises DbportsError.
    :param hint: what silence may mean, beside a lost packet.
    """

    request: bytes
    read: Callable[[bytes], str]
    hint: str

    def ask(self, target: Target, deadline: Deadline) -> Outcome:
        """Ask from this host."""
        return put_question(
            target, lambda: ask(target.address, target.port, self.request, self.read, deadline), self.hint
        )

    def carried(self, target: Target) -> Question:
        """Return the same for another program to carry."""

        def judge(answer: Answer) -> Outcome:
            return put_question(target, lambda: first(answer, self.read), self.hint)

        return Question("udp", target.address, target.port, self.request, judge)


def instance_query(instance: str | None) -> tuple[bytes, Callable[[bytes], Instance]]:
    """Return the request for an instance, or for all, and what reads the instance, or the first, from an answer.

    :raises DbportsError: when the name cannot be asked for.
    """

    def read(data: bytes) -> Instance:
        for found in parse_response(data):
            if instance is None or found.name.lower() == instance.lower():
                return found
        raise malformed(f"SQL Server Browser answered about another instance than {instance}")

    return encode_instance_request(instance) if instance else encode_list_request(), read


def find_instance(address: str, port: int, instance: str | None, deadline: Deadline) -> Instance:
    """Ask a Browser for an instance, or for the first of all.

    :raises DbportsError: when it answers with something else.
    :raises OSError: when it does not answer in time.
    """
    return ask(address, port, *instance_query(instance), deadline)


def put_question(target: Target, question: Callable[[], str], hint: str) -> Outcome:
    """Put a question to a Browser and return what came of it.

    :param question: asks, and returns the detail of an answer; may raise what ``ask`` raises.
    :param hint: what silence may mean, beside a lost packet.
    """
    try:
        return Outcome("answers", question(), target.port, True)
    except DbportsError as error:
        return Outcome("unknown", error.reason, target.port, True)
    except OSError as error:
        outcome = of_error(error, target.port, no_answer="silent")
        return replace(outcome, detail=outcome.detail + hint) if outcome.verdict == "silent" else outcome


def _query(target: Target) -> Query:
    request, read = instance_query(target.instance)

    def tell(data: bytes) -> str:
        found = read(data)
        where = f"tcp port {found.tcp_port}" if found.tcp_port else "no tcp port reported"
        return f"instance {printable(found.name)}, {where}"

    hint = ": a firewall drops the packets, or SQL Server Browser does not know the instance or hides it"
    return Query(request, tell, hint if target.instance else "")


def probe(target: Target, deadline: Deadline) -> Outcome:
    """Ask the Browser; the detail says the instance's port."""
    return _query(target).ask(target, deadline)


def question(target: Target) -> Question:
    """Return the same for another program to carry."""
    return _query(target).carried(target)


KIND = ProbeKind("ssrp", ("udp",), max_ports=1, run=probe, question=question, names_instance=True)
