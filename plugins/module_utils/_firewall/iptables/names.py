# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of the own chains, most of them in the table ``filter``, and the words that encoder and decoder share.

``INPUT``, ``OUTPUT`` and ``FORWARD`` jump to an own chain in their first rule, so that an accept there ends the way
through the table, whatever its owner wrote behind. What is none of our business returns to the rules of the owner.
Published ports are refused in ``mangle`` as well, which comes first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction


class Side(NamedTuple):
    """The options for an address or a network on one side of a packet, and for another range of addresses."""

    network: str
    other: str


SIDES = {"source": Side("-s", "--src-range"), "target": Side("-d", "--dst-range")}


class Options(NamedTuple):
    """What differs between the directions: the option of the interface, and the side of the peers."""

    interface: str
    side: str


OPTIONS: dict[Direction, Options] = {
    "in": Options("-i", "source"),
    "out": Options("-o", "target"),
    "forward": Options("-i", "source"),
}
_CHAINS: dict[Direction, tuple[str, str]] = {"in": ("IN", "FROM"), "out": ("OUT", "TO"), "forward": ("FORWARD", "ENDS")}
"""What the names of the chains of a direction end with, and those for its addresses before their number."""


class Layout(NamedTuple):
    """Where the own chains are.

    :ivar prefix: begins the names of all own chains.
    :ivar hooks: the chains that call them, by family and direction.
    :ivar needs: by family, a chain without which nothing is to call them.
    :ivar tables: the tables that they are in.
    """

    prefix: str
    hooks: Mapping[tuple[int, Direction], str]
    needs: Mapping[int, str] = {}
    tables: tuple[str, ...] = ("filter",)

    @property
    def own(self) -> str:
        """What the names of the own chains look like, as an extended regular expression; no other chain is ours."""
        ways = [way for way, _ends in _CHAINS.values()]
        ends = [end for _way, end in _CHAINS.values()]
        return f"{self.prefix}({'|'.join([*ways, 'MADE'])}|({'|'.join(ends)})[0-9]+)"

    def is_own(self, chain: str) -> bool:
        """Tell whether a chain is ours by its name."""
        return chain.startswith(self.prefix) and re.fullmatch(self.own, chain) is not None

    def carries(self, saved: str) -> bool:
        """Tell whether there is an own chain in what ``iptables-save`` printed."""
        return f":{self.prefix}" in saved and re.search(f"^:{self.own} ", saved, re.MULTILINE) is not None

    @property
    def made(self) -> str:
        """The name of an empty chain that says that the table was made for the own chains, and may go with them."""
        return f"{self.prefix}MADE"

    def chain(self, direction: Direction) -> str:
        """Return the name of the chain of a direction."""
        return f"{self.prefix}{_CHAINS[direction][0]}"

    def peers(self, direction: Direction) -> str:
        """Return what begins the names of the chains for addresses; a number follows."""
        return f"{self.prefix}{_CHAINS[direction][1]}"


_HOOKS: dict[Direction, str] = {"in": "INPUT", "out": "OUTPUT", "forward": "FORWARD"}
LAYOUT = Layout(
    "DBPORTS_",
    {(family, direction): hook for family in (4, 6) for direction, hook in _HOOKS.items()},
    tables=("filter", "mangle"),
)
"""Of a host on which no other firewall owns the tables."""

ECHO = {4: ("icmp", "-m icmp --icmp-type 8"), 6: ("ipv6-icmp", "-m icmp6 --icmpv6-type 128")}
"""The protocol and the match of an echo request."""

REPLY = "-m conntrack --ctdir REPLY"
NOT_OPENING = "! --tcp-flags RST,ACK NONE"
"""All TCP segments but the first one of a connection have the flag ACK, or RST (RFC 9293, 3.10): what has one of them
opens nothing."""

UNTRACKED = f"-m conntrack --ctstate UNTRACKED -m tcp {NOT_OPENING}"
"""Where a foreign rule says ``NOTRACK``, nothing else tells who opened a connection."""

PROGRAMS = {4: "iptables", 6: "ip6tables"}

SLOTS = 15
"""Ports that one ``multiport`` takes; a range counts as two (iptables-extensions(8))."""
