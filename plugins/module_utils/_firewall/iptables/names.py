# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of the own chains in the table ``filter``, and the words that encoder and decoder share.

``INPUT`` and ``OUTPUT`` jump to an own chain in their first rule, so that an accept there ends the way through the
table, whatever its owner wrote behind. What is none of our business returns to the rules of the owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction


class Options(NamedTuple):
    """The options of a rule that differ between the directions."""

    interface: str
    peer: str
    peer_range: str


OPTIONS: dict[Direction, Options] = {
    "in": Options("-i", "-s", "--src-range"),
    "out": Options("-o", "-d", "--dst-range"),
}


class Layout(NamedTuple):
    """Where the own chains are in the table ``filter``.

    :ivar prefix: begins the names of all own chains, and of no other.
    :ivar hooks: the chains that call them, by family and direction.
    :ivar needs: by family, a chain without which nothing is to call them.
    """

    prefix: str
    hooks: Mapping[tuple[int, Direction], str]
    needs: Mapping[int, str] = {}

    @property
    def made(self) -> str:
        """The name of an empty chain that says that the table was made for the own chains, and may go with them."""
        return f"{self.prefix}MADE"

    def chain(self, direction: Direction) -> str:
        """Return the name of the chain of a direction."""
        return f"{self.prefix}{'IN' if direction == 'in' else 'OUT'}"

    def peers(self, direction: Direction) -> str:
        """Return what begins the names of the chains that accept a peer set; a number follows."""
        return f"{self.prefix}{'FROM' if direction == 'in' else 'TO'}"


LAYOUT = Layout("DBPORTS_", {(4, "in"): "INPUT", (6, "in"): "INPUT", (4, "out"): "OUTPUT", (6, "out"): "OUTPUT"})
"""Of a host on which no other firewall owns the tables."""

ECHO = {4: ("icmp", "-m icmp --icmp-type 8"), 6: ("ipv6-icmp", "-m icmp6 --icmpv6-type 128")}
"""The protocol and the match of an echo request."""

REPLY = "-m conntrack --ctdir REPLY"
UNTRACKED = "-m conntrack --ctstate UNTRACKED -m tcp ! --tcp-flags RST,ACK NONE"
"""Where a rule of somebody else says ``NOTRACK`` nothing tells who opened a connection. All TCP segments but the first
one of a connection have the flag ACK, or RST (RFC 9293, 3.10): what has one of them opens nothing."""

PROGRAMS = {4: "iptables", 6: "ip6tables"}

SLOTS = 15
"""Ports that one ``multiport`` takes; a range counts as two (iptables-extensions(8))."""
