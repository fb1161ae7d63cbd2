# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever sockets a host has and whatever a text holds: the parsers agree and never break."""

from __future__ import annotations

import ipaddress
import sys

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat import net_tools, proc, ss
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import (
    ANY_IPV4,
    ANY_IPV6,
    KERNEL_STATES,
    Socket,
)
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.lists(sockets(), max_size=5))
def test_all_formats_tell_the_same(drawn: list[Socket]) -> None:
    """A socket written as netstat, ss and the kernel write it is read as the same socket."""
    assert net_tools.parse("".join(_netstat(one) for one in drawn)) == drawn
    assert ss.parse("".join(_ss(one) for one in drawn)) == drawn
    for one in drawn:
        (row,) = proc.parse("heading\n" + _proc(one), one.protocol)
        assert proc.make_socket(*row[:4], (one.pid, one.process)) == one
        assert row.inode == 1081


ROWS = st.sampled_from(
    [
        "tcp        0      0 0.0.0.0:5002            0.0.0.0:*               LISTEN      23423/602sql11",
        "udp6       0      0 :::1434                 :::*                                -",
        'tcp LISTEN 0 128 [::]:54519 [::]:* users:(("python3",pid=5609,fd=6),("b",pid=2,fd=4))',
        "   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1081 1 0 100 0",
        'users:(("',
        "tcp udp raw icmp6",
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Draw rows that are cut, spliced and sprinkled with anything."""
    parts = []
    for row in draw(st.lists(st.one_of(ROWS, st.text(max_size=20)), max_size=4)):
        at = draw(st.integers(0, len(row)))
        parts += [row[:at], draw(st.text(max_size=4)), row[draw(st.integers(at, len(row))) :], "\n"]
    return "".join(parts)


def _without_owners(text: str) -> list[Socket]:
    return [proc.make_socket(*row[:4]) for row in proc.parse(text, "udp")]


@given(damaged())
def test_damaged_texts_are_read_or_refused(text: str) -> None:
    """Nothing but sockets that make sense or a DbportsError comes out of any text."""
    for parse in (net_tools.parse, ss.parse, _without_owners):
        try:
            found = parse(text)
        except DbportsError:
            continue
        for one in found:
            ipaddress.ip_address(one.local_address)
            assert one.protocol in ("tcp", "udp", "icmp", "raw")
            assert one.local_port is None or 1 <= one.local_port <= 65535
            assert one.pid is None or one.pid >= 0
