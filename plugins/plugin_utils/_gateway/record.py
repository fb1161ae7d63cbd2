# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all flows of a plan together mean for the gateways: their statements, and what does not pass."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Gateway
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.device import Device, Dropped, FlowRequest
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.router import Routed
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.statements import StatementCollector
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import shown_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan, Ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import FlowPorts, PlanWarning

_Served = tuple[int, str, str]
_Loss = tuple[str, str, int, tuple[str, ...], str]


class GatewayRecord:
    """Collects what was routed; linear in the flows."""

    def __init__(self, devices: tuple[Device, ...]) -> None:
        # By number, because a gateway that could not be read has one too.
        self._devices = {device.gateway.number: device for device in devices}
        self._collectors = {number: StatementCollector(device) for number, device in self._devices.items()}
        self._losses: dict[_Loss, dict[FlowPorts, None]] = {}
        self._unpublished: dict[_Served, list[FlowRequest]] = {}
        self._served: set[_Served] = set()
        self._used: set[str] = set()
        self._claims: dict[tuple[int, str, Ports], str] = {}

    def add(self, request: FlowRequest, routed: Routed) -> None:
        """Take a flow that was routed.

        :raises DbportsError: when a port of a gateway would have to lead to two servers.
        """
        for permit in routed.permits:
            self._collectors[permit.device.gateway.number].add(permit)
        for path in routed.paths:
            self._used |= path.used
            self._served.update(self._serving(number, request) for number in path.serves)
            for device, network, ports in path.claims:
                self._claim(device.gateway, network, ports, request.responder.name)
        for lost, between in routed.dropped:
            self._lose(request, lost, between)

    @staticmethod
    def _serving(number: int, request: FlowRequest) -> _Served:
        return number, request.declaration.host.name, request.declaration.server.name

    def _claim(self, gateway: Gateway, network: str, ports: Ports, server: str) -> None:
        other = self._claims.setdefault((gateway.number, network, ports), server)
        if other != server:
            shown = format_ports(ports)
            raise DbportsError(
                f"port {shown} of {gateway.name} leads to {other} and cannot lead to {server} too",
                code="duplicate",
                path=f"{gateway.path}.port",
                value=shown,
                fix="Declare a proxy with another port for one of the two",
            )

    def _lose(self, request: FlowRequest, lost: Dropped, between: tuple[str, str]) -> None:
        declaration, key = request.declaration, request.key
        if lost.unpublished:
            self._unpublished.setdefault(self._serving(lost.gateway.number, request), []).append(request)
        elif not request.flow.spec.broadcast:
            where = (
                declaration.host.name,
                declaration.server.path,
                lost.gateway.number,
                tuple(sorted(between)),
                lost.reason,
            )
            flow = FlowPorts(key.endpoint, key.flow, key.protocol, key.ports)
            self._losses.setdefault(where, {})[flow] = None

    def finish(self) -> tuple[list[GatewayPlan], list[PlanWarning], list[DbportsError]]:
        """Return every gateway's part of the plan, the warnings of hosts, and errors."""
        warnings = [
            PlanWarning(
                "lost_on_gateway",
                host,
                path,
                flows=tuple(flows),
                gateway=self._devices[number].gateway.name,
                kind=self._devices[number].gateway.kind,
                networks=networks,
                reason=reason,
            )
            for (host, path, number, networks, reason), flows in sorted(self._losses.items(), key=lambda item: item[0])
        ]
        errors: dict[str, DbportsError] = {}
        for key, missing in sorted(self._unpublished.items(), key=lambda item: item[0]):
            for request in missing:
                found = self._not_published(key, request)
                if isinstance(found, DbportsError):
                    errors.setdefault(str(found), found)
                elif found not in warnings:
                    warnings.append(found)
        plans = [
            collector.plan(self._unused(self._devices[number].gateway))
            for number, collector in self._collectors.items()
        ]
        return plans, warnings, list(errors.values())

    def _unused(self, gateway: Gateway) -> Iterator[PlanWarning]:
        """Yield the mappings that no flow of the plan needs."""
        for item in gateway.mappings:
            if item.path not in self._used:
                flow = FlowPorts("", "", item.protocol, (item.public_ports,))
                yield PlanWarning("unused_mapping", gateway.name, item.path, flows=(flow,), gateway=gateway.name)

    def _not_published(self, served: _Served, request: FlowRequest) -> PlanWarning | DbportsError:
        """Return an error where the server is not reached at all without the flow, else a warning."""
        gateway, key = self._devices[served[0]].gateway, request.key
        responder, declaration = request.responder.name, request.declaration
        asked = request.behaviour.same_port == () and served in self._served
        if request.flow.spec.need == "required" and (asked or served not in self._served):
            wanted = f"{{host: {responder}, protocol: {key.protocol}, port: {format_ports(key.ports)}}}"
            shown = shown_ports(key.protocol, key.ports)
            return DbportsError(
                f"{key.flow} ({shown}) of {responder} is not published by {gateway.name}",
                code="not_published",
                host=declaration.host.name,
                path=f"{gateway.path}.mappings",
                value=[f"{item.protocol} {item.ports} of {item.address}" for item in gateway.mappings],
                fix=f"Add {wanted}, or leave out the clients behind it",
            )
        return PlanWarning(
            "not_published",
            declaration.host.name,
            declaration.server.path,
            peers=(responder,),
            flows=(FlowPorts(key.endpoint, key.flow, key.protocol, key.ports),),
            gateway=gateway.name,
            kind=gateway.kind,
        )
