# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts, networks and gateways for a picture: one by one while they are few, else by inventory group or by role."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal, NamedTuple

from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PeerKind, PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.flows import Flow

Place = Literal["client", "gateway", "server"]
PLACES: tuple[Place, ...] = ("client", "gateway", "server")


class Party(NamedTuple):
    """Whoever takes part in a plan.

    :param role: what it does there, such as ``mssql server``.
    :param group: the inventory group that describes it best, or an empty string.
    """

    name: str
    kind: PeerKind
    place: Place
    role: str
    group: str


class Cluster(NamedTuple):
    """Parties that are shown as one; ``members`` are their names, sorted."""

    number: int
    place: Place
    name: str
    detail: str
    members: tuple[str, ...]


def parties_of(
    port_sets: Iterable[PortSet],
    flows: Collection[Flow],
    groups: Mapping[str, Collection[str]],
    gateways: Iterable[str] = (),
) -> list[Party]:
    """Return all hosts and gateways of a plan, and the networks that its flows lead to.

    :param groups: the hosts of each inventory group; empty where only the plan is known.
    :param gateways: the names of all gateways.
    """
    serves: dict[str, set[str]] = {}
    kinds: dict[str, PeerKind] = {}
    for port_set in port_sets:
        kinds[port_set.host] = "host"
        for endpoint in port_set.endpoints:
            serves.setdefault(port_set.host, set()).add(endpoint.engine)
    uses: dict[str, set[str]] = {}
    targets = {flow.target.name for flow in flows if flow.allowed}
    sources = {flow.source.name for flow in flows if flow.allowed}
    for flow in flows:
        for side in (flow.source, flow.target):
            if side.kind == "gateway":  # also where it is a host of the plan
                kinds[side.name] = side.kind
            kinds.setdefault(side.name, side.kind)
            if flow.allowed and flow.engine:
                uses.setdefault(side.name, set()).add(flow.engine)
    for gateway in gateways:
        kinds.setdefault(gateway, "gateway")

    def party(name: str, kind: PeerKind) -> Party:
        if kind == "gateway":
            return Party(name, kind, "gateway", "gateway", "")
        if kind == "network":
            place: Place = "client" if name in sources or name not in targets else "server"
            return Party(name, kind, place, "network", "")
        if name in serves:
            return Party(name, kind, "server", f"{_list(serves[name])} server", "")
        role = f"client of {_list(uses[name])}" if name in uses else "must not connect"
        return Party(name, kind, "client", role, "")

    found = [party(name, kinds[name]) for name in sorted(kinds)]
    return _grouped(found, groups)


def _list(words: Collection[str]) -> str:
    return ", ".join(sorted(words))


def _grouped(parties: list[Party], groups: Mapping[str, Collection[str]]) -> list[Party]:
    """Fill in the groups: of a host's groups the one with the fewest roles, and then with the most hosts."""
    roles = {party.name: party.role for party in parties if party.kind == "host"}
    best: dict[str, tuple[int, int, str]] = {}
    for group, members in groups.items():
        known = [name for name in members if name in roles]
        rank = (len({roles[name] for name in known}), -len(known), group)
        for name in known:
            best[name] = min(best.get(name, rank), rank)
    return [party._replace(group=best[party.name][2]) if party.name in best else party for party in parties]


_LEVELS: tuple[Callable[[Party], str], ...] = (
    lambda party: party.name,
    lambda party: party.group or party.role,
    lambda party: party.role,
    lambda party: party.role.partition(" of ")[0],
    lambda party: f"{party.place}s",
)
"""What parties are put together by, from fine to coarse."""


def clusters_of(parties: Iterable[Party], most: int) -> list[Cluster]:
    """Return parties in the finest clusters of which each place has no more than so many."""
    found: list[Cluster] = []
    everyone = list(parties)
    for place in PLACES:
        here = [party for party in everyone if party.place == place]
        level = next((item for item in _LEVELS if len({item(party) for party in here}) <= most), _LEVELS[-1])
        together: dict[str, list[Party]] = {}
        for party in here:
            together.setdefault(level(party), []).append(party)
        for name, members in sorted(together.items()):
            roles = sorted({party.role for party in members})
            detail = roles[0] if len(roles) == 1 else f"{len(roles)} roles"
            count = f"{len(members):,} hosts" if all(item.kind == "host" for item in members) else f"{len(members):,}"
            parts = [part for part in (count if len(members) > 1 else "", detail) if part and part != name]
            names = tuple(party.name for party in members)
            found.append(Cluster(len(found), place, name, ", ".join(parts), names))
    return found
