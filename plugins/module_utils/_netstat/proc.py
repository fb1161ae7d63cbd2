# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of /proc/net, the kernel's list of sockets as text -> rows."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, malformed
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import (
    KERNEL_STATES,
    Row,
    RowProtocol,
    State,
    parse_address,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange

TABLES: dict[str, RowProtocol] = {
    "tcp": "tcp",
    "tcp6": "tcp",
    "udp": "udp",
    "udp6": "udp",
    "raw": "raw",
    "raw6": "raw",
}
"""The files of /proc/net that are read, and their protocols; a kernel without IPv6 has only half of them."""
RAW = ("raw", "raw6")

STATES: tuple[State, ...] = tuple(KERNEL_STATES.values())
_END = r"((?:[0-9A-F]{8}){1,4}):([0-9A-F]{4})"
_ROW = re.compile(
    rf"\s*\d+: {_END} {_END} ([0-9A-F]{{2}}) [^ ]+ [^ ]+ [^ ]+ +(\d{{1,10}}) +\d+ +(\d{{1,20}})(?: .*)?", re.ASCII
)


def read(
    ports: Collection[PortRange] | None = None,
    *,
    listeners: bool = False,
    states: Collection[State] = STATES,
    proc_path: str = "/proc",
) -> Iterator[Row]:
    """Yield the sockets of this network namespace.

    :param ports: when given, only sockets whose local or remote port is one of them.
    :param listeners: then also all that have no peer.
    :param states: only sockets in one of these states of the kernel.
    :raises DbportsError: when a file that every kernel has cannot be read, or a row of one.
    """
    for row in read_tables(proc_path, TABLES):
        if row.is_wanted(ports, listeners) and (row.state is None or row.state in states):
            yield row


def read_tables(proc_path: str, tables: Iterable[str]) -> Iterator[Row]:
    """Yield the sockets of some of ``TABLES``.

    :raises DbportsError: see :func:`read`.
    """
    for table in tables:
        path = Path(proc_path, "net", table)
        try:
            text = path.read_text(encoding="ascii")
        except FileNotFoundError:
            if not table.endswith("6"):
                raise _unreadable(path, "it is not there") from None
            continue  # no IPv6 in this kernel
        except (OSError, ValueError) as error:
            raise _unreadable(path, getattr(error, "strerror", None) or "it is not ASCII") from None
        yield from parse(text, TABLES[table])


def _unreadable(path: Path, reason: str) -> DbportsError:
    return DbportsError(f"cannot read {path}: {reason}", code="unreadable")


def parse(text: str, protocol: RowProtocol) -> Iterator[Row]:
    """Yield the rows of one file of /proc/net.

    :param protocol: that of the file, for IPv6 as for IPv4.
    :raises DbportsError: for a row that cannot be read, and for a text that does not begin with the heading.
    """
    heading, *lines = text.split("\n")
    if "local_address" not in heading:
        raise malformed(f"not the heading of /proc/net/{protocol}", heading)
    for line in lines:
        match = _ROW.fullmatch(line)
        if match:
            local, port, remote, peer, state, uid, inode = match.groups()
            yield Row(
                protocol,
                KERNEL_STATES.get(int(state, 16)),
                (_address(local), int(port, 16) or None),
                (_address(remote), int(peer, 16) or None),
                int(inode),
                int(uid),
            )
        elif line.strip():
            raise malformed(f"not a row of /proc/net/{protocol}", line)


@lru_cache(maxsize=4096)
def _address(text: str) -> str:
    """Turn the kernel's form, 32-bit words in hexadecimal as this machine's byte order reads them, into text."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    if len(words) not in (1, 4):
        raise malformed("not an address of /proc/net", text)
    return parse_address(socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words)))
