# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan permits and would nevertheless not work: warned of before anything is applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Tuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import ResolvedFlow
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import dynamic_range
from ansible_collections.dbports.firewall.plugins.module_utils._ports import (
    PortRange,
    format_ports,
    merge_ports,
    parse_ports,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import (
    PeerSet,
    ServerDeclaration,
    ServerDeclarations,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import Peer
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.servers import ClientRef
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet

POOL = 16
"""So many ports in a row are a pool: their program takes any that is free, so one that is taken does no harm."""

_SHOWN = 6
_NETSH = "netsh int ipv4 add excludedportrange protocol={protocol} startport={first} numberofports={count}"


def add_warnings(
    relations: ServerDeclarations, servers: Iterable[ServerDeclaration], hosts: Mapping[str, PortSet]
) -> None:
    """Add to the hosts' warnings what the declarations of all hosts together show; linear in rules and relations."""
    systems: dict[str, str] = {}
    families = _Families()
    for relation in servers:
        warnings = hosts[relation.host].warnings
        warnings += families.strangers(relations, relation)
        warnings += closed_instances(relations, relation)
        if relation.server.values.get("os"):
            systems[relation.host] = relation.server.values["os"]
    for name, port_set in hosts.items():
        declared = relations.peers.variables[name].get("dbports_ephemeral_ports") is not None
        port_set.warnings += dynamic_ports(port_set, relations.peers.host(name), systems.get(name), declared)


def dynamic_ports(port_set: PortSet, peer: Peer, os: str | None, declared: bool) -> list[str]:
    """Return the warning of a host's fixed ports that lie inside its own dynamic range, where that is known.

    :param os: the operating system that a server of the host names, which counts before that of the host.
    :param declared: the host's range was declared, so that no operating system has to be known.
    """
    os = os or peer.os
    if not (os or declared):
        return []
    own = PortRange.parse(peer.source_ports) if declared else dynamic_range(os).ports
    found: dict[str, list[PortRange]] = {}
    owners: dict[str, None] = {}
    for head in port_set.rules:
        if head.direction != "in" or not head.ports:
            continue
        inside = [item for item in parse_ports(head.ports) if item.last - item.first < POOL and _overlap(item, own)]
        if inside:
            found.setdefault(head.protocol, []).extend(inside)
            owners[f"{head.protocol} {format_ports(inside)} ({head.endpoint})"] = None
    if not found:
        return []
    why = "dbports_ephemeral_ports" if declared else f"{os}, {dynamic_range(os).citation}"
    verb = "lies" if len(owners) == 1 else "lie"
    return [
        f"{_listed(owners)} {verb} inside this host's own dynamic range {own} ({why}): a connection of the host itself "
        f"can take a port before the service starts; {_reserve(os, found)}"
    ]


def _overlap(ports: PortRange, other: PortRange) -> bool:
    return ports.first <= other.last and other.first <= ports.last


def _reserve(os: str | None, found: Mapping[str, list[PortRange]]) -> str:
    """Tell how to keep ports out of the dynamic range; Linux has one list for all protocols, set as a whole."""
    together = format_ports(merge_ports(item for ports in found.values() for item in ports))
    linux = f"net.ipv4.ip_local_reserved_ports={together}"
    windows = "; ".join(
        _NETSH.format(protocol=protocol, first=item.first, count=item.last - item.first + 1)
        for protocol, ports in sorted(found.items())
        for item in merge_ports(ports)
    )
    if (os or "").startswith("linux"):
        return f"reserve them: sysctl -w {linux} (with what is reserved already, and in /etc/sysctl.d)"
    if os == "windows":
        return f"reserve them: {windows}"
    if os is None:
        return f"reserve them (Linux: sysctl -w {linux}; Windows: {windows})"
    return "give the service ports outside this range"


def closed_instances(relations: ServerDeclarations, relation: ServerDeclaration) -> list[str]:
    """Warn of clients of a server who may name an instance of it that is closed to them."""
    refs = relation.server.values["clients"]
    if not refs:
        return []
    everyone = relations.ends(refs, relation).peers
    warnings = []
    for index, instance in enumerate(relation.server.instances):
        own = instance.get("clients")
        if not own or instance.get("connect_by") != "name":
            continue
        admitted = relations.ends(own, relation)
        shut = sorted(
            name
            for name, (peer, _declared) in everyone.items()
            if name not in admitted.peers and not _covered(admitted, peer)
        )
        if shut:
            warnings.append(
                f"{relation.server.path}.instances[{index}].clients: instance {instance['name']} is closed to "
                f"{_listed(shut)}, who are clients of the server and may name it"
            )
    return warnings


def _covered(ends: PeerSet, peer: Peer) -> bool:
    return all(ends.addresses.overlaps(AddressRange.parse(text)) for text in peer.addresses)


class _OneFamily(NamedTuple):
    """The names of the peers that have addresses of one family alone."""

    ipv4: frozenset[str]
    ipv6: frozenset[str]


_Side = Tuple[Tuple[str, ...], str]
"""Names, and the one family they have."""


class _Families:
    """Finds flows whose two ends have no address family in common; each list of peers is looked at once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[PeerSet, _OneFamily]] = {}

    def strangers(self, relations: ServerDeclarations, relation: ServerDeclaration) -> list[str]:
        """Return the warnings of one server: one sentence for each pair of lists, whichever of them speaks first."""
        found: dict[tuple[_Side, _Side], None] = {}
        together: dict[tuple[str, str], list[ResolvedFlow]] = {}
        for flow in relation.flows:
            # An instance with an address of each family has a flow of each, and is reached by both.
            together.setdefault((flow.spec.name, flow.instance), []).append(flow)
        for flows in together.values():
            initiators = self._ends(relations, relation, flows[0].initiators, flows[0].spec.mesh)
            responders = self._responders(relations, relation, flows)
            for four, six in ((initiators.ipv4, responders.ipv6), (responders.ipv4, initiators.ipv6)):
                if four and six:
                    found[((tuple(sorted(four)), "IPv4"), (tuple(sorted(six)), "IPv6"))] = None
        return [
            f"{relation.server.path}: {_listed(one)} ({family}) and {_listed(two)} ({other}) have no address family in "
            "common and cannot reach each other; give one side an address of the other's family (dbports_addresses)"
            for (one, family), (two, other) in found
        ]

    def _responders(
        self, relations: ServerDeclarations, relation: ServerDeclaration, flows: list[ResolvedFlow]
    ) -> _OneFamily:
        addresses = [flow.address for flow in flows if flow.responders is None and flow.address]
        if len(addresses) == len(flows):
            return _one_family({relation.host: addresses})
        return self._ends(relations, relation, flows[0].responders, flows[0].spec.mesh)

    def _ends(
        self, relations: ServerDeclarations, relation: ServerDeclaration, refs: tuple[ClientRef, ...] | None, mesh: bool
    ) -> _OneFamily:
        own = _one_family({relation.host: relations.peers.host(relation.host).addresses})
        if refs is None:
            return own
        ends = relations.ends(refs, relation)
        known = self._known.get(id(ends))
        if known is None:
            names = _one_family({name: peer.addresses for name, (peer, _declared) in ends.peers.items()})
            known = self._known[id(ends)] = (ends, names)  # kept, so that its id stays its own
        return _OneFamily(known[1].ipv4 | own.ipv4, known[1].ipv6 | own.ipv6) if mesh else known[1]


def _one_family(peers: Mapping[str, Sequence[str]]) -> _OneFamily:
    four, six = set(), set()
    for name, addresses in peers.items():
        count = sum(":" in text for text in addresses)
        if count == 0:
            four.add(name)
        elif count == len(addresses):
            six.add(name)
    return _OneFamily(frozenset(four), frozenset(six))


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more
