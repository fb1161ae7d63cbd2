# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each gateway has to permit, as neutral statements: a small translator makes them a device's rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    merge_addresses,
    of_family,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.gateways import HTTP_PROXY, NAT, SOCKS, Gateway
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges, cidrs

REQUEST, REPLY, UNRELATED, RELAY, ICMP_ERROR = "request", "reply", "unrelated", "relay", "icmp_error"
ANY = {4: "0.0.0.0/0", 6: "::/0"}
_FAMILIES = {4: "ipv4", 6: "ipv6"}
_ECHO = {(4, REQUEST): 8, (4, REPLY): 0, (6, REQUEST): 128, (6, REPLY): 129}
_TOO_BIG: dict[int, tuple[int, int | None]] = {4: (3, 4), 6: (2, None)}
_SHOWN = 6

NOTES = {
    NAT: "Statements name the addresses behind the translation, as a Linux forward chain sees them: after the "
    "destination was translated, before the source is. published holds what clients use.",
    SOCKS: "A relay statement is what the SOCKS host may be asked to connect to, in its own name.",
    HTTP_PROXY: "A relay statement is what the proxy passes bytes on to, in its own name.",
}


class Statement(NamedTuple):
    """One thing that a gateway has to permit; all its addresses are of one family.

    :param origin: the network that the packet comes from, ``target`` the one it goes to.
    :param kind: request, reply, unrelated (a datagram that answers, but which no connection tracking relates),
        relay (a connection that the gateway itself makes for the source) or icmp_error.
    :param source_ports: empty for any, and where the protocol has none; so ``destination_ports``.
    :param established: only TCP packets with ACK or RST.
    :param icmp_type: and ``icmp_code``: of ICMP or ICMPv6, None for any.
    :param published: what clients use in place of the destination: addresses and ports, or None.
    :param host: the host that the endpoint belongs to.
    """

    gateway: str
    origin: str
    target: str
    kind: str
    family: str
    protocol: str
    source: tuple[str, ...]
    source_ports: str
    destination: tuple[str, ...]
    destination_ports: str
    established: bool
    icmp_type: int | None
    icmp_code: int | None
    published: tuple[tuple[str, ...], str] | None
    host: str
    endpoint: str
    need: str
    reason: str
    citation: str

    def protocol_text(self) -> str:
        """Return the protocol for readers: ``tcp established``, ``icmp 3/4``."""
        if self.icmp_type is not None:
            code = "" if self.icmp_code is None else f"/{self.icmp_code}"
            return f"{'icmpv6' if self.family == 'ipv6' else 'icmp'} {self.icmp_type}{code}"
        return f"{self.protocol} established" if self.established else self.protocol

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, the way it stands in the plan."""
        data = self._asdict()
        data["from"], data["to"], data["action"] = data.pop("origin"), data.pop("target"), "permit"
        if self.published:
            data["published"] = {"addresses": self.published[0], "ports": self.published[1]}
        return data


@dataclass
class GatewayPlan:
    """One gateway's part of the plan."""

    gateway: Gateway
    statements: list[Statement] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def heading(self) -> dict[str, Any]:
        """Return what is said of the gateway itself, as plain data."""
        gateway = self.gateway
        return {
            "gateway": gateway.name,
            "kind": gateway.kind,
            "between": gateway.between,
            "stateful": not gateway.stateless,
            "addresses": {name: cidrs(items) for name, items in gateway.addresses.items()},
            "note": NOTES.get(gateway.kind, ""),
        }


class StatementKey(NamedTuple):
    """What statements share that differ in addresses alone."""

    origin: str
    target: str
    kind: str
    protocol: str
    source_ports: str
    destination_ports: str
    published: tuple[Ranges, str] | None
    host: str
    endpoint: str
    need: str
    reason: str
    citation: str
    answered: bool


class StatementCollector:
    """Collects one gateway's statements: pairs of addresses in, sets of addresses out; linear in the pairs."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._groups: dict[StatementKey, dict[Ranges, set[Ranges]]] = {}
        self._widened: set[str] = set()
        self.warnings: list[str] = []

    def add(self, permit: StatementKey, source: Ranges, destination: Ranges, guessed: str = "") -> None:
        """Permit something between two lists of addresses.

        :param guessed: whose source ports are not known, where they are not.
        """
        if not (self._gateway.stateless or permit.kind == UNRELATED):
            permit = permit._replace(source_ports="")  # connection tracking knows them, and no guess can be wrong
        self._groups.setdefault(permit, {}).setdefault(destination, set()).add(source)
        if guessed and permit.answered and self._gateway.stateless and permit.source_ports:
            self._widened.add(guessed)

    def plan(self) -> GatewayPlan:
        """Return everything, sorted."""
        found: dict[Statement, None] = {}
        towards: dict[tuple[str, str, int], set[AddressRange]] = {}
        for permit, destinations in self._groups.items():
            for sources, targets in _joined(destinations):
                for family in (4, 6):
                    source, target = tuple(of_family(sources, family)), tuple(of_family(targets, family))
                    if source and target:
                        found.update(dict.fromkeys(self._statements(permit, family, source, target)))
                        if permit.protocol != "icmp":
                            towards.setdefault((permit.target, permit.origin, family), set()).update(source)
                            towards.setdefault((permit.origin, permit.target, family), set()).update(target)
        if self._gateway.stateless:
            found.update(dict.fromkeys(self._icmp_errors(towards)))
        return GatewayPlan(self._gateway, sorted(found, key=_order), self._told())

    def _statements(self, permit: StatementKey, family: int, source: Ranges, target: Ranges) -> Iterable[Statement]:
        published = permit.published
        there = (tuple(cidrs(of_family(published[0], family))), published[1]) if published else None
        icmp = permit.protocol == "icmp"
        request = Statement(
            self._gateway.name,
            permit.origin,
            permit.target,
            permit.kind,
            _FAMILIES[family],
            permit.protocol,
            tuple(cidrs(source)),
            permit.source_ports,
            tuple(cidrs(target)),
            permit.destination_ports,
            False,
            _ECHO[family, REQUEST] if icmp else None,
            0 if icmp else None,
            there,
            permit.host,
            permit.endpoint,
            permit.need,
            permit.reason,
            permit.citation,
        )
        yield request
        if self._gateway.stateless and permit.answered and permit.kind == REQUEST:
            yield request._replace(
                origin=permit.target,
                target=permit.origin,
                kind=REPLY,
                source=request.destination,
                source_ports=permit.destination_ports,
                destination=request.source,
                destination_ports=permit.source_ports,
                established=permit.protocol == "tcp",
                icmp_type=_ECHO[family, REPLY] if icmp else None,
                reason=f"Answers: {permit.reason}",
            )

    def _icmp_errors(self, towards: Mapping[tuple[str, str, int], set[AddressRange]]) -> Iterable[Statement]:
        """Yield what lets both sides learn that a packet was too big, whichever router says so."""
        for (origin, target, family), addresses in towards.items():
            icmp_type, icmp_code = _TOO_BIG[family]
            yield Statement(
                self._gateway.name,
                origin,
                target,
                ICMP_ERROR,
                _FAMILIES[family],
                "icmp",
                (ANY[family],),
                "",
                tuple(cidrs(merge_addresses(addresses))),
                "",
                False,
                icmp_type,
                icmp_code,
                None,
                "",
                "",
                "required",
                "Any router on the way says that a packet is too big: without it large answers never arrive",
                "RFC 1191" if family == 4 else "RFC 8201",
            )

    def _told(self) -> list[str]:
        if not self._widened:
            return self.warnings
        names = sorted(self._widened)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return [
            *self.warnings,
            (
                f"answers to {', '.join(names[:_SHOWN])}{more} are permitted to all ports from 1024 to 65535, because "
                "the range they connect from is not known (where you know it, set dbports_os or "
                "dbports_ephemeral_ports, or os of a gateway)"
            ),
        ]


def _joined(destinations: Mapping[Ranges, set[Ranges]]) -> Iterable[tuple[Ranges, Ranges]]:
    """Yield pairs of sources and destinations, all destinations with the same sources together."""
    together: dict[Ranges, list[AddressRange]] = {}
    for destination, sources in destinations.items():
        merged = merge_addresses(item for ranges in sources for item in ranges)
        together.setdefault(merged, []).extend(destination)
    for merged, targets in together.items():
        yield merged, merge_addresses(targets)


def _order(statement: Statement) -> tuple[str, ...]:
    return tuple(
        map(
            str,
            (
                statement.host,
                statement.endpoint,
                statement.kind != REQUEST,
                statement.kind,
                statement.origin,
                statement.target,
                statement,
            ),
        )
    )
