# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that listen where the plan has none: moved ones, and others beside the declared one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, AddressSet
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import DYNAMIC_RANGES
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT, PROTOCOLS, PortRange, merge_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import verdict_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Code, Data, Finding, facts
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Endpoint, PortSet, shown_ports

LOOPBACK = AddressSet(AddressRange.parse(text) for text in ("127.0.0.0/8", "::1"))

_INTERPRETER = re.compile(r"(?:python|perl|ruby|java|node|dotnet|mono)?[\d.]*(?:[*?\[].*)?", re.ASCII | re.IGNORECASE)
"""Patterns that match programs of others as well, such as ``python3*`` for Patroni."""

_EPHEMERAL = PortRange(DYNAMIC_RANGES["linux"].ports.first, MAX_PORT)
"""Where operating systems take the ports of sockets that only ask, such as a resolver's."""


def watched_processes(port_set: PortSet) -> list[str]:
    """Return the patterns of the programs of the host's own servers, whose listeners matter on any port."""
    patterns = {pattern for endpoint in port_set.endpoints for pattern in endpoint.process}
    return sorted(filter(is_watched, patterns))


def is_watched(pattern: str) -> bool:
    """Tell whether a pattern matches only programs of its server, and not those of others as ``python3*`` does."""
    return not _INTERPRETER.fullmatch(pattern)


def listeners_outside(port_set: PortSet, sockets: Iterable[Socket]) -> list[Socket]:
    """Return the listeners of the host's servers that others can reach, and that no endpoint explains."""
    processes = watched_processes(port_set)
    return [
        one
        for one in sockets
        if one.is_listener
        and one.local_port
        and one.is_of(processes)
        and not LOOPBACK.overlaps(AddressRange.of_socket(one.local_address))
        and not (one.protocol == "udp" and one.local_port in _EPHEMERAL)
        and not any(_explains(endpoint, one) for endpoint in port_set.endpoints)
    ]


def moved(port_set: PortSet, endpoint: Endpoint, sockets: Iterable[Socket], outside: Collection[Socket]) -> Data:
    """Return where a server listens that does not listen at its endpoint, or nothing.

    A process that also serves the plan with this protocol has not moved: it has one more port.
    """
    settled = {
        one.pid
        for one in sockets
        if one.protocol == endpoint.protocol
        and one.is_listener
        and any(_explains(item, one) for item in port_set.endpoints)
    }
    found = [
        one
        for one in outside
        if one.protocol == endpoint.protocol and one.is_of(endpoint.process) and one.pid not in settled
    ]
    return facts(program=str(found[0].process), now=_ports(found)) if found else ()


def judge_outside(port_set: PortSet, outside: Iterable[Socket]) -> Iterator[Finding]:
    """Yield a finding for each program with such listeners: a failure where the host's ruleset does not guard them."""
    groups: dict[tuple[str, str], list[Socket]] = {}
    for one in outside:
        groups.setdefault((str(one.process), _planned_for(port_set, one)), []).append(one)
    for (process, planned), sockets in sorted(groups.items()):
        ports = _ports(sockets)
        servers = {item.server for item in port_set.endpoints if sockets[0].is_of(item.process)}
        code: Code = "outside_guarded" if planned else "outside"
        data = facts(program=process, now=ports, planned=planned)
        where = port_set.host
        yield Finding(code, verdict_of(code), where, where, ", ".join(sorted(servers)), ports, data=data)


def _explains(endpoint: Endpoint, one: Socket) -> bool:
    return (
        endpoint.protocol == one.protocol
        and any(one.local_port in item for item in endpoint.ports)
        and (not endpoint.process or one.is_of(endpoint.process))
    )


def _planned_for(port_set: PortSet, one: Socket) -> str:
    """Return the endpoints whose rules guard a socket's port."""
    return ", ".join(
        sorted(
            {
                rule.endpoint
                for rule in port_set.rules
                if rule.direction == "in"
                and rule.guarded
                and rule.protocol == one.protocol
                and any(one.local_port in item for item in rule.ports)
            }
        )
    )


def _ports(sockets: Collection[Socket]) -> str:
    """Return protocols and ports for readers: ``tcp 6002, udp 6001``."""
    return ", ".join(
        shown_ports(
            protocol,
            merge_ports(
                PortRange(one.local_port, one.local_port)
                for one in sockets
                if one.protocol == protocol and one.local_port
            ),
        )
        for protocol in PROTOCOLS
        if any(one.protocol == protocol for one in sockets)
    )
