# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of /proc/net, and the processes that hold their sockets -> sockets."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Collection, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, malformed
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import (
    KERNEL_STATES,
    NOBODY,
    Endpoint,
    Owner,
    RowProtocol,
    Socket,
    State,
    make_socket,
    parse_address,
    touches,
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


class Row(NamedTuple):
    """One row of a file of /proc/net: a socket whose owner is known by its inode only, 0 where there is none."""

    protocol: RowProtocol
    state: State | None
    local: Endpoint
    remote: Endpoint
    inode: int


def parse(
    text: str, protocol: RowProtocol, ports: Collection[PortRange] | None = None, *, listeners: bool = False
) -> list[Row]:
    """Read one file of /proc/net.

    :param protocol: that of the file, for IPv6 as for IPv4.
    :param ports: when given, only rows whose local or remote port is one of them; a raw socket has none.
    :param listeners: then also rows without a peer.
    :raises DbportsError: for a row that cannot be read.
    """
    rows: list[Row] = []
    for line in text.split("\n")[1:]:
        if not line.strip():
            continue
        try:
            fields = line.split()
            local, remote = _endpoint(fields[1]), _endpoint(fields[2])
            row = Row(protocol, KERNEL_STATES.get(int(fields[3], 16)), local, remote, int(fields[9]))
        except (IndexError, ValueError):
            raise malformed(f"not a row of /proc/net/{protocol}", line) from None
        peerless = listeners and remote[1] is None
        if ports is None or (protocol != "raw" and (peerless or touches(local[1], remote[1], ports))):
            rows.append(row)
    return rows


def _endpoint(text: str) -> tuple[str, int | None]:
    address, _colon, port = text.partition(":")
    return _address(address), int(port, 16) or None


@lru_cache(maxsize=4096)
def _address(text: str) -> str:
    """Turn the kernel's form, 32-bit words in hexadecimal as this machine's byte order reads them, into text."""
    if len(text) not in (8, 32):
        raise ValueError(text)
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return parse_address(socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words)))


def read(ports: Collection[PortRange] | None = None, proc: str = "/proc", *, listeners: bool = False) -> list[Socket]:
    """Read the sockets of this network namespace; one that several processes share comes once for each of them.

    :param ports: when given, only sockets whose local or remote port is one of them.
    :param listeners: then also all that have no peer.
    :raises DbportsError: when /proc/net/tcp cannot be read, or a row of a file.
    """
    rows: list[Row] = []
    for table, protocol in TABLES.items():
        try:
            text = Path(proc, "net", table).read_text(encoding="ascii")
        except OSError as error:
            if table == "tcp":
                raise DbportsError(f"cannot read {proc}/net/tcp: {error.strerror}", code="unreadable") from None
            continue  # no IPv6 in this kernel
        rows.extend(parse(text, protocol, ports, listeners=listeners))
    owners = find_owners({row.inode for row in rows if row.inode}, proc)
    return [make_socket(*row[:4], owner) for row in rows for owner in owners.get(row.inode, [NOBODY])]


def find_owners(inodes: Collection[int], proc: str = "/proc") -> dict[int, list[Owner]]:
    """Return the processes that hold the given sockets, by inode and in the order of their pids.

    What the caller may not see, and processes that end meanwhile, are left out.
    """
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[int, list[Owner]] = {}
    if not wanted:
        return owners
    with os.scandir(proc) as entries:
        pids = sorted(int(entry.name) for entry in entries if entry.name.isdigit())
    for pid in pids:
        held = {wanted[link] for link in _links(f"{proc}/{pid}/fd") if link in wanted}
        if held:
            owner = (pid, process_name(pid, proc))
            for inode in held:
                owners.setdefault(inode, []).append(owner)
    return owners


def _links(folder: str) -> Iterator[str]:
    """Yield where the descriptors of a process lead. This loop is most of the cost on a busy host."""
    try:
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    yield os.readlink(entry.name, dir_fd=directory)
    except OSError:
        return  # the process has ended
    finally:
        os.close(directory)


def process_name(pid: int, proc: str = "/proc") -> str | None:
    """Return the kernel's name of a process, at most 15 bytes, or None when there is no such process."""
    try:
        return Path(proc, str(pid), "comm").read_text(encoding="utf-8", errors="replace")[:-1]
    except OSError:
        return None
