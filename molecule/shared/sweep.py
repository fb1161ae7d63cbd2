# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell for every port of a server whether its firewall lets a packet through, whatever listens there or does not.

    sweep.py listen                     on the server, as a unit of type notify: note what comes behind the firewall
    sweep.py send MARK ADDRESS PORTS..  on a client: one packet to each of PORTS, such as tcp/1-65535
    sweep.py show MARK                  on the server: the ports at which that mark came, {"tcp": "22,1433", "udp": ""}

A raw socket gets a packet after the firewall's input hooks (ip_protocol_deliver_rcu in the kernel), so no answer has to
be waited for and none is misread. A mark is a number that tells one sweep from another.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import struct
import sys
from collections.abc import Iterable, Iterator

NOTES = "\0dbports-sweep"
"""Where the listener is asked: a socket without a file."""

PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
SOURCE = 40000
CHUNK = 200
"""Packets between two pings: the kernel queues a thousand for a processor (net.core.netdev_max_backlog)."""

BUFFER = 256 << 20
SO_RCVBUFFORCE = 33
SOL_RAW = 255
ICMP_FILTER = ICMPV6_FILTER = 1
IPV6_CHECKSUM = 7
PING_SECONDS = 5.0

Seen = dict[tuple[str, int], set[int]]
"""The ports at which packets came, by protocol and mark."""


def ranges(ports: Iterable[int]) -> str:
    """Print ports as ``22,5000-5002``."""
    found: list[list[int]] = []
    for port in sorted(ports):
        if found and port == found[-1][1] + 1:
            found[-1][1] = port
        else:
            found.append([port, port])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def numbers(text: str) -> Iterator[int]:
    """Return the ports of ``22,5000-5002``."""
    for part in filter(None, text.split(",")):
        first, _dash, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def listen() -> None:
    """Note mark and port of every packet, and answer whoever asks for a mark, until killed."""
    seen: Seen = {}
    selector = selectors.DefaultSelector()
    sources = []
    for protocol, number in PROTOCOLS.items():
        for family, skip in ((socket.AF_INET, 20), (socket.AF_INET6, 0)):
            sock = socket.socket(family, socket.SOCK_RAW, number)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ)
            sources.append((protocol, skip, sock))
    asks = socket.socket(socket.AF_UNIX)
    asks.bind(NOTES)
    asks.listen()
    selector.register(asks, selectors.EVENT_READ)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
    while True:
        ready = [key.fileobj for key, _events in selector.select()]
        for source in sources:
            note(*source, seen)
        if asks in ready:
            with asks.accept()[0] as asked:
                mark = int(asked.recv(16))
                asked.sendall(json.dumps({name: ranges(seen.get((name, mark), ())) for name in PROTOCOLS}).encode())


def note(protocol: str, skip: int, sock: socket.socket, seen: Seen) -> None:
    """Note all that a raw socket holds; an IPv4 one shows the header of IP, which has no options here."""
    with contextlib.suppress(BlockingIOError):
        while True:
            data = sock.recv(64)[skip:]
            # TCP: the sequence number; UDP: what it carries.
            mark, port = data[4:8] if protocol == "tcp" else data[8:12], data[2:4]
            seen.setdefault((protocol, int.from_bytes(mark, "big")), set()).add(int.from_bytes(port, "big"))


def show(mark: int) -> str:
    """Ask the listener."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(NOTES)
        sock.send(str(mark).encode())
        return sock.makefile().read()


def send(mark: int, address: str, ports: Iterable[str]) -> None:
    """Send one packet to each port of ``tcp/1-65535``; when this returns, all of them have come or were dropped."""
    # Packets of one processor stay in order, so an answered ping says that those before it have come.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    pings = ping_socket(family, address)
    for item in ports:
        protocol, _slash, text = item.partition("/")
        sock = socket.socket(family, socket.SOCK_RAW, PROTOCOLS[protocol])
        sock.connect((address, 0))
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_CHECKSUM, 16 if protocol == "tcp" else 6)
        ends = [socket.inet_pton(family, name) for name in (sock.getsockname()[0], address)]
        for count, port in enumerate(numbers(text), 1):
            sock.send(syn(ends, mark, port) if protocol == "tcp" else datagram(mark, port))
            if count % CHUNK == 0:
                ping(pings, count)
        ping(pings, 0)


def syn(ends: list[bytes], mark: int, port: int) -> bytes:
    """Return the first packet of a TCP connection, with ``mark`` as its sequence number (RFC 9293)."""
    packet = struct.pack("!HHIIBBHHH", SOURCE, port, mark, 0, 0x50, 0x02, 1024, 0, 0)
    if len(ends[0]) == 16:
        return packet  # the kernel fills in the checksum
    words = struct.unpack("!16H", b"".join(ends) + struct.pack("!HH", socket.IPPROTO_TCP, len(packet)) + packet)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return packet[:16] + struct.pack("!H", ~total & 0xFFFF) + packet[18:]


def datagram(mark: int, port: int) -> bytes:
    """Return a UDP datagram that carries ``mark``; in IPv4 it needs no checksum (RFC 768)."""
    return struct.pack("!HHHHI", SOURCE, port, 12, 0, mark)


def ping_socket(family: int, address: str) -> socket.socket:
    """Return a raw ICMP socket that sends to an address and hears only echo replies."""
    if family == socket.AF_INET:
        sock = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", ~(1 << 0) & 0xFFFFFFFF))
    else:
        sock = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        blocked = (1 << 256) - 1 - (1 << 129)
        sock.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, blocked.to_bytes(32, "little"))
    sock.connect((address, 0))
    sock.settimeout(PING_SECONDS)
    return sock


def ping(sock: socket.socket, number: int) -> None:
    """Wait until the other end has answered an echo request.

    :raises TimeoutError: when it does not.
    """
    four = sock.family == socket.AF_INET
    body = struct.pack("!HHH", 0, os.getpid() & 0xFFFF, number & 0xFFFF)
    packet = struct.pack("!BB", 8 if four else 128, 0) + body
    if four:
        total = sum(struct.unpack("!4H", packet))
        total = (total & 0xFFFF) + (total >> 16)
        packet = packet[:2] + struct.pack("!H", ~total & 0xFFFF) + packet[4:]
    for _attempt in range(6):
        sock.send(packet)
        with contextlib.suppress(TimeoutError, socket.timeout):
            while sock.recv(128)[24 if four else 4 :][:4] != body[2:]:
                pass
            return
    raise TimeoutError("no answer to a ping")


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        listen()
    elif sys.argv[1] == "show":
        print(show(int(sys.argv[2])))
    else:
        send(int(sys.argv[2]), sys.argv[3], sys.argv[4:])
