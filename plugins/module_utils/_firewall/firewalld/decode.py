# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The own policies and ipsets in force, read back as a ruleset.

Whatever the encoder would not have written for the ruleset that was read is unexpected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    merge_addresses,
    parse_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.encode import (
    ipset_options,
    networks,
    objects,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.names import (
    IPSET_TYPE,
    POLICIES,
    PRIORITY,
    REFUSED,
    TARGET,
    OwnObjects,
    PolicyPlace,
    RichRule,
    is_own,
    read_description,
    read_text,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    Accept,
    Direction,
    Forward,
    Guard,
    Ruleset,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.decode import read_peer_set
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import Listing
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import OWNER, everyone
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol, merge_ports

Settings = Mapping[str, Any]
"""The settings of a policy, as firewalld's D-Bus interface gives them, without their types."""

_PROTOCOLS: dict[str, Protocol] = {"tcp": "tcp", "udp": "udp", "icmp": "icmp"}
_FAMILIES = {"ipv4": 4, "ipv6": 6}
_TEXTS = {"version", "short", "description"}


class Ipset(NamedTuple):
    """An ipset, as firewalld's D-Bus interface gives it."""

    kind: str
    options: Mapping[str, str]
    entries: tuple[str, ...]


def decode(policies: Mapping[str, Settings], ipsets: Mapping[str, Ipset]) -> Ruleset:
    """Read the own policies and ipsets out of those of a host; others are passed over."""
    policies = {name: item for name, item in policies.items() if is_own(name)}
    ipsets = {name: item for name, item in ipsets.items() if is_own(name)}
    reader = _Reader(ipsets)
    for direction, place in POLICIES.items():
        if place.name in policies:
            reader.read(direction, place, policies[place.name])
    read = reader.ruleset()
    try:
        written = objects(read)
    except DbportsError as error:
        return Ruleset(unexpected=(error.reason, *sorted(policies), *sorted(ipsets)))
    unexpected = sorted({*_strange_policies(policies, written), *_strange_ipsets(ipsets, written)})
    return Ruleset(read.accepts, read.guards, tuple(unexpected), read.owner)


def kernel_ipsets(listing: Listing) -> dict[str, Ipset]:
    """Read the own ipsets out of what nft lists, where firewalld makes sets of them in a table of its own."""
    found = {}
    for kind, body in listing:
        name = str(body.get("name"))
        if kind == "set" and body.get("table") == "firewalld" and is_own(name):
            pair = read_peer_set(body)
            entries = [entry for peer in pair[1] for entry in networks(peer)] if pair else []
            options = ipset_options(pair[0], len(entries)) if pair else {}
            found[name] = Ipset(IPSET_TYPE, options, tuple(entries))
    return found


class _Reader:
    """Reads the rules that it understands, and passes over the others."""

    def __init__(self, ipsets: Mapping[str, Ipset]) -> None:
        self.peers = {name: _peers(item) for name, item in ipsets.items()}
        self.owners: set[str] = set()
        self.accepts: list[Accept] = []
        self.guards: list[Guard] = []

    def read(self, direction: Direction, place: PolicyPlace, policy: Settings) -> None:
        """Read one policy."""
        texts = read_description(str(policy.get("description") or "")) or [""]
        owner = read_text(texts[0])[0]
        if owner.startswith(OWNER):
            self.owners.add(owner[len(OWNER) :])
        groups: dict[tuple[int, str, str, str], list[RichRule]] = {}
        for text in policy.get("rich_rules") or ():
            rule = RichRule.parse(str(text))
            if rule:
                # Those of an accept differ in family and peers, and have one number; of what is forwarded, in peers.
                place_of = (rule.family, rule.destination) if direction == "forward" else ("", "")
                groups.setdefault((rule.priority, rule.protocol, *place_of), []).append(rule)
        for (priority, name, family, destination), rules in groups.items():
            protocol, ports = _PROTOCOLS[name], _ports(rules)
            forward = Forward(self._addresses(family, destination)) if direction == "forward" else None
            if priority == REFUSED:
                self.guards.append(Guard(direction, protocol, ports, forward))
            elif 0 < priority < len(texts):
                comment, unanswered = read_text(texts[priority])
                if forward and unanswered:
                    forward = forward._replace(unanswered=True)
                peers = merge_addresses(
                    peer for rule in rules for peer in self._addresses(rule.family, _peers_of(rule, place))
                )
                self.accepts += [Accept(direction, protocol, ports, peers, comment, forward=forward)] if peers else []

    def _addresses(self, family: str, ipset: str) -> tuple[AddressRange, ...]:
        """Return what an ipset holds; without one all addresses of a family."""
        if ipset:
            return self.peers.get(ipset, ())
        return (everyone(_FAMILIES[family]),) if family else ()

    def ruleset(self) -> Ruleset:
        """Return what was read."""
        found = Ruleset(tuple(sorted(self.accepts)), tuple(sorted(self.guards)))
        return found.of(next(iter(self.owners))) if len(self.owners) == 1 else found


def _peers_of(rule: RichRule, place: PolicyPlace) -> str:
    """Return the ipset of the peers."""
    return rule.source if place.peer == "source" else rule.destination


def _peers(item: Ipset) -> tuple[AddressRange, ...]:
    try:
        return parse_addresses(item.entries)
    except DbportsError:
        return ()


def _ports(rules: Iterable[RichRule]) -> tuple[PortRange, ...]:
    try:
        return merge_ports(PortRange.parse(rule.port) for rule in rules if rule.port)
    except DbportsError:
        return ()


def _strange_policies(seen: Mapping[str, Settings], written: OwnObjects) -> Iterable[str]:
    """Say where the policies that were seen differ from those that would be written."""
    wanted = {POLICIES[direction].name: (POLICIES[direction], item) for direction, item in written.policies.items()}
    for name in seen.keys() | wanted.keys():
        if name not in seen or name not in wanted:
            yield f"policy {name}"
            continue
        place, policy = wanted[name]
        rules = [str(rule) for rule in policy.rules]
        found = [str(rule) for rule in seen[name].get("rich_rules") or ()]
        yield from (f"policy {name}: {rule}" for rule in set(found) ^ set(rules))
        settings = {
            "target": TARGET,
            "priority": PRIORITY,
            "ingress_zones": [place.ingress],
            "egress_zones": [place.egress],
        }
        others = {key: value for key, value in seen[name].items() if value and key not in {*_TEXTS, "rich_rules"}}
        yield from (
            f"policy {name}: {key} {others.get(key)}"
            for key in settings.keys() | others.keys()
            if settings.get(key) != others.get(key)
        )
        if seen[name].get("description") != policy.description:
            yield f"policy {name}: description"


def _strange_ipsets(seen: Mapping[str, Ipset], written: OwnObjects) -> Iterable[str]:
    """Say which ipsets that were seen are not those that would be written."""
    for name in seen.keys() | written.ipsets.keys():
        if name not in seen or name not in written.ipsets:
            yield f"ipset {name}"
            continue
        family, peers = written.ipsets[name]
        entries = [entry for peer in peers for entry in networks(peer)]
        item = seen[name]
        same = (item.kind, dict(item.options)) == (IPSET_TYPE, ipset_options(family, len(entries)))
        if not same or _peers(item) != merge_addresses(peers):
            yield f"ipset {name}"
