# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SOCKS hosts: they make connections in the name of clients that ask for it."""

from __future__ import annotations

from typing import Union

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Option
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
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
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.platforms import PLATFORMS
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Probe

SOCKS, SSH = PortRange(1080, 1080), PortRange(22, 22)
"""Where Dante and OpenSSH listen, as IANA registered it."""


class Socks(Device):
    """A SOCKS 4 host."""

    kind = GatewayKind(
        "socks",
        (
            Option(
                "port",
                "port",
                "The port on which it listens for SOCKS 4, or, with the platform sshd, for SSH. "
                "If omitted, 1080, or 22 with sshd.",
            ),
            OS_OPTION,
        ),
        addresses=lambda values: "ipv4",
        platforms=PLATFORMS["socks"],
        relays=True,
    )
    note = "A relay statement is what the SOCKS host may be asked to connect to, in its own name."
    relays = True

    @property
    def guards(self) -> bool:
        """Whether all others are refused at its port: not where administrators come in by it."""
        return not self._is_sshd

    @property
    def _is_sshd(self) -> bool:
        return bool(self.gateway.values["platform"] == "sshd")

    @property
    def _port(self) -> PortRange:
        return self.gateway.values["port"] or (SSH if self._is_sshd else SOCKS)

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
        return Hop(Side(self.gateway.addresses[a], (self._port,), self), behind)

    def probe(self, probe: Probe, target: Side) -> Probe:
        """Return a request to the SOCKS host to connect to the server.

        An OpenSSH server speaks no SOCKS: its clients ask their own ssh.
        """
        if self._is_sshd:
            return Probe("tcp", None)
        address = target.addresses[0]
        server = AddressRange(address.family, address.first, address.first)
        return Probe("socks", f"{server}:{target.ports[0].first}")
