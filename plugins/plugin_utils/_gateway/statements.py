# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each gateway has to permit, collected: pairs of addresses in, neutral statements about sets of addresses out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    merge_addresses,
    of_family,
)
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Need
from ansible_collections.dbports.firewall.plugins.module_utils._ports import Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges, as_networks
from ansible_collections.dbports.firewall.plugins.plugin_utils._gateway.device import Device
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import (
    Family,
    GatewayPlan,
    Ports,
    Published,
    Statement,
    StatementKind,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.warnings import PlanWarning

ANY = {4: AddressRange.parse("0.0.0.0/0"), 6: AddressRange.parse("::/0")}
_FAMILIES: dict[int, Family] = {4: "ipv4", 6: "ipv6"}
_ECHO = {(4, "request"): 8, (4, "reply"): 0, (6, "request"): 128, (6, "reply"): 129}
_TOO_BIG: dict[int, tuple[int, int | None]] = {4: (3, 4), 6: (2, None)}


class StatementKey(NamedTuple):
    """What statements share that differ only in addresses."""

    origin: str
    target: str
    kind: StatementKind
    protocol: Protocol
    source_ports: Ports
    destination_ports: Ports
    published: Published | None
    host: str
    endpoint: str
    need: Need
    reason: str
    citation: str
    answered: bool


class Permit(NamedTuple):
    """What one gateway has to permit between two lists of addresses.

    :param guessed: whose source ports are not known, where they are not.
    """

    device: Device
    key: StatementKey
    source: Ranges
    destination: Ranges
    guessed: str = ""


class StatementCollector:
    """Collects one gateway's statements; linear in the pairs of addresses."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._groups: dict[StatementKey, dict[Ranges, set[Ranges]]] = {}
        self._widened: set[str] = set()

    def add(self, permit: Permit) -> None:
        """Permit something between two lists of addresses."""
        key, stateless = permit.key, self._device.stateless
        if not (stateless or key.kind == "unrelated"):
            key = key._replace(source_ports=())  # connection tracking knows them, and no guess can be wrong
        self._groups.setdefault(key, {}).setdefault(permit.destination, set()).add(permit.source)
        if permit.guessed and key.answered and stateless and key.source_ports:
            self._widened.add(permit.guessed)

    def plan(self, warnings: Iterable[PlanWarning]) -> GatewayPlan:
        """Return the gateway's part of the plan, sorted.

        :param warnings: what else was noticed of it.
        """
        found: dict[Statement, None] = {}
        towards: dict[tuple[str, str, int], set[AddressRange]] = {}
        for key, destinations in self._groups.items():
            for sources, targets in _joined(destinations):
                for family in (4, 6):
                    source, target = as_networks(of_family(sources, family)), as_networks(of_family(targets, family))
                    if source and target:
                        found.update(dict.fromkeys(self._statements(key, family, source, target)))
                        if key.protocol != "icmp":
                            towards.setdefault((key.target, key.origin, family), set()).update(source)
                            towards.setdefault((key.origin, key.target, family), set()).update(target)
        if self._device.stateless:
            found.update(dict.fromkeys(self._icmp_errors(towards)))
        gateway = self._device.gateway
        return GatewayPlan(
            gateway.name,
            gateway.kind,
            gateway.values["platform"] or "",
            gateway.host,
            gateway.owner,
            gateway.between,
            not self._device.stateless,
            tuple(sorted(gateway.addresses.items())),
            self._device.note,
            tuple(sorted(found, key=_order)),
            (*warnings, *self._unknown_ports()),
        )

    def _statements(self, key: StatementKey, family: int, source: Ranges, target: Ranges) -> Iterable[Statement]:
        published = key.published
        there = published._replace(addresses=as_networks(of_family(published.addresses, family))) if published else None
        icmp = key.protocol == "icmp"
        request = Statement(
            self._device.gateway.name,
            key.origin,
            key.target,
            key.kind,
            _FAMILIES[family],
            key.protocol,
            source,
            key.source_ports,
            target,
            key.destination_ports,
            False,
            _ECHO[family, "request"] if icmp else None,
            0 if icmp else None,
            there,
            key.host,
            key.endpoint,
            key.need,
            key.reason,
            key.citation,
        )
        yield request
        if self._device.stateless and key.answered and key.kind == "request":
            yield request._replace(
                origin=key.target,
                target=key.origin,
                kind="reply",
                source=target,
                source_ports=key.destination_ports,
                destination=source,
                destination_ports=key.source_ports,
                established=key.protocol == "tcp",
                icmp_type=_ECHO[family, "reply"] if icmp else None,
                reason=f"Answers: {key.reason}",
            )

    def _icmp_errors(self, towards: Mapping[tuple[str, str, int], set[AddressRange]]) -> Iterable[Statement]:
        """Yield what lets both sides learn that a packet was too big, whichever router says so."""
        for (origin, target, family), addresses in towards.items():
            icmp_type, icmp_code = _TOO_BIG[family]
            yield Statement(
                self._device.gateway.name,
                origin,
                target,
                "icmp_error",
                _FAMILIES[family],
                "icmp",
                (ANY[family],),
                (),
                as_networks(merge_addresses(addresses)),
                (),
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

    def _unknown_ports(self) -> list[PlanWarning]:
        name = self._device.gateway.name
        return [PlanWarning("unknown_source_ports", name, peers=tuple(sorted(self._widened)))] if self._widened else []


def _joined(destinations: Mapping[Ranges, set[Ranges]]) -> Iterable[tuple[Ranges, Ranges]]:
    """Yield pairs of sources and destinations, all destinations with the same sources together."""
    together: dict[Ranges, list[AddressRange]] = {}
    for destination, sources in destinations.items():
        merged = merge_addresses(item for ranges in sources for item in ranges)
        together.setdefault(merged, []).extend(destination)
    for merged, targets in together.items():
        yield merged, merge_addresses(targets)


def _order(item: Statement) -> tuple[Any, ...]:
    icmp = (item.icmp_type is None, item.icmp_type or 0, item.icmp_code is None, item.icmp_code or 0)
    published = item.published or ()
    place = (item.host, item.endpoint, item.kind != "request", item.kind, item.origin, item.target)
    rest = (item.family, item.protocol, item.source, item.source_ports, item.destination, item.destination_ports)
    return (*place, *rest, item.established, icmp, published, item.need, item.reason, item.citation)
