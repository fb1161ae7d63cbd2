# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names in the own nftables table ``inet dbports``, and the words that encoder and decoder share.

Chains sit ten before the usual filter priority. In each, loopback passes, then come the accepts and
at last one refusal a protocol. Decisions are by address only: a peer that is taken out of the
declaration is cut at once, and a host that tracks no connections does not begin to.

The exception is a guarded range that is wide enough to hold the source ports of the host's own
connections, such as an instance with a dynamic port has: answers to those connections pass there.
Only there, because `ct direction reply` is no proof: of a session older than the connection
tracking the kernel takes whoever speaks next for the one who opened it (nf_conntrack_tcp_loose),
so a server that speaks first would keep an undeclared client connected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction, Guard

FAMILY = "inet"
TABLE = "dbports"
PRIORITY = -10
"""Ten before ``filter``, so that the counters see what a later chain drops."""

WIDE = 64
"""Ports in a row that are a host's dynamic range and no list of fixed ports.

Windows takes no dynamic range below 255 ports (Microsoft, "The default dynamic port range for TCP/IP
has changed"), Linux' default has 28,232; nobody writes a list of 64 adjacent fixed ports.
"""

REFUSAL = "dbports: everyone else"
OWNER = "dbports: inventory host "
"""Begins the comment of a chain's first rule; the name of the host follows."""

DELETE = f"add table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n"
"""Removes the table whether or not it is there: nft before 1.0.7 has no ``destroy``."""


class ChainNames(NamedTuple):
    """What differs between the chains of the two directions."""

    name: str
    hook: str
    interface: str
    peer: str


CHAINS: dict[Direction, ChainNames] = {
    "in": ChainNames("inbound", "input", "iifname", "saddr"),
    "out": ChainNames("outbound", "output", "oifname", "daddr"),
}
IP = {4: "ip", 6: "ip6"}
NFPROTO = {4: "ipv4", 6: "ipv6"}
ICMP = {4: "icmp", 6: "icmpv6"}

PeerSet = tuple[int, tuple[AddressRange, ...]]
"""A family and merged ranges of it: the elements of one set."""


def answered_guards(guards: Sequence[Guard]) -> list[Guard]:
    """Return the wide ranges among inbound guards, which may hold source ports of the host's own connections."""
    found = []
    for guard in guards:
        wide = tuple(port for port in guard.ports if port.last - port.first >= WIDE - 1)
        if wide and guard.direction == "in":
            found.append(Guard(guard.direction, guard.protocol, wide))
    return found
