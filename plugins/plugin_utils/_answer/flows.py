# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan's flows as plain data: one dictionary each, every flow once."""

from __future__ import annotations

from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan, RuleKey, RulePeer

_SHOWN = ("protocol", "flow", "endpoint", "purpose", "need", "citation", "unsolicited", "guarded")


def flows_of(plan: Plan) -> list[dict[str, Any]]:
    """Return all flows of a plan, sorted by responder, endpoint and initiator.

    :returns: dictionaries with ``initiator``, ``initiator_addresses``, ``responder``, ``responder_addresses``,
        ``protocol``, ``source_ports``, ``ports``, ``flow``, ``endpoint``, ``purpose``, ``need``, ``citation``,
        ``unsolicited``, ``guarded`` and ``declared``.
    """
    found = []
    for host, port_set in plan.hosts.items():
        own = (host, format_addresses(port_set.addresses))
        for key, peers in port_set.rules.items():
            for peer in peers.values():
                other = (peer.name, format_addresses(peer.addresses))
                if key.direction == "in":
                    found.append(_flow(key, peer, other, own))
                elif peer.name not in plan.hosts or (plan.gateways and not _known(plan, key, host, peer.name)):
                    found.append(_flow(key, peer, own, other))
    return sorted(found, key=lambda flow: (flow["responder"], flow["endpoint"], flow["ports"], flow["initiator"]))


def _known(plan: Plan, key: RuleKey, initiator: str, responder: str) -> bool:
    """Tell whether the responder sees the initiator itself, and not a gateway in its place."""
    inbound = key._replace(direction="in", probe=None)
    return initiator in plan.hosts[responder].rules.get(inbound, {})


def _flow(
    key: RuleKey, peer: RulePeer, initiator: tuple[str, list[str]], responder: tuple[str, list[str]]
) -> dict[str, Any]:
    return {
        "initiator": initiator[0],
        "initiator_addresses": initiator[1],
        "responder": responder[0],
        "responder_addresses": responder[1],
        **{name: getattr(key, name) for name in _SHOWN},
        "source_ports": str(peer.source_ports or ""),
        "ports": format_ports(key.ports),
        "declared": str(peer.declared),
    }
