# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ruleset as rules of Windows Defender Firewall, and those rules as a ruleset again.

There is no order among these rules: a block beats every allow ([MS-FASP] 2.2.34). So an accept is an allow rule, and
whoever is not accepted on a guarded port is blocked there by name: one block rule for everyone else, in both families,
holds whatever other rules allow.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    BITS,
    AddressRange,
    merge_addresses,
    of_family,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import quoted, unquoted
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    Accept,
    Direction,
    Guard,
    Ruleset,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.rules import (
    ECHO,
    GROUP,
    ICMP,
    NUMBERS,
    Action,
    Listed,
    WindowsRule,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import (
    PortRange,
    Protocol,
    format_ports,
    merge_ports,
    parse_ports,
)

MAX_ENTRIES = 1000
"""Addresses of one family in a rule, [MS-FASP] 2.2.5 to 2.2.17."""

_BAR = ("|", "/")
"""No rule can hold a bar; what is written in its place, see :func:`quoted`."""

REFUSAL = "Everyone else is refused"
_ABOUT = re.compile(r"(.*) \[dbports guards (none|[0-9,-]+); host (.*)\]")
_LOOPBACK = AddressRange.parse("127.0.0.0/8")
_PROTOCOLS: dict[int, Protocol] = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}


def enforceable(wanted: Ruleset) -> Ruleset:
    """Return what Windows can enforce of a ruleset: outbound ports are let out where they are filtered, never guarded.

    A block rule for outbound ports would also hold for every other program of the host.
    """
    return replace(wanted, guards=tuple(item for item in wanted.guards if item.direction == "in"))


@lru_cache(maxsize=8)
def encode(wanted: Ruleset) -> tuple[WindowsRule, ...]:
    """Write a ruleset as rules, each named by its content; see :func:`enforceable`.

    :raises DbportsError: for what no rule can hold.
    """
    if "[dbports" in wanted.owner:
        raise DbportsError("a name that no description of a rule can hold", code="cannot_encode", value=wanted.owner)
    rules = [rule for accept in wanted.accepts for rule in _allow(accept, wanted)]
    rules += [rule for guard in wanted.guards for rule in _block(guard, wanted)]
    return tuple(_named(rule) for rule in rules)


def _named(rule: WindowsRule) -> WindowsRule:
    content = hashlib.sha256(repr(rule).encode("utf-8", "surrogatepass")).hexdigest()
    return rule._replace(name=f"{GROUP}-{content[:16]}")


def _allow(accept: Accept, wanted: Ruleset) -> Iterator[WindowsRule]:
    guards = intersection(accept.ports, wanted.guarded(accept.direction, accept.protocol))
    about = _about(accept.comment, guards, wanted.owner)
    peers = [_clipped(peer) for peer in accept.peers]
    families: Sequence[Sequence[AddressRange]] = [peers]
    if accept.protocol == "icmp":
        families = [item for item in (list(of_family(peers, family)) for family in (4, 6)) if item]
    for members in families:
        for part in _parts(members):
            yield _rule("allow", accept.direction, accept.protocol, accept.ports, part, about)


def _block(guard: Guard, wanted: Ruleset) -> Iterator[WindowsRule]:
    """Yield a rule for each set of peers that ports of the guard have, against everyone else."""
    if guard.direction != "in":
        raise DbportsError("outbound ports cannot be guarded", code="cannot_encode", value=format_ports(guard.ports))
    groups: dict[tuple[AddressRange, ...], list[PortRange]] = {}
    accepts = [item for item in wanted.accepts if (item.direction, item.protocol) == ("in", guard.protocol)]
    for part in _segments(guard, accepts):
        peers = merge_addresses(
            peer for item in accepts if any(part.overlaps(port) for port in item.ports) for peer in item.peers
        )
        groups.setdefault(peers, []).append(part)
    for peers, parts in groups.items():
        ports = merge_ports(parts)
        about = _about(REFUSAL, ports, wanted.owner)
        for addresses in _parts(everyone_else(peers)):
            yield _rule("block", "in", guard.protocol, ports, addresses, about)


def _rule(
    action: Action,
    direction: Direction,
    protocol: Protocol,
    ports: tuple[PortRange, ...],
    addresses: Sequence[AddressRange],
    about: str,
) -> WindowsRule:
    """Return a rule without its name; an empty list of addresses would match everyone, so there is never one."""
    listed = Listed(ports=ports)
    family = addresses[0].family
    return WindowsRule(
        action,
        direction,
        ICMP[family] if protocol == "icmp" else NUMBERS[protocol],
        local_ports=listed if direction == "in" else Listed(),
        remote_ports=listed if direction == "out" else Listed(),
        remote=Listed(tuple(addresses)),
        icmp=(ECHO[family],) if protocol == "icmp" else (),
        description=about,
        group=GROUP,
    )


def _about(text: str, guards: tuple[PortRange, ...], owner: str) -> str:
    """Return a description: what the rule is for, which ports its ruleset guards, and whose it is."""
    text, owner = quoted(text, *_BAR), quoted(owner, *_BAR)
    return f"{text} [dbports guards {format_ports(guards) or 'none'}; host {owner}]"


def _clipped(peer: AddressRange) -> AddressRange:
    """Return a peer as a range that a rule may have: IPv6 ranges begin neither with ``::`` nor with ``::1``."""
    if peer.family == 4 or peer.first > 2:
        return peer
    if peer.first == 0 and peer.last > 2:
        return peer._replace(first=2)
    raise DbportsError(
        "a rule of Windows Defender Firewall cannot hold this address", code="cannot_encode", value=str(peer)
    )


def everyone_else(peers: Iterable[AddressRange]) -> tuple[AddressRange, ...]:
    """Return all addresses of both families that are not among ``peers``, as a rule may have them.

    Without loopback, which is not filtered, and without ``::`` and ``::1``.
    """
    taken = merge_addresses([*peers, _LOOPBACK])
    found = []
    for family, start in ((4, 0), (6, 2)):
        for item in of_family(taken, family):
            if item.first > start:
                found.append(AddressRange(family, start, item.first - 1))
            start = max(start, item.last + 1)
        if start < 2 ** BITS[family]:
            found.append(AddressRange(family, start, 2 ** BITS[family] - 1))
    return tuple(found)


def _parts(addresses: Sequence[AddressRange]) -> Iterator[Sequence[AddressRange]]:
    for start in range(0, len(addresses), MAX_ENTRIES):
        yield addresses[start : start + MAX_ENTRIES]


def _segments(guard: Guard, accepts: Iterable[Accept]) -> Iterator[PortRange]:
    """Yield the guard's ports in ranges inside which every port has the same peers."""
    cuts = {end for item in accepts for port in item.ports for end in (port.first, port.last + 1)}
    for port in guard.ports:
        starts = sorted({port.first, port.last + 1, *(cut for cut in cuts if port.first < cut <= port.last)})
        for first, after in zip(starts, starts[1:]):
            yield PortRange(first, after - 1)


def intersection(ports: Iterable[PortRange], others: Sequence[PortRange]) -> tuple[PortRange, ...]:
    """Return the ports that are in both."""
    return merge_ports(
        PortRange(max(one.first, other.first), min(one.last, other.last))
        for one in ports
        for other in others
        if one.overlaps(other)
    )


class _About(NamedTuple):
    comment: str
    guards: tuple[PortRange, ...]
    owner: str


def decode(rules: Iterable[WindowsRule]) -> Ruleset:
    """Read rules of ours; what :func:`encode` would not have written for the ruleset is unexpected."""
    own = list(rules)
    accepts: dict[tuple[Direction, Protocol, tuple[PortRange, ...], str], list[AddressRange]] = {}
    guards: dict[Protocol, list[PortRange]] = {}
    owners: set[str] = set()
    for rule in own:
        about = _read_about(rule.description)
        protocol = _PROTOCOLS.get(rule.protocol or 0)
        if about is None or protocol is None:
            continue
        owners.add(about.owner)
        if about.guards and rule.direction == "in":
            guards.setdefault(protocol, []).extend(about.guards)
        if rule.action == "allow":
            ports = (rule.local_ports if rule.direction == "in" else rule.remote_ports).ports
            key = (rule.direction, protocol, ports, about.comment)
            accepts.setdefault(key, []).extend(map(_unclipped, rule.remote.addresses))
    found = Ruleset(
        tuple(sorted(Accept(*key[:3], merge_addresses(peers), key[3]) for key, peers in accepts.items() if peers)),
        tuple(sorted(Guard("in", protocol, merge_ports(ports)) for protocol, ports in guards.items())),
        owner=min(owners, default=""),
    )
    return replace(found, unexpected=tuple(sorted(_unexpected(found, own))))


def _unexpected(found: Ruleset, own: Iterable[WindowsRule]) -> Iterator[str]:
    """Yield each rule that differs from what was written, and each that is missing."""
    try:
        left = {rule.name: rule for rule in encode(found)}
    except DbportsError:  # a rule was edited into what is never written
        left = {}
    for rule in own:
        base = rule.name[: len(GROUP) + 17]
        if left.get(base) == rule._replace(name=base):
            del left[base]
        else:
            yield f"rule {rule.text()}"
    for name in left:
        yield f"rule {name} is missing or was changed"


def _read_about(text: str) -> Optional[_About]:
    match = _ABOUT.fullmatch(text)
    if not match:
        return None
    comment, guards, owner = (unquoted(part, *_BAR) for part in match.groups())
    try:
        return _About(comment, () if guards == "none" else parse_ports(guards), owner)
    except DbportsError:
        return None


def _unclipped(item: AddressRange) -> AddressRange:
    return item._replace(first=0) if item.family == 6 and item.first == 2 else item
