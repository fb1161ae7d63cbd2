# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes that hold sockets, by the inodes of the sockets: /proc/PID/fd."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import (
    NOBODY,
    Endpoint,
    Owner,
    Row,
    Socket,
)


def with_owners(rows: Iterable[Row], proc: str = "/proc") -> Iterator[Socket]:
    """Yield the sockets of rows; one that several processes share comes once for each of them.

    The kernel may list a socket twice while others are opened and closed. The subflows of a connection of Multipath TCP
    have the inode of its one socket, and other ends.
    """
    unique: dict[int, Row] = {}
    subflows: dict[tuple[Endpoint, Endpoint], Row] = {}
    for number, row in enumerate(rows):
        if unique.setdefault(row.inode or -number, row).remote != row.remote:
            subflows[row.local, row.remote] = row
    owners = find_owners({inode for inode in unique if inode > 0}, proc)
    for inode in list(unique):
        row = unique.pop(inode)  # what is a socket is kept only once: there may be fifty thousand
        for owner in owners.get(inode, (NOBODY,)):
            yield row.socket(owner)
    for row in subflows.values():
        for owner in owners.get(row.inode, (NOBODY,)):
            yield row.socket(owner)


def find_owners(inodes: Collection[int], proc: str = "/proc") -> dict[int, list[Owner]]:
    """Return the processes that hold the given sockets, by inode and in the order of their pids.

    What the caller may not see, and processes that end meanwhile, are left out.
    """
    owners: dict[int, list[Owner]] = {}
    for pid in _pids(proc) if inodes else ():
        held = [inode for inode in {*map(_inode, _links(f"{proc}/{pid}/fd"))} if inode in inodes]
        name = process_name(pid, proc) if held else None
        only: list[Owner] = [(pid, name)]  # most sockets have one owner: one list does for all of a process
        for inode in held if name is not None else ():
            owners[inode] = [*owners[inode], *only] if inode in owners else only
    return owners


def _inode(link: str) -> int:
    """Return the inode of a descriptor's socket, 0 for anything else."""
    return int(link[8:-1]) if link.startswith("socket:[") else 0


def _pids(proc: str) -> list[int]:
    """Return the processes that are there, none where /proc is not mounted."""
    try:
        with os.scandir(proc) as entries:
            return sorted(int(entry.name) for entry in entries if entry.name.isdigit())
    except OSError:
        return []


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
        # Not as text, which would make other line ends of a carriage return.
        return Path(proc, str(pid), "comm").read_bytes()[:-1].decode("utf-8", "replace")
    except OSError:
        return None
