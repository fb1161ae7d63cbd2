# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between networks: gateways as users declare them, validated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Values
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorCode
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Networks, Ranges, read_label
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import Peers
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.validation import (
    no_unknown_keys,
    read_address,
    read_each,
    read_options,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import (
    Gateway,
    GatewayKind,
    Publication,
)

VARIABLE = "dbports_gateways"
_COMMON = ("name", "kind", "between", "engines", "platform", "host", "owner")
_MAPPING_KEYS = ("host", "address", "protocol", "port", "public_port", "public_address")
_EXAMPLE = "{name: fw-1, kind: filter, between: [office, dc], stateful: false}"
_MAPPING_EXAMPLE = "{host: erp-db, protocol: tcp, port: 1433}"


def read_gateways(
    raw: Any,
    kinds: Mapping[str, GatewayKind],
    networks: Networks,
    peers: Peers,
    engines: Iterable[str],
    keep: Callable[[DbportsError], None],
) -> tuple[Gateway, ...]:
    """Read ``dbports_gateways``; every error goes to ``keep``, and what has one is left out."""
    if raw is None:
        return ()
    if not isinstance(raw, (list, tuple)):
        fix = f"Write for example [{_EXAMPLE}]"
        keep(DbportsError("expected a list of gateways", code="wrong_type", path=VARIABLE, value=raw, fix=fix))
        return ()
    reader = _Reader(kinds, networks, peers, tuple(engines))
    found = []
    for number, item in enumerate(raw):
        try:
            found.append(reader.read(item, number))
        except DbportsError as error:
            keep(error)
    return tuple(found)


class _Reader:
    def __init__(
        self, kinds: Mapping[str, GatewayKind], networks: Networks, peers: Peers, engines: tuple[str, ...]
    ) -> None:
        self._kinds = kinds
        self._networks = networks
        self._peers = peers
        self._engines = engines
        self._names: set[str] = set()
        self._relays: set[str] = set()

    def read(self, raw: Any, number: int) -> Gateway:
        """Read one gateway.

        :raises DbportsError: with path, value and fix.
        """
        path = f"{VARIABLE}[{number}]"
        if not isinstance(raw, Mapping):
            raise DbportsError(
                "expected a dictionary with name, kind and between",
                code="wrong_type",
                path=path,
                value=raw,
                fix=f"Write for example {_EXAMPLE}",
            )
        name, kind = self._name(raw, path), self._kinds[_choice(raw, "kind", tuple(self._kinds), path)]
        values = self._values(raw, kind, path)
        between = self._between(raw.get("between"), f"{path}.between")
        kind.check(values, between, path)
        addresses = self._addresses(raw.get("addresses"), kind, values, between, f"{path}.addresses")
        engines, host, owner = self._listed_engines(raw, path), self._host(raw, kind, values, path), _owner(raw, path)
        gateway = Gateway(number, name, kind.name, between, engines, values, addresses, (), host, owner)
        if raw.get("mappings") is not None:
            gateway = gateway._replace(mappings=self._mappings(raw["mappings"], gateway))
        return gateway

    @staticmethod
    def _values(raw: Mapping[str, Any], kind: GatewayKind, path: str) -> Values:
        own = {option.name for option in kind.options}
        values = read_options({key: raw[key] for key in raw if key in own}, kind.options, path)
        extra = {
            key for key, has in (("addresses", kind.addresses(values) != "none"), ("mappings", kind.mappings)) if has
        }
        no_unknown_keys(raw, {*_COMMON, *extra, *own}, path)
        choices = tuple(platform.name for platform in kind.platforms)
        values["platform"] = None if raw.get("platform") is None else _choice(raw, "platform", choices, path)
        return values

    def _host(self, raw: Mapping[str, Any], kind: GatewayKind, values: Values, path: str) -> str:
        """Return the inventory host that the gateway is; where its rules are applied, it has to be one."""
        host, here = raw.get("host"), f"{path}.host"
        applied = next((item for item in kind.platforms if item.name == values["platform"] and item.applied), None)
        if host is None:
            if applied:
                reason = f"{applied.title} has to be an inventory host"
                raise DbportsError(reason, code="missing", path=here, value=None, fix="Name its inventory host")
            return ""
        if not isinstance(host, str) or not self._peers.knows(host):
            raise self._peers.no_host(host, here)
        if kind.relays:
            self._read_relay(host, here, applied is not None)
        elif applied:
            self._peers.host(host)  # it gets a port set of its own
        return str(host)

    def _read_relay(self, host: str, path: str, applied: bool) -> None:
        """Read a host that relays and so has rules of its own; its relay has one configuration."""
        self._peers.host(host)
        if applied and host in self._relays:
            reason, fix = "this host is another gateway that relays", "Give one of the two another host"
            raise DbportsError(reason, code="duplicate", path=path, value=host, fix=fix)
        self._relays.add(host)

    def _name(self, raw: Mapping[str, Any], path: str) -> str:
        name = read_label(raw.get("name"), f"{path}.name")
        if name in self._names:
            fix = "Give each its own name"
            raise DbportsError(
                "two gateways have this name", code="duplicate", path=f"{path}.name", value=name, fix=fix
            )
        self._names.add(name)
        return name

    def _between(self, raw: Any, path: str) -> tuple[str, ...]:
        known = ", ".join(self._networks.names) or "none are declared"
        if not isinstance(raw, (list, tuple)) or len(raw) < 2:
            raise DbportsError(
                "expected a list of at least two networks",
                code="missing" if raw is None else "wrong_type",
                path=path,
                value=raw,
                fix=f"List names of dbports_networks ({known}), in the order in which packets meet them",
            )
        for index, name in enumerate(raw):
            here = f"{path}[{index}]"
            if name not in self._networks.names:
                fix = f"Use names of dbports_networks: {known}"
                raise DbportsError("no such network", code="unknown_name", path=here, value=name, fix=fix)
            if name in raw[:index]:
                fix = "Remove one of the two"
                raise DbportsError("this network is listed twice", code="duplicate", path=here, value=name, fix=fix)
        return tuple(str(name) for name in raw)

    def _listed_engines(self, raw: Mapping[str, Any], path: str) -> tuple[str, ...]:
        listed = raw.get("engines")
        if listed is None:
            return ()
        listed = [listed] if isinstance(listed, str) else listed
        if not isinstance(listed, (list, tuple)) or not listed or any(item not in self._engines for item in listed):
            raise DbportsError(
                "expected a list of engines",
                code="unknown_name",
                path=f"{path}.engines",
                value=listed,
                fix=f"List any of {', '.join(sorted(self._engines))}, or remove engines: then all go through it",
            )
        return tuple(str(item) for item in listed)

    def _addresses(
        self, raw: Any, kind: GatewayKind, values: Values, between: tuple[str, ...], path: str
    ) -> dict[str, Ranges]:
        need = kind.addresses(values)
        if need == "none" or (need == "optional" and raw is None):
            return {}
        fix = f"Write {{{', '.join(f'{name}: ...' for name in between)}}} with its addresses"
        if not isinstance(raw, Mapping):
            reason = "the gateway's own address in each network is needed"
            raise DbportsError(reason, code="missing", path=path, value=raw, fix=fix)
        no_unknown_keys(raw, set(between), path)
        read: dict[str, Ranges] = {}
        for network in between:
            listed = [raw[network]] if isinstance(raw.get(network), str) else raw.get(network)
            here = f"{path}.{network}"
            if not isinstance(listed, (list, tuple)) or not listed:
                reason = "the gateway's own address in this network is needed"
                raise DbportsError(reason, code="missing", path=here, value=listed, fix=fix)
            read[network] = read_each(listed, here, read_address)
            if need == "ipv4" and any(item.family != 4 for item in read[network]):
                raise DbportsError(
                    f"a gateway of kind {kind.name} carries only IPv4 addresses",
                    code="not_an_address",
                    path=here,
                    value=listed,
                    fix="Write its IPv4 address",
                )
        return read

    def _mappings(self, raw: Any, gateway: Gateway) -> tuple[Publication, ...]:
        path = f"{gateway.path}.mappings"
        if not isinstance(raw, (list, tuple)):
            raise DbportsError(
                "expected a list of mappings",
                code="wrong_type",
                path=path,
                value=raw,
                fix=f"Write for example [{_MAPPING_EXAMPLE}]",
            )
        read: list[Publication] = []
        for index, item in enumerate(raw):
            mapping = self._mapping(item, gateway, f"{path}[{index}]")
            for other in read:
                _no_overlap(mapping, other)
            read.append(mapping)
        return tuple(read)

    def _mapping(self, raw: Any, gateway: Gateway, path: str) -> Publication:
        if not isinstance(raw, Mapping):
            raise DbportsError(
                "expected a dictionary with host or address, protocol and port",
                code="wrong_type",
                path=path,
                value=raw,
                fix=f"Write for example {_MAPPING_EXAMPLE}",
            )
        no_unknown_keys(raw, set(_MAPPING_KEYS), path)
        protocol: Protocol = "tcp" if _choice(raw, "protocol", ("tcp", "udp"), path) == "tcp" else "udp"
        ports = _ports(raw, "port", path)
        public = _ports(raw, "public_port", path) if raw.get("public_port") is not None else ports
        if public.last - public.first != ports.last - ports.first:
            raise DbportsError(
                f"port and public_port need the same number of ports, and port is {ports}",
                code="contradiction",
                path=f"{path}.public_port",
                value=raw.get("public_port"),
                fix="Write ranges of the same length",
            )
        outside = self._public_addresses(raw.get("public_address"), gateway, f"{path}.public_address")
        families = {item.family for item in outside.values()}
        return Publication(self._target(raw, gateway, families, path), protocol, ports, public, outside, path)

    def _public_addresses(self, raw: Any, gateway: Gateway, path: str) -> dict[str, AddressRange]:
        outside = {name: items for name, items in gateway.addresses.items() if name != gateway.values["inside"]}
        if raw is None:
            return {name: items[0] for name, items in outside.items()}
        wanted = read_address(raw, path)
        found = {name: wanted for name, items in outside.items() if wanted in items}
        if not found:
            known = ", ".join(str(item) for items in outside.values() for item in items)
            fix = f"Use one of {known}"
            raise DbportsError(
                "not an outside address of this gateway", code="not_a_choice", path=path, value=raw, fix=fix
            )
        return found

    def _target(self, raw: Mapping[str, Any], gateway: Gateway, families: set[int], path: str) -> AddressRange:
        """Return the one inside address that a mapping leads to."""
        if (raw.get("host") is None) == (raw.get("address") is None):
            raise DbportsError(
                "a mapping leads either to a host or to an address",
                code="missing" if raw.get("host") is None else "contradiction",
                path=path,
                value=dict(raw),
                fix="Write one of the two",
            )
        key = "host" if raw.get("host") is not None else "address"
        value, here = raw[key], f"{path}.{key}"
        if key == "address":
            addresses: Ranges = (read_address(value, here),)
        else:
            if not isinstance(value, str) or not self._peers.knows(value):
                raise self._peers.no_host(value, here, "Name an inventory host, or write address instead")
            addresses = self._peers.host(value).addresses
        inside = self._networks.parts(addresses).get(gateway.values["inside"], ())
        fitting = [item for item in inside if item.family in families]
        if not fitting:
            raise DbportsError(
                f"it has no address of the published family in network {gateway.values['inside']}",
                code="contradiction",
                path=here,
                value=value,
                fix="Correct the address, or dbports_networks",
            )
        return AddressRange(fitting[0].family, fitting[0].first, fitting[0].first)


def _owner(raw: Mapping[str, Any], path: str) -> str:
    owner = raw.get("owner")
    if owner is not None and not isinstance(owner, str):
        fix = "Write a name or an address, such as network-team@example.com"
        raise DbportsError("expected a text", code="wrong_type", path=f"{path}.owner", value=owner, fix=fix)
    return owner or ""


def _choice(raw: Mapping[str, Any], key: str, choices: tuple[str, ...], path: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or value not in choices:
        code: ErrorCode = "missing" if value is None else "not_a_choice"
        fix = f"Use one of {', '.join(choices)}"
        raise DbportsError(f"not a {key} that is known", code=code, path=f"{path}.{key}", value=value, fix=fix)
    return str(value)


def _ports(raw: Mapping[str, Any], key: str, path: str) -> PortRange:
    try:
        return PortRange.parse(raw.get(key))
    except DbportsError as error:
        raise error.at(path=f"{path}.{key}", fix="Write a port such as 1433, or a range") from None


def _no_overlap(mapping: Publication, other: Publication) -> None:
    """Refuse two mappings of one public port."""
    shared = set(mapping.public.values()) & set(other.public.values())
    one, two = mapping.public_ports, other.public_ports
    if mapping.protocol != other.protocol or not shared or not one.overlaps(two):
        return
    both = PortRange(max(one.first, two.first), min(one.last, two.last))
    browser = "; clients ask UDP 1434 and no other port, so one public address serves one host with SQL Server Browser"
    raise DbportsError(
        f"{mapping.protocol} {both} of {', '.join(map(str, sorted(shared)))} is published by {other.path} already"
        f"{browser if mapping.protocol == 'udp' and 1434 in both else ''}",
        code="duplicate",
        path=f"{mapping.path}.public_port",
        value=str(one),
        fix="Publish another port, or another public_address",
    )
