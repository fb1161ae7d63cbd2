# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ruleset as what ``iptables-restore --noflush`` and ``ip6tables-restore --noflush`` read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Union

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.forward_lines import lines_of
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.forward import (
    AddressChains,
    flat_rules,
    rules_of_line,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import (
    LAYOUT,
    OPTIONS,
    REPLY,
    UNTRACKED,
    Layout,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.words import (
    address_condition,
    commented,
    commented_rules,
    echo_condition,
    fitting,
    ports_condition,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    HOST_DIRECTIONS,
    Accept,
    Direction,
    Guard,
    Ruleset,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import (
    OWNER,
    REFUSAL,
    PeerSet,
    answered_guards,
    peer_sets,
    peers_by_family,
    refuse_unexpected,
)


def encode(ruleset: Ruleset, family: int, layout: Layout = LAYOUT) -> list[str]:
    """Write the own chains of one family with their rules, and the rules that lead into them.

    A rule without a comment continues the one before it, whose ports did not fit.

    :returns: lines of the table ``filter``; none when the ruleset has nothing for this family.
    :raises DbportsError: when a value could not stand in the language; nothing is pasted.
    """
    refuse_unexpected(ruleset)
    declared: list[str] = []
    rules: list[str] = []
    for direction in HOST_DIRECTIONS:
        parts = [item for item in ruleset.parts if item.direction == direction and _matters(item, family)]
        if parts:
            names = _name_chains(ruleset, direction, family, layout)
            chain = layout.chain(direction)
            declared += [chain, *names.values()]
            for (_family, peers), name in names.items():
                rules += [f"-A {name} {address_condition(OPTIONS[direction].side, peer)} -j ACCEPT" for peer in peers]
            rules += [f"-A {chain} {text}" for text in _chain(ruleset, direction, family, names)]
            rules.append(f"-I {layout.hooks[family, direction]} -j {chain}")
    declared_too, rules_too = _forwarded(ruleset, family, layout)
    return [*(f":{name} - [0:0]" for name in declared + declared_too), *rules, *rules_too]


def _forwarded(ruleset: Ruleset, family: int, layout: Layout) -> tuple[list[str], list[str]]:
    """Return the names of the chains for what is forwarded, and the rules in them and into them."""
    chain, addresses = layout.chain("forward"), AddressChains(layout.peers("forward"))
    own = [
        text
        for line in lines_of(ruleset)
        if line.family in (0, family)
        for text in rules_of_line(line, family, addresses)
    ]
    if not own:
        return [], []
    rules = [f"-A {chain} {text}" for text in [_head("forward", ruleset), *own]]
    return [chain, *addresses.names], [*addresses.rules, *rules, f"-I {layout.hooks[family, 'forward']} -j {chain}"]


def encode_mangle(ruleset: Ruleset, family: int, layout: Layout = LAYOUT) -> list[str]:
    """Write what refuses connections to published ports once more, in the table ``mangle``, before all of ``filter``.

    Docker and podman put rules that accept before all others in ``FORWARD`` of ``filter``, whenever they start or make
    a network. What is declared returns here, so that the rules of the owner that follow are asked as well.

    :returns: lines of the table ``mangle``; none when nothing of this family is published.
    """
    published = [line for line in lines_of(ruleset) if line.published and line.family in (0, family)]
    if not published:
        return []
    chain = layout.chain("forward")
    texts = [_head("forward", ruleset)]
    for line in published:
        texts += flat_rules(line, family, "DROP" if line.verdict == "drop" else "RETURN")
    rules = [f"-A {chain} {text}" for text in texts]
    return [f":{chain} - [0:0]", *rules, f"-I {layout.hooks[family, 'forward']} -j {chain}"]


WRITTEN: dict[str, Callable[[Ruleset, int, Layout], list[str]]] = {"filter": encode, "mangle": encode_mangle}
"""What writes the lines of a table."""


def _matters(item: Union[Accept, Guard], family: int) -> bool:
    return isinstance(item, Guard) or any(number == family for number, _peers in peers_by_family(item))


def _name_chains(ruleset: Ruleset, direction: Direction, family: int, layout: Layout) -> dict[PeerSet, str]:
    """Name a chain for each peer set of one direction and family."""
    accepts = tuple(item for item in ruleset.accepts if item.direction == direction)
    pairs = [pair for pair in peer_sets(replace(ruleset, accepts=accepts)) if pair[0] == family]
    return {pair: f"{layout.peers(direction)}{number}" for number, pair in enumerate(pairs, 1)}


def _chain(ruleset: Ruleset, direction: Direction, family: int, names: Mapping[PeerSet, str]) -> Iterator[str]:
    """Write the rules of one chain."""
    yield _head(direction, ruleset)
    yield from (f"{condition} -j RETURN" for condition in _answers(ruleset, direction))
    for accept in ruleset.accepts:
        if accept.direction == direction:
            for pair in peers_by_family(accept):
                if pair[0] == family:
                    yield from commented_rules(conditions(accept, family), accept.comment, names.get(pair, "ACCEPT"))
    for guard in ruleset.guards:
        if guard.direction == direction:
            yield from commented_rules(_port_conditions(guard), REFUSAL, "DROP")


def _head(direction: Direction, ruleset: Ruleset) -> str:
    """Write the first rule of a chain, which names the owner of the rules."""
    owner = f" {commented(OWNER + ruleset.owner)}" if ruleset.owner else ""
    return f"{OPTIONS[direction].interface} lo{owner} -j RETURN"


def _answers(ruleset: Ruleset, direction: Direction) -> Iterator[str]:
    """Write the conditions on answers to the connections of the other direction."""
    if direction == "out":
        # A client of this host may have a refused destination port as its source port.
        yield REPLY
        yield f"-p tcp {UNTRACKED}"
        return
    for guard in answered_guards(ruleset.guards):
        for condition in _port_conditions(guard):
            yield f"{condition} {REPLY}"
            if guard.protocol == "tcp":
                yield f"{condition} {UNTRACKED}"


def conditions(accept: Accept, family: int, side: str = "dport") -> list[str]:
    """Write the conditions of an accept besides its peers, as many as its ports need.

    :param side: ``sport`` for answers.
    """
    if accept.protocol == "icmp":
        return [echo_condition(family)]
    return _port_conditions(accept, side)


def _port_conditions(item: Union[Accept, Guard], side: str = "dport") -> list[str]:
    if item.protocol not in ("tcp", "udp"):
        raise DbportsError("only tcp and udp have ports to guard", code="cannot_encode", value=item.protocol)
    return [f"-p {item.protocol} {ports_condition(item.protocol, side, ports)}" for ports in fitting(item.ports)]
