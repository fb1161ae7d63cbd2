# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What gateways run on: which kinds each platform can be, and what it does of its own accord."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Values
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Platform


class _Row(NamedTuple):
    kinds: tuple[str, ...]
    title: str
    tracks: bool | None = None
    applied: bool = False


_ROWS = {
    "linux": _Row(("filter",), "A Linux router", applied=True),
    "dante": _Row(("socks",), "Dante", applied=True),
    "sshd": _Row(("socks",), "An OpenSSH server with PermitOpen", applied=True),
    "ios": _Row(("filter",), "A Cisco IOS access list", False),
    "nxos": _Row(("filter",), "A Cisco NX-OS access list", False),
    "iosxr": _Row(("filter",), "A Cisco IOS XR access list", False),
    "asa": _Row(("filter",), "Cisco ASA", True),
    "eos": _Row(("filter",), "An Arista EOS access list", False),
    "junos": _Row(("filter",), "A Junos firewall filter", False),
    "panos": _Row(("filter",), "PAN-OS", True),
    "fortios": _Row(("filter",), "FortiOS", True),
    "aws_security_group": _Row(("filter",), "An AWS security group", True),
    "aws_network_acl": _Row(("filter",), "An AWS network ACL", False),
    "azure": _Row(("filter",), "An Azure network security group", True),
    "gcp": _Row(("filter",), "A Google Cloud VPC firewall", True),
    "openstack": _Row(("filter",), "An OpenStack security group"),
    "kubernetes": _Row(("filter",), "A Kubernetes network policy", True),
}
"""Whether a platform tracks connections is what its vendor documents of such rules."""


def platforms_of(kind: str) -> tuple[Platform, ...]:
    """Return the platforms that a kind of gateway can run on."""
    return tuple(Platform(name, row.title, row.tracks, row.applied) for name, row in _ROWS.items() if kind in row.kinds)


def tracks(values: Values) -> bool:
    """Tell whether a filter tracks connections: what is declared, else what its platform does, else yes."""
    row = _ROWS.get(values["platform"])
    own = row.tracks if row else None
    return bool(values["stateful"] if values["stateful"] is not None else own is not False)


def check_tracking(values: Values, path: str) -> None:
    """Refuse a declaration that says otherwise than the platform.

    :raises DbportsError: for ``stateful``.
    """
    row = _ROWS.get(values["platform"])
    if row and row.tracks is not None and values["stateful"] not in (None, row.tracks):
        raise DbportsError(
            f"{row.title} {'tracks connections' if row.tracks else 'does not track connections'}",
            code="contradiction",
            path=f"{path}.stateful",
            value=values["stateful"],
            fix=f"Write stateful: {str(row.tracks).lower()}, or remove it",
        )
