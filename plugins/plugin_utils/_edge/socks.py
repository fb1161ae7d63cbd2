# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan lets a SOCKS host relay, as the arguments of the module that writes it."""

from __future__ import annotations

from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._relay import dante
from ansible_collections.dbports.firewall.plugins.module_utils._relay.model import USER, RelayRules
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import read_gateway_data
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan

SOCKS_MODULE = "dbports.firewall.socks_config"
SOCKS_PLATFORMS = ("dante", "sshd")


def socks_arguments(plan: GatewayPlan) -> dict[str, Any]:
    """Return the arguments of :data:`SOCKS_MODULE` for a gateway of the kind socks."""
    asked = [item for item in plan.statements if item.kind == "request"]
    relays = [item for item in plan.statements if item.kind == "relay"]
    own = dict(plan.addresses)
    inside = {item.origin for item in relays} or {plan.between[0]}
    outside = {item.target for item in relays} or {plan.between[-1]}
    port = next((ports.first for item in asked for ports in item.destination_ports), 1080)
    return {
        "platform": plan.platform,
        "gateway": plan.name,
        "port": port,
        "internal": [text for name in sorted(inside) for text in format_addresses(own[name])],
        "external": [text for name in sorted(outside) for text in format_addresses(own[name])],
        "rules": [
            {
                "clients": format_addresses(item.source),
                "servers": format_addresses(item.destination),
                "ports": [str(ports) for ports in item.destination_ports],
            }
            for item in relays
        ],
    }


def danted_conf(gateway: Any) -> str:
    """Return the text of danted.conf, from the data of a gateway's file.

    :raises DbportsError: for data that are no such file, and for a gateway that is no SOCKS host or not Dante.
    """
    plan = read_gateway_data(gateway)
    if plan.kind != "socks" or plan.platform not in ("", "dante"):
        raise DbportsError(
            f"{plan.name} is a {plan.kind} gateway{plan.platform and f' that runs on {plan.platform}'}",
            code="contradiction",
            path="platform",
            value="dante",
            fix="Declare it with kind: socks and platform: dante, and plan again",
        )
    return dante.encode(RelayRules.from_arguments({**socks_arguments(plan), "user": USER}))


def client_line(plan: GatewayPlan, user: str) -> str:
    """Return what clients of an OpenSSH server have to run: it speaks no SOCKS itself."""
    arguments = socks_arguments(plan)
    port = f" -p {arguments['port']}" if arguments["port"] != 22 else ""
    return (
        f"{plan.name}: clients run ssh -N -D 127.0.0.1:1080{port} {user}@{arguments['internal'][0]} and name 127.0.0.1 "
        "as their SOCKS host"
    )
