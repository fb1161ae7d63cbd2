# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's port set as the arguments of the module that writes its ruleset, and what that module says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import fitting
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import (
    ForwardRule,
    PortSet,
    RuleKey,
    RulePeer,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.cut import CutConnection

RULESET_MODULE = "dbports.firewall.ruleset"
"""The module for hosts that run Python."""


def ruleset_arguments(port_set: PortSet) -> dict[str, Any]:
    """Return the ruleset module's arguments for a host's port set."""
    return {
        "state": "present",
        "owner": port_set.host,
        "policy": port_set.settings.policy,
        "filter_outbound": port_set.settings.filter_outbound,
        "rules": [
            _rule(key, peers)
            for key, peers in port_set.ordered()
            if key.direction == "in" or port_set.settings.filter_outbound
        ]
        + [_forwarded(item) for item in port_set.forwards],
    }


def observed_ruleset(port_set: PortSet) -> dict[str, Any]:
    """Return the same for verify, with what the host sends without a probe: a foreign rule may drop that as well."""
    sent = [_rule(key, peers) for key, peers in port_set.ordered() if key.direction == "out" and not key.probe]
    return {**ruleset_arguments(port_set), "sent": [] if port_set.settings.filter_outbound else sent}


def _forwarded(item: ForwardRule) -> dict[str, Any]:
    return {
        "direction": "forward",
        "protocol": item.protocol,
        "ports": [str(port) for port in item.ports],
        "peers": format_addresses(item.peers),
        "targets": format_addresses(item.targets),
        "source_ports": [str(port) for port in item.source_ports],
        "stateful": item.stateful,
        "answered": item.answered,
        "published": not item.targets,
        "purpose": fitting(item.purpose),
        "need": item.need,
        "guarded": item.guarded,
    }


def _rule(key: RuleKey, peers: Mapping[str, RulePeer]) -> dict[str, Any]:
    return {
        "direction": key.direction,
        "protocol": key.protocol,
        "ports": [str(item) for item in key.ports],
        "peers": [text for _name, peer in sorted(peers.items()) for text in format_addresses(peer.addresses)],
        "purpose": fitting(key.purpose),
        "need": key.need,
        "guarded": key.guarded or key.direction == "out",
    }


def cut_connection(found: Mapping[str, Any]) -> CutConnection:
    """Return a connection that the module lists in ``cut`` in words."""
    own, peer = found["local_port"], f"{found['peer']} port {found['peer_port']}"
    if found.get("through"):
        text = f"{found['protocol']} {own} from {peer} through this host to {found['local_address']}"
    elif found["opened_by"] == "the peer":
        text = f"{found['protocol']} {own} from {peer}"
    else:
        text = f"{found['protocol']} to {peer} from port {own}"
    owner = ", ".join(
        text for text in (found["process"], f"pid {found['pid']}" if found["pid"] is not None else "") if text
    )
    return CutConnection(text, found["opened_by"], owner, found["since"] or "")
