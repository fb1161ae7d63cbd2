# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address translation: a device hides one network and publishes some of its endpoints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Union

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import GatewayBehaviour, Option, Values
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT, PortRange, Protocol, format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import GatewayKind, Publication
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.device import (
    Device,
    Dropped,
    FlowRequest,
    Hop,
    Side,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import shown_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Ports

_ANY_PORT = PortRange(1, MAX_PORT)


def _check(values: Values, between: tuple[str, ...], path: str) -> None:
    if values["inside"] not in between:
        raise DbportsError(
            "inside has to name the network that it hides",
            code="missing" if values["inside"] is None else "unknown_name",
            path=f"{path}.inside",
            value=values["inside"],
            fix=f"Name one of {', '.join(between)}",
        )


class Nat(Device):
    """A device that translates addresses."""

    kind = GatewayKind(
        "nat",
        (
            Option("inside", "str", "The network whose addresses it hides; the others are outside."),
            Option("source_nat", "bool", "A published server sees the device instead of the client.", True),
        ),
        addresses=lambda values: "any",
        mappings=True,
        check=_check,
    )
    note = (
        "Statements name the addresses behind the translation, as a Linux forward chain sees them: after the "
        "destination was translated, before the source is. published holds what clients use."
    )
    hides = True

    @property
    def guessed(self) -> str:
        """Nothing: a translator takes any high port, which is no guess."""
        return ""

    def stands_between(self, a: str, b: str, behaviour: GatewayBehaviour) -> bool:
        """Tell whether one of the networks is the hidden one."""
        return self.gateway.values["inside"] in (a, b)

    def source(self, request: FlowRequest, before: Side, b: str) -> Side:
        """Return the device, unless it leaves the sources of published flows as they are.

        It keeps a port that the protocol determines, or takes any other: iptables-extensions(8), SNAT (Linux stays
        below 512 with port 500); RFC 3715, 2.1 d (IKE responders must accept other source ports than 500).
        """
        if self.gateway.values["inside"] == b and not self.gateway.values["source_nat"]:
            return before
        behind = super().source(request, before, b)
        return behind._replace(ports=(_ANY_PORT,)) if request.flow.source else behind

    def destination(self, request: FlowRequest, behind: Side, a: str, route: tuple[Device, ...]) -> Union[Hop, Dropped]:
        """Return the published address and ports, where the flow comes from outside."""
        if request.behaviour.untranslated:
            return Dropped(self.gateway, request.behaviour.untranslated)
        if self.gateway.values["inside"] == a:
            return Hop(behind, behind)
        if not request.key.ports:
            return Dropped(self.gateway, "the device answers for its own address, not the host behind it")
        return self._publish(request, behind, a)

    def _publish(self, request: FlowRequest, behind: Side, a: str) -> Union[Hop, Dropped]:
        mappings = self.gateway.mappings
        for first in mappings:
            if a not in first.public or not any(first.address.overlaps(item) for item in behind.addresses):
                continue
            same = [
                item for item in mappings if item.address == first.address and item.public.get(a) == first.public[a]
            ]
            public = [
                found for found in (_published(same, request.key.protocol, item) for item in behind.ports) if found
            ]
            if len(public) == len(behind.ports):
                ports = tuple(item for item, _mapping in public)
                note, base = self._check_ports(request, same, ports)
                return Hop(
                    Side((first.public[a],), ports, self),
                    behind._replace(addresses=(first.address,)),
                    note,
                    frozenset(mapping.path for _ports, mapping in [*public, *base]),
                    request.behaviour.same_port != (),  # to learn a port alone serves nobody
                )
        return Dropped(self.gateway, "it is not published there", unpublished=True)

    def _check_ports(
        self, request: FlowRequest, same: list[Publication], public: Ports
    ) -> tuple[str, list[tuple[PortRange, Publication]]]:
        """Refuse published ports that clients would not find; return what they register, and the mapping for that."""
        flow, ports = request.flow, request.key.ports
        path = f"{self.gateway.path}.mappings"
        if flow.same_port and public != ports:
            raise DbportsError(
                f"{shown_ports(request.key.protocol, ports)} of {request.responder.name} is published as "
                f"{format_ports(public)}, but {request.behaviour.same_port_reason}",
                code="cannot_pass",
                path=path,
                value=format_ports(public),
                fix=request.behaviour.same_port_fix,
            )
        if not flow.base:
            return "", []
        distance = ports[0].first - flow.base[0].first
        base = public[0].first - distance
        declared = _published(same, "udp", flow.base[0])
        if base < 1 or (declared and declared[0].first != base):
            raise DbportsError(
                f"clients register one port and connect to it plus {distance}: {format_ports(public)} does not follow "
                f"{declared[0].first if declared else 'any port'}",
                code="cannot_pass",
                path=path,
                value=format_ports(public),
                fix="Publish a pair of consecutive ports",
            )
        note = f" (clients register port {base})" if base != flow.base[0].first else ""
        return note, [declared] if declared else []


def _published(
    mappings: Iterable[Publication], protocol: Protocol, ports: PortRange
) -> tuple[PortRange, Publication] | None:
    """Return the ports under which ports are published, and the mapping that says so."""
    for item in mappings:
        found = item.published(ports) if item.protocol == protocol else None
        if found:
            return found, item
    return None
