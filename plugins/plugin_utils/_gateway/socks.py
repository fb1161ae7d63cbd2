# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SOCKS hosts: they make connections in the name of clients that ask for it."""

from __future__ import annotations

from typing import Union

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Option
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.gateways import VARIABLE
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import GatewayKind
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.device import (
    OS_OPTION,
    Device,
    Dropped,
    FlowRequest,
    Hop,
    Side,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.platforms import platforms_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Probe


class Socks(Device):
    """A SOCKS 4 host."""

    kind = GatewayKind(
        "socks",
        (
            Option("port", "port", "The port on which it listens for SOCKS 4.", 1080),
            OS_OPTION,
        ),
        addresses=lambda values: "ipv4",
        platforms=platforms_of("socks"),
    )
    note = "A relay statement is what the SOCKS host may be asked to connect to, in its own name."
    relays = True

    def destination(self, request: FlowRequest, behind: Side, a: str, route: tuple[Device, ...]) -> Union[Hop, Dropped]:
        """Return the SOCKS host in the server's place, where clients can ask it for this flow."""
        engine = request.declaration.server.engine
        limit = next((spec.through.socks for spec in engine.flows if spec.through.socks), "")
        if not limit:
            raise DbportsError(
                f"clients of {engine.name} do not ask a SOCKS host to connect for them",
                code="cannot_pass",
                path=self.gateway.path,
                value=self.gateway.name,
                fix="List under engines those whose clients do (sql602), where the others are routed past it",
            )
        if not request.behaviour.socks:
            return Dropped(self.gateway, "a SOCKS host passes only the connections that clients ask it for")
        both = [device.gateway.name for device in route if isinstance(device, Socks)]
        if len(both) > 1:
            raise DbportsError(
                f"{limit}, and here are {' and '.join(both)}",
                code="cannot_pass",
                path=VARIABLE,
                value=both,
                fix="Take one of them out of the way, or run client and server on one computer",
            )
        return Hop(Side(self.gateway.addresses[a], (self.gateway.values["port"],), self), behind)

    def probe(self, probe: Probe) -> Probe:
        """Return a connection to the SOCKS host: the server's own protocol is spoken only behind it."""
        return Probe("tcp", None)
