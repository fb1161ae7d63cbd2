# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP proxies in front of a tunnel that looks like HTTP."""

from __future__ import annotations

from typing import Union

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import GatewayBehaviour, Option, Values
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import GatewayKind
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.device import (
    OS_OPTION,
    Device,
    Dropped,
    FlowRequest,
    Hop,
    Side,
)


def _check(values: Values, between: tuple[str, ...], path: str) -> None:
    if values["mode"] is None:
        raise DbportsError(
            "a tunnel works only through a proxy that passes bytes on, not through one that understands HTTP",
            code="missing",
            path=f"{path}.mode",
            value=None,
            fix="Write mode: http or mode: tcp",
        )


class HttpProxy(Device):
    """A proxy that clients of a tunnel reach in the server's place."""

    kind = GatewayKind(
        "http_proxy",
        (
            Option(
                "mode",
                "str",
                "With http, it understands HTTP; with tcp, it only forwards bytes.",
                choices=("http", "tcp"),
            ),
            Option(
                "port", "port", "The port at which clients reach it in mode tcp. If omitted, the port of the tunnel."
            ),
            OS_OPTION,
        ),
        addresses=lambda values: "optional" if values["mode"] == "http" else "any",
        check=_check,
        relays=True,
    )
    note = "A relay statement is what the proxy passes bytes on to, in its own name."
    relays = True

    def stands_between(self, a: str, b: str, behaviour: GatewayBehaviour) -> bool:
        """Tell whether it is a flow that people send through such proxies."""
        return bool(behaviour.http)

    def destination(self, request: FlowRequest, behind: Side, a: str, route: tuple[Device, ...]) -> Union[Hop, Dropped]:
        """Return the proxy in the server's place; one of its ports leads to one server."""
        if self.gateway.values["mode"] == "http":
            raise DbportsError(
                request.behaviour.http,
                code="cannot_pass",
                path=f"{self.gateway.path}.mode",
                value="http",
                fix="Use a proxy in mode tcp, or remove the server's tunnel",
            )
        port = self.gateway.values["port"]
        ports = (port,) if port else behind.ports
        return Hop(Side(self.gateway.addresses[a], ports, self), behind, claims=True)
