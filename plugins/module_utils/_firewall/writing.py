# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every firewall writes and reads alike: peer sets, comments, and which ranges let answers pass.

In the own chains of a firewall loopback passes, then come the accepts and at last one refusal a protocol. Decisions
are by address only: a peer that is taken out of the declaration is cut at once, and a host that tracks no
connections does not begin to.

The exception is a guarded range that is wide enough to hold the source ports of the host's own connections, such as
an instance with a dynamic port has: answers to those connections pass there, and outbound all answers to clients. Write
it by direction (``ct direction reply``, ``--ctdir REPLY``) and not by state: what a client opened that is no longer
declared is established, too. The kernel takes whoever speaks next for the opener of a connection that is older than its
tracking (nf_conntrack_tcp_loose); :mod:`live.sessions` tells it better before rules are loaded. Untracked TCP segments
pass such a range when they have the flag ACK or RST, since they open nothing.

What a host forwards (direction ``forward``) is decided in the same way, with its peers and its targets. Beside each
accept of a router its answers pass, back from the target's port: TCP segments with the flag ACK or RST, whoever opened
the connection, so that no connection stalls that is older than the tracking; UDP by the direction of the tracking, or
by the ports alone where the rule is stateless. Behind all accepts TCP segments with one of these flags pass into a wide
range of a target, UDP by direction unless it is stateless: no rule declares these connections, so where an accept would
overrule the rules of the host's owner, it is only a return to them. From the other ports of a stateless guard all other
answers are refused. Published ports, which have no targets, are those that the tracking says the connection came to
before its destination was translated (``ct status dnat``): only the packets of its original direction are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import BITS, AddressRange, of_family
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import RULE, is_comment, quoted
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    Accept,
    Guard,
    Ruleset,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange

WIDE = 64
"""Ports in a row that are a host's dynamic range and no list of fixed ports.

Windows takes no dynamic range below 255 ports (Microsoft, "The default dynamic port range for TCP/IP
has changed"), Linux' default has 28,232; nobody writes a list of 64 adjacent fixed ports.
"""

REFUSAL = "dbports: everyone else"
ANSWERS = "dbports: answers"
STATELESS = ", stateless"
"""Ends the comments of rules of a router that is not to ask its connection tracking."""

OWNER = "dbports: inventory host "
"""Begins the comment of a chain's first rule; the name of the host follows."""

PeerSet = tuple[int, tuple[AddressRange, ...]]
"""A family and merged ranges of it."""


def answered_guards(guards: Sequence[Guard]) -> list[Guard]:
    """Return the wide ranges among inbound guards, which may hold source ports of the host's own connections."""
    return [
        Guard(guard.direction, guard.protocol, wide_ports(guard))
        for guard in guards
        if guard.direction == "in" and wide_ports(guard)
    ]


def wide_ports(guard: Guard) -> tuple[PortRange, ...]:
    """Return the ranges of a guard that may hold source ports of connections which the guarded host itself opens."""
    return tuple(port for port in guard.ports if port.last - port.first >= WIDE - 1)


def everyone(family: int) -> AddressRange:
    """Return all addresses of a family."""
    return AddressRange(family, 0, 2 ** BITS[family] - 1)


def peers_by_family(accept: Accept) -> Iterator[PeerSet]:
    """Yield the peers of an accept, IPv4 and then IPv6, each when there are any."""
    for family in (4, 6):
        peers = tuple(of_family(accept.peers, family))
        if peers:
            yield family, peers


def peer_sets(ruleset: Ruleset) -> list[PeerSet]:
    """Return each distinct peer set once, so that accepts with the same peers share it; everyone needs no set."""
    found = [pair for accept in ruleset.accepts for pair in peers_by_family(accept)]
    return [pair for pair in dict.fromkeys(found) if pair[1] != (everyone(pair[0]),)]


def refuse_unexpected(ruleset: Ruleset) -> None:
    """Refuse a ruleset that was read from a host where our chains hold what is not ours.

    :raises DbportsError: when it has unexpected parts.
    """
    if ruleset.unexpected:
        raise DbportsError(
            "a ruleset with unexpected parts can be read but not written",
            code="cannot_encode",
            value=ruleset.unexpected,
        )


def checked_comment(text: str) -> str:
    """Return a comment that every firewall can hold; nothing is pasted.

    :raises DbportsError: when it could not.
    """
    if not is_comment(text):
        raise DbportsError(f"a comment is {RULE}", code="cannot_encode", value=text)
    return text


def quoted_comment(text: str) -> str:
    """Return a comment in quotes, where the language escapes nothing in them.

    :raises DbportsError: when no firewall could hold it.
    """
    return f'"{quoted(checked_comment(text))}"'
