# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Method calls on the system bus over one connection, which a start of busctl for each costs ten times as much as.

It speaks the D-Bus Specification's wire protocol as far as that takes: arguments are strings, answers are whatever
firewalld has. A target's Python need not have the bindings that firewalld itself uses.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import TIMEOUT

SOCKET = "/run/dbus/system_bus_socket"
BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
"""Name, object and interface of the bus itself."""

_CALL, _RETURN, _ERROR = 1, 2, 3
_NO_AUTO_START = 2
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL, _DESTINATION, _SIGNATURE = 1, 2, 3, 4, 5, 6, 8
_NUMBERS = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d", "h": "I"}
_CLOSING = {"(": ")", "{": "}"}


class SystemBus:
    """The system bus; nothing that is called on it is started for that.

    :param place: its socket, for tests.
    :raises OSError: when there is no bus.
    """

    def __init__(self, place: str = SOCKET) -> None:
        self._serial = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(TIMEOUT)
            self._socket.connect(place)
            # The bus takes from the socket who it is.
            self._socket.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
            said = b""
            while not said.startswith(b"OK "):
                said = self._line()
                if not said.startswith((b"OK ", b"DATA")):
                    raise ConnectionRefusedError(f"the bus says {said.decode('ascii', 'replace')}")
            self.call(*BUS, "Hello")
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def call(self, name: str, place: str, interface: str, method: str, *arguments: str) -> list[Any]:
        """Call a method whose arguments are strings.

        :returns: what it returns, as busctl prints it in JSON: an array and a structure are lists, a dictionary is
            one, and a variant has its ``type`` and its ``data``.
        :raises DbportsError: with the words of who refused it.
        :raises OSError: when the connection breaks, or no answer comes within :data:`TIMEOUT` seconds.
        """
        self._serial += 1
        heads = [(_PATH, "o", place), (_INTERFACE, "s", interface), (_MEMBER, "s", method), (_DESTINATION, "s", name)]
        self._socket.sendall(_message(self._serial, heads, arguments))
        while True:
            kind, found, values = self._read()
            if found.get(_REPLY_SERIAL) == self._serial and kind in (_RETURN, _ERROR):
                break  # all else is a signal to everyone
        if kind == _ERROR:
            said = [str(value) for value in values[:1]] or [str(found.get(_ERROR_NAME))]
            raise DbportsError(f"{method} {' '.join(arguments)} failed: {said[0][:600]}", code="command_failed")
        return values

    def _read(self) -> tuple[int, dict[int, Any], list[Any]]:
        """Read a message: its type, its header fields and its body."""
        head = self._bytes(16)
        order = "<" if head[:1] == b"l" else ">"
        length, _serial, fields = struct.unpack(f"{order}3I", head[4:])
        start = 16 + fields + -fields % 8
        reader = _Reader(head + self._bytes(start - 16 + length), order)
        reader.at = 12
        found = {code: item["data"] for code, item in reader.value("a(yv)")}
        reader.at = start
        return head[1], found, list(reader.values(found.get(_SIGNATURE, "")))

    def _bytes(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise ConnectionResetError("the bus closed the connection")
            data += part
        return data

    def _line(self) -> bytes:
        data = b""
        while not data.endswith(b"\r\n"):
            data += self._bytes(1)
        return data


class _Reader:
    """Reads values, each of which begins at a multiple of its alignment in the message."""

    def __init__(self, data: bytes, order: str) -> None:
        self.data, self.order, self.at = data, order, 0

    def values(self, signature: str) -> list[Any]:
        """Read a value for each complete type."""
        found = []
        while signature:
            end = _first(signature)
            found.append(self.value(signature[:end]))
            signature = signature[end:]
        return found

    def value(self, kind: str) -> Any:
        """Read a value of one complete type."""
        if kind in _NUMBERS:
            number = self._number(_NUMBERS[kind])
            return bool(number) if kind == "b" else number
        if kind in ("s", "o", "g"):
            length = self._number("B" if kind == "g" else "I")
            self.at += length + 1
            return self.data[self.at - length - 1 : self.at - 1].decode("utf-8", "replace")
        if kind == "v":
            inner = self.value("g")
            return {"type": inner, "data": self.value(inner)}
        if kind[0] == "a":
            return self._array(kind[1:])
        self._align(8)
        return self.values(kind[1:-1])

    def _array(self, kind: str) -> Any:
        length = self._number("I")
        self._align(_alignment(kind))
        end, found = self.at + length, []
        while self.at < end:
            found.append(self.value(kind))
        return dict(found) if kind[0] == "{" else found

    def _number(self, code: str) -> Any:
        size = struct.calcsize(code)
        self._align(size)
        self.at += size
        return struct.unpack(self.order + code, self.data[self.at - size : self.at])[0]

    def _align(self, size: int) -> None:
        self.at += -self.at % size


def _first(signature: str) -> int:
    """Return where the first complete type of a signature ends."""
    if signature[0] == "a":
        return 1 + _first(signature[1:])
    end = 1
    if signature[0] in _CLOSING:
        while signature[end] != _CLOSING[signature[0]]:
            end += _first(signature[end:])
        end += 1
    return end


def _alignment(kind: str) -> int:
    if kind[0] in "({":
        return 8
    return struct.calcsize(_NUMBERS[kind[0]]) if kind[0] in _NUMBERS else 1 if kind[0] in "gv" else 4


def _message(serial: int, heads: list[tuple[int, str, str]], arguments: tuple[str, ...]) -> bytes:
    """Write a method call."""
    body, fields = b"", b""
    for text in arguments:
        body += bytes(-len(body) % 4) + _text("s", text)
    signature = [(_SIGNATURE, "g", "s" * len(arguments))] if arguments else []
    for code, kind, text in [*heads, *signature]:
        fields += bytes(-len(fields) % 8) + struct.pack("<B", code) + _text("g", kind) + _text(kind, text)
    start = struct.pack("<cBBBIII", b"l", _CALL, _NO_AUTO_START, 1, len(body), serial, len(fields))
    return start + fields + bytes(-len(fields) % 8) + body


def _text(kind: str, text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return struct.pack("<B" if kind == "g" else "<I", len(data)) + data + b"\0"
