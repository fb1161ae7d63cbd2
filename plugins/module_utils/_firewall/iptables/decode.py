# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The own chains, as ``iptables-save`` prints them, read back as a ruleset; whatever the encoder does not write is
unexpected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, merge_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.forward_lines import rules_of
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.encode import WRITTEN
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.forward import read_lines
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.listing import (
    Rule,
    RuleKey,
    Table,
    Tables,
    read_tables,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import (
    ECHO,
    LAYOUT,
    OPTIONS,
    PROGRAMS,
    SIDES,
    Layout,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    HOST_DIRECTIONS,
    Accept,
    Direction,
    Guard,
    Ruleset,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import OWNER, everyone
from ansible_collections.dbports.firewall.plugins.module_utils._ports import (
    PROTOCOLS,
    PortRange,
    Protocol,
    merge_ports,
)

_Key = tuple[Direction, Protocol, tuple[PortRange, ...], str]


def decode(families: Mapping[int, Tables], layout: Layout = LAYOUT) -> Ruleset:
    """Read the own chains of both families; without any the ruleset is empty.

    What is read is encoded again, and the difference to what is there is ``unexpected``.
    """
    reader = _Reader()
    for family, tables in families.items():
        table = tables.get("filter", Table())
        for direction in HOST_DIRECTIONS:
            reader.read(family, direction, layout.chain(direction), table)
        reader.read_forwarded(family, table, layout)
    found = reader.ruleset()
    unexpected = [
        f"{PROGRAMS[family]}{'' if name == 'filter' else f' -t {name}'}: {text}"
        for family, tables in families.items()
        for name in layout.tables
        for text in _differences(name, tables.get(name, Table()), found, family, layout)
    ]
    if len(reader.owners) > 1:
        unexpected.append(f"rules of {' and '.join(sorted(reader.owners))}")
    return replace(found, unexpected=tuple(sorted(unexpected))) if unexpected else found


class _Reader:
    """Takes from the chains what looks like accepts and refusals; everything else is passed over."""

    def __init__(self) -> None:
        self.owners: set[str] = set()
        self._accepts: dict[_Key, list[AddressRange]] = {}
        self._forwarded: list[Accept] = []
        self._guards: set[Guard] = set()

    def read(self, family: int, direction: Direction, chain: str, table: Table) -> None:
        """Read the chain of one direction."""
        entries: list[tuple[Protocol, list[PortRange], str, str]] = []
        for rule in table.rules.get(chain, []):
            options = rule.options
            comment, target = options.get("--comment", ""), options.get("-j", "")
            if target == "RETURN":
                self._read_owner(comment)
                continue
            protocol, ports = _ports(options, family)
            if protocol and comment:
                entries.append((protocol, ports, comment, target))
            elif protocol and entries:
                entries[-1][1].extend(ports)
        for protocol, ports, comment, target in entries:
            merged = merge_ports(ports)
            if target == "DROP":
                self._guards.add(Guard(direction, protocol, merged))
            else:
                peers = _peers(table.rules.get(target, []), direction) if target != "ACCEPT" else [everyone(family)]
                self._accepts.setdefault((direction, protocol, merged, comment), []).extend(peers)

    def read_forwarded(self, family: int, table: Table, layout: Layout) -> None:
        """Read the chain for what is forwarded."""
        for rule in table.rules.get(layout.chain("forward"), []):
            if rule.target == "RETURN":
                self._read_owner(rule.options.get("--comment", ""))
        accepts, guards = rules_of(read_lines(table, layout, family)) or ([], [])
        self._forwarded += accepts
        self._guards |= set(guards)

    def _read_owner(self, comment: str) -> None:
        if comment.startswith(OWNER):
            self.owners.add(comment[len(OWNER) :])

    def ruleset(self) -> Ruleset:
        """Return what was read."""
        accepts = [Accept(*key[:3], merge_addresses(peers), key[3]) for key, peers in self._accepts.items() if peers]
        accepts += self._forwarded
        owner = next(iter(self.owners)) if len(self.owners) == 1 else ""
        return Ruleset(tuple(sorted(accepts)), tuple(sorted(self._guards))).of(owner)


def _ports(options: Mapping[str, str], family: int) -> tuple[Optional[Protocol], list[PortRange]]:
    protocol = options.get("-p", "")
    if protocol == ECHO[family][0]:
        return "icmp", []
    text = options.get("--dports", options.get("--dport", ""))
    try:
        ports = [PortRange.parse(part.replace(":", "-")) for part in text.split(",")]
    except DbportsError:
        return None, []
    return next((item for item in PROTOCOLS if item == protocol), None), ports


def _peers(rules: Sequence[Rule], direction: Direction) -> list[AddressRange]:
    found = []
    side = SIDES[OPTIONS[direction].side]
    for rule in rules:
        options = rule.options
        text = options.get(side.network, options.get(side.other, ""))
        try:
            found.append(AddressRange.parse(text))
        except DbportsError:
            continue
    return found


def own_rules(table: Table, layout: Layout) -> dict[str, list[Rule]]:
    """Return what is ours in a table: the own chains, and by chain the rules of others that lead into them."""
    found = {name: rules for name, rules in table.rules.items() if layout.is_own(name)}
    if found.get(layout.made) == []:
        del found[layout.made]
    for name, rules in table.rules.items():
        leading = [rule for rule in rules if layout.is_own(rule.target)]
        if leading and name not in found:
            found[name] = leading
    return found


def _differences(kind: str, table: Table, ruleset: Ruleset, family: int, layout: Layout) -> Iterator[str]:
    """Say what is in our place and was not written for this ruleset, and the other way round."""
    try:
        lines = WRITTEN[kind](ruleset, family, layout)
    except DbportsError as error:
        yield error.reason
        return
    written = read_tables("\n".join([f"*{kind}", *lines]))[kind]
    wanted, there = own_rules(written, layout), own_rules(table, layout)
    for name in sorted(there.keys() | wanted.keys()):
        if name not in wanted or name not in there:
            yield f"chain {name}" if name in there else f"no chain {name}"
            continue
        seen, meant = [rule.key for rule in there[name]], [rule.key for rule in wanted[name]]
        if seen != meant:
            more, less = Counter(seen) - Counter(meant), Counter(meant) - Counter(seen)
            yield from (f"rule in chain {name}: {_text(key)}" for key in more)
            yield from (f"no rule in chain {name}: {_text(key)}" for key in less)
            if not more and not less:
                yield f"the order in chain {name}"
        if not layout.is_own(name) and table.rules[name][0] not in there[name]:
            yield f"chain {name} does not begin with the own chain"


def _text(key: RuleKey) -> str:
    return " ".join(part for pair in key for part in pair if part)
