# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewalls with policies: what PAN-OS and FortiOS have in common. A policy is one statement, with all its networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT, PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Ports, Statement
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import (
    PREFIX,
    stable_name,
    statements_between,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import Limits, check_name

ANY_PORT = (PortRange(1, MAX_PORT),)


class Policy(NamedTuple):
    """A statement with its name and where its packets come from and go to."""

    name: str
    statement: Statement
    origin: list[str]
    target: list[str]


def policies_of(plan: GatewayPlan, places: Any, path: str, limits: Limits, place: Limits) -> list[Policy]:
    """Return the policies of a plan, each meaning once.

    :param places: the zone or interface of each network, or a list of them.
    :param place: what names of zones or interfaces the device takes.
    :raises DbportsError: for a network without a zone or interface, and for one whose name the device does not take.
    """
    if not isinstance(places, dict):
        raise DbportsError("expected a dictionary", code="wrong_type", path=path, value=places)
    found: dict[tuple[Any, ...], Policy] = {}
    for item in statements_between(plan):
        meaning = (item.origin, item.target, *item[4:13])
        if meaning not in found:
            name = stable_name(item, meaning, limits.name)
            ends = (_place(places, network, path, place) for network in (item.origin, item.target))
            found[meaning] = Policy(name, item, *ends)
    return list(found.values())


def _place(places: dict[str, Any], network: str, path: str, limits: Limits) -> list[str]:
    said = places.get(network)
    names = said if isinstance(said, list) else [said]
    if not said:
        raise DbportsError(
            f"where network {network} is has to be said",
            code="missing",
            path=path,
            value=sorted(places),
            fix=f"Write for example {{{network}: inside}}",
        )
    return [check_name(limits, name, f"{path}.{network}") for name in names]


def service_name(item: Statement, limits: Limits) -> str:
    """Return the name of the service that a statement needs; it says the ports where they fit."""
    if item.protocol == "icmp":
        return f"{PREFIX}-icmp{'6' if item.family == 'ipv6' else ''}-{item.icmp_type}"
    parts = [PREFIX, item.protocol, words(item.destination_ports or ANY_PORT, "_")]
    if item.source_ports:
        parts += ["from", words(item.source_ports, "_")]
    name = "-".join(parts)
    if len(name) <= limits.name:
        return name
    return stable_name(item, (item.protocol, item.destination_ports, item.source_ports), limits.name)


def words(ports: Ports, between: str) -> str:
    """Return ports as text."""
    return between.join(str(item) for item in ports)


def once(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return objects by their names, each once."""
    return list({item["name"]: item for item in items}.values())
