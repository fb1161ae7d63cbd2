# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a host should be and what it shows to findings: verdicts with their reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import with_fix
from ansible_collections.dbports.firewall.plugins.module_utils._ports import merge_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding, Judgement
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import Observation, RulesetState
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.probes import judge_probes
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.sockets import judge_sockets
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    PortSet,
    RuleKey,
    RulePeer,
    shown_ports,
)


def judge(port_set: PortSet, observation: Observation) -> list[Finding]:
    """Compare a host's port set with what the host shows."""
    found: list[Finding] = []
    if observation.ruleset is not None:
        found += _judge_ruleset(port_set, observation.ruleset)
    if observation.sockets is not None:
        found += judge_sockets(port_set, observation.sockets)
    return [*found, *judge_probes(port_set, observation.probes, observation.sockets or ())]


def _judge_ruleset(port_set: PortSet, ruleset: RulesetState) -> Iterator[Finding]:
    for rule, peers in port_set.ordered():
        outbound = rule.direction == "out"
        if outbound and not port_set.settings.filter_outbound:
            continue
        verdict, reason = _configured(rule, peers, ruleset)
        server = ", ".join(sorted(peers)) if outbound else port_set.host
        port = shown_ports(rule.protocol, rule.ports)
        yield Finding("configured", verdict, port_set.host, server, rule.endpoint, port, reason)


def _configured(rule: RuleKey, peers: Mapping[str, RulePeer], ruleset: RulesetState) -> Judgement:
    if not ruleset.permitted:
        return "unknown", f"not known, needs become: {ruleset.error}"
    if ruleset.error:
        return "fail", ruleset.error
    if not ruleset.in_sync:
        return "fail", "the host's ruleset is not the planned one; run apply"
    wanted = (rule.direction, rule.protocol, merge_ports(rule.ports))
    for item in ruleset.foreign:
        if item[:3] == wanted and item.verdict == "drops":
            return ("warn" if rule.need == "optional" else "fail"), with_fix(item.text, item.fix)
    return "ok", f"{len(peers)} peers" if len(peers) != 1 else "1 peer"
