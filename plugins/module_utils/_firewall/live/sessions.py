# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections of this host: looked at, made known to the kernel's connection tracking, and ended.

Both go over netlink(7), with the standard library only. The numbers are those of the kernel's headers
linux/netlink.h, linux/netfilter/nfnetlink_conntrack.h, nf_conntrack_common.h, nf_conntrack_tcp.h, linux/sock_diag.h and
linux/inet_diag.h.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.connections import (
    Connection,
    Live,
    connections,
    told_by_direction,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.tracked import forwarded, read_tracked
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import collect

NETLINK_SOCK_DIAG, NETLINK_NETFILTER = 4, 12
_REQUEST, _ACK, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400
_ERROR, _DONE = 2, 3
_DUMP = 0x300
_BY_FAMILY, _DESTROY = 20, 21
_OPEN_SOCKETS = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11
"""The states of TCP in which one side may still send, as connections.py has them; not that of a listener."""
_MAPPED = bytes(10) + b"\xff\xff"
_NEW, _GET, _DELETE = 0x100, 0x101, 0x102
_NESTED = 0x8000
_ORIGINAL, _REPLY, _STATUS, _PROTOCOL_STATE, _TIMEOUT, _TIMES = 1, 2, 3, 4, 7, 20
_SETTLED, _TRANSLATED = 0x2 | 0x4 | 0x8, 0x10 | 0x20
_ESTABLISHED = 3
_SACK, _LIBERAL = 0x2, 0x8
_NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
_LIFE = {"tcp": 432000, "udp": 120}
"""Seconds for which the tracking keeps a silent connection by default: nf_conntrack_tcp_timeout_established and
nf_conntrack_udp_timeout_stream."""

_NOTES_TIMES = Path("/proc/sys/net/netfilter/nf_conntrack_timestamp")
"""Whether the tracking notes when connections began; by default it does not."""

_TRACKED = Path("/proc/net/nf_conntrack")

_WAIT = 10
"""Seconds; the kernel answers at once."""


class Sessions:
    """The connections of this host."""

    def look(self, ruleset: Ruleset) -> Live:
        """Return the connections that a ruleset may matter to."""
        # Who opened a connection to a guarded port of another host shows in the listener on its local port: any port.
        outbound = any(item.direction == "out" for item in ruleset.guards)
        ports = [port for item in ruleset.guards for port in item.ports]
        try:
            sockets = collect(ports=None if outbound else ports)[1]
            found = _dated(connections(sockets))
        except DbportsError as error:
            return Live(unknown=error.reason)
        unknown = ""
        forwards = [item.forward for item in ruleset.guards if item.forward]
        if forwards:
            try:
                # What is published for a container is always tracked, because its destination is translated.
                here = {(AddressRange.of_socket(one.local_address), one.local_port) for one in sockets}
                # What the tracking knows of this host's own connections passes no rule for what it forwards.
                found += tuple(
                    one
                    for one in _forwarded(routed=any(item.targets for item in forwards))
                    if not here & {(one.local, one.local_port), (one.peer, one.peer_port)}
                )
            except DbportsError as error:
                unknown = error.reason
        tracking = not told_by_direction(found, ruleset) or _can_remember()
        return Live(found, tracking=tracking, unknown=unknown)

    def remember(self, live: Iterable[Connection]) -> list[Connection]:
        """Tell the connection tracking who opened these connections, which may be older than it is.

        An entry that the kernel made in the middle of a connection (nf_conntrack_tcp_loose) and that takes the wrong
        side for the opener is replaced. What it saw from the beginning stays, as does what it translates.

        :returns: those that it could not be told of; those that it knows better are not among them.
        """
        left = list(live)
        with contextlib.suppress(OSError), _Netlink(NETLINK_NETFILTER) as kernel:
            return [one for one in left if not _remember(kernel, one)]
        return left

    def end(self, live: Iterable[Connection]) -> list[Connection]:
        """End TCP connections on this host: its process sees an error, and its peer a reset.

        Those that it forwards are forgotten by the connection tracking instead. A firewall that lets pass what is
        established before it asks any other rule then asks its rules about their next packet.

        :returns: those that the kernel would not end (it needs CONFIG_INET_DIAG_DESTROY and CAP_NET_ADMIN); those that
            are gone are not among them.
        """
        left = [one for one in live if one.protocol == "tcp" and one.through is None]
        passing = [one for one in live if one.through is not None]
        if left:
            with contextlib.suppress(OSError), _Netlink(NETLINK_SOCK_DIAG) as kernel:
                left = _end_sockets(kernel, left)
        if passing:
            with contextlib.suppress(OSError), _Netlink(NETLINK_NETFILTER) as kernel:
                passing = _not_forgotten(kernel, passing)
        return left + passing


def _can_remember() -> bool:
    """Ask the connection tracking for an entry that is not there: a kernel without it knows no such question."""
    nobody = AddressRange.parse("192.0.2.1")
    with contextlib.suppress(OSError), _Netlink(NETLINK_NETFILTER) as kernel:
        return kernel.do(_GET, 0, _key(Connection("tcp", nobody, 1, nobody, 1, "here"))) in (0, errno.ENOENT)
    return False


def _dated(found: Sequence[Connection]) -> tuple[Connection, ...]:
    """Return connections with the time since when they exist, where the tracking notes it and saw them begin.

    Nothing else of the kernel tells it: neither a socket nor the descriptor that holds it has a time.
    """
    with contextlib.suppress(OSError, ValueError):
        if int(_NOTES_TIMES.read_text(encoding="ascii")):
            with _Netlink(NETLINK_NETFILTER) as kernel:
                return tuple(one._replace(since=_since(kernel.get(_GET, _key(one)))) for one in found)
    return tuple(found)


def _since(data: bytes) -> Optional[str]:
    entry = _read_entry(data)
    times = dict(_attributes(dict(_attributes(data[4:])).get(_TIMES, b"")))
    start = times.get(1, b"")
    if entry is None or entry.liberal or len(start) != 8:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int.from_bytes(start, "big") // 10**9))


class _Entry(NamedTuple):
    """An entry of the connection tracking, as far as it matters here."""

    source: bytes
    source_port: int
    status: int
    liberal: bool


def _remember(kernel: _Netlink, one: Connection) -> bool:
    number = kernel.do(_NEW, _CREATE | _EXCLUSIVE, _new_entry(one))
    if number != errno.EEXIST:
        return number == 0
    entry = _read_entry(kernel.get(_GET, _key(one)))
    if entry is None:
        return False
    host, port = _opener(one)
    if (entry.source, entry.source_port) == (host, port) or not entry.liberal or entry.status & _TRANSLATED:
        return True
    return not kernel.do(_DELETE, 0, _key(one)) and not kernel.do(_NEW, _CREATE | _EXCLUSIVE, _new_entry(one))


def _end_sockets(kernel: _Netlink, live: Sequence[Connection]) -> list[Connection]:
    """End connections; return those that the kernel would not end.

    Each is named as the kernel lists it, with its interface and its cookie. When the kernel gets only addresses, it
    does not find a socket that is bound to an interface; and where a connection has ended by itself, it finds the
    listener of the same port and ends that.
    """
    wanted: dict[tuple[bytes, bytes], Connection] = {}
    for one in live:
        ports = struct.pack(">HH", one.local_port, one.peer_port)
        wanted[ports, _packed(one.local) + _packed(one.peer)] = one
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        request = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 0, _OPEN_SOCKETS)
        for data in kernel.list_all(_BY_FAMILY, request):
            name = data[4:52]
            ended = wanted.get((name[:4], _address(family, name[4:20]) + _address(family, name[20:36])))
            if ended:
                found.append((ended, struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, 0) + name))
    return [one for one, named in found if kernel.do(_DESTROY, 0, named) not in (0, errno.ENOENT)]


def _address(family: int, data: bytes) -> bytes:
    """Return an address of a struct inet_diag_sockid; that of IPv4 also where a dual-stack socket has it."""
    if family == socket.AF_INET:
        return data[:4]
    return data[12:] if data.startswith(_MAPPED) else data


def _packed(address: AddressRange) -> bytes:
    return address.first.to_bytes(4 if address.family == 4 else 16, "big")


def _opener(one: Connection) -> tuple[bytes, int]:
    if one.opener == "here":
        return _packed(one.local), one.local_port
    return _packed(one.peer), one.peer_port


def _new_entry(one: Connection) -> bytes:
    """Write the entry of an established connection; its window, which nobody knows, is not checked."""
    body = _key(one) + _tuple(_REPLY, one, opener_first=False)
    body += _attribute(_STATUS, struct.pack(">I", _SETTLED))
    body += _attribute(_TIMEOUT, struct.pack(">I", _LIFE[one.protocol]))
    if one.protocol == "udp":
        return body
    flags = struct.pack("BB", _SACK | _LIBERAL, _SACK | _LIBERAL)
    state = _attribute(1, struct.pack("B", _ESTABLISHED)) + _attribute(4, flags) + _attribute(5, flags)
    return body + _attribute(_PROTOCOL_STATE | _NESTED, _attribute(1 | _NESTED, state))


def _key(one: Connection) -> bytes:
    family = socket.AF_INET if one.local.family == 4 else socket.AF_INET6
    return struct.pack(">BBH", family, 0, 0) + _tuple(_ORIGINAL, one, opener_first=True)


def _tuple(kind: int, one: Connection, *, opener_first: bool) -> bytes:
    ends = [(_packed(one.local), one.local_port), (_packed(one.peer), one.peer_port)]
    if (one.opener == "here") != opener_first:
        ends.reverse()
    (source, source_port), (destination, destination_port) = ends
    first = 1 if one.local.family == 4 else 3
    addresses = _attribute(first, source) + _attribute(first + 1, destination)
    ports = _attribute(2, struct.pack(">H", source_port)) + _attribute(3, struct.pack(">H", destination_port))
    number = _attribute(1, struct.pack("B", _NUMBERS[one.protocol]))
    return _attribute(kind | _NESTED, _attribute(1 | _NESTED, addresses) + _attribute(2 | _NESTED, number + ports))


def _attribute(kind: int, body: bytes) -> bytes:
    """Write a struct nlattr with its body, padded to four bytes."""
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Read attributes until something is not one."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if not 4 <= length <= len(data):
            return
        yield kind & 0x3FFF, data[4:length]
        data = data[length + -length % 4 :]


def _forwarded(*, routed: bool) -> Iterator[Connection]:
    """Yield what connection tracking knows, with both ends as seen behind here: of TCP the established connections.

    Those of the host itself are among them.

    :param routed: whether some may pass without being tracked.
    :raises DbportsError: when the kernel does not list them, or it seems that it does not track any.
    """
    try:
        with _Netlink(NETLINK_NETFILTER) as kernel:
            entries = list(kernel.list_all(_GET, struct.pack(">BBH", socket.AF_UNSPEC, 0, 0)))
        seen, found = len(entries), [_through(entry) for entry in entries]
    except OSError as error:
        try:
            lines = _TRACKED.read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            raise DbportsError(
                f"the kernel does not list those that it forwards ({error})", code="unreadable"
            ) from None
        seen, found = len(lines), [read_tracked(line) for line in lines]
    if routed and not seen:
        raise DbportsError(
            "connection tracking knows none, so that those through this host are unseen", code="unreadable"
        )
    return (one for one in found if one)


def _through(entry: bytes) -> Optional[Connection]:
    """Read an established TCP connection, or one of UDP, from an entry of the tracking; None when it is neither."""
    found = dict(_attributes(entry[4:]))
    state = dict(_attributes(dict(_attributes(found.get(_PROTOCOL_STATE, b""))).get(1, b""))).get(1)
    asked, answered = (_ends(found.get(kind, b"")) for kind in (_ORIGINAL, _REPLY))
    number = dict(_attributes(dict(_attributes(found.get(_ORIGINAL, b""))).get(2, b""))).get(1)
    settled = state == bytes([_ESTABLISHED])
    if not asked or not answered or not (settled or number == bytes([socket.IPPROTO_UDP])):
        return None
    one = forwarded(*asked, answered[0])
    return one if settled else one._replace(protocol="udp", established=False)


def _not_forgotten(kernel: _Netlink, passing: Sequence[Connection]) -> list[Connection]:
    """Let the tracking forget connections; return those that it would not."""
    entries = list(kernel.list_all(_GET, struct.pack(">BBH", socket.AF_UNSPEC, 0, 0)))
    if not entries:  # a kernel that lists what it tracks only as text
        return list(passing)
    names = {_through(entry): _name(entry) for entry in entries}
    return [one for one in passing if one in names and kernel.do(_DELETE, 0, names[one]) not in (0, errno.ENOENT)]


def _name(entry: bytes) -> bytes:
    """Return what names an entry of the tracking to the kernel: its family, and how its first packet was addressed."""
    original = dict(_attributes(entry[4:])).get(_ORIGINAL, b"")
    return struct.pack(">BBH", entry[0], 0, 0) + _attribute(_ORIGINAL | _NESTED, original)


def _ends(data: bytes) -> Optional[tuple[tuple[AddressRange, int], tuple[AddressRange, int]]]:
    """Read source and destination of a tuple of the tracking; None when it is not one with ports."""
    parts = dict(_attributes(data))
    addresses, ports = dict(_attributes(parts.get(1, b""))), dict(_attributes(parts.get(2, b"")))
    ends = []
    for number in (1, 2):
        address = addresses.get(number) or addresses.get(number + 2)
        port = ports.get(number + 1)
        if address is None or len(address) not in (4, 16) or port is None or len(port) != 2:
            return None
        value = int.from_bytes(address, "big")
        ends.append((AddressRange(4 if len(address) == 4 else 6, value, value), int.from_bytes(port, "big")))
    return ends[0], ends[1]


def _read_entry(data: bytes) -> Optional[_Entry]:
    """Read an entry of the tracking; None when it is not one."""
    found = dict(_attributes(data[4:]))
    original = dict(_attributes(found.get(_ORIGINAL, b"")))
    addresses, ports = dict(_attributes(original.get(1, b""))), dict(_attributes(original.get(2, b"")))
    state = dict(_attributes(dict(_attributes(found.get(_PROTOCOL_STATE, b""))).get(1, b"")))
    source = addresses.get(1) or addresses.get(3)
    if source is None or len(ports.get(2, b"")) != 2 or len(found.get(_STATUS, b"")) != 4:
        return None
    # UDP has no beginning that the tracking could have seen.
    flags = state.get(4, bytes([_LIBERAL, 0]))
    return _Entry(
        source,
        int.from_bytes(ports[2], "big"),
        int.from_bytes(found[_STATUS], "big"),
        bool(flags[:1]) and bool(flags[0] & _LIBERAL),
    )


class _Netlink:
    """A netlink socket on which one request follows the other; a context manager.

    :raises OSError: from any method, when the kernel has no such protocol or does not answer.
    """

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        self._socket.settimeout(_WAIT)

    def __enter__(self) -> _Netlink:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    def do(self, kind: int, flags: int, body: bytes) -> int:
        """Send a request that changes something; return 0 or the kernel's errno."""
        _found, answer = self._ask(kind, flags | _ACK, body)
        return -int(struct.unpack_from("=i", answer)[0])

    def get(self, kind: int, body: bytes) -> bytes:
        """Send a request for one object; return it without its header, nothing when there is none."""
        found, answer = self._ask(kind, 0, body)
        return b"" if found == _ERROR else answer

    def list_all(self, kind: int, body: bytes) -> Iterator[bytes]:
        """Ask for all objects of a kind; yield each without its header.

        :raises OSError: when the kernel refuses.
        """
        self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | _DUMP, 1, 0) + body)
        while True:
            data = self._socket.recv(1 << 20)
            while len(data) >= 16:
                length, found = struct.unpack_from("=IH", data)
                if found == _ERROR:
                    raise OSError(-int(struct.unpack_from("=i", data, 16)[0]), "netlink")
                if found == _DONE or not 16 <= length <= len(data):
                    return
                yield data[16:length]
                data = data[length + -length % 4 :]

    def _ask(self, kind: int, flags: int, body: bytes) -> tuple[int, bytes]:
        self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | flags, 1, 0) + body)
        answer = self._socket.recv(65536)
        found = struct.unpack_from("=IH", answer)[1]
        return found, answer[16:]
