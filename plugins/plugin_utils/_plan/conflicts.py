# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of one host that two servers want."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Declared
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import Conflict

_DYNAMIC = 1000
"""A range this wide is dynamic: the server takes one free port of it, so it is in nobody's way."""


class _Claim(NamedTuple):
    """What one program wants.

    :param address: the one it is bound to, or None for all.
    :param program: engine and patterns of a program whose port may be declared with the engine beside it as well.
    """

    protocol: Protocol
    ports: PortRange
    owner: str
    what: str
    address: AddressRange | None
    program: tuple[str, tuple[str, ...]]
    declared: Declared

    def overlaps(self, other: _Claim) -> bool:
        """Tell whether two programs cannot have both; their ports are known to overlap."""
        same_address = self.address is None or other.address is None or self.address == other.address
        return self.owner != other.owner and same_address and not self._is_the_same(other)

    def _is_the_same(self, other: _Claim) -> bool:
        """Tell whether two engines declare one endpoint, as PostgreSQL does with the PgBouncer in front of it."""
        (engine, process), (other_engine, other_process) = self.program, other.program
        return bool(process) and engine != other_engine and process == other_process and self.ports == other.ports


def find_conflicts(host: PortSet, servers: Mapping[str, Declared]) -> list[Conflict]:
    """Return what two servers of a host, or a server and the host as a client, both need.

    :param servers: where the host's servers are declared, by name.
    """
    found: dict[tuple[str, frozenset[str], PortRange, AddressRange | None], Conflict] = {}
    claims = sorted(_claims(host, servers), key=lambda claim: (*claim[:4], claim.address or (), *claim[5:]))
    for index, claim in enumerate(claims):
        for other in claims[index + 1 :]:
            if other.protocol != claim.protocol or other.ports.first > claim.ports.last:
                break
            if claim.overlaps(other):
                both = PortRange(max(claim.ports.first, other.ports.first), min(claim.ports.last, other.ports.last))
                address = claim.address or other.address
                # Once a socket: 602SQL serves several endpoints with one.
                key = (claim.protocol, frozenset((claim.owner, other.owner)), both, address)
                owners, declared = (claim.what, other.what), (claim.declared, other.declared)
                found.setdefault(key, Conflict(host.host, owners, claim.protocol, both, address, declared))
    return list(found.values())


def _claims(host: PortSet, servers: Mapping[str, Declared]) -> Iterator[_Claim]:
    for endpoint in host.endpoints:
        owner = "shared" if endpoint.shared else f"{endpoint.server}/{endpoint.instance}"
        program = (endpoint.engine, endpoint.process)
        declared = servers[endpoint.server]
        for ports in endpoint.ports:
            if ports.last - ports.first < _DYNAMIC:
                yield _Claim(endpoint.protocol, ports, owner, endpoint.id, endpoint.address, program, declared)
    for key, peers in host.rules.items():
        if key.direction == "in" and key.unsolicited and peers and key.ports[0].last - key.ports[0].first < _DYNAMIC:
            what = f"this host as a client ({key.flow})"
            declared = min(peer.declared for peer in peers.values())
            yield _Claim(key.protocol, key.ports[0], what, what, None, ("", ()), declared)
