# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows Defender Firewall as a backend that works on the controller: a host only shows its rules and adds others."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    AddressSet,
    of_family,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import (
    ForeignFinding,
    Observed,
    Script,
    State,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import RunCommand
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.encode import (
    decode,
    encode,
    everyone_else,
    intersection,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.policy import (
    Decider,
    Decision,
    Packet,
    WindowsPolicy,
    active_profiles,
    read_switches,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.rules import (
    Store,
    WindowsRule,
    parse_rule,
    range_text,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, format_ports

APPLY = "apply.ps1"
"""What carries a change to the host; its text is JSON with ``add`` and ``remove``, see :func:`fields_of`."""

LOCAL, POLICY, SWITCHES, PROFILES = "local", "policy", "switches", "profiles"
"""What is observed, each as JSON: rules by id of both stores, switches of both, and the mask of active profiles."""

NUMBERS = {"block": 0, "allow": 1, "in": 1, "out": 2}
"""NET_FW_ACTION and NET_FW_RULE_DIRECTION."""


class WindowsFirewall:
    """The part of :class:`Backend` that decides; what works on the host is PowerShell's.

    The script that changes rules undoes its own work when it fails.
    """

    name = "windows"
    forwards = False

    def decode(self, observed: Observed) -> State:
        """Read the own rules."""
        policy = read_policy(observed)
        local = policy.rules["local"]
        foreign = policy._replace(rules={**policy.rules, "local": [rule for rule in local if not rule.is_own]})
        return State(
            ruleset=decode(rule for rule in local if rule.is_own),
            foreign=partial(judge_foreign, foreign),
            place="rules of the group dbports",
        )

    def encode(self, wanted: Ruleset, observed: Observed, *, persist: bool) -> Script:
        """Write which rules to add and which to remove; Windows keeps every rule, so ``persist`` has to be true.

        :raises DbportsError: when the rules are not to be kept, and for a rule to remove whose name another one has.
        """
        if not persist:
            raise DbportsError("Windows keeps every rule for the next boot", code="contradiction", path="persist")
        local = read_policy(observed).rules["local"]
        theirs = {rule.name for rule in local if not rule.is_own}
        add, remove = changes((rule for rule in local if rule.is_own), encode(wanted), theirs)
        _refuse_shared_names(remove, theirs)
        text = json.dumps({"add": [fields_of(rule) for rule in add], "remove": [fields_of(rule) for rule in remove]})
        return Script(load=(RunCommand((APPLY,), text),) if add or remove else ())


def read_policy(observed: Observed) -> WindowsPolicy:
    """Read what a host shows.

    :raises DbportsError: when a text is no rule.
    """
    switches = json.loads(observed[SWITCHES])
    rules: dict[Store, Sequence[WindowsRule]] = {
        "local": _read_rules(observed[LOCAL]),
        "policy": _read_rules(observed[POLICY]),
    }
    return WindowsPolicy(
        rules, read_switches(switches["local"], switches["policy"]), active_profiles(int(observed[PROFILES]))
    )


def _read_rules(text: str) -> list[WindowsRule]:
    return [parse_rule(item) for _id, item in sorted(json.loads(text).items())]


def _refuse_shared_names(remove: Iterable[WindowsRule], theirs: Collection[str]) -> None:
    shared = sorted({rule.name for rule in remove} & set(theirs))
    if shared:
        raise DbportsError(
            "a rule outside the group dbports has the name of one to remove, and Windows removes rules by their names",
            code="not_ours",
            value=shared[0],
            fix="Rename that rule, which is a copy, or remove it",
        )


def changes(
    own: Iterable[WindowsRule], wanted: Iterable[WindowsRule], theirs: Collection[str] = ()
) -> tuple[list[WindowsRule], list[WindowsRule]]:
    """Return which rules to add and which to remove, in the order in which that has to be done.

    Allow before block when adding, block before allow when removing: while both generations exist no declared client
    is blocked and nobody else is let in. A rule that was edited is replaced by one with a number after its name.

    :param theirs: names that rules of others have.
    """
    left: dict[str, WindowsRule] = {}
    removed: list[WindowsRule] = []
    wanted = list(wanted)
    names = {rule.name for rule in wanted}
    for rule in own:
        if rule.name in names and rule.name not in left:
            left[rule.name] = rule
        else:
            removed.append(rule)
    added: list[WindowsRule] = []
    for rule in wanted:
        there = left.get(rule.name)
        if there is None:
            added.append(rule)
        elif there != rule:
            removed.append(there)
            added.append(rule)
    taken = {rule.name for rule in removed}.union(theirs)
    return (
        sorted((_free(rule, taken) for rule in added), key=lambda rule: rule.action == "block"),
        sorted(removed, key=lambda rule: rule.action != "block"),
    )


def _free(rule: WindowsRule, taken: set[str]) -> WindowsRule:
    """Return a rule under a name that no rule has: Windows removes by name, and names need not be unique."""
    name, number = rule.name, 1
    while name in taken:
        number += 1
        name = f"{rule.name}-{number}"
    return rule._replace(name=name)


def fields_of(rule: WindowsRule) -> dict[str, Any]:
    """Return a rule as properties of COM's ``HNetCfg.FWRule``; text that is empty is left unset."""
    return {
        "name": rule.name,
        "description": rule.description,
        "grouping": rule.group,
        "protocol": rule.protocol,
        "local_ports": format_ports(rule.local_ports.ports),
        "remote_ports": format_ports(rule.remote_ports.ports),
        "icmp": ",".join(rule.icmp),
        "remote_addresses": ",".join(range_text(item) for item in rule.remote.addresses),
        "direction": NUMBERS[rule.direction],
        "action": NUMBERS[rule.action],
    }


def judge_foreign(foreign: WindowsPolicy, wanted: Ruleset) -> list[ForeignFinding]:
    """Find what keeps a declared peer out although the rules of ``wanted`` let it in.

    :param foreign: what the host has besides.
    """
    own = encode(wanted)
    local = [*foreign.rules["local"], *own]
    policy = Decider(foreign._replace(rules={**foreign.rules, "local": local}))
    others = _reaches(foreign, lambda rule: rule.action == "block" or rule.only_secure)
    found = []
    for accept in wanted.accepts:
        named: set[WindowsRule] = set()
        for packet in _packets(accept, accept.peers, others):
            decision = policy.decide(packet)
            if decision.verdict != "allow" and decision.rule not in own and decision.rule not in named:
                named.update(filter(None, (decision.rule,)))
                found.append(_finding(accept, packet, decision))
    return found


def holes(observed: Observed, wanted: Ruleset) -> list[str]:
    """Return what lets others in on ports that the rules in force guard, a sentence each: bypass rules of IPsec."""
    there = read_policy(observed)
    policy = Decider(there)
    others = _reaches(there, lambda rule: rule.action == "bypass")
    found: dict[str, None] = {}
    for guard in wanted.guards:
        accepts = [item for item in wanted.accepts if (item.direction, item.protocol) == ("in", guard.protocol)]
        for port in guard.ports:
            peers = [peer for item in accepts if any(port.overlaps(one) for one in item.ports) for peer in item.peers]
            outside = Accept("in", guard.protocol, (port,), everyone_else(peers), "")
            for packet in _packets(outside, outside.peers, others):
                decision = policy.decide(packet)
                if decision.verdict == "unknown" and decision.rule:
                    text = (
                        f"rule '{decision.rule.name}' may let others in on {guard.protocol} {port} ({decision.store})"
                    )
                    found[text] = None
    return list(found)


class _Reach(NamedTuple):
    """A rule that may decide otherwise than those around it, and its remote addresses; none of them is all of them."""

    rule: WindowsRule
    addresses: AddressSet

    def packets(self, accept: Accept, peers: Sequence[AddressRange]) -> Iterator[Packet]:
        """Yield a packet of each family that it may decide among those of an accept, if there are any."""
        listed = self.rule.local_ports if accept.direction == "in" else self.rule.remote_ports
        ports: Sequence[PortRange] = intersection(accept.ports, listed.ports) if listed.ports else accept.ports
        if self.rule.direction != accept.direction or (accept.ports and not ports):
            return
        for family in (4, 6):
            mine = of_family(peers, family)
            peer = next((one for one in mine if not self.addresses.ranges or self.addresses.overlaps(one)), None)
            if peer is not None:
                first = next((one.first for one in self.addresses.ranges if one.overlaps(peer)), peer.first)
                number = max(peer.first, first)
                yield Packet(
                    accept.direction,
                    accept.protocol,
                    ports[0].first if ports else None,
                    AddressRange(family, number, number),
                )


def _reaches(policy: WindowsPolicy, matter: Callable[[WindowsRule], bool]) -> list[_Reach]:
    rules = (rule for store in policy.rules.values() for rule in store if rule.active and matter(rule))
    return [_Reach(rule, AddressSet(rule.remote.addresses)) for rule in rules]


def _packets(accept: Accept, peers: Sequence[AddressRange], others: Sequence[_Reach]) -> Iterator[Packet]:
    """Yield packets that stand for all of an accept: those at its ends, and those that single rules may decide.

    That is the first and last address of each family, for the first port of each range.
    """
    for family in (4, 6):
        ends = list(of_family(peers, family))
        if not ends:
            continue
        ports: list[Optional[int]] = [item.first for item in accept.ports]
        for number in dict.fromkeys((ends[0].first, ends[-1].last)):
            for port in ports or [None]:
                yield Packet(accept.direction, accept.protocol, port, AddressRange(family, number, number))
    for other in others:
        yield from other.packets(accept, peers)


_WHY: Mapping[str, str] = {
    "default": "Windows blocks by default, and no rule that is in force lets",
    "shields_up": "all inbound traffic is blocked, which keeps out",
    "profiles_differ": "the active networks have different rules, which may keep out",
}


def _finding(accept: Accept, packet: Packet, decision: Decision) -> ForeignFinding:
    port = "" if packet.port is None else f" {packet.port}"
    what = f"{packet.protocol}{port} {'from' if packet.direction == 'in' else 'to'} {packet.peer}"
    rule: Optional[WindowsRule] = decision.rule
    if rule:
        word = "blocks" if decision.verdict == "block" else "may block"
        text = f"rule '{rule.name}' {word} {what}"
        fix = f"a rule '{rule.name}' without {', '.join(range_text(peer) for peer in accept.peers)}"
    else:
        text, fix = f"{_WHY[decision.reason]} {what}", ""
    place = {"rule": rule.name if rule else None, "store": decision.store}
    return ForeignFinding(place, accept, packet.peer, "drops" if decision.verdict == "block" else "unknown", text, fix)
