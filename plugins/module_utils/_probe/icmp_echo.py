# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ICMP echo without the ping program: a ping socket where the kernel allows one, else a raw socket.

Source: RFC 792 and RFC 4443. A ping socket (Linux, sysctl net.ipv4.ping_group_range) needs no privilege, a raw one
needs CAP_NET_RAW.
"""

from __future__ import annotations

import os
import socket
import struct

from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    Answer,
    Deadline,
    Outcome,
    ProbeKind,
    Question,
    Target,
    family_of,
    of_error,
    tell_errors,
)

REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
HEADER = struct.Struct(">BBHHH")


def checksum(data: bytes) -> int:
    """Return the Internet checksum of RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def encode_echo(family: int, identifier: int, sequence: int, payload: bytes) -> bytes:
    """Return an echo request; the kernel fills in the checksum for IPv6, where it covers addresses too."""
    head = HEADER.pack(REQUEST[socket.AddressFamily(family)], 0, 0, identifier, sequence)
    if family == socket.AF_INET6:
        return head + payload
    return HEADER.pack(REQUEST[socket.AF_INET], 0, checksum(head + payload), identifier, sequence) + payload


def is_reply(family: int, data: bytes, sequence: int, payload: bytes, *, raw: bool) -> bool:
    """Tell whether a received packet is the reply to our request.

    :param raw: a raw IPv4 socket gives the IP header too.
    """
    if raw and family == socket.AF_INET:
        data = data[(data[0] & 0x0F) * 4 :] if data else b""
    if len(data) < HEADER.size:
        return False
    kind, code, _checksum, _identifier, number = HEADER.unpack_from(data)
    expected = (REPLY[socket.AddressFamily(family)], 0, sequence)
    # A ping socket's identifier is the kernel's; the random payload is what makes the reply ours.
    return (kind, code, number) == expected and data[HEADER.size :] == payload


def _socket(family: int) -> tuple[socket.socket, bool]:
    """Return a socket for ICMP, and whether it is a raw one.

    :raises PermissionError: when this user may have neither.
    """
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    try:
        return socket.socket(family, socket.SOCK_DGRAM, protocol), False
    except OSError:
        return socket.socket(family, socket.SOCK_RAW, protocol), True


def probe(target: Target, deadline: Deadline) -> Outcome:
    """Send an echo request and wait for its reply."""
    family = family_of(target.address)
    try:
        sock, raw = _socket(family)
    except OSError:
        detail = "an ICMP echo request needs root on this host, or a net.ipv4.ping_group_range that includes this user"
        return Outcome("unknown", detail)
    payload = os.urandom(16)
    with sock:
        try:
            tell_errors(sock)
            sock.connect((target.address, 0))
            for sequence, until in enumerate((Deadline(deadline.left() / 2), deadline), start=1):
                sock.send(encode_echo(family, os.getpid() & 0xFFFF, sequence, payload))
                if _wait(sock, family, sequence, payload, until, raw=raw):
                    return Outcome("answers", "an echo reply came back", reached=True)
        except OSError as error:
            return of_error(error, no_answer="silent")
    return Outcome("silent", "no echo reply came back in time")


def _wait(sock: socket.socket, family: int, sequence: int, payload: bytes, until: Deadline, *, raw: bool) -> bool:
    while until.left() > 0:
        try:
            until.arm(sock)
            if is_reply(family, sock.recv(2048), sequence, payload, raw=raw):
                return True
        except (socket.timeout, TimeoutError):
            return False
    return False


def question(target: Target) -> Question:
    """Return the same for another program to carry, which writes the echo request itself."""

    def judge(answer: Answer) -> Outcome:
        if answer.reached:
            return Outcome("answers", "an echo reply came back", reached=True)
        return of_error(answer.error or TimeoutError(), no_answer="silent")

    return Question("icmp", target.address, None, b"", judge)


KIND = ProbeKind("icmp_echo", ("icmp",), max_ports=0, run=probe, question=question)
