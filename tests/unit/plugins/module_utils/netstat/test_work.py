# SPDX-License-Identifier: GPL-3.0-or-later
"""How much work sockets are: counted, and growing with their number and no faster."""

from __future__ import annotations

import os
import socket
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._netstat import netlink
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.owners import with_owners
from ansible_collections.dbports.firewall.plugins.module_utils._ports import parse_ports

from counting import assert_linear, steps

DONE = struct.pack("=IHHII", 16, 3, 2, 1, 0)
DUMP = [b""]
"""What the kernel answers about TCP over IPv4."""


def kernel(count: int) -> bytes:
    """Return a dump of listeners on 127.0.0.1 with inodes and ports from 1 upwards."""
    address, anywhere = (socket.inet_aton(text).ljust(16, b"\0") for text in ("127.0.0.1", "0"))
    return b"".join(
        struct.pack("=IHHIIBBBB", 88, 20, 2, 1, 0, socket.AF_INET, 10, 0, 0)
        + struct.pack(">HH16s16s", number, 0, address, anywhere)
        + struct.pack("=12x5I", 0, 0, 0, 0, number)
        for number in range(1, count + 1)
    )


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Let the kernel answer with ``DUMP``, and return a /proc with two processes that hold nothing yet."""

    def dump(family: int, protocol: int, _mask: int) -> Iterator[bytes]:
        yield (DUMP[0] if (family, protocol) == (socket.AF_INET, socket.IPPROTO_TCP) else b"") + DONE

    monkeypatch.setattr(netlink, "_dump", dump)
    for pid in ("10", "11"):
        (tmp_path / pid / "fd").mkdir(parents=True)
        (tmp_path / pid / "comm").write_text("server\n")
    (tmp_path / "net").mkdir()
    for table in ("raw", "raw6"):
        (tmp_path / "net" / table).write_text("local_address\n")
    yield tmp_path


def collected(proc: Path, count: int, ports: str | None) -> int:
    """Return how much work it is to read so many sockets and find their owners."""
    DUMP[0] = kernel(count)
    for number in range(count):
        link = proc / ("10" if number % 2 else "11") / "fd" / str(number)
        if not link.is_symlink():
            link.symlink_to(f"socket:[{number + 1}]")
    watched = None if ports is None else parse_ports(ports)
    found = 0

    def work() -> None:
        nonlocal found
        found = sum(1 for _one in with_owners(netlink.read(watched, proc_path=str(proc)), str(proc)))

    work()  # fills the caches of addresses
    done = steps(work)
    assert found == (count if ports is None else 1)
    return done


def test_twice_the_sockets_are_twice_the_work(sockets: Path) -> None:
    assert_linear([collected(sockets, count, None) for count in (500, 1000, 2000)])


def test_sockets_that_do_not_matter_cost_little(sockets: Path) -> None:
    """Only their ports are looked at, and where a descriptor leads: they are neither built nor compared."""
    assert collected(sockets, 1000, "7") < collected(sockets, 1000, None) / 2


def test_every_descriptor_is_read_once(sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readlink, read = os.readlink, []

    def count(name: str, dir_fd: int) -> str:
        read.append(name)
        return readlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "readlink", count)
    collected(sockets, 100, None)
    assert sorted(read) == sorted(2 * [str(number) for number in range(100)])  # it is collected twice there


def test_sockets_are_kept_once(sockets: Path) -> None:
    """Rows go while sockets come, and sockets of one process share what is said of it: some 400 bytes each."""
    collected(sockets, 4000, None)
    tracemalloc.start()
    found = list(with_owners(netlink.read(None, proc_path=str(sockets)), str(sockets)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 4000
    assert peak < 4000 * 480
