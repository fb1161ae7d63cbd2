# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of gateways there are: one class each."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import GatewayKind
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.device import Device
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.filter import Filter
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.http_proxy import HttpProxy
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.nat import Nat
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.socks import Socks

DEVICES: dict[str, type[Device]] = {device.kind.name: device for device in (Filter, Socks, Nat, HttpProxy)}
"""By the ``kind`` that users write."""


def gateway_kinds() -> dict[str, GatewayKind]:
    """Return what each kind lets users declare, by its name."""
    return {name: device.kind for name, device in DEVICES.items()}
