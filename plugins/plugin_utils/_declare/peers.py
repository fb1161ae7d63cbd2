# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is meant: hosts, groups, addresses and networks of a declaration as peers with addresses."""

from __future__ import annotations

import difflib
import ipaddress
from functools import lru_cache
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import DYNAMIC_RANGES, dynamic_range
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.servers import (
    PINNED_REASON,
    ClientRef,
    read_bool,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import Inventory

POLICIES = ("guard", "open")
_RANGE_FIX = "Write the range of the operating system, such as 32768-60999"


class Peer(NamedTuple):
    """One end of a flow: an inventory host, or an address or network that is none."""

    name: str
    addresses: tuple[str, ...]
    source_ports: str
    is_host: bool
    os: str | None


class Settings(NamedTuple):
    """How a host's own firewall is to be written."""

    policy: str
    filter_outbound: bool


class Peers:
    """Looks peers up in an inventory, each host once, and remembers what it read."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._hosts: dict[str, Peer] = {}
        self._groups: dict[str, tuple[Peer, ...]] = {}
        self._settings: dict[str, Settings] = {}
        self.variables: dict[str, dict[str, Any]] = {}
        self.members: dict[str, tuple[str, ...]] = {}
        self.fact_hosts: set[str] = set()

    def host(self, name: str) -> Peer:
        """Return an inventory host as a peer.

        :raises DbportsError: when it has no usable address or its dbports variables are wrong.
        """
        peer = self._hosts.get(name)
        if peer is None:
            values = self._inventory.host(name)
            if values is None:
                raise DbportsError("no such host in the inventory", value=name)
            self.variables[name] = values
            self._settings[name] = _read_settings(name, values)
            peer = self._hosts[name] = self._read_host(name, values)
        return peer

    def settings(self, name: str) -> Settings:
        """Return a host's settings; the host has been looked up before."""
        return self._settings[name]

    def resolve(self, ref: ClientRef) -> tuple[Peer, ...]:
        """Return who one entry of a list of clients means.

        :raises DbportsError: for an unknown name, an empty group and a host without an address.
        """
        if self._inventory.host(ref.name) is not None:
            _no_os(ref)
            return (self.host(ref.name),)
        members = self._inventory.group(ref.name)
        if members is not None:
            _no_os(ref)
            return self._group(ref, members)
        if _looks_like_address(ref.name):
            try:
                network = AddressRange.parse(ref.name)
            except DbportsError as error:
                error.fix = error.fix or "Write for example 192.0.2.21, 192.0.2.0/24 or 2001:db8::/64"
                raise error.at(path=ref.path) from None
            if self._inventory.host(str(network)) is not None:  # 192.0.2.21/32 is the host named 192.0.2.21
                return (self.host(str(network)),)
            return (_network(ref, str(network)),)
        near = difflib.get_close_matches(ref.name, list(self._inventory.names()), 1)
        raise DbportsError(
            "no such host or group in the inventory, and no address or network",
            path=ref.path,
            value=ref.name,
            fix=f"Perhaps {near[0]} is meant" if near else "Name an inventory host or group, an address or a network",
        )

    def _group(self, ref: ClientRef, members: tuple[str, ...]) -> tuple[Peer, ...]:
        if not members and not ref.allow_empty:
            raise DbportsError(
                "this group has no hosts: a part of the inventory may be missing",
                path=ref.path,
                value=ref.name,
                fix=f"Fill the group, or write {{name: {ref.name}, allow_empty: true}}",
            )
        peers = self._groups.get(ref.name)
        if peers is None:
            peers = self._groups[ref.name] = tuple(self.host(name) for name in members)
            self.members[ref.name] = members
        return peers

    def _read_host(self, name: str, values: dict[str, Any]) -> Peer:
        try:
            os = _read_os(values.get("dbports_os"), "dbports_os")
            ports = _read_ephemeral(values.get("dbports_ephemeral_ports"), os)
            return Peer(name, self._addresses(name, values), ports, True, os)
        except DbportsError as error:
            raise error.at(host=name) from None

    def _addresses(self, name: str, values: dict[str, Any]) -> tuple[str, ...]:
        declared = values.get("dbports_addresses")
        if declared is not None:
            return _declared_addresses(declared)
        for candidate in (values.get("ansible_host"), name):
            if isinstance(candidate, str) and _read_address(candidate):
                return (_host_address(candidate, "ansible_host"),)
        found = self._inventory.fact_addresses(name)
        if found:
            self.fact_hosts.add(name)
            return tuple(_host_address(text, "ansible_facts") for text in found)
        raise DbportsError(
            "no address is known; names are never resolved here",
            path="dbports_addresses",
            fix="Set dbports_addresses, or set ansible_host to an address, or gather facts of this host first",
        )


def _read_settings(name: str, values: dict[str, Any]) -> Settings:
    policy = values.get("dbports_policy", "guard")
    if policy not in POLICIES:
        raise DbportsError(
            "not a policy", host=name, path="dbports_policy", value=policy, fix=f"Use {' or '.join(POLICIES)}"
        )
    try:
        outbound = read_bool(values.get("dbports_filter_outbound", False), "dbports_filter_outbound")
    except DbportsError as error:
        raise error.at(host=name) from None
    return Settings(str(policy), outbound)


def _no_os(ref: ClientRef) -> None:
    """Refuse what would have no effect: an inventory host has an operating system of its own."""
    if ref.os is not None:
        raise DbportsError(
            "only an address or network has its operating system here",
            path=f"{ref.path}.os",
            value=ref.os,
            fix="Set dbports_os of the hosts instead",
        )


def _declared_addresses(declared: Any) -> tuple[str, ...]:
    listed = [declared] if isinstance(declared, str) else declared
    if not isinstance(listed, (list, tuple)) or not listed:
        raise DbportsError(
            "not a list of the host's addresses",
            path="dbports_addresses",
            value=declared,
            fix="Write for example [192.0.2.10], or remove it where ansible_host is an address",
        )
    return tuple(dict.fromkeys(_host_address(item, f"dbports_addresses[{index}]") for index, item in enumerate(listed)))


def _host_address(text: Any, path: str) -> str:
    """Read one address under which other hosts reach a host."""
    address = _read_address(text) if isinstance(text, str) else None
    if address is None:
        raise DbportsError(
            "not an IPv4 or IPv6 address", path=path, value=text, fix="Write an address such as 192.0.2.10"
        )
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        raise DbportsError(
            "other hosts do not reach a host under this address",
            path=path,
            value=text,
            fix="Set dbports_addresses to the addresses that its peers see",
        )
    return str(address)


@lru_cache(maxsize=65536)
def _read_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _looks_like_address(text: str) -> bool:
    return ":" in text or "/" in text or all(char in "0123456789.-" for char in text)


def _read_os(value: Any, path: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in DYNAMIC_RANGES:
        raise DbportsError(
            "not a known operating system", path=path, value=value, fix=f"Use one of {', '.join(DYNAMIC_RANGES)}"
        )
    return str(value)


def _read_ephemeral(value: Any, os: str | None) -> str:
    if value is None:
        return str(dynamic_range(os).ports)
    try:
        ports = PortRange.parse(value)
    except DbportsError as error:
        error.fix = _RANGE_FIX
        raise error.at(path="dbports_ephemeral_ports") from None
    if ports.first == ports.last:
        raise DbportsError(PINNED_REASON, path="dbports_ephemeral_ports", value=value, fix=_RANGE_FIX)
    return str(ports)


def _network(ref: ClientRef, network: str) -> Peer:
    os = _read_os(ref.os, f"{ref.path}.os")
    return Peer(network, (network,), str(dynamic_range(os).ports), False, os)
