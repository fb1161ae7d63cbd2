# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Windows Defender Firewall does with a packet: which rule decides, and why rules are not in force.

Bypass, then block, then allow, then the profile's default ([MS-FASP] 2.2.34); rules have no order. What only Windows
can resolve (programs, services, interfaces, IPsec, keywords) leaves a verdict unknown rather than wrong.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.rules import (
    ECHO,
    ICMP,
    NUMBERS,
    PROFILES,
    Action,
    Listed,
    Store,
    WindowsRule,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import Protocol

Verdict = Literal["allow", "block", "unknown"]
Reason = Literal["rule", "default", "firewall_off", "shields_up", "profiles_differ"]

PROFILE_BITS = {1: "Domain", 2: "Private", 4: "Public"}
"""``CurrentProfileTypes``, NET_FW_PROFILE_TYPE2."""

_LOCAL_KEYS = {"Domain": "DomainProfile", "Private": "StandardProfile", "Public": "PublicProfile"}
_DEFAULTS = {
    "EnableFirewall": 1,
    "DefaultInboundAction": 1,
    "DefaultOutboundAction": 0,
    "DoNotAllowExceptions": 0,
    "AllowLocalPolicyMerge": 1,
}
"""[MS-FASP] appendix B <13>; 1 blocks as a default action."""

PORT_EXCEPTIONS = "GloballyOpenPorts"
"""The key of Group Policy below a profile whose ``AllowUserPrefMerge`` is about local rules for one port."""


@dataclass(frozen=True)
class Switches:
    """What holds for one profile, [MS-FASP] 2.2.38.

    :param merges_ports: local rules for a single port count too, see :attr:`WindowsRule.is_port_exception`.
    """

    enabled: bool = True
    block_inbound: bool = True
    block_outbound: bool = False
    shields_up: bool = False
    merges_local: bool = True
    merges_ports: bool = True


Keys = Mapping[str, Mapping[str, int]]
"""Values of a registry key by the profile's name in it."""


def read_switches(local: Keys, policy: Keys) -> dict[str, Switches]:
    """Return the switches of each profile: Group Policy wins, but shields-up holds wherever it is on.

    Whether local rules count is for Group Policy alone. Its ``StandardProfile`` is that of both private and public
    networks, where it names neither ([MS-GPFAS] 2.2.3).
    """
    has_old = not {"PrivateProfile", "PublicProfile"} & set(policy)
    found = {}
    for profile in PROFILES:
        name = "StandardProfile" if has_old and profile != "Domain" else f"{profile}Profile"
        above = policy.get(name, {})
        own = {key: value for key, value in local.get(_LOCAL_KEYS[profile], {}).items() if "Merge" not in key}
        value = {**_DEFAULTS, **own, **above}
        shields = own.get("DoNotAllowExceptions", 0) or above.get("DoNotAllowExceptions", 0)
        found[profile] = Switches(
            enabled=bool(value["EnableFirewall"]),
            block_inbound=bool(value["DefaultInboundAction"]),
            block_outbound=bool(value["DefaultOutboundAction"]),
            shields_up=bool(shields),
            merges_local=bool(value["AllowLocalPolicyMerge"]),
            merges_ports=bool(policy.get(f"{name}\\{PORT_EXCEPTIONS}", {}).get("AllowUserPrefMerge", 1)),
        )
    return found


def active_profiles(mask: int) -> tuple[str, ...]:
    """Return the names of the active profiles; without any network it is the public one."""
    return tuple(name for bit, name in PROFILE_BITS.items() if mask & bit) or ("Public",)


class Packet(NamedTuple):
    """The first packet of a flow, seen from the host.

    :param port: where the responder receives; None for an ICMP echo request.
    :param peer: the other end, one address.
    """

    direction: Direction
    protocol: Protocol
    port: Optional[int]
    peer: AddressRange


class Decision(NamedTuple):
    """What becomes of a packet, and the rule that decides, or may decide, if it is one."""

    verdict: Verdict
    reason: Reason
    rule: Optional[WindowsRule] = None
    store: Store = "local"


class WindowsPolicy(NamedTuple):
    """All that decides on a host.

    :param rules: the host's own rules and those of Group Policy.
    :param switches: by profile.
    :param active: the profiles in force; several at once on a host with several networks.
    """

    rules: Mapping[Store, Sequence[WindowsRule]]
    switches: Mapping[str, Switches]
    active: tuple[str, ...]

    def decide(self, packet: Packet) -> Decision:
        """Return what becomes of a packet, on whichever active network it arrives."""
        found = [self._in_profile(packet, profile) for profile in self.active]
        if len({item.verdict for item in found}) == 1:
            return found[0]
        return found[0]._replace(verdict="unknown", reason="profiles_differ")

    def _in_profile(self, packet: Packet, profile: str) -> Decision:
        switches = self.switches[profile]
        inward = packet.direction == "in"
        if not switches.enabled:
            return Decision("allow", "firewall_off")
        if inward and switches.shields_up:
            return Decision("block", "shields_up")
        certain: dict[Action, Decision] = {}
        possible: dict[Action, Decision] = {}
        for store, rule in self.in_force(profile):
            matched = matches(rule, packet)
            if matched is not False:
                places = certain if matched else possible
                verdict: Verdict = "block" if rule.action == "block" else "allow"
                found = Decision(verdict if matched else "unknown", "rule", rule, store)
                places.setdefault(rule.action, found)
                if rule.only_secure:
                    places.setdefault("block", found)
        blocks = switches.block_inbound if inward else switches.block_outbound
        return _strongest(certain, possible, Decision("block" if blocks else "allow", "default"))

    def in_force(self, profile: str) -> Iterator[tuple[Store, WindowsRule]]:
        """Yield the rules that hold in a profile, with their store."""
        for store, rules in self.rules.items():
            switches = self.switches[profile]
            if store == "local" and not switches.merges_local:
                continue
            for rule in rules:
                if store == "local" and not switches.merges_ports and rule.is_port_exception:
                    continue
                if rule.active and (not rule.profiles or profile in rule.profiles):
                    yield store, rule


class Decider:
    """A policy that is asked for many packets: only rules that may hold a packet's port are looked at.

    Among hundreds of rules nearly all are for a few ports, none of which is the packet's.
    """

    def __init__(self, policy: WindowsPolicy) -> None:
        self._policy = policy
        self._near: dict[tuple[Direction, Optional[int]], WindowsPolicy] = {}
        self._at: dict[tuple[Store, Direction, int], list[int]] = {}
        self._anywhere: dict[tuple[Store, Direction], list[int]] = {}
        for store, rules in policy.rules.items():
            for number, rule in enumerate(rules):
                listed = rule.local_ports if rule.direction == "in" else rule.remote_ports
                ports = [item.first for item in listed.ports]
                if listed.words or not ports or any(item.first != item.last for item in listed.ports):
                    self._anywhere.setdefault((store, rule.direction), []).append(number)
                    continue
                for port in ports:
                    self._at.setdefault((store, rule.direction, port), []).append(number)

    def decide(self, packet: Packet) -> Decision:
        """Return what becomes of a packet, see :meth:`WindowsPolicy.decide`."""
        key = packet.direction, packet.port
        if key not in self._near:
            rules = {store: self._rules(store, *key) for store in self._policy.rules}
            self._near[key] = self._policy._replace(rules=rules)
        return self._near[key].decide(packet)

    def _rules(self, store: Store, direction: Direction, port: Optional[int]) -> list[WindowsRule]:
        """Return the rules of a store that may hold a port, in their order."""
        there = self._at.get((store, direction, port), ()) if port is not None else ()
        numbers = {*self._anywhere.get((store, direction), ()), *there}
        return [self._policy.rules[store][number] for number in sorted(numbers)]


def _strongest(certain: Mapping[Action, Decision], possible: Mapping[Action, Decision], default: Decision) -> Decision:
    """Apply the order of actions; a rule that may match makes a verdict uncertain only where it would change it."""
    if "block" in certain:
        return possible.get("bypass", certain["block"])
    chosen = certain.get("allow", default)
    if chosen.verdict == "block":
        chosen = possible.get("bypass") or possible.get("allow") or default
    return chosen if chosen.verdict == "block" else possible.get("block", chosen)


def matches(rule: WindowsRule, packet: Packet) -> Optional[bool]:
    """Tell whether a rule matches a packet; None where only Windows knows."""
    if rule.direction != packet.direction:
        return False
    inward = packet.direction == "in"
    asked, source = (rule.local_ports, rule.remote_ports) if inward else (rule.remote_ports, rule.local_ports)
    family = packet.peer.family
    number = ICMP[family] if packet.protocol == "icmp" else NUMBERS[packet.protocol]
    answers = [
        rule.protocol in (None, number),
        _holds_port(asked, packet.port),
        _holds_address(rule.remote, packet.peer),
        None if rule.local or source or rule.conditions else True,
        _holds_type(rule.icmp, family) if packet.protocol == "icmp" else True,
        # A bypass also needs IPsec, which is negotiated or not.
        None if rule.action == "bypass" else True,
    ]
    return False if False in answers else None if None in answers else True


def _holds_port(listed: Listed, port: Optional[int]) -> Optional[bool]:
    if not listed:
        return True
    if port is not None and any(port in item for item in listed.ports):
        return True
    return None if listed.words and port is not None else False


def _holds_address(listed: Listed, peer: AddressRange) -> Optional[bool]:
    if not listed:
        return True
    # A list may have thousands of addresses, and thousands of packets are asked for.
    at = bisect.bisect_right(listed.addresses, (peer.family, peer.last, peer.last)) - 1
    if any(item.overlaps(peer) for item in listed.addresses[max(at, 0) : at + 2]):
        return True
    return None if listed.words else False


def _holds_type(types: Sequence[str], family: int) -> Optional[bool]:
    if not types or ECHO[family] in types or "*" in types or ECHO[family].replace("*", "0") in types:
        return True
    return None if any(item.startswith(ECHO[family].partition(":")[0] + ":") for item in types) else False


def why_not_enforced(policy: WindowsPolicy, rules: Iterable[WindowsRule], *, shields: bool = True) -> list[str]:
    """Return why local rules have no effect on this host, a sentence for each active profile; empty when they have.

    :param rules: those that are to have an effect.
    :param shields: also where they only let nobody in, because all inbound traffic is blocked.
    """
    sentences = {
        "firewall_off": "the firewall is off in the {0} profile: nothing is blocked there, whatever the rules say",
        "shields_up": "all inbound traffic is blocked in the {0} profile, allowed or not (DoNotAllowExceptions)",
        "not_merged": "Group Policy does not merge local rules in the {0} profile: rules of this host have no effect",
        "ports_not_merged": "Group Policy does not merge local rules for a single port in the {0} profile"
        f" ({PORT_EXCEPTIONS}, AllowUserPrefMerge): such rules of this host have no effect",
    }
    exceptions = any(rule.is_port_exception for rule in rules)
    found = []
    for profile in policy.active:
        switches = policy.switches[profile]
        reasons = [
            ("firewall_off", not switches.enabled),
            ("shields_up", shields and switches.enabled and switches.shields_up),
            ("not_merged", switches.enabled and not switches.merges_local),
            ("ports_not_merged", exceptions and switches.enabled and not switches.merges_ports),
        ]
        found += [sentences[name].format(profile.lower()) for name, holds in reasons if holds]
    return found
