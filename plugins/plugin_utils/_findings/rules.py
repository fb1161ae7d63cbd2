# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules in force on a host do with the flows of its plan, and whether they are the planned ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, merge_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import owner_text
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.evaluate import Evaluator, FlowKey
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.connections import Connection, Verdicts
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    Rule,
    Ruleset,
    build_ruleset,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import with_fix
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import answered_guards
from ansible_collections.dbports.firewall.plugins.module_utils._ports import merge_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import verdict_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import (
    Code,
    Configured,
    Data,
    Finding,
    facts,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import RulesetState
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    ForwardRule,
    PortSet,
    RuleKey,
    RulePeer,
)


class Outcome(NamedTuple):
    """What becomes of the packets of some peers, and which rule decides it."""

    configured: Configured
    rule: str = ""


def wanted_ruleset(port_set: PortSet, owner: str = "") -> Ruleset:
    """Return the ruleset that a host's port set asks for.

    :param owner: whose rules they are, where that is not the host's name in the inventory.
    """
    rules = [
        Rule(
            key.direction,
            key.protocol,
            merge_ports(key.ports),
            merge_addresses(item for peer in peers.values() for item in peer.addresses),
            key.purpose,
            key.need == "required",
            key.guarded or key.direction == "out",
        )
        for key, peers in port_set.ordered()
    ]
    rules += [item.rule for item in port_set.forwards]
    settings = port_set.settings
    built = build_ruleset(rules, policy=settings.policy, outbound=settings.filter_outbound)
    return built.of(owner_text(owner or port_set.host))


class RulesInForce:
    """The rules of a host as it was seen, its own and foreign ones.

    :param state: None where nobody looked.
    """

    def __init__(self, port_set: PortSet, state: RulesetState | None, owner: str = "") -> None:
        self._state = state
        self._wanted = wanted_ruleset(port_set, owner)
        self.ruleset = state.carried.ruleset() if state and state.carried else self._wanted
        self._evaluator = Evaluator(self.ruleset, self._wanted)

    @property
    def readable(self) -> bool:
        """Whether the rules in force are known."""
        return self._state is not None and not self._state.error

    def outcome(self, rule: RuleKey, peer: RulePeer | None) -> Outcome:
        """Return what becomes of the packets of a peer; without a peer, of the port itself."""
        return self._outcome(_flow(rule), peer.addresses if peer else ())

    def passing(self, item: ForwardRule, peer: AddressRange) -> Outcome:
        """Return what becomes of the packets that a peer sends through this host."""
        return self._outcome(_forwarded(item), (peer,))

    def _outcome(self, flow: FlowKey, addresses: tuple[AddressRange, ...]) -> Outcome:
        if self._state is None:
            return Outcome("")
        if not self.readable:
            return Outcome("unknown")
        found = self._evaluator.decide(flow, addresses)
        edited = self.ruleset.unexpected
        if found.verdict == "refuses" and not edited:
            return Outcome("refuses", found.rule)
        foreign = self._foreign(flow, addresses)
        if foreign:
            return foreign
        if edited and found.verdict != "open":  # what was written between the rules may accept and drop anything
            return Outcome("maybe", f"the rules were edited by hand ({edited[0]})")
        return Outcome(found.verdict, found.rule)

    def strangers(self, rule: RuleKey, intended: Iterable[AddressRange]) -> tuple[AddressRange, ...]:
        """Return whom the own rules let in beside those who are meant to get in."""
        return self._evaluator.strangers(_flow(rule), list(intended)) if self.readable else ()

    def strangers_passing(self, item: ForwardRule) -> tuple[AddressRange, ...]:
        """Return whom the own rules let through to the targets of a rule beside those whom the plan lets through."""
        flow = _forwarded(item)
        return self._evaluator.strangers(flow, self._planned.strangers(flow, ())) if self.readable else ()

    @cached_property
    def _planned(self) -> Evaluator:
        """What decides by the wanted rules; only for what passes through this host."""
        return Evaluator(self._wanted, self._wanted)

    def ends(self, port: int, remote: AddressRange) -> bool:
        """Tell whether the own rules surely drop what a remote sends on a connection to a TCP port of this host.

        Not so in a wide range, where packets of a connection may pass that nothing has tracked.
        """
        wide = [item for guard in answered_guards(self.ruleset.guards) for item in guard.ports]
        known = self._state is not None and self.readable and not self.ruleset.unexpected
        known = known and not any(port in item for item in wide)
        return known and Verdicts(self.ruleset).cuts(Connection("tcp", remote, port, remote, 1, "peer"))

    def _foreign(self, flow: FlowKey, addresses: tuple[AddressRange, ...]) -> Outcome | None:
        """Return what a foreign rule does with one of these peers, the worst first."""
        found = [
            item
            for item in (self._state.foreign if self._state else ())
            if (item.direction, item.protocol, item.ports) == (flow.direction, flow.protocol, flow.ports)
            and set(item.targets) == set(flow.forward.targets if flow.forward else ())
            and any(address.overlaps(peer) for address in addresses for peer in item.peers)
        ]
        for item in sorted(found, key=lambda item: item.verdict != "drops"):
            return Outcome("blocked" if item.verdict == "drops" else "maybe", with_fix(item.text, item.fix))
        return None

    def judge(self, host: str, applied: str) -> Iterator[Finding]:
        """Yield what is to say of all rules of the host together.

        :param applied: the digest of the ruleset that was applied last, or an empty string; see :func:`digest_of`.
        """
        state = self._state
        if state is None:
            return
        if state.error:
            code: Code = "rules_unread" if state.permitted else "rules_not_permitted"
            code = code if state.in_force else "rules_not_in_force"
            yield _about(host, code, facts(error=state.error))
        elif not state.in_sync and (self._wanted or self.ruleset):
            yield self._difference(host, applied)
        if state.not_forwarding:
            yield _about(host, "not_forwarding", facts(settings=" and ".join(state.not_forwarding)))

    def _difference(self, host: str, applied: str) -> Finding:
        """Tell rules that were edited by hand from a plan that has changed."""
        carried = self.ruleset
        if carried.owner and carried.owner != self._wanted.owner and self._wanted.owner:
            return _about(host, "rules_of_another", facts(owner=carried.owner))
        if carried.unexpected:
            return _about(host, "rules_edited", facts(line=carried.unexpected[0]), drift=bool(applied))
        if not carried:
            return _about(host, "rules_missing", drift=bool(applied))
        if not applied:
            return _about(host, "rules_differ")
        if applied == digest_of(carried):
            return _about(host, "rules_outdated")
        return _about(host, "rules_edited", drift=True)


def _about(host: str, code: Code, data: Data = (), *, drift: bool = False) -> Finding:
    return Finding(code, verdict_of(code), host, host, data=data, drift=drift)


def _flow(rule: RuleKey) -> FlowKey:
    return FlowKey(rule.direction, rule.protocol, merge_ports(rule.ports))


def _forwarded(item: ForwardRule) -> FlowKey:
    rule = item.rule
    return FlowKey("forward", rule.protocol, rule.ports, rule.forward)


def digest_of(ruleset: Ruleset) -> str:
    """Return what tells a ruleset from every other."""
    return hashlib.sha256(ruleset.render().encode("utf-8", "surrogatepass")).hexdigest()


def by_outcome(rules: RulesInForce, rule: RuleKey, peers: Mapping[str, RulePeer]) -> dict[Outcome, list[str]]:
    """Return the names of a rule's peers by what becomes of their packets."""
    if not peers:
        return {rules.outcome(rule, None): []}
    found: dict[Outcome, list[str]] = {}
    for name, peer in sorted(peers.items()):
        found.setdefault(rules.outcome(rule, peer), []).append(name)
    return found
