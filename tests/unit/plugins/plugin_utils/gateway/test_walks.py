# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new kind of gateway is one class: a VPN concentrator that exists only here is declared, routed and stated."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import format_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import GatewayBehaviour, Option
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import GatewayKind
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.device import (
    Device,
    Dropped,
    FlowRequest,
    Hop,
    Side,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.kinds import DEVICES
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.sentences import sentence
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

LIMIT = "the tunnel carries only TCP"


class Vpn(Device):
    """Clients come out of it with its own address; it carries TCP, and lets echo requests take another way."""

    kind = GatewayKind("vpn", (Option("tunnel", "str", "Its protocol.", "wireguard"),), addresses=lambda values: "any")
    note = "Requests as they leave the tunnel."
    hides = True

    def stands_between(self, a: str, b: str, behaviour: GatewayBehaviour) -> bool:
        """Tell whether flows of this behaviour go through it: what is not answered takes another way."""
        return behaviour.answered

    def destination(self, request: FlowRequest, behind: Side, a: str, route: tuple[Device, ...]) -> Hop | Dropped:
        """Return the server as it is, for TCP."""
        return Hop(behind, behind) if request.key.protocol == "tcp" else Dropped(self.gateway, LIMIT)


@pytest.fixture(autouse=True)
def _vpn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DEVICES, Vpn.kind.name, Vpn)


def inventory(**gateway: Any) -> PlainInventory:
    """Return a 602SQL server behind such a gateway, with a client before it and one that is forbidden."""
    declared = {
        "name": "v",
        "kind": "vpn",
        "between": ["office", "dc"],
        "addresses": {"office": "192.0.2.1", "dc": "198.51.100.1"},
        **gateway,
    }
    server = {"engine": "sql602", "clients": ["app"], "ping": True, "forbidden_clients": ["other"]}
    return PlainInventory(
        {
            "hosts": {
                "db": {"ansible_host": "198.51.100.10", "dbports_servers": [server]},
                "app": {"ansible_host": "192.0.2.21"},
                "other": {"ansible_host": "192.0.2.22"},
            },
            "vars": {
                "dbports_networks": {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"]},
                "dbports_gateways": [declared],
            },
        }
    )


def test_it_is_routed_and_stated() -> None:
    plan = build_plan(inventory())
    (gateway,) = plan.gateways
    assert (gateway.name, gateway.kind, gateway.note) == ("v", "vpn", Vpn.note)
    (statement,) = gateway.statements
    assert (statement.kind, statement.protocol, statement.published) == ("request", "tcp", None)
    assert format_addresses((*statement.source, *statement.destination)) == ["192.0.2.21", "198.51.100.10"]
    seen = {key.flow: peers for key, peers in plan.hosts["db"].rules.items() if key.direction == "in" and peers}
    assert format_addresses(seen["connect"]["v"].addresses) == ["198.51.100.1"]
    assert seen["connect"]["v"].kind == "gateway"
    assert set(seen) == {"connect", "search", "search_broadcast", "interrupt"}, "what is not answered passes beside it"
    assert "gateways/v.json" in render_plan(plan).files


def test_what_does_not_pass_and_whom_it_hides_is_warned_of() -> None:
    found = {item.code: item for item in build_plan(inventory()).warnings}
    assert set(found) == {"lost_on_gateway", "behind_translation"}
    assert [flow.name for flow in found["lost_on_gateway"].flows] == ["ping"]
    assert found["lost_on_gateway"].reason == LIMIT
    assert f"does not pass vpn v between dc and office: {LIMIT}" in sentence(found["lost_on_gateway"])
    assert found["behind_translation"].peers == ("other",)


def test_its_options_are_read_as_any_others() -> None:
    assert build_plan(inventory(tunnel="ipsec")).gateways
    with pytest.raises(PlanError) as caught:
        build_plan(inventory(tunel="ipsec"))
    (error,) = caught.value.errors
    assert (error.code, error.path) == ("unknown_key", "dbports_gateways[0].tunel")
