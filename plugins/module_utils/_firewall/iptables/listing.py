# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``iptables-save`` prints, read without trusting its shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_QUOTED = re.compile(r'(?<= )"(?:[^"\\]|\\.)*"(?=\s)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)")

_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "ipv6-icmp", "icmpv6": "ipv6-icmp"}
"""Other names for protocols; a host without /etc/protocols has fewer."""

_ADDRESSES = ("-s", "-d", "--src-range", "--dst-range")


RuleKey = tuple[tuple[str, str], ...]
"""Options and their values, sorted."""


class Part(NamedTuple):
    """An option of a rule with what follows it.

    :ivar negated: whether ``!`` stands before it.
    """

    negated: bool
    name: str
    values: tuple[str, ...]


class Rule(NamedTuple):
    """One rule.

    :ivar text: what follows the name of the chain, as it was printed.
    :ivar parts: the options in it.
    """

    text: str
    parts: tuple[Part, ...]

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read what follows the name of the chain."""
        return cls(text, tuple(_parts(_words(text))))

    @property
    def target(self) -> str:
        """The chain or target of the rule; empty when it has none."""
        return next((part.values[0] for part in self.parts if part.name in ("-j", "-g") and part.values), "")

    @property
    def options(self) -> Mapping[str, str]:
        """The options by name, with ``!`` before it where it is negated, and ``-m`` with all matches sorted.

        Empty where one has no value or comes twice. Addresses, ranges, flags and protocols are written in one way,
        whatever this release of iptables prints.
        """
        found: dict[str, str] = {}
        matches: set[str] = set()
        for part in self.parts:
            name = f"! {part.name}" if part.negated else part.name
            if not part.values or name in found:
                return {}
            if name == "-m":
                matches.add(part.values[0])
            else:
                found[name] = _plain(part.name, " ".join(part.values))
        return {**found, "-m": " ".join(sorted(matches))}

    @property
    def key(self) -> RuleKey:
        """What is the same for rules that mean the same: the options, or the text where they are not ours."""
        return tuple(sorted(self.options.items())) or (("", self.text),)


def _parts(words: Sequence[str]) -> Iterator[Part]:
    """Cut a rule into its options; a comment may look like one."""
    at = 0
    while at < len(words):
        negated = words[at] == "!" and at + 1 < len(words)
        at += negated
        name = words[at]
        first = at = at + 1
        if name == "--comment":
            at += 1
        else:
            while at < len(words) and words[at] != "!" and not words[at].startswith("-"):
                at += 1
        yield Part(negated, name, tuple(words[first:at]))


def _plain(name: str, value: str) -> str:
    if name == "-p":
        return _PROTOCOLS.get(value, value)
    if name in _ADDRESSES:
        try:
            return str(AddressRange.parse(value))
        except DbportsError:
            return value
    if name == "--tcp-flags":
        return " ".join(",".join(sorted(word.split(","))) for word in value.split())
    return value


@dataclass
class Table:
    """One table: the policy of each chain, ``-`` for a user's, and its rules in their order."""

    policies: dict[str, str] = field(default_factory=dict)
    rules: dict[str, list[Rule]] = field(default_factory=dict)


Tables = Mapping[str, Table]


def without(table: Table, own: Callable[[str], bool]) -> Table:
    """Return a table without some of its chains, and without the rules that lead to them."""
    policies = {name: policy for name, policy in table.policies.items() if not own(name)}
    left = {name: rules for name, rules in table.rules.items() if not own(name)}
    return Table(policies, {name: [rule for rule in rules if not own(rule.target)] for name, rules in left.items()})


def read_tables(text: str) -> Tables:
    """Read the tables in what ``iptables-save`` or ``ip6tables-save`` printed, or what goes into ``iptables-restore``.

    Other lines say nothing. A line end in a comment, which iptables-restore does not read again, is read as a space.
    """
    tables: dict[str, Table] = {}
    table = Table()
    # Only a line feed ends a line: a comment may hold what else splitlines() takes for one.
    for line in _QUOTED.sub(lambda found: found[0].replace("\n", " "), text).split("\n"):
        first, _space, rest = line.partition(" ")
        if first.startswith("*"):
            table = tables.setdefault(first[1:], Table())
        elif first.startswith(":"):
            table.policies[first[1:]] = rest.partition(" ")[0]
            table.rules.setdefault(first[1:], [])
        elif first in ("-A", "-I"):
            chain, _space, rule = rest.partition(" ")
            rules = table.rules.setdefault(chain, [])
            rules.insert(len(rules) if first == "-A" else 0, Rule.parse(rule))
    return tables


def _words(text: str) -> tuple[str, ...]:
    return tuple(
        _ESCAPED.sub(r"\1", quoted.group(1)) if quoted.group(1) is not None else quoted.group(2)
        for quoted in _WORD.finditer(text)
    )
