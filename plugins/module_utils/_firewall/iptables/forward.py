# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The own chain for what the host forwards: its rules as words of iptables-restore, and read from iptables-save.

It is called first in ``FORWARD``. A rule whose addresses are many on a side jumps to a chain that names them, and from
there to one for the other side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Literal, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, merge_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.forward_lines import Line
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.listing import Table
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import (
    ECHO,
    NOT_OPENING,
    REPLY,
    SIDES,
    Layout,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.words import (
    address_condition,
    commented_rules,
    echo_condition,
    fitting,
    ports_condition,
    ports_words,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PROTOCOLS, PortRange, merge_ports

_Ranges = tuple[AddressRange, ...]

_DNAT = "-m conntrack --ctstate DNAT --ctdir ORIGINAL --ctorigdstport"

_VERDICTS: dict[str, Literal["accept", "drop"]] = {"ACCEPT": "accept", "RETURN": "accept", "DROP": "drop"}


class AddressChains:
    """The chains for the addresses of rules, each once.

    :param prefix: begins their names; a number follows.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._names: dict[tuple[str, _Ranges, str], str] = {}

    @property
    def names(self) -> list[str]:
        """Their names in their order."""
        return list(self._names.values())

    @property
    def rules(self) -> list[str]:
        """Their rules, as iptables-restore reads them."""
        return [
            f"-A {name} {address_condition(side, item)} -j {target}"
            for (side, ranges, target), name in self._names.items()
            for item in ranges
        ]

    def leading(self, side: str, ranges: _Ranges, target: str) -> str:
        """Return the name of the chain that leads what has one of these addresses on a side to a target."""
        return self._names.setdefault((side, ranges, target), f"{self._prefix}{len(self._names) + 1}")


def rules_of_line(line: Line, family: int, chains: AddressChains) -> Iterator[str]:
    """Write a rule of the chain, as many as its ports need; those after the first have no comment.

    :param chains: gets what the addresses need.
    """
    if line.of_others:
        return flat_rules(line, family, "RETURN")  # one in a chain of its own would come back to the refusals
    target = "DROP" if line.verdict == "drop" else "ACCEPT"
    addresses = []
    for side, ranges in (("target", line.target), ("source", line.source)):
        if len(ranges) == 1:
            addresses.append(address_condition(side, ranges[0]))
        elif ranges:
            target = chains.leading(side, ranges, target)
    conditions = (" ".join([*addresses, condition]) for condition in line_conditions(line, family))
    return commented_rules(conditions, line.comment, target)


def flat_rules(line: Line, family: int, target: str) -> Iterator[str]:
    """Write a rule of the chain as one for each address, which needs no other chain; those after the first have no
    comment."""
    sides = [
        [address_condition(side, item) for item in ranges] or [""]
        for side, ranges in (("target", line.target), ("source", line.source))
    ]
    conditions = (" ".join(filter(None, words)) for words in product(*sides, line_conditions(line, family)))
    return commented_rules(conditions, line.comment, target)


def line_conditions(line: Line, family: int) -> list[str]:
    """Write the conditions of a rule besides its addresses, as many as its ports need."""
    if line.protocol == "icmp":
        return [echo_condition(family)]
    if line.published:
        return [f"-p {line.protocol} {_DNAT} {ports_words([port])}" for port in line.ports]
    told = {"": "", "direction": f" {REPLY}", "flags": f" -m tcp {NOT_OPENING}"}[line.told]
    return [
        f"-p {line.protocol}{_ports(line.protocol, 'sport', sources)}{_ports(line.protocol, 'dport', ports)}{told}"
        for sources, ports in product(fitting(line.source_ports) or [[]], fitting(line.ports) or [[]])
    ]


def _ports(protocol: str, side: str, ports: Sequence[PortRange]) -> str:
    return f" {ports_condition(protocol, side, ports)}" if ports else ""


def read_lines(table: Table, layout: Layout, family: int) -> list[Line]:
    """Read the rules of the chain; what was not written by :func:`rules_of_line` is read otherwise, or passed over."""
    found: list[Line] = []
    for rule in table.rules.get(layout.chain("forward"), []):
        options = rule.options
        try:
            line = _line(options, table, family)
        except DbportsError:
            line = None
        if line and line.comment:
            found.append(line)
        elif line and found:
            last = found[-1]
            found[-1] = last._replace(
                source=merge_addresses(last.source + line.source),
                target=merge_addresses(last.target + line.target),
                source_ports=merge_ports(last.source_ports + line.source_ports),
                ports=merge_ports(last.ports + line.ports),
            )
    return found


def _line(options: Mapping[str, str], table: Table, family: int) -> Optional[Line]:
    named = options.get("-p", "")
    protocol = "icmp" if named == ECHO[family][0] else next((item for item in PROTOCOLS if item == named), None)
    target, sides = _addresses(options, table)
    if protocol is None or target not in _VERDICTS:
        return None
    published = "--ctorigdstport" in options
    told: Literal["", "flags", "direction"] = "direction" if options.get("--ctdir") == "REPLY" else ""
    if "! --tcp-flags" in options:
        told = "flags"
    return Line(
        _VERDICTS[target],
        options.get("--comment", ""),
        0 if published and target == "DROP" else family,
        protocol,
        sides["source"],
        sides["target"],
        _read_ports(options, "--sports", "--sport"),
        _read_ports(options, "--dports", "--dport", "--ctorigdstport"),
        told,
        published,
    )


def _addresses(options: Mapping[str, str], table: Table) -> tuple[str, dict[str, _Ranges]]:
    """Return the verdict of a rule and its addresses, following it through the chains for these."""
    sides: dict[str, _Ranges] = {side: _on_side(side, [options]) for side in SIDES}
    target = options.get("-j", "")
    for _side in SIDES:
        rules = [rule.options for rule in table.rules.get(target, [])]
        if rules:
            target = rules[0].get("-j", "")
            sides = {side: found or _on_side(side, rules) for side, found in sides.items()}
    return target, sides


def _on_side(side: str, rules: Sequence[Mapping[str, str]]) -> _Ranges:
    texts = [options[name] for options in rules for name in SIDES[side] if name in options]
    return merge_addresses(map(AddressRange.parse, texts))


def _read_ports(options: Mapping[str, str], *names: str) -> tuple[PortRange, ...]:
    texts = [text for name in names for text in options.get(name, "").split(",") if text]
    return merge_ports(PortRange.parse(text.replace(":", "-")) for text in texts)
