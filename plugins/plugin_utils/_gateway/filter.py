# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packet filters: they pass flows on as they are, with connection tracking or without."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Option
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import GatewayKind
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.device import Device, FlowRequest, Side
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.platforms import (
    PLATFORMS,
    check_tracking,
    tracks,
)


class Filter(Device):
    """A packet filter."""

    kind = GatewayKind(
        "filter",
        (
            Option(
                "stateful",
                "bool",
                "Whether it tracks connections. If not, it also needs rules for replies. "
                "The default is what the platform does, and true where that is a choice.",
            ),
        ),
        check=lambda values, between, path: check_tracking(values, path),
        platforms=PLATFORMS["filter"],
    )
    rewrites = False

    @property
    def stateless(self) -> bool:
        """Whether it needs rules for replies."""
        return not tracks(self.gateway.values)

    def source(self, request: FlowRequest, before: Side, b: str) -> Side:
        """Return the initiator, which looks the same behind a filter."""
        return before
