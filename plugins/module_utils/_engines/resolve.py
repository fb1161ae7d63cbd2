# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an engine's flows and a server's values to that server's endpoints and flows with real ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import Engine, FlowSpec, Values, holds
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, parse_ports
from ansible_collections.dbports.firewall.plugins.module_utils._probe.registry import kind_of


class ResolvedFlow(NamedTuple):
    """A flow of one server: its endpoint's id, the real ports and whose hosts take part.

    ``initiators`` and ``responders`` are ``None`` for the server itself, else the client references. ``dynamic``: the
    ports are the dynamic range of the server's host; another host's are its own. ``same_port``: a gateway has to
    publish the very same ports; ``base``: the port that clients register and count these from; ``source``: where the
    initiator sends from, None where its operating system chooses; ``group``: the multicast address that it sends to;
    ``excluded``: references to hosts that are neither initiator nor responder.
    """

    spec: FlowSpec
    endpoint: str
    instance: str
    ports: tuple[PortRange, ...]
    purpose: str
    initiators: Any
    responders: Any
    address: AddressRange | None
    probe_instance: str | None
    dynamic: bool
    same_port: bool = False
    base: tuple[PortRange, ...] = ()
    source: PortRange | None = None
    group: AddressRange | None = None
    excluded: Any = ()


def resolve_flows(
    engine: Engine, server: Values, instances: tuple[Values, ...], dynamic: PortRange
) -> Iterator[ResolvedFlow]:
    """Yield the flows of a server whose conditions hold.

    :param server: its validated values, with ``name`` and ``clients``.
    :param instances: the values of its instances; a flow of each instance sees the server's values too.
    :param dynamic: the range from which the server's host takes dynamic ports.
    """
    merged = [together(server, item) for item in instances]
    for spec in engine.flows:
        for values in merged if spec.each == "instance" else [server]:
            if not holds(spec.when, values):
                continue
            for item in values[spec.spread] if spec.spread else ({},):
                yield _resolve(spec, server["name"], {**values, **item}, dynamic)


def together(server: Values, instance: Values) -> Values:
    """Return the values of an instance with those of its server where it has none."""
    return {**server, **{key: value for key, value in instance.items() if value is not None or key not in server}}


def os_family(os: str | None) -> str:
    """Return ``linux`` for ``linux_3``, ``windows`` for ``windows_2003`` and so on; empty where it is not known."""
    return (os or "").partition("_")[0]


def _resolve(spec: FlowSpec, server: str, values: Mapping[str, Any], dynamic: PortRange) -> ResolvedFlow:
    instance = values["name"] if spec.each == "instance" else ""
    parts = (server, instance, spec.name) if instance else (server, spec.name)
    address = values.get(spec.address) if spec.address else None
    ports, is_dynamic = _ports(spec.port, values, dynamic)
    return ResolvedFlow(
        spec,
        "/".join(parts) + (f"@{address}" if spec.spread and address else ""),
        instance,
        ports,
        spec.purpose.replace("{name}", instance),
        None if spec.initiator == "server" else values.get(spec.initiator) or (),
        None if spec.responder == "server" else values.get(spec.responder) or (),
        address,
        (instance or values.get("probe_instance")) if spec.probe and kind_of(spec.probe).names_instance else None,
        is_dynamic,
        spec.through.same_port is not None and holds(spec.through.same_port, values),
        _ports(spec.through.counted_from, values, dynamic)[0],
        _ports(spec.source_port, values, dynamic)[0][0] if spec.source_port else None,
        values[spec.group] if spec.group else None,
        values.get(spec.except_for) or () if spec.except_for else (),
    )


def _ports(port: str, values: Mapping[str, Any], dynamic: PortRange) -> tuple[tuple[PortRange, ...], bool]:
    """Compute ports: ``1434``, an option's name or either with ``+n``; none for ICMP.

    :returns: the ports, and whether they are the dynamic range.
    """
    if not port:
        return (), False
    name, _plus, offset = port.partition("+")
    value = values.get(name, name)
    if value == "dynamic":
        return (dynamic,), True
    ports = (value,) if isinstance(value, PortRange) else parse_ports(value) if isinstance(value, str) else value
    shift = int(offset or 0)
    return tuple(PortRange(item.first + shift, item.last + shift) for item in ports), False
