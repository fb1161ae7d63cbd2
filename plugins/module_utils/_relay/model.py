# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a SOCKS host may be asked to connect to, as a value, and what a change of it would lose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    AddressRange,
    merge_addresses,
    parse_addresses,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, parse_ports

Ranges = tuple[AddressRange, ...]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,30}", re.ASCII)
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}", re.ASCII)
"""useradd(8): names that every tool of a host takes."""

USER = "dbports-socks"
"""The account for clients of ``ssh -D`` where none is named."""


class Target(NamedTuple):
    """Where a SOCKS host may connect to: addresses of servers and ports there."""

    servers: AddressRange
    ports: PortRange

    def __str__(self) -> str:
        return f"{self.servers} port {self.ports}"


Permits = Mapping[Target, Ranges]
"""Who may ask for each target, merged."""


@dataclass(frozen=True)
class RelayRules:
    """All that one SOCKS host passes on; it refuses everything else.

    :param gateway: its name in the plan.
    :param port: where it listens for SOCKS.
    :param internal: its own addresses at which clients ask it, ``external`` those that servers see.
    :param clients: who may ask it for anything.
    :param user: the account of clients where an OpenSSH server relays.
    """

    gateway: str
    port: int
    internal: Ranges
    external: Ranges
    clients: Ranges
    permits: Permits
    user: str = USER

    @classmethod
    def from_arguments(cls, values: Mapping[str, Any]) -> RelayRules:
        """Read the arguments of the module dbports.firewall.socks_config.

        :raises DbportsError: for a value that is no name, address, port or account, or not of IPv4.
        """
        gateway, user = _named(values["gateway"], _NAME, "gateway"), _named(values["user"], _USER, "user")
        if user == "root":
            raise DbportsError(
                "the account of clients is restricted to forwarding, and root would lose its shell",
                code="would_lock_out",
                path="user",
                value=user,
                fix="Name an account that is only for this",
            )
        port = parse_ports(values["port"])[0].first
        internal, external = (_own(values[name], name) for name in ("internal", "external"))
        permits: dict[Target, Ranges] = {}
        for number, rule in enumerate(values["rules"]):
            for target, clients in _read_rule(rule, f"rules[{number}]"):
                permits[target] = merge_addresses((*permits.get(target, ()), *clients))
        clients = merge_addresses(item for ranges in permits.values() for item in ranges)
        return cls(gateway, port, internal, external, clients, dict(sorted(permits.items())), user)


def lost(before: Permits, after: Permits) -> list[str]:
    """Return what clients lose, as texts: servers that nobody can ask for any more, and targets with under half of
    their former clients. A server that moved to another port is not lost.
    """
    servers = {target.servers for target in after}
    gone = [str(target) for target in before if target.servers not in servers]
    fewer = [
        f"{target} for {_size(before[target]) - _size(after[target])} of {_size(before[target])} addresses"
        for target in before
        if target in after and 2 * _size(after[target]) < _size(before[target])
    ]
    return [*gone, *fewer]


def _size(ranges: Ranges) -> int:
    return sum(item.last - item.first + 1 for item in ranges)


def _named(value: Any, pattern: re.Pattern[str], path: str) -> str:
    if isinstance(value, str) and pattern.fullmatch(value):
        return str(value)
    raise DbportsError(f"not a name: expected {pattern.pattern}", code="not_a_name", path=path, value=value)


def _own(values: Sequence[str], path: str) -> Ranges:
    """Read the addresses of the host itself, in their order."""
    found = tuple(dict.fromkeys(_ipv4([AddressRange.address(value) for value in values], path)))
    if not found:
        raise DbportsError("expected at least one address of the SOCKS host", code="missing", path=path, value=values)
    return found


def _read_rule(rule: Mapping[str, Any], path: str) -> Iterable[tuple[Target, Ranges]]:
    clients = _ipv4(parse_addresses(rule["clients"]), f"{path}.clients")
    servers = _ipv4(parse_addresses(rule["servers"]), f"{path}.servers")
    ports = parse_ports(rule["ports"])
    return [(Target(server, port), clients) for server in servers for port in ports]


def _ipv4(ranges: Iterable[AddressRange], path: str) -> Ranges:
    """Refuse what SOCKS 4 cannot carry."""
    found = tuple(ranges)
    other = next((item for item in found if item.family != 4), None)
    if other:
        raise DbportsError("SOCKS 4 carries only IPv4", code="not_an_address", path=path, value=str(other))
    return found
