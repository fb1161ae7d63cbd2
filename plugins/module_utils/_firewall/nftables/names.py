# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names in the own nftables table ``inet dbports``, and the words that encoder and decoder share.

Chains sit ten before the usual filter priority. What they hold is said in writing.py.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction

FAMILY = "inet"
TABLE = "dbports"
PREFIX = f"{TABLE}_"
"""Begins the names of own chains and sets in a foreign table."""

PRIORITY = -10
"""Ten before ``filter``, so that the counters see what a later chain drops."""

DELETE = f"add table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n"
"""Removes the table whether or not it is there: nft before 1.0.7 has no ``destroy``."""


UNTRACKED = "ct state untracked tcp flags rst,ack"
"""Where a foreign rule says ``notrack``, nothing tells who opened a connection. All TCP segments but the first
one of a connection have the flag ACK, or RST (RFC 9293, 3.10): what has one of them opens nothing."""


class ChainNames(NamedTuple):
    """What differs between the chains of the two directions."""

    name: str
    hook: str
    interface: str
    peer: str


CHAINS: dict[Direction, ChainNames] = {
    "in": ChainNames("inbound", "input", "iifname", "saddr"),
    "out": ChainNames("outbound", "output", "oifname", "daddr"),
    "forward": ChainNames("forwarded", "forward", "iifname", "saddr"),
}
PLACED_CHAINS = tuple(PREFIX + chain.name for chain in CHAINS.values())
PLACED_SET = re.compile(f"{PREFIX}peers[0-9]+_v[46]")
"""The names of own chains and sets in a foreign table; no others are ours."""

FIREWALLD_PANIC = "firewalld_policy_drop"
FIREWALLD = {"firewalld", FIREWALLD_PANIC}
"""The tables of firewalld; what others add to them is gone at its next reload. The one for panic mode is also there
while it starts or reloads."""

IP = {4: "ip", 6: "ip6"}
NFPROTO = {4: "ipv4", 6: "ipv6"}
ICMP = {4: "icmp", 6: "icmpv6"}

PROGRAM, LISTING, OWN_TABLE, PLACED, KEPT, BOOT = "program", "listing", "own table", "placed", "kept", "boot"
COPIED = "copied"
"""What is observed: the path of nft or nothing, its JSON, the text that brings the own table back, those that bring own
chains in tables of others back, the own files, how the host boots, and the files of its owner with own rules."""

NOWHERE = "{}"
"""What is observed as ``PLACED`` where no table of others has own chains."""
