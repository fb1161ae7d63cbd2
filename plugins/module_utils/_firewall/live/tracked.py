# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text in which the kernel lists the connections that it tracks, for kernels that have it and no netlink: pure.

A line of /proc/net/nf_conntrack (ct_seq_show in nf_conntrack_standalone.c): family, protocol, seconds, state, then
addresses and ports of the packets of who opened the connection, and those of the answers::

    ipv4 2 tcp 6 431999 ESTABLISHED src=192.0.2.66 dst=198.51.100.10 sport=42001 dport=1433
    src=198.51.100.10 dst=192.0.2.66 sport=1433 dport=42001 [ASSURED] mark=0 zone=0 use=2
"""

from __future__ import annotations

from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.connections import Connection

_WORDS = ("src", "dst", "sport", "dport")


End = tuple[AddressRange, int]
"""An address and a port."""


def forwarded(peer: End, asked: End, local: End) -> Connection:
    """Return a connection as packets name its ends behind this host.

    :param asked: where the peer connected to, before any translation.
    """
    return Connection("tcp", *local, *peer, "peer", through=asked[1], translated=asked != local)


def read_tracked(line: str) -> Optional[Connection]:
    """Return the established TCP connection that a line tells of; None for all else."""
    words = line.split()
    if words[2:3] != ["tcp"] or words[5:6] != ["ESTABLISHED"]:
        return None
    found: dict[str, list[str]] = {}
    for word in words[6:]:
        name, _sign, value = word.partition("=")
        found.setdefault(name, []).append(value)
    if any(len(found.get(name, ())) != 2 for name in _WORDS):
        return None
    try:
        peer, local = (_end(found["src"][at], found["sport"][at]) for at in (0, 1))
        return forwarded(peer, _end(found["dst"][0], found["dport"][0]), local)
    except (DbportsError, ValueError):
        return None


def _end(address: str, port: str) -> End:
    return AddressRange.address(address), _port(port)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) < 65536):
        raise ValueError(text)
    return int(text)
