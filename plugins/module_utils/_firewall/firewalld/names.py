# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The own policies and ipsets of firewalld, and the words that encoder and decoder share.

A policy of firewalld filters what comes to the host from any zone (or leaves it for any), and one with a negative
priority does so before the zones: what it accepts gets in through every zone, also drop and block, and what it drops
gets in through none (firewalld.policies(5), firewalld.policy(5)). The own ones have the lowest priority there is, so
that no other policy comes before them. firewalld lets loopback and answers to the host's own connections pass before
all policies, so these need no rules here; so it does with answers to what the host forwards.

A rule of firewalld has one port range and one ipset. Those of one accept share a priority, its number; a rule with a
priority comes in that order. The description holds the owner and the comment of each accept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import unquoted
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import PeerSet

PREFIX = "dbports-"
"""Begins the names of all own objects."""

OWN = rf"{PREFIX}(?:in|out|forward|[1-9][0-9]*-v[46])"
"""Matches the names of all own policies and ipsets."""


def is_own(name: str) -> bool:
    """Tell whether a policy or an ipset is ours by its name; others may begin in the same way."""
    return re.fullmatch(OWN, name) is not None


PRIORITY = -32768
"""The lowest that a policy may have."""

REFUSED = 32767
"""The priority of the rules that refuse: the highest that a rule may have, so that it comes last."""

TARGET = "CONTINUE"
TITLE = "dbports.firewall"
DESCRIPTION = "Guarded ports of dbports.firewall; changes are lost."

UNANSWERED = " unanswered"
"""Follows the comment of an accept whose requests have no answers. firewalld makes no difference."""

NO_OWNER = '""'
"""Stands for the owner of rules that have none."""

_TEXT = re.compile(rf'"([^"]*)"({UNANSWERED})?')

IPSET_TYPE = "hash:net"
IPSET_FAMILY = {4: "inet", 6: "inet6"}
FAMILY = {4: "ipv4", 6: "ipv6"}
PING = "echo-request"


NAME = "org.fedoraproject.FirewallD1"
PATH = "/org/fedoraproject/FirewallD1"
CALL = ("busctl", "--system", "--auto-start=no")
"""How every call of busctl begins: it starts no firewalld that its owner stopped."""

_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
OWNED = (*CALL, "call", *_BUS, "NameHasOwner", "s", NAME)
"""Prints ``b true`` when firewalld runs."""


class PolicyPlace(NamedTuple):
    """What differs between the policies of the directions; ``peer`` is the side of a rule on which the peers are."""

    name: str
    ingress: str
    egress: str
    peer: str


POLICIES: dict[Direction, PolicyPlace] = {
    "in": PolicyPlace(f"{PREFIX}in", "ANY", "HOST", "source"),
    "out": PolicyPlace(f"{PREFIX}out", "HOST", "ANY", "destination"),
    "forward": PolicyPlace(f"{PREFIX}forward", "ANY", "ANY", "source"),
}

_RULE = re.compile(
    r'rule priority="(?P<priority>\d{1,5})"(?: family="(?P<family>ipv[46])")?'
    r'(?: source ipset="(?P<source>[^"]+)")?(?: destination ipset="(?P<destination>[^"]+)")?'
    r' (?:port port="(?P<port>[0-9-]+)" protocol="(?P<protocol>tcp|udp)"|icmp-type name="(?P<icmp>echo-request)")'
    r" (?P<action>accept|drop)"
)


class RichRule(NamedTuple):
    """One rich rule (firewalld.richlanguage(5)).

    :ivar family: ``ipv4``, ``ipv6``, or nothing for both.
    :ivar source: the ipset that packets come from; nothing for all addresses.
    :ivar destination: the same of those that they go to.
    :ivar port: one port or range; nothing for an ICMP echo request.
    """

    priority: int
    family: str
    source: str
    destination: str
    protocol: str
    port: str
    action: str

    @property
    def sides(self) -> Iterator[tuple[str, str]]:
        """The ipsets that it names, by side."""
        yield from ((side, name) for side, name in (("source", self.source), ("destination", self.destination)) if name)

    def __str__(self) -> str:
        """Return the rule as firewalld prints it."""
        parts = [f'rule priority="{self.priority}"']
        parts += [f'family="{self.family}"'] if self.family else []
        parts += [f'{side} ipset="{name}"' for side, name in self.sides]
        ping = f'icmp-type name="{PING}"'
        parts.append(f'port port="{self.port}" protocol="{self.protocol}"' if self.port else ping)
        return " ".join([*parts, self.action])

    @classmethod
    def parse(cls, text: str) -> Optional[RichRule]:
        """Read what :meth:`__str__` writes; None for any other rule."""
        found = _RULE.fullmatch(text)
        if not found:
            return None
        rule = cls(
            int(found["priority"]),
            found["family"] or "",
            found["source"] or "",
            found["destination"] or "",
            found["protocol"] or "icmp",
            found["port"] or "",
            found["action"],
        )
        return rule if str(rule) == text else None


class OwnPolicy(NamedTuple):
    """An own policy: its description and its rules in their order."""

    description: str
    rules: tuple[RichRule, ...]


class OwnObjects(NamedTuple):
    """What a ruleset is in firewalld: the policies by direction, and the peers of each ipset."""

    policies: dict[Direction, OwnPolicy]
    ipsets: dict[str, PeerSet]


def description(owner: str, comments: list[str]) -> str:
    """Write the texts of a policy, each in its quotes; firewalld reads a description as one line."""
    return " ".join([DESCRIPTION, owner, *comments])


def read_description(text: str) -> list[str]:
    """Return owner and comments of what :func:`description` wrote; nothing when it is another text."""
    texts = [found[0] for found in _TEXT.finditer(text)]
    return texts if texts and description(texts[0], texts[1:]) == text else []


def read_text(text: str) -> tuple[str, bool]:
    """Read one of these texts: what it says, and whether the requests of its accept have no answers."""
    found = _TEXT.fullmatch(text)
    return (unquoted(found[1]), bool(found[2])) if found else ("", False)
