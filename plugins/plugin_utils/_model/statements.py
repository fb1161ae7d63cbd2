# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway has to permit, as values: neutral statements, and each gateway's part of a plan."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Need
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import PlanWarning

StatementKind = Literal["request", "reply", "unrelated", "relay", "icmp_error"]
Family = Literal["ipv4", "ipv6"]
Ports = tuple[PortRange, ...]


class Published(NamedTuple):
    """What clients use in place of a destination."""

    addresses: Ranges
    ports: Ports


class Statement(NamedTuple):
    """One thing that a gateway has to permit; all its addresses are of one family.

    :param origin: the network that the packet comes from, ``target`` the one it goes to.
    :param kind: request, reply, unrelated (a datagram that answers, but which no connection tracking relates),
        relay (a connection that the gateway itself makes for the source) or icmp_error.
    :param source_ports: empty for any, and where the protocol has none; so ``destination_ports``.
    :param established: only TCP packets with ACK or RST.
    :param icmp_type: and ``icmp_code``: of ICMP or ICMPv6, None for any.
    :param host: the host that the endpoint belongs to.
    """

    gateway: str
    origin: str
    target: str
    kind: StatementKind
    family: Family
    protocol: Protocol
    source: Ranges
    source_ports: Ports
    destination: Ranges
    destination_ports: Ports
    established: bool
    icmp_type: int | None
    icmp_code: int | None
    published: Published | None
    host: str
    endpoint: str
    need: Need
    reason: str
    citation: str


class GatewayPlan(NamedTuple):
    """One gateway's part of the plan.

    :param platform: what it runs on; empty where nobody said.
    :param host: the inventory host that it is; empty where it is none.
    :param owner: who is asked for changes of its rules; may be empty.
    :param note: what a reader of its statements has to know of its kind.
    """

    name: str
    kind: str
    platform: str
    host: str
    owner: str
    between: tuple[str, ...]
    stateful: bool
    addresses: tuple[tuple[str, Ranges], ...]
    note: str
    statements: tuple[Statement, ...]
    warnings: tuple[PlanWarning, ...]
