# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between networks: gateways as users declare them, validated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Option, Values
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import DYNAMIC_RANGES, dynamic_range
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Networks, read_label
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import Peers
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.servers import (
    no_unknown_keys,
    read_address,
    read_options,
)

VARIABLE = "dbports_gateways"
FILTER, SOCKS, NAT, HTTP_PROXY = "filter", "socks", "nat", "http_proxy"
_COMMON = ("name", "kind", "between", "engines")

OPTIONS: dict[str, tuple[Option, ...]] = {
    FILTER: (
        Option("stateful", "bool", "It tracks connections; without that it needs rules for the replies too.", True),
    ),
    SOCKS: (
        Option("port", "port", "Where it listens for SOCKS 4.", 1080),
        Option("os", "str", "Its operating system, which decides its source ports.", choices=tuple(DYNAMIC_RANGES)),
    ),
    NAT: (
        Option("inside", "str", "The network whose addresses it hides; the others are outside."),
        Option("source_nat", "bool", "A published server sees the device and not the client.", True),
    ),
    HTTP_PROXY: (
        Option("mode", "str", "http: it understands HTTP; tcp: it passes bytes on.", choices=("http", "tcp")),
        Option("port", "port", "Where clients reach it, in mode tcp; absent, the port of the server's tunnel."),
        Option("os", "str", "Its operating system, which decides its source ports.", choices=tuple(DYNAMIC_RANGES)),
    ),
}
"""What each kind of gateway may say beside name, kind, between, engines, addresses and mappings."""

_WITH_ADDRESSES = (SOCKS, NAT, HTTP_PROXY)
MAPPING_KEYS = ("host", "address", "protocol", "port", "public_port", "public_address")


@dataclass(frozen=True)
class Publication:
    """One published endpoint: ``public_ports`` of ``public`` (by outside network) lead to ``ports`` of ``address``."""

    address: AddressRange
    protocol: str
    ports: PortRange
    public_ports: PortRange
    public: Mapping[str, AddressRange]
    path: str

    def published(self, ports: PortRange) -> PortRange | None:
        """Return the ports under which ports of the server are published, or None when they are not."""
        if ports.first < self.ports.first or ports.last > self.ports.last:
            return None
        shift = self.public_ports.first - self.ports.first
        return PortRange(ports.first + shift, ports.last + shift)


class Gateway(NamedTuple):
    """One gateway.

    :param number: its place in the list.
    :param engines: the engines whose flows go through it; empty for all.
    :param values: the options of its kind.
    :param addresses: its own addresses by the network they lie in.
    """

    number: int
    name: str
    kind: str
    between: tuple[str, ...]
    engines: tuple[str, ...]
    values: Values
    addresses: Mapping[str, tuple[AddressRange, ...]]
    mappings: tuple[Publication, ...]

    @property
    def path(self) -> str:
        """Where it is declared."""
        return f"{VARIABLE}[{self.number}]"

    @property
    def stateless(self) -> bool:
        """Whether it needs rules for replies."""
        return self.kind == FILTER and not self.values["stateful"]

    @property
    def source_ports(self) -> str:
        """Where its own connections come from; a translator takes any high port."""
        return str(dynamic_range(self.values.get("os")).ports)

    @property
    def rewrites(self) -> bool:
        """Whether flows look different behind it."""
        return self.kind != FILTER


def read_gateways(
    raw: Any, networks: Networks, peers: Peers, engines: Iterable[str], keep: Callable[[DbportsError], None]
) -> tuple[Gateway, ...]:
    """Read ``dbports_gateways``; every error goes to ``keep``, and what has one is left out."""
    if raw is None:
        return ()
    if not isinstance(raw, (list, tuple)):
        keep(
            DbportsError(
                "not a list of gateways",
                path=VARIABLE,
                value=raw,
                fix="Write for example [{name: fw-1, kind: filter, between: [office, dc], stateful: false}]",
            )
        )
        return ()
    reader = _Reader(networks, peers, tuple(engines))
    found = []
    for number, item in enumerate(raw):
        try:
            found.append(reader.read(item, number))
        except DbportsError as error:
            keep(error)
    return tuple(found)


class _Reader:
    def __init__(self, networks: Networks, peers: Peers, engines: tuple[str, ...]) -> None:
        self._networks = networks
        self._peers = peers
        self._engines = engines
        self._names: set[str] = set()

    def read(self, raw: Any, number: int) -> Gateway:
        """Read one gateway.

        :raises DbportsError: with path, value and fix.
        """
        path = f"{VARIABLE}[{number}]"
        if not isinstance(raw, Mapping):
            raise DbportsError(
                "a gateway is a dictionary with name, kind and between",
                path=path,
                value=raw,
                fix="Write for example {name: fw-1, kind: filter, between: [office, dc]}",
            )
        name, kind = self._name(raw, path), _choice(raw, "kind", tuple(OPTIONS), path)
        extra = (("addresses",) if kind in _WITH_ADDRESSES else ()) + (("mappings",) if kind == NAT else ())
        no_unknown_keys(raw, {*_COMMON, *extra, *(option.name for option in OPTIONS[kind])}, path)
        between = self._between(raw.get("between"), f"{path}.between")
        values = read_options({key: raw[key] for key in raw if key not in _COMMON}, OPTIONS[kind], path)
        _check_values(kind, values, between, path)
        http = kind == HTTP_PROXY and values["mode"] == "http"
        addresses = {}
        if kind in _WITH_ADDRESSES and not (http and raw.get("addresses") is None):
            addresses = self._addresses(raw.get("addresses"), kind, between, f"{path}.addresses")
        gateway = Gateway(number, name, kind, between, self._listed_engines(raw, path), values, addresses, ())
        if kind == NAT and raw.get("mappings") is not None:
            gateway = gateway._replace(mappings=self._mappings(raw["mappings"], gateway))
        return gateway

    def _name(self, raw: Mapping[str, Any], path: str) -> str:
        name = read_label(raw.get("name"), f"{path}.name")
        if name in self._names:
            raise DbportsError("two gateways have this name", path=f"{path}.name", value=name, fix="Give each its own")
        self._names.add(name)
        return name

    def _between(self, raw: Any, path: str) -> tuple[str, ...]:
        known = ", ".join(self._networks.names) or "none are declared"
        if not isinstance(raw, (list, tuple)) or len(raw) < 2:
            raise DbportsError(
                "a gateway stands between two networks or more",
                path=path,
                value=raw,
                fix=f"List names of dbports_networks ({known}), in the order in which packets meet them",
            )
        for index, name in enumerate(raw):
            here = f"{path}[{index}]"
            if name not in self._networks.names:
                raise DbportsError(
                    "no such network", path=here, value=name, fix=f"Use names of dbports_networks: {known}"
                )
            if name in raw[:index]:
                raise DbportsError("this network is named twice", path=here, value=name, fix="Remove one of the two")
        return tuple(str(name) for name in raw)

    def _listed_engines(self, raw: Mapping[str, Any], path: str) -> tuple[str, ...]:
        listed = raw.get("engines")
        if listed is None:
            return ()
        listed = [listed] if isinstance(listed, str) else listed
        if not isinstance(listed, (list, tuple)) or not listed or any(item not in self._engines for item in listed):
            raise DbportsError(
                "not a list of engines",
                path=f"{path}.engines",
                value=listed,
                fix=f"Use names of {', '.join(sorted(self._engines))}, or remove engines: all go through it",
            )
        return tuple(str(item) for item in listed)

    def _addresses(
        self, raw: Any, kind: str, between: tuple[str, ...], path: str
    ) -> dict[str, tuple[AddressRange, ...]]:
        example = ", ".join(f"{name}: ..." for name in between)
        if not isinstance(raw, Mapping):
            raise DbportsError(
                "the gateway's own address in each network is needed",
                path=path,
                value=raw,
                fix=f"Write {{{example}}} with its addresses",
            )
        no_unknown_keys(raw, set(between), path)
        read: dict[str, tuple[AddressRange, ...]] = {}
        for network in between:
            listed = [raw[network]] if isinstance(raw.get(network), str) else raw.get(network)
            here = f"{path}.{network}"
            if not isinstance(listed, (list, tuple)) or not listed:
                raise DbportsError(
                    "the gateway's own address in this network is needed",
                    path=here,
                    value=listed,
                    fix=f"Write {{{example}}} with its addresses",
                )
            texts = [read_address(item, f"{here}[{index}]") for index, item in enumerate(listed)]
            if kind == SOCKS and any(":" in text for text in texts):
                raise DbportsError(
                    "SOCKS 4 carries IPv4 addresses alone", path=here, value=listed, fix="Write its IPv4 address"
                )
            read[network] = tuple(AddressRange.parse(text) for text in texts)
        return read

    def _mappings(self, raw: Any, gateway: Gateway) -> tuple[Publication, ...]:
        path = f"{gateway.path}.mappings"
        if not isinstance(raw, (list, tuple)):
            raise DbportsError(
                "not a list of mappings",
                path=path,
                value=raw,
                fix="Write for example [{host: erp-db, protocol: tcp, port: 1433}]",
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
                "a mapping is a dictionary with host or address, protocol and port",
                path=path,
                value=raw,
                fix="Write for example {host: erp-db, protocol: tcp, port: 1433}",
            )
        no_unknown_keys(raw, set(MAPPING_KEYS), path)
        protocol = _choice(raw, "protocol", ("tcp", "udp"), path)
        ports = _ports(raw, "port", path)
        public = _ports(raw, "public_port", path) if raw.get("public_port") is not None else ports
        if public.last - public.first != ports.last - ports.first:
            raise DbportsError(
                f"as many ports are needed outside as inside, where there are {ports}",
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
        wanted = AddressRange.parse(read_address(raw, path))
        found = {name: wanted for name, items in outside.items() if wanted in items}
        if not found:
            known = ", ".join(str(item) for items in outside.values() for item in items)
            raise DbportsError(
                "not an outside address of this gateway", path=path, value=raw, fix=f"Use one of {known}"
            )
        return found

    def _target(self, raw: Mapping[str, Any], gateway: Gateway, families: set[int], path: str) -> AddressRange:
        """Return the one inside address that a mapping leads to."""
        if (raw.get("host") is None) == (raw.get("address") is None):
            raise DbportsError(
                "a mapping leads to a host or to an address", path=path, value=dict(raw), fix="Write one of the two"
            )
        key = "host" if raw.get("host") is not None else "address"
        value, here = raw[key], f"{path}.{key}"
        if key == "address":
            addresses: tuple[str, ...] = (read_address(value, here),)
        else:
            try:
                addresses = self._peers.host(value).addresses
            except (DbportsError, TypeError):
                raise DbportsError(
                    "no such host in the inventory, or none with an address",
                    path=here,
                    value=value,
                    fix="Name an inventory host, or write address instead",
                ) from None
        inside = self._networks.parts(addresses).get(gateway.values["inside"], ())
        fitting = [item for item in inside if item.family in families]
        if not fitting:
            raise DbportsError(
                f"it has no address in network {gateway.values['inside']} of the family that is published",
                path=here,
                value=value,
                fix="Correct the address, or dbports_networks",
            )
        return AddressRange(fitting[0].family, fitting[0].first, fitting[0].first)


def _choice(raw: Mapping[str, Any], key: str, choices: tuple[str, ...], path: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or value not in choices:
        raise DbportsError(f"not a {key}", path=f"{path}.{key}", value=value, fix=f"Use one of {', '.join(choices)}")
    return str(value)


def _ports(raw: Mapping[str, Any], key: str, path: str) -> PortRange:
    try:
        return PortRange.parse(raw.get(key))
    except DbportsError as error:
        error.fix = "Write a port such as 1433, or a range"
        raise error.at(path=f"{path}.{key}") from None


def _check_values(kind: str, values: Values, between: tuple[str, ...], path: str) -> None:
    if kind == NAT and values["inside"] not in between:
        raise DbportsError(
            "which network it hides has to be said",
            path=f"{path}.inside",
            value=values["inside"],
            fix=f"Name one of {', '.join(between)}",
        )
    if kind == HTTP_PROXY and values["mode"] is None:
        raise DbportsError(
            "whether it understands HTTP or only passes bytes on decides whether a tunnel works",
            path=f"{path}.mode",
            value=None,
            fix="Write mode: http or mode: tcp",
        )


def _no_overlap(mapping: Publication, other: Publication) -> None:
    """Refuse two mappings of one public port."""
    shared = set(mapping.public.values()) & set(other.public.values())
    one, two = mapping.public_ports, other.public_ports
    if mapping.protocol != other.protocol or not shared or one.last < two.first or two.last < one.first:
        return
    both = PortRange(max(one.first, two.first), min(one.last, two.last))
    browser = "; clients ask UDP 1434 and no other port, so one public address serves one host with SQL Server Browser"
    raise DbportsError(
        f"{mapping.protocol} {both} of {', '.join(map(str, sorted(shared)))} is published by {other.path} already"
        f"{browser if mapping.protocol == 'udp' and 1434 in both else ''}",
        path=f"{mapping.path}.public_port",
        value=str(one),
        fix="Publish another port, or another public_address",
    )
