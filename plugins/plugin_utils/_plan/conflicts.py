# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of one host that two servers want."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, parse_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet

_DYNAMIC = 1000
"""A range this wide is dynamic: the server takes one free port of it, so it is in nobody's way."""


class _Claim(NamedTuple):
    protocol: str
    ports: PortRange
    owner: str
    what: str
    address: str
    """The one address it is bound to, or nothing for all."""

    def meets(self, other: _Claim) -> bool:
        """Tell whether two programs cannot have both; their ports are known to overlap."""
        return self.owner != other.owner and (not self.address or not other.address or self.address == other.address)


def find_conflicts(host: PortSet) -> list[str]:
    """Return what two servers of a host, or a server and the host as a client, both want: a sentence each."""
    found: dict[tuple[str, frozenset[str], PortRange, str], str] = {}
    claims = sorted(_claims(host))
    for index, claim in enumerate(claims):
        for other in claims[index + 1 :]:
            if other.protocol != claim.protocol or other.ports.first > claim.ports.last:
                break
            if claim.meets(other):
                both = PortRange(max(claim.ports.first, other.ports.first), min(claim.ports.last, other.ports.last))
                address = claim.address or other.address
                where = f" on {address}" if address else ""
                # One sentence a socket: 602SQL serves several endpoints with one.
                found.setdefault(
                    (claim.protocol, frozenset((claim.owner, other.owner)), both, address),
                    f"{host.host}: {claim.what} and {other.what} both want {claim.protocol} {both}{where}",
                )
    return list(found.values())


def _claims(host: PortSet) -> Iterator[_Claim]:
    for endpoint in host.endpoints:
        owner = "shared" if endpoint.shared else f"{endpoint.server}/{endpoint.instance}"
        for ports in parse_ports(endpoint.ports) if endpoint.ports else ():
            if ports.last - ports.first < _DYNAMIC:
                yield _Claim(endpoint.protocol, ports, owner, endpoint.id, endpoint.address or "")
    for head, peers in host.rules.items():
        if head.direction == "in" and head.unsolicited and peers:
            what = f"this host as a client ({head.flow})"
            yield _Claim(head.protocol, parse_ports(head.ports)[0], what, what, "")
