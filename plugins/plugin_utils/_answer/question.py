# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a plan: a port of a host, and who wants to reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Union

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PROTOCOLS, PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import Peers
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import Inventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Plan, PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Ports

Problem = Literal["itself", "unknown_host", "group", "no_address"]
"""Why nothing can be looked up for a peer."""


@dataclass(frozen=True)
class PlanView:
    """What questions are answered from.

    :param port_set: returns a host's port set, or None where the plan says nothing of the host.
    :param inventory: the inventory, for hosts that are not in the plan.
    """

    port_set: Callable[[str], Union[PortSet, None]]
    inventory: Inventory


def view_of(plan: Plan, inventory: Inventory) -> PlanView:
    """Return the view of a plan that was just computed."""
    return PlanView(plan.hosts.get, inventory)


class Question(NamedTuple):
    """A port of a host, of one protocol or of both; None where the protocol has no ports."""

    host: str
    protocols: tuple[Protocol, ...]
    port: int | None

    def __str__(self) -> str:
        name = "/".join(self.protocols)
        return name if self.port is None else f"{name} {self.port}"

    def asks_for(self, protocol: Protocol, ports: Ports) -> bool:
        """Tell whether a rule with these ports is meant."""
        return protocol in self.protocols and (self.port is None or any(self.port in item for item in ports))


class AskedPeer(NamedTuple):
    """The peer that is asked about.

    :param addresses: its addresses; empty where there is a problem.
    :param problem: why there are none, or None.
    :param is_host: an inventory host, not an address or network.
    """

    name: str
    addresses: Ranges
    problem: Problem | None
    is_host: bool

    def overlapping(self, addresses: Iterable[AddressRange]) -> Ranges:
        """Return the peer's ranges that have an address in common with others."""
        others = tuple(addresses)
        return tuple(own for own in self.addresses if any(own.overlaps(item) for item in others))


def read_question(host: str, port: Any) -> Question:
    """Read ``1434/udp``, ``1434`` (both protocols) or ``icmp``.

    :raises DbportsError: for anything else.
    """
    text = str(port).strip().lower()
    if text == "icmp":
        return Question(host, ("icmp",), None)
    number, slash, name = text.partition("/")
    if number in PROTOCOLS and slash:
        number, name = name, number
    protocols = tuple(item for item in PROTOCOLS if item != "icmp" and (not slash or item == name))
    try:
        ports = PortRange.parse(number)
    except DbportsError:
        ports = None
    if ports is None or ports.first != ports.last or not protocols:
        raise DbportsError(
            "not a port with its protocol",
            code="not_a_port",
            path="port",
            value=port,
            fix="Write for example 1434/udp, 1433 or icmp",
        )
    return Question(host, protocols, ports.first)


def find_peer(view: PlanView, host: str, name: str) -> AskedPeer:
    """Look up who wants to reach a host: an inventory host, an address or a network."""
    if name == host:
        return AskedPeer(name, (), "itself", True)
    port_set = view.port_set(name)
    if port_set is not None:
        return AskedPeer(name, port_set.addresses, None, True)
    if view.inventory.host(name) is not None:
        try:
            return AskedPeer(name, Peers(view.inventory).host(name).addresses, None, True)
        except DbportsError:
            return AskedPeer(name, (), "no_address", True)
    if view.inventory.group(name) is not None:
        return AskedPeer(name, (), "group", False)
    try:
        return AskedPeer(name, (AddressRange.parse(name),), None, False)
    except DbportsError:
        return AskedPeer(name, (), "unknown_host", False)
