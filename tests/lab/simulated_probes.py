# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What probe.ps1 does, by Python's sockets: real packets from the place where it runs, and Windows' numbers of errors.

Only the JSON on both sides is that of the script: it stands in for it where there is no Windows.
"""

from __future__ import annotations

import base64
import errno
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

LATE, TAKEN = 10060, 10048
NUMBERS = {
    errno.EPERM: 10013,
    errno.EACCES: 10013,
    errno.EADDRINUSE: TAKEN,
    errno.ENETUNREACH: 10051,
    errno.ETIMEDOUT: LATE,
    errno.ECONNREFUSED: 10061,
    errno.EHOSTUNREACH: 10065,
}
QUIET = 0.25

Way = dict[str, Any]


def carry(want: Mapping[str, Any]) -> dict[str, Any]:
    """Put all questions at once and return what came back."""
    began = time.monotonic()
    end = began + want["timeout"] / 1000
    ways: list[Way] = [
        {"item": item, "reached": False, "data": [], "error": LATE, "milliseconds": 0} for item in want["questions"]
    ]
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with ear:
        asked = [way for way in ways if way["item"]["hears"]]
        try:
            ear.bind(("0.0.0.0", want["hears"]))
        except OSError:
            for way in asked:
                way["error"] = TAKEN
            asked = []
        threads = [threading.Thread(target=_timed, args=(way, end, began)) for way in ways if way["error"] != TAKEN]
        threads += [threading.Thread(target=_hear, args=(ear, asked, end))] if asked else []
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    keys = ("reached", "data", "error", "milliseconds")
    return {"answers": [{key: way[key] for key in keys} for way in ways]}


def _timed(way: Way, end: float, began: float) -> None:
    carriers: dict[str, Callable[[Way, float], None]] = {"tcp": _tcp, "udp": _udp, "icmp": _icmp}
    again = True
    while again:
        again = False
        time.sleep(0.01)
        try:
            carriers[way["item"]["protocol"]](way, end)
        except socket.timeout:
            pass
        except OSError as error:
            way["error"] = NUMBERS.get(error.errno or 0, -1)
            again = way["item"]["patient"] and error.errno == errno.ECONNREFUSED and time.monotonic() < end
    way["milliseconds"] = round((time.monotonic() - began) * 1000)


def _left(end: float) -> float:
    return max(0.01, end - time.monotonic())


def _family(way: Way) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in way["item"]["address"] else socket.AF_INET


def _keep(way: Way, part: bytes) -> None:
    way["data"].append(base64.b64encode(part).decode("ascii"))


def _tcp(way: Way, end: float) -> None:
    item = way["item"]
    with socket.socket(_family(way), socket.SOCK_STREAM) as sock:
        sock.setsockopt(
            *{socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}[_family(way)], 1
        )
        sock.settimeout(_left(end))
        sock.connect((item["address"], item["port"]))
        way["reached"] = True
        sock.sendall(base64.b64decode(item["request"]))
        while item["waits"]:
            sock.settimeout(min(_left(end), QUIET) if way["data"] else _left(end))
            part = sock.recv(65535)
            if not part:
                break
            _keep(way, part)
    way["error"] = 0


def _udp(way: Way, end: float) -> None:
    item = way["item"]
    request = base64.b64decode(item["request"])
    with socket.socket(_family(way), socket.SOCK_DGRAM) as sock:
        sock.connect((item["address"], item["port"]))
        way["reached"] = True
        for seconds in (_left(end) / 2, None):
            sock.send(request)
            until = end if seconds is None else time.monotonic() + seconds
            while time.monotonic() < until:
                if item["hears"] and way["data"]:
                    return
                sock.settimeout(min(_left(until), QUIET))
                try:
                    _keep(way, sock.recv(65535))
                except socket.timeout:
                    if way["data"]:
                        return


def _hear(ear: socket.socket, asked: list[Way], end: float) -> None:
    """Give announcements to those that asked for them."""
    while time.monotonic() < end and not all(way["data"] for way in asked):
        ear.settimeout(min(_left(end), QUIET))
        try:
            part, peer = ear.recvfrom(65535)
        except socket.timeout:
            continue
        for way in asked:
            if way["item"]["address"] == peer[0]:
                _keep(way, part)


def _icmp(way: Way, end: float) -> None:
    family = _family(way)
    protocol, kind, reply = {
        socket.AF_INET: (socket.IPPROTO_ICMP, 8, 0),
        socket.AF_INET6: (socket.IPPROTO_ICMPV6, 128, 129),
    }[family]
    packet = struct.pack(">BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1) + b"simulated!"
    total = sum(struct.unpack(f">{len(packet) // 2}H", packet))
    total = (total & 0xFFFF) + (total >> 16)
    if family == socket.AF_INET:
        packet = packet[:2] + struct.pack(">H", ~total & 0xFFFF) + packet[4:]
    with socket.socket(family, socket.SOCK_RAW, protocol) as sock:
        sock.connect((way["item"]["address"], 0))
        sock.send(packet)
        while True:
            sock.settimeout(_left(end))
            data = sock.recv(2048)
            data = data[(data[0] & 15) * 4 :] if family == socket.AF_INET else data
            if data[0] == reply and data.endswith(b"simulated!"):
                way.update(reached=True, error=0)
                return
