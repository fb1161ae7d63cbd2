# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever sockets a host has and whatever a text holds: the parsers agree and never break."""

from __future__ import annotations

import ipaddress
import socket
import struct
import subprocess
import sys
from pathlib import Path

from ansible_collections.dbports.firewall.plugins.module_utils._netstat import (
    net_tools,
    netlink,
    proc,
    ss,
    text,
)
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import (
    ANY_IPV4,
    ANY_IPV6,
    KERNEL_STATES,
    Socket,
)
from hypothesis import given
from hypothesis import strategies as st

import socket_texts

# A heading, and an address that fits into no column: where there is one, none is cut.
NETSTAT = "Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name\n"
WIDE = "udp6 0 0 2001:db8:1111:2222:3333:4444:5555:6666:5001 :::* -\n"
SS = "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n"
SS_WORDS = {"ESTABLISHED": "ESTAB", "FIN_WAIT1": "FIN-WAIT-1", "FIN_WAIT2": "FIN-WAIT-2"}

ports = st.integers(1, 65535)
ipv4 = st.ip_addresses(v=4)
# Mapped and IPv4-compatible addresses are read as IPv4 or printed with dots: the unit tests have them.
ipv6 = st.ip_addresses(v=6).filter(lambda address: int(address) >> 96 != 0)
names = (
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=15)
    .map(str.strip)
    .filter(bool)
)


@st.composite
def sockets(draw: st.DrawFn) -> Socket:
    """Draw a TCP or UDP socket as Linux can have it."""
    family = draw(st.sampled_from(["ipv4", "ipv6"]))
    addresses = ipv4 if family == "ipv4" else ipv6
    protocol = draw(st.sampled_from(["tcp", "udp"]))
    local, port = str(draw(addresses)), draw(ports)
    owner = draw(st.one_of(st.just((None, None)), st.tuples(st.integers(1, 4_194_304), names)))
    if draw(st.booleans()):
        state = "LISTEN" if protocol == "tcp" else None
        return Socket(family, protocol, state, local, port, None, None, *owner)
    peer = str(draw(addresses.filter(lambda address: int(address) != 0)))
    words = [word for word in KERNEL_STATES.values() if word not in ("LISTEN", "CLOSE")]
    state = draw(st.sampled_from(words)) if protocol == "tcp" else "ESTABLISHED"
    return Socket(family, protocol, state, local, port, peer, draw(ports), *owner)


def _netstat(one: Socket) -> str:
    suffix, nobody = ("6", ":::*") if one.family == "ipv6" else ("", "0.0.0.0:*")
    remote = nobody if one.remote_address is None else f"{one.remote_address}:{one.remote_port}"
    owner = "-" if one.pid is None else f"{one.pid}/{one.process}"
    local = f"{one.local_address}:{one.local_port}"
    return f"{one.protocol + suffix:<4} {0:6d} {0:6d} {local:<23} {remote:<23} {one.state or '':<11} {owner:<20}\n"


def _ss(one: Socket) -> str:
    def endpoint(address: str, port: int | None) -> str:
        return f"{f'[{address}]' if ':' in address else address}:{port or '*'}"

    word = SS_WORDS.get(one.state or "", (one.state or "UNCONN").replace("_", "-"))
    nobody = ANY_IPV6 if one.family == "ipv6" else ANY_IPV4
    remote = endpoint(one.remote_address or nobody, one.remote_port)
    owner = "" if one.pid is None else f'users:(("{one.process}",pid={one.pid},fd=3))'
    return f"{one.protocol} {word} 0 0 {endpoint(one.local_address, one.local_port)} {remote} {owner}\n"


def _proc(one: Socket) -> str:
    def endpoint(address: str, port: int | None) -> str:
        packed = ipaddress.ip_address(address).packed
        words = (int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4))
        return f"{''.join(f'{word:08X}' for word in words)}:{port or 0:04X}"

    state = next(number for number, word in KERNEL_STATES.items() if word == (one.state or "CLOSE"))
    nobody = ANY_IPV6 if one.family == "ipv6" else ANY_IPV4
    remote = endpoint(one.remote_address or nobody, one.remote_port)
    return f" 0: {endpoint(one.local_address, one.local_port)} {remote} {state:02X} 0:0 00:0 0 0 0 1081 1\n"


def _netlink(one: Socket) -> bytes:
    family = socket.AF_INET6 if one.family == "ipv6" else socket.AF_INET
    state = next(number for number, word in KERNEL_STATES.items() if word == (one.state or "CLOSE"))
    ends = [
        ipaddress.ip_address(address or (ANY_IPV6 if one.family == "ipv6" else ANY_IPV4)).packed.ljust(16, b"\0")
        for address in (one.local_address, one.remote_address)
    ]
    message = struct.pack("=BBBB", family, state, 0, 0)
    message += struct.pack(">HH16s16s", one.local_port or 0, one.remote_port or 0, *ends)
    message += struct.pack("=12x5I", 0, 0, 0, 1000, 1081)
    return struct.pack("=IHHII", 16 + len(message), 20, 2, 1, 0) + message + struct.pack("=IHHII", 16, 3, 2, 1, 0)


def _windows(one: Socket) -> str:
    words = {"LISTEN": "LISTENING", "SYN_RECV": "SYN_RECEIVED", "FIN_WAIT1": "FIN_WAIT_1", "FIN_WAIT2": "FIN_WAIT_2"}
    nobody = "*:*" if one.protocol == "udp" else "[::]:0" if one.family == "ipv6" else "0.0.0.0:0"
    ends = [
        f"[{address}]:{port}" if one.family == "ipv6" else f"{address}:{port}"
        for address, port in ((one.local_address, one.local_port), (one.remote_address, one.remote_port))
    ]
    remote = nobody if one.remote_address is None else ends[1]
    state = words.get(one.state or "", one.state or "") if one.protocol == "tcp" else ""
    return f"  {one.protocol.upper()}    {ends[0]:<22} {remote:<22} {state:<15} {one.pid or ''}\r\n"


@given(st.lists(sockets(), max_size=5))
def test_all_formats_tell_the_same(drawn: list[Socket]) -> None:
    """A socket written as netstat, ss and the kernel write it is read as the same socket."""
    assert net_tools.parse(NETSTAT + WIDE + "".join(_netstat(one) for one in drawn))[1:] == drawn
    assert ss.parse(SS + "".join(_ss(one) for one in drawn)) == drawn
    for one in drawn:
        owner = (one.pid, one.process)
        (row,) = proc.parse(socket_texts.HEADING + _proc(one), one.protocol)
        (message,) = netlink.messages([_netlink(one)])
        assert row.socket(owner) == netlink.row(one.protocol, *message).socket(owner) == one
        assert row.inode == 1081


@given(st.lists(sockets(), min_size=1, max_size=5))
def test_all_texts_are_known(drawn: list[Socket]) -> None:
    """Whatever sockets a text has, it is taken for what it is."""
    for name, write in (("netstat of net-tools", _netstat), ("ss", _ss), ("netstat of Windows", _windows)):
        found, read = text.parse("".join(write(one) for one in drawn) + (WIDE if write == _netstat else ""))
        assert found.startswith(name)
        assert len(read) - (write == _netstat) == len(drawn)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Draw rows that are cut, spliced and sprinkled with anything."""
    parts = []
    for row in draw(st.lists(st.one_of(st.sampled_from(socket_texts.ROWS), st.text(max_size=20)), max_size=4)):
        at = draw(st.integers(0, len(row)))
        parts += [row[:at], draw(st.text(max_size=4)), row[draw(st.integers(at, len(row))) :], "\n"]
    return "".join(parts)


@given(damaged())
def test_damaged_texts_are_read_or_refused(content: str) -> None:
    """Nothing but sockets that make sense or a DbportsError comes out of any text."""
    for reader in socket_texts.READERS:
        socket_texts.check(content, reader)


def _fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(Path(__file__).with_name("fuzz_sockets.py")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_atheris_finds_no_text_that_breaks_a_reader(tmp_path: Path) -> None:
    """A short run; ``make fuzz-sockets`` is the long one. One that was done is not done again."""
    done = _fuzz("20000", "--keep", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "part 1 of 1: 20000 texts\n20000 texts were read or refused" in done.stdout
    seeds = len(socket_texts.READERS) * len(socket_texts.ROWS)
    assert len(list((tmp_path / "corpus").iterdir())) > seeds + 50, "it does not see which code a text reaches"
    assert "part 1" not in _fuzz("20000", "--keep", str(tmp_path)).stdout
