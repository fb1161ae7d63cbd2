# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What gateways run on: which kinds each platform can be, and what it does of its own accord."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Values
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Platform

PLATFORMS: dict[str, tuple[Platform, ...]] = {
    "filter": (
        Platform("linux", "A Linux router", None, True),
        Platform("ios", "A Cisco IOS access list", False, False),
        Platform("nxos", "A Cisco NX-OS access list", False, False),
        Platform("iosxr", "A Cisco IOS XR access list", False, False),
        Platform("asa", "Cisco ASA", True, False),
        Platform("eos", "An Arista EOS access list", False, False),
        Platform("junos", "A Junos firewall filter", False, False),
        Platform("panos", "PAN-OS", True, False),
        Platform("fortios", "FortiOS", True, False),
        Platform("aws_security_group", "An AWS security group", True, False),
        Platform("aws_network_acl", "An AWS network ACL", False, False),
        Platform("azure", "An Azure network security group", True, False),
        Platform("gcp", "A Google Cloud VPC firewall", True, False),
        Platform("openstack", "An OpenStack security group", None, False),
        Platform("kubernetes", "A Kubernetes network policy", True, False),
    ),
    "socks": (
        Platform("dante", "Dante", None, True),
        Platform("sshd", "An OpenSSH server with PermitOpen", None, True),
    ),
}
"""By the kind of gateway. Whether a platform tracks connections is what its vendor documents of such rules."""

APPLIED = frozenset(item.name for found in PLATFORMS.values() for item in found if item.applied)
"""The platforms that are inventory hosts, to which roles apply their part of the plan."""

FILTERS = {item.name: item for item in PLATFORMS["filter"]}
"""The platforms of packet filters, by their names."""


def tracks(values: Values) -> bool:
    """Tell whether a filter tracks connections: what is declared, else what its platform does, else yes."""
    platform = FILTERS.get(values["platform"])
    own = platform.tracks if platform else None
    return bool(values["stateful"] if values["stateful"] is not None else own is not False)


def check_tracking(values: Values, path: str) -> None:
    """Refuse a declaration that says otherwise than the platform.

    :raises DbportsError: for ``stateful``.
    """
    platform = FILTERS.get(values["platform"])
    if platform and platform.tracks is not None and values["stateful"] not in (None, platform.tracks):
        raise DbportsError(
            f"{platform.title} {'tracks connections' if platform.tracks else 'does not track connections'}",
            code="contradiction",
            path=f"{path}.stateful",
            value=values["stateful"],
            fix=f"Write stateful: {str(platform.tracks).lower()}, or remove it",
        )
