# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire protocol of the system bus, with one that answers given bytes; the real one is in molecule/firewalld."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.dbus import SystemBus


def test_no_bus(tmp_path: Path) -> None:
    """A host without one; nothing waits."""
    with pytest.raises(OSError, match="No such file"):
        SystemBus(str(tmp_path / "bus"))


RETURN, ERROR, SIGNAL = 2, 3, 4
HELLO = (
    b"l\1\2\1" + struct.pack("<III", 0, 1, 109) + b"\1\1o\0\x15\0\0\0/org/freedesktop/DBus\0\0\0"
    b"\2\1s\0\x14\0\0\0org.freedesktop.DBus\0\0\0\0\3\1s\0\5\0\0\0Hello\0\0\0"
    b"\6\1s\0\x14\0\0\0org.freedesktop.DBus\0\0\0\0"
)
"""As busctl writes it, but for a flag and the order of the fields."""
NESTED = "a(yv)a{sv}xqaa{ss}(ib)d"
VALUES: list[Any] = [
    [[7, {"type": "as", "data": ["one", "zwei", "três"]}], [255, {"type": "b", "data": True}]],
    {"empty": {"type": "a(ss)", "data": []}, "rules": {"type": "a(ssss)", "data": [["80", "tcp", "", "192.0.2.1"]]}},
    -5,
    65535,
    [{"a": "b"}, {}],
    [-1, False],
    0.5,
]


class Writer:
    """Writes values as the specification says, in an order of bytes."""

    def __init__(self, order: str) -> None:
        self.order, self.data = order, b""

    def pack(self, code: str, value: Any) -> None:
        """Write a number at its alignment."""
        self.data += bytes(-len(self.data) % struct.calcsize(code)) + struct.pack(self.order + code, value)

    def text(self, value: str, code: str = "I") -> None:
        """Write a string, or with the code ``B`` a signature."""
        self.pack(code, len(value.encode()))
        self.data += value.encode() + b"\0"

    def array(self, alignment: int, write: Any) -> None:
        """Write an array whose length is that of what is written, without the padding before it."""
        self.pack("I", 0)
        at = len(self.data)
        self.data += bytes(-at % alignment)
        start = len(self.data)
        write()
        length = struct.pack(self.order + "I", len(self.data) - start)
        self.data = self.data[: at - 4] + length + self.data[at:]

    def align(self) -> None:
        """Begin a structure."""
        self.data += bytes(-len(self.data) % 8)


def nested(order: str) -> bytes:
    """Return :data:`VALUES` as the body of a message."""
    out = Writer(order)

    def fields() -> None:
        out.pack("B", 7)
        out.text("as", "B")
        out.array(4, lambda: [out.text(text) for text in ("one", "zwei", "três")])
        out.align()
        out.pack("B", 255)
        out.text("b", "B")
        out.pack("I", 1)

    def settings() -> None:
        out.text("empty")
        out.text("a(ss)", "B")
        out.array(8, lambda: None)
        out.align()
        out.text("rules")
        out.text("a(ssss)", "B")
        out.array(8, lambda: [out.align(), *(out.text(text) for text in ("80", "tcp", "", "192.0.2.1"))])

    out.array(8, fields)
    out.array(8, settings)
    out.pack("q", -5)
    out.pack("H", 65535)
    out.array(4, lambda: [out.array(8, lambda: [out.text("a"), out.text("b")]), out.array(8, lambda: None)])
    out.align()
    out.pack("i", -1)
    out.pack("I", 0)
    out.pack("d", 0.5)
    return out.data


def message(kind: int, serial: int, signature: str, body: bytes, order: str) -> bytes:
    """Return a message in which only what is needed stands."""
    out = Writer(order)
    for code, value in (("B", ord("l" if order == "<" else "B")), ("B", kind), ("B", 0), ("B", 1)):
        out.pack(code, value)
    out.pack("I", len(body))
    out.pack("I", 99)

    def fields() -> None:
        out.pack("B", 5)
        out.text("u", "B")
        out.pack("I", serial)
        if signature:
            out.align()
            out.pack("B", 8)
            out.text("g", "B")
            out.text(signature, "B")

    out.array(8, fields)
    out.align()
    return out.data + body


def serve(place: Path, answers: list[bytes]) -> threading.Thread:
    """Be a bus that says Hello and then answers one call with these bytes."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen()

    def talk() -> None:
        with listener, listener.accept()[0] as peer:
            heard = b""
            while b"Hello" not in heard:
                heard += peer.recv(4096)
                if heard.endswith(b"BEGIN\r\n"):
                    peer.sendall(b"DATA\r\nOK 0123456789abcdef\r\n")
            if not heard.endswith(HELLO):
                return
            peer.sendall(message(SIGNAL, 0, "", b"", "<") + message(RETURN, 1, "", b"", "<"))
            peer.recv(4096)
            for part in answers:
                peer.sendall(part)

    thread = threading.Thread(target=talk)
    thread.start()
    return thread


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_kind_of_value(order: str, tmp_path: Path) -> None:
    """Also from a bus of the other order of bytes, in pieces, after a signal to everyone."""
    answer = message(SIGNAL, 2, "s", b"\0\0\0\0\0", order) + message(RETURN, 2, NESTED, nested(order), order)
    thread = serve(tmp_path / "bus", [answer[at : at + 50] for at in range(0, len(answer), 50)])
    bus = SystemBus(str(tmp_path / "bus"))
    assert bus.call("name", "/", "an.interface", "method", "word") == VALUES
    thread.join()
    with pytest.raises(OSError):
        bus.call("name", "/", "an.interface", "method")
    bus.close()


def test_a_call_that_fails(tmp_path: Path) -> None:
    """With firewalld's own words."""
    said = Writer("<")
    said.text("INVALID_ZONE: nix")
    thread = serve(tmp_path / "bus", [message(ERROR, 2, "s", said.data, "<")])
    bus = SystemBus(str(tmp_path / "bus"))
    with pytest.raises(DbportsError, match="getZoneSettings2 nix failed: INVALID_ZONE: nix") as error:
        bus.call("name", "/", "an.interface", "getZoneSettings2", "nix")
    assert error.value.code == "command_failed"
    thread.join()
    bus.close()


def test_a_bus_that_refuses(tmp_path: Path) -> None:
    """It says so before anything is asked."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "bus"))
    listener.listen()

    def refuse() -> None:
        with listener, listener.accept()[0] as peer:
            peer.recv(4096)
            peer.sendall(b"REJECTED EXTERNAL\r\n")

    thread = threading.Thread(target=refuse)
    thread.start()
    with pytest.raises(OSError, match="REJECTED"):
        SystemBus(str(tmp_path / "bus"))
    thread.join()
