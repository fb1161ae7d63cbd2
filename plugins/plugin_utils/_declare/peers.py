# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is meant: hosts, groups, addresses and networks of a declaration as peers with addresses."""

from __future__ import annotations

import re
from typing import Any, get_args

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import written
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import DYNAMIC_RANGES, dynamic_range
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorList
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Policy
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import Ranges, check_reachable
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.validation import (
    PINNED_REASON,
    read_address,
    read_bool,
    read_each,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import ClientRef, Peer, Settings
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.near import (
    HOST_FIX,
    did_you_mean,
    near_host,
    near_name,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import Inventory

GUARDED = Settings("guard", False)
"""What counts for a host that says nothing else."""

POLICIES: tuple[Policy, ...] = get_args(Policy)
CLIENT_FIX = "Name an inventory host or group, an address or a network"
_SEVERAL = re.compile(r"[\s,;*?\[\]&!~]")
"""What stands only in lists and host patterns, never in the name of a host or group."""

_RANGE_FIX = "Write the range of the operating system, such as 32768-60999"


class Peers:
    """Looks peers up in an inventory, each host once, and remembers what it read."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._groups: dict[str, tuple[Peer, ...]] = {}
        self.hosts: dict[str, tuple[Peer, Settings]] = {}
        self.variables: dict[str, dict[str, Any]] = {}
        self.members: dict[str, tuple[str, ...]] = {}
        self.fact_hosts: set[str] = set()

    def host(self, name: str) -> Peer:
        """Return an inventory host as a peer.

        :raises DbportsError: when it has no usable address or its dbports variables are wrong.
        """
        known = self.hosts.get(name)
        if known is None:
            values = self._inventory.host(name)
            if values is None:
                raise self.no_host(name)
            self.variables[name] = values
            known = self.hosts[name] = self._read_host(name, values)
        return known[0]

    def knows(self, name: str) -> bool:
        """Tell whether the inventory has a host of this name."""
        return self._inventory.host(name) is not None

    def no_host(self, name: object, path: str | None = None, otherwise: str = HOST_FIX) -> DbportsError:
        """Return the error for a name that is not that of an inventory host.

        :param otherwise: the fix where no host's name resembles it.
        """
        fix = did_you_mean(near_host(self._inventory, name), otherwise)
        return DbportsError("no such host in the inventory", code="unknown_name", path=path, value=name, fix=fix)

    def resolve(self, ref: ClientRef) -> tuple[Peer, ...]:
        """Return who one entry of a list of clients means.

        :raises DbportsError: for an unknown name, an empty group and a host without an address.
        """
        if self._inventory.host(ref.name) is not None:
            _only_name(ref)
            return (self.host(ref.name),)
        members = self._inventory.group(ref.name)
        if members is not None:
            _only_name(ref)
            return self._group(ref, members)
        if _looks_like_address(ref.name):
            try:
                network = AddressRange.parse(ref.name)
            except DbportsError as error:
                fix = "Write for example 192.0.2.21, 192.0.2.0/24 or 2001:db8::/64"
                raise error.at(path=ref.path, fix=fix) from None
            check_reachable(network, ref.path, ref.name, "Write the address that the server sees, or leave it out")
            if self._inventory.host(str(network)) is not None:  # 192.0.2.21/32 is the host named 192.0.2.21
                return (self.host(str(network)),)
            os = read_os(ref.os, f"{ref.path}.os")
            return (Peer(str(network), (network,), dynamic_range(os).ports, False, os, ref.port),)
        raise DbportsError(
            "neither an inventory host or group nor an IP address or network",
            code="unknown_name",
            path=ref.path,
            value=ref.name,
            fix=self._meant(ref.name),
        )

    def _meant(self, name: str) -> str:
        """Return what to write in place of an entry that is neither a host nor a group nor an address."""
        if _SEVERAL.search(name):
            return "Write each host, group, address or network as an entry of its own; patterns are not read"
        networks = self._inventory.settings().get("dbports_networks")
        if isinstance(networks, dict) and name in networks:
            return f"Write the addresses of dbports_networks.{name}; only gateways know this name"
        return did_you_mean(near_name(name, self._inventory.names()), CLIENT_FIX)

    def _group(self, ref: ClientRef, members: tuple[str, ...]) -> tuple[Peer, ...]:
        if not members and not ref.allow_empty:
            raise DbportsError(
                "this group has no hosts: a part of the inventory may be missing",
                code="empty_group",
                path=ref.path,
                value=ref.name,
                fix=f"Fill the group, or write {{name: {ref.name}, allow_empty: true}}",
            )
        peers = self._groups.get(ref.name)
        if peers is None:
            peers = self._groups[ref.name] = tuple(self.host(name) for name in members)
            self.members[ref.name] = members
        return peers

    def _read_host(self, name: str, values: dict[str, Any]) -> tuple[Peer, Settings]:
        errors = ErrorList()
        settings = errors.collecting_errors(name, _read_settings, values)
        os = errors.collecting_errors(name, read_os, values.get("dbports_os"), "dbports_os")
        ports = errors.collecting_errors(name, _read_ephemeral, values.get("dbports_ephemeral_ports"), os)
        addresses = errors.collecting_errors(name, self._addresses, name, values)
        errors.raise_all()
        return Peer(name, addresses or (), ports or dynamic_range(os).ports, True, os), settings or GUARDED

    def _addresses(self, name: str, values: dict[str, Any]) -> Ranges:
        declared = values.get("dbports_addresses")
        if declared is not None:
            return _declared_addresses(declared)
        written = values.get("ansible_host")
        for candidate, path in ((written, "ansible_host"), (name, "inventory_hostname")):
            if isinstance(candidate, str) and _is_address(candidate):
                return (_host_address(candidate, path),)
        found = self._inventory.fact_addresses(name)
        if found:
            self.fact_hosts.add(name)
            return tuple(_host_address(text, "ansible_facts") for text in found)
        raise DbportsError(
            "no address is known; names are never resolved here"
            if written is None
            else "not an IPv4 or IPv6 address, and no other address is known; names are never resolved here",
            code="no_address",
            path="dbports_addresses" if written is None else "ansible_host",
            value=... if written is None else written,
            fix="Set dbports_addresses, or set ansible_host to an address, or gather facts of this host first",
        )


def _read_settings(values: dict[str, Any]) -> Settings:
    if "dbports_policy" not in values and "dbports_filter_outbound" not in values:
        return GUARDED  # most hosts
    wanted = values.get("dbports_policy", GUARDED.policy)
    policy = next((item for item in POLICIES if item == wanted), None)
    if policy is None:
        fix = f"Use {' or '.join(POLICIES)}"
        raise DbportsError("not a policy", code="not_a_choice", path="dbports_policy", value=wanted, fix=fix)
    return Settings(
        policy, read_bool(values.get("dbports_filter_outbound", GUARDED.filter_outbound), "dbports_filter_outbound")
    )


def _only_name(ref: ClientRef) -> None:
    """Refuse what would have no effect: an inventory host has an operating system and servers of its own."""
    for key, value, what, fix in (
        ("os", ref.os, "its operating system", "Set dbports_os of the hosts instead"),
        ("port", written(ref.port), "its port", "Declare the port with the server of that host instead"),
    ):
        if value is not None:
            raise DbportsError(
                f"only an address or network can have {what} here",
                code="contradiction",
                path=f"{ref.path}.{key}",
                value=value,
                fix=fix,
            )


def _declared_addresses(declared: Any) -> Ranges:
    listed = [declared] if isinstance(declared, str) else declared
    if not isinstance(listed, (list, tuple)) or not listed:
        raise DbportsError(
            "expected a list of the host's addresses",
            code="wrong_type",
            path="dbports_addresses",
            value=declared,
            fix="Write for example [192.0.2.10], or remove it where ansible_host is an address",
        )
    return tuple(dict.fromkeys(read_each(listed, "dbports_addresses", _host_address)))


def _is_address(text: str) -> bool:
    """Tell whether a text is meant as an address; one with a zone id is, and refused by its reader."""
    try:
        AddressRange.of_socket(text)
    except DbportsError:
        return False
    return True


def _host_address(text: Any, path: str) -> AddressRange:
    """Read one address under which other hosts reach a host."""
    try:
        return read_address(text, path)
    except DbportsError as error:
        if error.code == "unreachable_address":
            error.fix = "Set dbports_addresses to the addresses that its peers see"
        raise


def _looks_like_address(text: str) -> bool:
    return ":" in text or "/" in text or all(char in "0123456789.-" for char in text)


def read_os(value: Any, path: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in DYNAMIC_RANGES:
        fix = f"Use one of {', '.join(DYNAMIC_RANGES)}"
        raise DbportsError("not a known operating system", code="not_a_choice", path=path, value=value, fix=fix)
    return str(value)


def _read_ephemeral(value: Any, os: str | None) -> PortRange:
    if value is None:
        return dynamic_range(os).ports
    try:
        ports = PortRange.parse(value)
    except DbportsError as error:
        raise error.at(path="dbports_ephemeral_ports", fix=_RANGE_FIX) from None
    if ports.first == ports.last:
        raise DbportsError(
            PINNED_REASON, code="source_port", path="dbports_ephemeral_ports", value=value, fix=_RANGE_FIX
        )
    return ports
