# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an engine's flows and a server's values to that server's endpoints and flows with real ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, FlowSpec, Values, holds
from ansible_collections.dbports.firewall.plugins.module_utils._ephemeral import dynamic_range
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, parse_ports


class ResolvedFlow(NamedTuple):
    """A flow of one server: its endpoint's id, the real ports and whose hosts take part.

    ``initiators`` and ``responders`` are ``None`` for the server itself, else the client references.
    """

    spec: FlowSpec
    endpoint: str
    instance: str
    ports: tuple[PortRange, ...]
    purpose: str
    initiators: Any
    responders: Any
    address: str | None
    probe_instance: str | None


def resolve_flows(
    engine: Engine, server: Values, instances: tuple[Values, ...], os: str | None
) -> Iterator[ResolvedFlow]:
    """Yield the flows of a server whose conditions hold.

    :param server: its validated values, with ``name`` and ``clients``.
    :param instances: the values of its instances; a flow of each instance sees the server's values too.
    :param os: the operating system whose dynamic range a dynamic port comes from, or None.
    """
    for spec in engine.flows:
        if spec.each == "instance":
            scopes = [{**server, **{key: value for key, value in item.items() if value is not None or key not in server}}
                      for item in instances]
        else:
            scopes = [server]
        for values in scopes:
            if holds(spec.when, values):
                yield _resolve(spec, server["name"], values, os)


def _resolve(spec: FlowSpec, server: str, values: Mapping[str, Any], os: str | None) -> ResolvedFlow:
    instance = values["name"] if spec.each == "instance" else ""
    parts = (server, instance, spec.name) if instance else (server, spec.name)
    return ResolvedFlow(
        spec,
        "/".join(parts),
        instance,
        resolve_ports(spec.port, values, os),
        spec.purpose.replace("{name}", instance),
        None if spec.initiator == "server" else values.get(spec.initiator) or (),
        None if spec.responder == "server" else values.get(spec.responder) or (),
        values.get(spec.address) if spec.address else None,
        instance or values.get("probe_instance"),
    )


def resolve_ports(port: str, values: Mapping[str, Any], os: str | None) -> tuple[PortRange, ...]:
    """Compute a flow's destination ports: ``1434``, an option's name or either with ``+n``; none for ICMP."""
    if not port:
        return ()
    name, _plus, offset = port.partition("+")
    value = values[name] if name in values else name
    if value == "dynamic":
        return (dynamic_range(os).ports,)
    shift = int(offset or 0)
    return tuple(PortRange(item.first + shift, item.last + shift) for item in parse_ports(value))
