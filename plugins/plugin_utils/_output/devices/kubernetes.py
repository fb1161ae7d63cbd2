# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes NetworkPolicy objects, networking.k8s.io/v1 (kubernetes/api, networking/v1/types.go).

A policy only permits, and policies add up. The first one that selects a pod for a direction also isolates it there:
what none of its policies permits is refused. So there is an object for each direction, and none without rules.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import PREFIX
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import Limits, check_name
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.one_sided import (
    DIRECTIONS,
    Direction,
    Rule,
    no_icmp,
    permits_of_group,
    prefix,
)

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
LIMITS = Limits(
    253,
    0,
    0,
    "Kubernetes, Object Names and IDs: DNS subdomain names (RFC 1123)",
    (rf"{_LABEL}(\.{_LABEL})*", "lower case letters, digits, hyphens and dots, a letter or digit first and last"),
)
_NAMESPACE = LIMITS._replace(
    name=63, names=(_LABEL, "lower case letters, digits and hyphens, a letter or digit first and last")
)
"""A namespace is an RFC 1123 label (same page)."""

_KEYS = ("matchLabels", "matchExpressions")


def policies(
    plan: GatewayPlan, name: str, namespace: str, protects: str, pod_selector: Any, members: Any = None
) -> list[dict[str, Any]]:
    """Return a policy for each direction that has rules."""
    start = check_name(LIMITS, name, "name")
    place = check_name(_NAMESPACE, namespace, "namespace")
    selector = _selector(pod_selector)
    permits = permits_of_group(plan, protects, members)
    no_icmp(permits, "a network policy has TCP, UDP and SCTP only")
    found = []
    for direction in DIRECTIONS:
        rules = [item.rule for item in permits if item.rule.direction == direction]
        if rules:
            full = check_name(LIMITS, f"{start}-{direction}", "name")
            found.append(
                {
                    "apiVersion": "networking.k8s.io/v1",
                    "kind": "NetworkPolicy",
                    "metadata": {
                        "name": full,
                        "namespace": place,
                        "labels": {"app.kubernetes.io/managed-by": PREFIX},
                    },
                    "spec": {
                        "podSelector": selector,
                        "policyTypes": [direction.capitalize()],
                        direction: _rules(direction, rules),
                    },
                }
            )
    return found


def _rules(direction: Direction, rules: list[Rule]) -> list[dict[str, Any]]:
    """Return a rule for each protocol and range of ports, with all who use it."""
    together: dict[tuple[Any, ...], list[Rule]] = {}
    for rule in rules:
        together.setdefault((rule.protocol, rule.ports), []).append(rule)
    side = "from" if direction == "ingress" else "to"
    return [
        {side: [{"ipBlock": {"cidr": prefix(rule.remote)}} for rule in items], "ports": [_port(items[0])]}
        for items in together.values()
    ]


def _port(rule: Rule) -> dict[str, Any]:
    """Return ports; without a number they are any, and endPort has to be a number not below port."""
    found: dict[str, Any] = {"protocol": rule.protocol.upper()}
    if rule.ports:
        found["port"] = rule.ports.first
        if rule.ports.first != rule.ports.last:
            found["endPort"] = rule.ports.last
    return found


def _selector(value: Any) -> dict[str, Any]:
    """Return the selector; an empty one selects all pods of the namespace and has to be written as such.

    :raises DbportsError: for what is no label selector.
    """
    if not isinstance(value, dict) or not set(value) <= set(_KEYS):
        raise DbportsError(
            "not a label selector",
            code="wrong_type",
            path="pod_selector",
            value=value,
            fix="Write for example {matchLabels: {app: erp-db}}, or {} for all pods of the namespace",
        )
    return dict(value)
