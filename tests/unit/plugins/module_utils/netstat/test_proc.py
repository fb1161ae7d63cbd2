# SPDX-License-Identifier: GPL-3.0-or-later
"""A small /proc on disk: its tables, its processes, and what is missing from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.owners import process_name, with_owners
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.proc import parse, read
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import ANY_IPV4, Row, Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import parse_ports

HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def _hex(*octets: int) -> str:
    """Write four octets of an address as this machine's kernel does."""
    return f"{int.from_bytes(bytes(octets), sys.byteorder):08X}"


def _row(local: str, remote: str, state: str, inode: int) -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0 100 0\n"


ANY4, ANY6 = "0" * 8, "0" * 32
SERVER = _hex(192, 0, 2, 10)
MAPPED_SERVER = f"{'0' * 16}{_hex(0, 0, 255, 255)}{SERVER}"
MAPPED_CLIENT = f"{'0' * 16}{_hex(0, 0, 255, 255)}{_hex(192, 0, 2, 21)}"
DOCUMENTATION = f"{_hex(0x20, 1, 0x0D, 0xB8)}{'0' * 16}{_hex(0, 0, 0, 0x10)}"

TCP = _row(f"{ANY4}:138A", f"{ANY4}:0000", "0A", 11) + _row(f"{SERVER}:138A", f"{_hex(192, 0, 2, 22)}:C350", "06", 0)
TCP6 = _row(f"{MAPPED_SERVER}:0599", f"{MAPPED_CLIENT}:9D78", "01", 12)
UDP6 = _row(f"{DOCUMENTATION}:059A", f"{ANY6}:0000", "07", 13)
RAW = _row(f"{ANY4}:0001", f"{ANY4}:0000", "07", 14)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Build a /proc with a kernel's tables, two processes that share a socket, and one that ends meanwhile."""
    net = tmp_path / "net"
    net.mkdir()
    for name, rows in (("tcp", TCP), ("tcp6", TCP6), ("udp", ""), ("udp6", UDP6), ("raw", RAW), ("raw6", "")):
        (net / name).write_text(HEADING + rows)
    for pid, name, held in ((300, "602sql11", [11, 14]), (20, "parent\n", [11, 99]), (31, "sqlservr", [12, 12])):
        descriptors = tmp_path / str(pid) / "fd"
        descriptors.mkdir(parents=True)
        (tmp_path / str(pid) / "comm").write_text(f"{name}\n")
        for number, inode in enumerate(held):
            (descriptors / str(number)).symlink_to(f"socket:[{inode}]")
        (descriptors / "9").symlink_to("/dev/null")
    (tmp_path / "400").mkdir()
    (tmp_path / "35" / "fd").mkdir(parents=True)  # one that has ended: its descriptors are seen, its name no more
    (tmp_path / "35" / "fd" / "3").symlink_to("socket:[13]")
    (tmp_path / "self").symlink_to("20")
    return tmp_path


def _owners(row: Row, proc: Path) -> list[Socket]:
    return list(with_owners([row], str(proc)))


def test_sockets_and_their_owners(proc: Path) -> None:
    """Byte order, mapped addresses, states and shared sockets; an owner that nobody saw, or that ended, has no pid."""
    assert list(with_owners(read(proc_path=str(proc)), str(proc))) == [
        Socket("ipv4", "tcp", "LISTEN", ANY_IPV4, 5002, None, None, 20, "parent\n"),
        Socket("ipv4", "tcp", "LISTEN", ANY_IPV4, 5002, None, None, 300, "602sql11"),
        Socket("ipv4", "tcp", "TIME_WAIT", "192.0.2.10", 5002, "192.0.2.22", 50000),
        Socket("ipv4", "tcp", "ESTABLISHED", "192.0.2.10", 1433, "192.0.2.21", 40312, 31, "sqlservr"),
        Socket("ipv6", "udp", None, "2001:db8::10", 1434, None, None),
        Socket("ipv4", "icmp", None, ANY_IPV4, None, None, None, 300, "602sql11"),
    ]


def test_a_socket_that_the_kernel_lists_twice(proc: Path) -> None:
    """That happens while others come and go; rows without an inode are different ones."""
    (proc / "net" / "tcp").write_text(HEADING + TCP + TCP)
    found = with_owners(read(parse_ports("5002"), proc_path=str(proc)), str(proc))
    assert [(one.state, one.pid) for one in found] == [
        ("LISTEN", 20),
        ("LISTEN", 300),
        ("TIME_WAIT", None),
        ("TIME_WAIT", None),
    ]


@pytest.mark.parametrize(
    ("ports", "seen"),
    [("5002", [5002, 5002, 5002]), ("50000", [5002]), ("1433-1434", [1433, 1434]), ("1", []), ("40312", [1433])],
)
def test_only_the_ports_that_matter(proc: Path, ports: str, seen: list[int]) -> None:
    """The local or the remote port counts; the protocol number of a raw socket is no port."""
    assert [
        row.local[1] for row in read(parse_ports(ports), proc_path=str(proc)) for _owner in _owners(row, proc)
    ] == seen


def test_listeners_beside_the_ports_that_matter(proc: Path) -> None:
    """TCP listeners and UDP sockets without a peer on any port; connections only where their ports count."""
    found = with_owners(read(parse_ports("40312"), listeners=True, proc_path=str(proc)), str(proc))
    assert [(one.local_port, one.process) for one in found] == [
        (5002, "parent\n"),
        (5002, "602sql11"),
        (1433, "sqlservr"),
        (1434, None),
    ]


def test_a_kernel_without_ipv6(proc: Path) -> None:
    """No IPv6 means no IPv6 sockets; no /proc/net/tcp means that nothing is known."""
    for table in ("tcp6", "udp6", "raw6"):
        (proc / "net" / table).unlink()
    assert {":" in row.local[0] for row in read(proc_path=str(proc))} == {False}


@pytest.mark.parametrize("table", ["tcp", "udp", "raw"])
def test_a_table_that_every_kernel_has(proc: Path, table: str) -> None:
    """Without it nothing is known, and half of the sockets would pass for all."""
    (proc / "net" / table).unlink()
    with pytest.raises(DbportsError, match=rf"cannot read .*/net/{table}"):
        list(read(proc_path=str(proc)))
    (proc / "net" / table).write_bytes(HEADING.encode() + b"\xff\n")
    with pytest.raises(DbportsError, match="not ASCII"):
        list(read(proc_path=str(proc)))


def test_only_sockets_in_some_states(proc: Path) -> None:
    """Nothing but connections of the ports, with their users and inodes."""
    (row,) = read(parse_ports("1433"), states=["ESTABLISHED"], proc_path=str(proc))
    assert (row.state, row.uid, row.inode) == ("ESTABLISHED", 0, 12)
    assert list(read(parse_ports("5002"), states=["ESTABLISHED"], proc_path=str(proc))) == []


@pytest.mark.parametrize(
    "row",
    [
        "   0: 00000000:138A",
        _row("000000:138A", f"{ANY4}:0000", "0A", 1),
        _row(f"{ANY4}:xxxx", f"{ANY4}:0000", "0A", 1),
        _row(f"{ANY4}{ANY4}:138A", f"{ANY4}:0000", "0A", 1),
        _row(f"{ANY4}:138A", f"{ANY4}:0000", "ZZ", 1),
        _row(f"{ANY4}:FFFFF", f"{ANY4}:0000", "0A", 1),
        _row(f"{ANY4}:+38A", f"{ANY4}:0000", "0A", 1),
        _row(f"{ANY4}{ANY4}:138A", f"{ANY4}:0000", "0A", 1),
        _row(f"{ANY4}:138A", f"{ANY4}:0000", "0A", int("9" * 4300)),
    ],
)
def test_damaged_rows_are_errors(row: str) -> None:
    """A row that is cut or not hexadecimal is an error, never a row less."""
    with pytest.raises(DbportsError, match=r"not an? (row|address) of /proc/net"):
        list(parse(HEADING + row, "tcp"))


@pytest.mark.parametrize("text", ["", "\n", TCP, "no such table\n"])
def test_a_text_without_its_heading(text: str) -> None:
    """An empty file and one of another kind are errors, not a host without sockets."""
    with pytest.raises(DbportsError, match="not the heading"):
        list(parse(text, "tcp"))


def test_the_name_of_a_process(proc: Path) -> None:
    """A name may end in a line end of its own; a process that is gone has none."""
    assert process_name(20, str(proc)) == "parent\n"
    assert process_name(21, str(proc)) is None
