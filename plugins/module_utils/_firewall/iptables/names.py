# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of the own chains in the table ``filter``, and the words that encoder and decoder share.

``INPUT`` and ``OUTPUT`` jump to an own chain in their first rule, so that an accept there ends the way through the
table, whatever its owner wrote behind. What is none of our business returns to the rules of the owner.
"""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction

PREFIX = "DBPORTS_"
"""Begins the names of all own chains, and of no other."""


class ChainNames(NamedTuple):
    """What differs between the chains of the two directions.

    :ivar peers: begins the names of the chains that accept a peer set; a number follows.
    """

    name: str
    hook: str
    interface: str
    peer: str
    peer_range: str
    peers: str


CHAINS: dict[Direction, ChainNames] = {
    "in": ChainNames(f"{PREFIX}IN", "INPUT", "-i", "-s", "--src-range", f"{PREFIX}FROM"),
    "out": ChainNames(f"{PREFIX}OUT", "OUTPUT", "-o", "-d", "--dst-range", f"{PREFIX}TO"),
}

ECHO = {4: ("icmp", "-m icmp --icmp-type 8"), 6: ("ipv6-icmp", "-m icmp6 --icmpv6-type 128")}
"""The protocol and the match of an echo request."""

PROGRAMS = {4: "iptables", 6: "ip6tables"}

SLOTS = 15
"""Ports that one ``multiport`` takes; a range counts as two (iptables-extensions(8))."""
