# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ruleset as the text of the own table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Optional, Union

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    DIRECTIONS,
    Accept,
    Direction,
    Guard,
    Ruleset,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import (
    CHAINS,
    DELETE,
    FAMILY,
    ICMP,
    IP,
    NFPROTO,
    PRIORITY,
    TABLE,
    UNTRACKED,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import (
    OWNER,
    REFUSAL,
    PeerSet,
    answered_guards,
    peer_sets,
    peers_by_family,
    quoted_comment,
    refuse_unexpected,
)


def encode(ruleset: Ruleset) -> str:
    """Write the text that replaces the table by ``ruleset`` in one transaction, idempotent.

    :raises DbportsError: when a value could not stand in nftables' language; nothing is pasted.
    """
    if not ruleset:
        return DELETE
    refuse_unexpected(ruleset)
    forwards = any(item.forward for item in ruleset.parts)
    pairs = dict.fromkeys([*peer_sets(ruleset), *(_forward_sets(ruleset) if forwards else ())])
    names = {pair: f"peers{number}_v{pair[0]}" for number, pair in enumerate(pairs, 1)}
    lines = [f"table {FAMILY} {TABLE} {{"]
    for (family, peers), name in names.items():
        lines += _encode_set(name, family, peers)
    for direction in DIRECTIONS:
        if any(item.direction == direction for item in ruleset.parts):
            write = _encode_forward if direction == "forward" and forwards else _encode_rules
            lines += _encode_chain(ruleset, direction, write(ruleset, direction, names))
    return DELETE + "\n".join([*lines, "}", ""])


def _encode_set(name: str, family: int, peers: Sequence[AddressRange]) -> list[str]:
    elements = ",\n".join(f"\t\t\t{peer}" for peer in peers)
    return [
        f"\tset {name} {{",
        f"\t\ttype {NFPROTO[family]}_addr",
        "\t\tflags interval",
        f"\t\telements = {{\n{elements}\n\t\t}}",
        "\t}",
    ]


def _encode_chain(ruleset: Ruleset, direction: Direction, rules: Sequence[str]) -> list[str]:
    chain = CHAINS[direction]
    owner = f" comment {quoted_comment(OWNER + ruleset.owner)}" if ruleset.owner else ""
    return [
        f"\tchain {chain.name} {{",
        f"\t\ttype filter hook {chain.hook} priority {PRIORITY}; policy accept;",
        f'\t\t{chain.interface} "lo" accept{owner}',
        *(f"\t\t{text}" for text in rules),
        "\t}",
    ]


def _encode_rules(ruleset: Ruleset, direction: Direction, names: Mapping[PeerSet, str]) -> list[str]:
    lines = _encode_answers(ruleset, direction)
    for accept in ruleset.accepts:
        if accept.direction == direction:
            tail = f"counter accept comment {quoted_comment(accept.comment)}"
            for family, peers in peers_by_family(accept):
                lines.append(f"{_match(accept, family, names.get((family, peers)))} {tail}")
    for guard in ruleset.guards:
        if guard.direction == direction:
            lines.append(f'{_dport(guard)} counter drop comment "{REFUSAL}"')
    return lines


def _forward_sets(ruleset: Ruleset) -> Iterable[PeerSet]:
    # Only routers need it.
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.forward import forward_sets

    return forward_sets(ruleset)


def _encode_forward(ruleset: Ruleset, _direction: Direction, names: Mapping[PeerSet, str]) -> list[str]:
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.forward import forward_rules

    return forward_rules(ruleset, names)


def _encode_answers(ruleset: Ruleset, direction: Direction) -> list[str]:
    """Write what lets answers to the connections of the other direction pass."""
    if direction == "out":
        # A client of this host may have a refused destination port as its source port.
        return ["ct direction reply accept", f"{UNTRACKED} accept"]
    lines = []
    for guard in answered_guards(ruleset.guards):
        lines.append(f"ct direction reply {_dport(guard)} accept")
        lines += [f"{UNTRACKED} {_dport(guard)} accept"] if guard.protocol == "tcp" else []
    return lines


def _match(accept: Accept, family: int, name: Optional[str]) -> str:
    """Write the conditions of one accept and one family; ``name`` is its set, None for every peer."""
    if accept.protocol == "icmp":
        condition = f"{ICMP[family]} type echo-request"
        only_family = ""
    else:
        condition = _dport(accept)
        only_family = f"meta nfproto {NFPROTO[family]} "
    if name is None:
        return only_family + condition
    return f"{IP[family]} {CHAINS[accept.direction].peer} @{name} {condition}"


def _dport(item: Union[Accept, Guard]) -> str:
    if item.protocol not in ("tcp", "udp"):
        raise DbportsError("only tcp and udp have ports to guard", code="cannot_encode", value=item.protocol)
    if len(item.ports) == 1:
        return f"{item.protocol} dport {item.ports[0]}"
    return f"{item.protocol} dport {{ {', '.join(str(port) for port in item.ports)} }}"
