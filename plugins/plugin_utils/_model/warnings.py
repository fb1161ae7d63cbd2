# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is noticed while a plan is made, as values: they become sentences where they are printed."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Declared

WarningCode = Literal[
    "engine",
    "fixed_port_in_dynamic_range",
    "closed_instance",
    "nobody_admitted",
    "open_to_everyone",
    "no_common_family",
    "ipv4_only",
    "not_declared_there",
    "same_addresses",
    "behind_translation",
    "lost_on_gateway",
    "not_published",
    "unused_mapping",
    "unknown_source_ports",
]


class FlowPorts(NamedTuple):
    """A flow that a warning is about: its endpoint's id, its short name, and where its responder receives."""

    endpoint: str
    name: str
    protocol: Protocol
    ports: tuple[PortRange, ...]


class PlanWarning(NamedTuple):
    """Something that is planned and that the user should know of.

    :param code: what it is about; with ``engine`` ``reason`` is the engine's own code.
    :param host: the inventory host, or the gateway, that it concerns.
    :param path: the declaration that it follows from, a path of a variable; empty where none is to blame.
    :param peers: the hosts, networks or gateways on one side, and ``others`` on the other.
    :param flows: the flows that are meant.
    :param networks: the networks between which it happens.
    :param reason: why, in the words of the engine or gateway whose knowledge it is.
    :param ports: ranges of ports that are meant beside those of the flows.
    """

    code: WarningCode
    host: str
    path: str = ""
    peers: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    flows: tuple[FlowPorts, ...] = ()
    gateway: str = ""
    kind: str = ""
    networks: tuple[str, ...] = ()
    reason: str = ""
    text: str = ""
    ports: tuple[PortRange, ...] = ()


class Conflict(NamedTuple):
    """Ports of one host that two programs want.

    :param owners: the endpoints, or flows of the host as a client, that want them.
    :param address: the one address on which both need them, or None for all.
    :param declared: where each of them is declared.
    """

    host: str
    owners: tuple[str, str]
    protocol: Protocol
    ports: PortRange
    address: AddressRange | None
    declared: tuple[Declared, Declared]
