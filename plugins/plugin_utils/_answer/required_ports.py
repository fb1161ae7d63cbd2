# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports and flows for other people's automation: out of a plain dictionary, in plain data, without an inventory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    merge_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._answer.flows import flows_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import cidrs
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.near import did_you_mean, near_host
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

ICMP_ECHO = {4: ("icmp", 8), 6: ("icmpv6", 128)}
"""By address family: the protocol and the ICMP type of an echo request, which stands where a port would."""

_STAND_IN = ("192.0.2.1", "2001:db8::1")
"""Stand for the addresses of a server where nobody needs them: one of each family, never shown."""


class Planned(NamedTuple):
    """A plan of plain data, and what it was made from.

    :param host: the one host that declares servers, or None where there are several or none.
    :param nameless: the host stands for a single server whose addresses were not given.
    """

    plan: Plan
    inventory: PlainInventory
    host: str | None
    nameless: bool


def plan_of(data: Any, addresses: Iterable[str] | None = None) -> Planned:
    """Plan from ``{"hosts": .., "groups": .., "vars": ..}`` or from one entry of ``dbports_servers``.

    :param addresses: the addresses of the host of a single server.
    :raises DbportsError: when it is neither, or cannot be planned.
    """
    if not isinstance(data, Mapping):
        raise DbportsError(
            "expected a dictionary: an inventory with hosts, groups and vars, or one server",
            value=data,
            fix="Write for example {engine: mssql, clients: [198.51.100.0/24]}",
        )
    nameless = False
    if "engine" in data:
        name = data.get("name") if isinstance(data.get("name"), str) else data["engine"]
        nameless = addresses is None
        own = list(_STAND_IN if addresses is None else addresses)
        host = {"dbports_addresses": own, "dbports_servers": [data]}
        inventory = PlainInventory({"hosts": {str(name): host}})
    elif addresses is not None:
        raise DbportsError(
            "only a single server takes addresses here",
            code="contradiction",
            path="addresses",
            value=list(addresses),
            fix="Set dbports_addresses of the host",
        )
    else:
        inventory = PlainInventory(data)
    declaring = sorted(inventory.declaring())
    return Planned(build_plan(inventory), inventory, declaring[0] if len(declaring) == 1 else None, nameless)


def chosen_host(planned: Planned, host: str | None) -> str:
    """Return the host that is meant: the named one, or the only one that declares servers.

    :raises DbportsError: when it is not in the data, or several could be meant.
    """
    if host is not None:
        if planned.inventory.host(host) is None:
            fix = did_you_mean(near_host(planned.inventory, host), "Name a host of the data")
            raise DbportsError("no such host", code="unknown_name", path="host", value=host, fix=fix)
        return host
    if planned.host is None:
        names = sorted(planned.inventory.declaring())
        raise DbportsError(
            "host is required unless exactly one host declares servers",
            code="missing",
            path="host",
            fix=f"Name one of {', '.join(names[:10])}" if names else "Declare dbports_servers on a host",
        )
    return planned.host


def plain_flows(data: Any, addresses: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Return all flows as dictionaries; see :func:`flows_of`."""
    planned = plan_of(data, addresses)
    flows = flows_of(planned.plan)
    if planned.nameless:
        for flow in flows:
            for end in ("initiator", "responder"):
                if flow[end] == planned.host:
                    flow[f"{end}_addresses"] = []
    return flows


def required_ports(data: Any, host: str | None = None, direction: str = "in") -> list[dict[str, Any]]:
    """Return the rules that a packet filter in front of a host needs, one for each protocol and range of ports.

    :param direction: ``in``: what others send to the host; ``out``: what it sends itself.
    :returns: dictionaries with ``protocol`` (tcp, udp, icmp, icmpv6), ``from_port``, ``to_port``, ``sources`` or
        ``destinations`` (networks in CIDR form, the fewest that hold the same addresses), ``purpose`` and ``need``.
        ICMP has its type as ``from_port`` and -1 (every code) as ``to_port``. A port without peers has no rule.
    :raises DbportsError: when the data cannot be planned, or no host or several could be meant.
    """
    if direction not in ("in", "out"):
        raise DbportsError(
            "not a direction", code="not_a_choice", path="direction", value=direction, fix="Use in or out"
        )
    planned = plan_of(data)
    port_set = planned.plan.hosts.get(chosen_host(planned, host))
    found: dict[tuple[str, int, int], _Entry] = {}
    for key, peers in port_set.ordered() if port_set else ():
        if key.direction != direction or not peers:
            continue
        ranges = merge_addresses(item for peer in peers.values() for item in peer.addresses)
        for place, wanted in _keys(key.protocol, key.ports, ranges):
            entry = found.setdefault(place, _Entry([], {}, []))
            entry.ranges.extend(wanted)
            entry.purposes[key.purpose] = None
            entry.needs.append(key.need)
    return [_rule(key, found[key], "sources" if direction == "in" else "destinations") for key in sorted(found)]


class _Entry(NamedTuple):
    ranges: list[AddressRange]
    purposes: dict[str, None]
    needs: list[str]


def _keys(
    protocol: str, ports: Ports, ranges: tuple[AddressRange, ...]
) -> Iterable[tuple[tuple[str, int, int], list[AddressRange]]]:
    """Yield protocol and ports of each rule that follows, with its addresses."""
    if protocol == "icmp":
        for family, (name, kind) in ICMP_ECHO.items():
            own = [item for item in ranges if item.family == family]
            if own:
                yield (name, kind, -1), own
        return
    for item in ports:
        yield (protocol, item.first, item.last), list(ranges)


def _rule(key: tuple[str, int, int], entry: _Entry, peers: str) -> dict[str, Any]:
    return {
        "protocol": key[0],
        "from_port": key[1],
        "to_port": key[2],
        peers: networks_of(entry.ranges),
        "purpose": "; ".join(entry.purposes),
        "need": "required" if "required" in entry.needs else "optional",
    }


def networks_of(ranges: Iterable[AddressRange]) -> list[str]:
    """Return the fewest networks in CIDR form that hold exactly these addresses, IPv4 first."""
    texts = cidrs(merge_addresses(ranges))
    return [text if "/" in text else f"{text}/{128 if ':' in text else 32}" for text in texts]
