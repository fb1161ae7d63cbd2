# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ruleset as policies and ipsets of firewalld, and these as the files of its permanent configuration."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Optional
from xml.etree import ElementTree

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import BITS, AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.forward import refuse_unknown
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.names import (
    FAMILY,
    IPSET_FAMILY,
    IPSET_TYPE,
    NO_OWNER,
    PING,
    POLICIES,
    PREFIX,
    PRIORITY,
    REFUSED,
    TARGET,
    TITLE,
    UNANSWERED,
    OwnObjects,
    OwnPolicy,
    PolicyPlace,
    RichRule,
    description,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    DIRECTIONS,
    Accept,
    Guard,
    Ruleset,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import KeptFile
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import (
    OWNER,
    PeerSet,
    everyone,
    peer_sets,
    peers_by_family,
    quoted_comment,
    refuse_unexpected,
)

CONFIGURATION = "/etc/firewalld"
HEADER = '<?xml version="1.0" encoding="utf-8"?>\n'
MAX_ELEMENTS = 65536
"""What an ipset holds unless it says otherwise (ipset(8), maxelem)."""


def objects(ruleset: Ruleset) -> OwnObjects:
    """Return the policies and ipsets that a ruleset is.

    :raises DbportsError: when a value could not stand in firewalld's files, or firewalld has no such rules.
    """
    refuse_unexpected(ruleset)
    refuse_unknown(ruleset)
    pairs = dict.fromkeys([*peer_sets(ruleset), *filter(None, map(_targets, ruleset.parts))])
    names = {pair: f"{PREFIX}{number}-v{pair[0]}" for number, pair in enumerate(pairs, 1)}
    owner = quoted_comment(OWNER + ruleset.owner) if ruleset.owner else NO_OWNER
    policies = {}
    for direction in DIRECTIONS:
        accepts = [item for item in ruleset.accepts if item.direction == direction]
        rules = [rule for number, item in enumerate(accepts, 1) for rule in _accepting(item, number, names)]
        rules += [rule for item in ruleset.guards if item.direction == direction for rule in _refusing(item, names)]
        if len(accepts) >= REFUSED:
            raise DbportsError("firewalld orders at most 32,766 rules", code="cannot_encode", value=len(accepts))
        if rules:
            policies[direction] = OwnPolicy(description(owner, [_comment(item) for item in accepts]), tuple(rules))
    return OwnObjects(policies, {name: pair for pair, name in names.items()})


def _targets(item: Accept | Guard) -> Optional[PeerSet]:
    """Return the set of the targets of what is forwarded; everyone needs no set."""
    targets = item.forward.targets if item.forward else ()
    return None if not targets or targets == (everyone(targets[0].family),) else (targets[0].family, targets)


def _comment(accept: Accept) -> str:
    unanswered = accept.forward is not None and accept.forward.unanswered
    return quoted_comment(accept.comment) + (UNANSWERED if unanswered else "")


def _accepting(accept: Accept, number: int, names: dict[PeerSet, str]) -> Iterator[RichRule]:
    for family, peers in peers_by_family(accept):
        peer, target = names.get((family, peers), ""), _name(accept, names)
        source, destination = (peer, target) if POLICIES[accept.direction].peer == "source" else (target, peer)
        for port in map(str, accept.ports) if accept.ports else [""]:
            yield RichRule(number, FAMILY[family], source, destination, accept.protocol, port, "accept")


def _refusing(guard: Guard, names: dict[PeerSet, str]) -> Iterator[RichRule]:
    family = FAMILY[guard.forward.targets[0].family] if guard.forward else ""
    for port in map(str, guard.ports):
        yield RichRule(REFUSED, family, "", _name(guard, names), guard.protocol, port, "drop")


def _name(item: Accept | Guard, names: dict[PeerSet, str]) -> str:
    """Return the ipset of the targets; nothing where there are none, or all of a family."""
    pair = _targets(item)
    return names[pair] if pair else ""


def files(wanted: OwnObjects) -> tuple[KeptFile, ...]:
    """Write policies and ipsets as files of firewalld's permanent configuration, by path."""
    found = [
        KeptFile(
            f"{CONFIGURATION}/policies/{POLICIES[direction].name}.xml", 0o644, _policy(POLICIES[direction], policy)
        )
        for direction, policy in wanted.policies.items()
    ]
    found += [
        KeptFile(f"{CONFIGURATION}/ipsets/{name}.xml", 0o644, _ipset(*pair)) for name, pair in wanted.ipsets.items()
    ]
    return tuple(sorted(found))


def _policy(place: PolicyPlace, policy: OwnPolicy) -> str:
    root = ElementTree.Element("policy", target=TARGET, priority=str(PRIORITY))
    ElementTree.SubElement(root, "short").text = TITLE
    ElementTree.SubElement(root, "description").text = policy.description
    ElementTree.SubElement(root, "ingress-zone", name=place.ingress)
    ElementTree.SubElement(root, "egress-zone", name=place.egress)
    for rule in policy.rules:
        head = {"priority": str(rule.priority), **({"family": rule.family} if rule.family else {})}
        node = ElementTree.SubElement(root, "rule", head)
        for side, ipset in rule.sides:
            ElementTree.SubElement(node, side, ipset=ipset)
        if rule.port:
            ElementTree.SubElement(node, "port", port=rule.port, protocol=rule.protocol)
        else:
            ElementTree.SubElement(node, "icmp-type", name=PING)
        ElementTree.SubElement(node, rule.action)
    return _text(root)


def _ipset(family: int, peers: tuple[AddressRange, ...]) -> str:
    entries = [entry for peer in peers for entry in networks(peer)]
    root = ElementTree.Element("ipset", type=IPSET_TYPE)
    ElementTree.SubElement(root, "short").text = TITLE
    for name, value in ipset_options(family, len(entries)).items():
        ElementTree.SubElement(root, "option", name=name, value=value)
    for entry in entries:
        ElementTree.SubElement(root, "entry").text = entry
    return _text(root)


def ipset_options(family: int, entries: int) -> dict[str, str]:
    """Return the options of an ipset."""
    large = {"maxelem": str(entries)} if entries > MAX_ELEMENTS else {}
    return {"family": IPSET_FAMILY[family], **large}


def networks(peer: AddressRange) -> list[str]:
    """Return a range as the addresses and networks that an ipset takes."""
    kind = ipaddress.IPv4Address if peer.family == 4 else ipaddress.IPv6Address
    found = ipaddress.summarize_address_range(kind(peer.first), kind(peer.last))
    return [str(item.network_address if item.prefixlen == BITS[peer.family] else item) for item in found]


def _text(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    return HEADER + ElementTree.tostring(root, encoding="unicode") + "\n"
