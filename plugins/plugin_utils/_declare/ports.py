# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of one server that two of its instances, or two of its options, have both: a mistake in its declaration.

Ports that two servers of a host want are conflicts, and found in the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, written
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import ResolvedFlow
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Server

_WIDE = 1000
"""So many ports are a dynamic range, of which a program takes one that is free."""


class _Claim(NamedTuple):
    """Where a server listens, and the option that says so; empty where it follows from several.

    ``place`` is its place in the declaration.
    """

    protocol: Protocol
    ports: PortRange
    place: int
    instance: str
    option: str
    expression: str
    address: AddressRange | None


def check_ports(server: Server, flows: Iterable[ResolvedFlow]) -> None:
    """Refuse ports that a server cannot have twice.

    :raises DbportsError: for the first of them; the host is for the caller to add.
    """
    claims = sorted(_claims(server.engine, flows), key=lambda claim: claim[:3])
    for index, claim in enumerate(claims):
        for other in claims[index + 1 :]:
            if other.protocol != claim.protocol or other.ports.first > claim.ports.last:
                break
            if _both(server.engine, claim, other):
                first, second = sorted((claim, other), key=lambda item: item.place)
                raise DbportsError(
                    f"{_owner(first)} has {first.protocol} {first.ports} already",
                    code="duplicate",
                    path=_path(server, second),
                    value=written(second.ports),
                    fix="Give each its own port",
                )


def _claims(engine: Engine, flows: Iterable[ResolvedFlow]) -> Iterator[_Claim]:
    names = {option.name for option in (*engine.options, *engine.instance_options)}
    for place, flow in enumerate(flows):
        if flow.spec.shared or (flow.responders is not None and not flow.spec.mesh):
            continue
        option = flow.spec.port.partition("+")[0]
        for ports in flow.ports:
            if ports.last - ports.first < _WIDE:
                known = option if option in names else ""
                yield _Claim(flow.spec.protocol, ports, place, flow.instance, known, flow.spec.port, flow.address)


def _both(engine: Engine, one: _Claim, other: _Claim) -> bool:
    """Tell whether two claims are of different sockets, and cannot both be."""
    if one.address is not None and other.address is not None and one.address != other.address:
        return False
    if one.instance != other.instance:
        return bool(one.instance and other.instance)
    options = {one.option, other.option}
    return one.expression != other.expression and "" not in options and not options <= set(engine.one_socket)


def _owner(claim: _Claim) -> str:
    return f"instance {claim.instance}" if claim.instance else claim.option


def _path(server: Server, claim: _Claim) -> str:
    index = next((n for n, item in enumerate(server.instances) if item["name"] == claim.instance), None)
    if len(server.instances) == 1 and claim.option not in server.instances[0]["declared"]:
        # What an only instance does not say itself was said of the server, or is to be.
        index = None if claim.option in server.values else index
    level = server.path if index is None else f"{server.path}.instances[{index}]"
    return f"{level}.{claim.option}".rstrip(".")
