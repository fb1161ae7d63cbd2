# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's sockets say of its servers: who listens, and who is connected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, AddressSet
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, format_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import verdict_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import (
    Code,
    Data,
    Finding,
    Listening,
    facts,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.instances import Instances
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.outside import LOOPBACK, moved
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.probes import hearing_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.rules import RulesInForce
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Endpoint, PortSet, shown_ports

UNKNOWN_INSTANCES = Instances()
_STARTERS = ("systemd", "xinetd", "inetd")
"""Programs that listen for a server, and start it when a client comes."""
_SEEN = 8
"""At how many ports of a range a host tries to get in."""


def watched_ports(port_set: PortSet) -> list[str]:
    """Return the ports and ranges whose sockets matter: of the host's own endpoints, and where its probes hear."""
    own = {str(ports) for endpoint in port_set.endpoints for ports in endpoint.ports}
    return sorted(own | {str(port) for port in hearing_ports(port_set)})


def awaited_listeners(port_set: PortSet) -> list[dict[str, Any]]:
    """Return the listeners that the host must have, as the module dbports.firewall.observation_info waits for them."""
    return [
        {"protocol": part.protocol, "ports": format_ports(part.ports), "processes": list(part.process)}
        for endpoint in port_set.endpoints
        if endpoint.ports and endpoint.process and endpoint.listening == "required"
        for part in _parts(endpoint)
    ]


def dynamic_ports(port_set: PortSet) -> list[str]:
    """Return the ranges in which programs of the host listen on ports that nobody knows beforehand."""
    return sorted({str(item) for endpoint in port_set.endpoints if _is_dynamic(endpoint) for item in endpoint.ports})


def seen_ports(
    port_set: PortSet, sockets: Sequence[Socket], instances: Instances = UNKNOWN_INSTANCES
) -> dict[str, list[int]]:
    """Return by endpoint on which ports of a range its programs listen, the lowest ones first."""
    found = {}
    for endpoint in filter(_is_dynamic, port_set.endpoints):
        mine = (one for one in sockets if _is_at(one, endpoint))
        mine = (one for one in mine if instances.may_be(one, endpoint))
        ports = sorted({one.local_port or 0 for one in mine if one.is_listener and one.is_of(endpoint.process)})
        found[endpoint.id] = ports[:_SEEN]
    return found


def at_seen_ports(port_set: PortSet, seen: Callable[[str], Mapping[str, Sequence[int]]]) -> PortSet:
    """Return a port set whose negative checks try the ports that a server was seen to listen on, one check for each.

    :param seen: given a host, what :func:`seen_ports` found there; nothing where it was not looked at.
    """
    checks = []
    for check in port_set.forbidden:
        in_range = any(item.first != item.last for item in check.ports)
        ports = seen(check.host).get(check.endpoint, ()) if in_range else ()
        checks += [check._replace(ports=(PortRange(port, port),)) for port in ports] or [check]
    return replace(port_set, forbidden=checks)


def _is_dynamic(endpoint: Endpoint) -> bool:
    return bool(endpoint.process) and any(item.first != item.last for item in endpoint.ports)


class Listener(NamedTuple):
    """How an endpoint's program listens, and what a sentence names of it."""

    listening: Listening
    data: Data = ()


UNSEEN = Listener("")
"""Of an endpoint whose sockets nobody looked at, or that the kernel serves."""


def _is_at(one: Socket, endpoint: Endpoint) -> bool:
    return one.protocol == endpoint.protocol and any(one.local_port in ports for ports in endpoint.ports)


def listeners(
    port_set: PortSet, sockets: Sequence[Socket], outside: Sequence[Socket], instances: Instances = UNKNOWN_INSTANCES
) -> dict[str, Listener]:
    """Return by endpoint how its program listens.

    :param outside: see :func:`listeners_outside`.
    """
    here = AddressSet(port_set.addresses)
    found = {}
    for endpoint in port_set.endpoints:
        if endpoint.ports and endpoint.process:
            elsewhere = [one for one in outside if instances.may_be(one, endpoint)]
            where = moved(port_set, endpoint, sockets, elsewhere)
            seen = [
                (part, _listener(part, [one for one in sockets if _is_at(one, part)], here, where, instances))
                for part in _parts(endpoint)
            ]
            part, worst = next((item for item in seen if item[1].listening != "listens"), seen[0])
            found[endpoint.id] = worst
            if worst.listening != "listens" and part.ports != endpoint.ports:
                at = shown_ports(part.protocol, part.ports)
                found[endpoint.id] = Listener(worst.listening, facts(**dict(worst.data), at=at))
    return found


def _parts(endpoint: Endpoint) -> list[Endpoint]:
    """Return an endpoint for each of its ports, as a server listens on all of them, but only on some of a range."""
    if any(ports.first != ports.last for ports in endpoint.ports):
        return [endpoint]
    return [endpoint._replace(ports=(ports,)) for ports in endpoint.ports]


def _listener(
    endpoint: Endpoint, sockets: Iterable[Socket], here: AddressSet, elsewhere: Data, instances: Instances
) -> Listener:
    expected = " or ".join(endpoint.process)
    present = [one for one in sockets if one.is_listener]
    in_range = any(ports.first != ports.last for ports in endpoint.ports)
    programs = [one for one in present if one.is_of(endpoint.process)]
    right = [one for one in programs if instances.may_be(one, endpoint)]
    if not in_range:
        right = right or [one for one in present if one.is_of(_STARTERS)]
    if not right and any(one.process is None for one in present):
        return Listener("hidden")
    if not right and elsewhere:
        return Listener("moved", elsewhere)
    if not right and (in_range or not present):
        return Listener("nothing", (*facts(expected=expected), *instances.why_stopped(endpoint)))
    if not right:
        others = ", ".join(sorted({instances.program(one) for one in present}))
        expected += f" of instance {endpoint.instance}" if programs else ""
        return Listener("other", facts(program=others, expected=expected))
    one = next((one for one in right if _is_reachable(one, here, endpoint)), None)
    if one is None:
        where = ", ".join(sorted({one.local_address for one in right}))
        return Listener("local", facts(program=str(right[0].process), bound=where))
    known = {"program": str(one.process), "pid": str(one.pid), "bound": one.local_address, "now": str(one.local_port)}
    return Listener("listens", facts(**known))


def judge_strangers(port_set: PortSet, sockets: Sequence[Socket], rules: RulesInForce) -> Iterator[Finding]:
    """Yield a finding for everyone who is connected and whom the plan does not let in.

    A session of which the rules in force drop every packet is dead; its server has not noticed yet.
    """
    host = port_set.host
    for (remote, endpoints), connected in _strangers(port_set, sockets).items():
        first, *others = endpoints
        ports, local = {one.remote_port or 0 for one in connected}, {one.local_port or 0 for one in connected}
        more = f" and {len(ports) - 1} more" if len(ports) > 1 else ""
        code: Code = "dead_session" if all(rules.ends(port, remote) for port in local) else "stranger"
        data = facts(
            source=f"port {min(ports)}{more}",
            also=", ".join(item.id for item in others),
            sport=str(min(local)),
        )
        shown = shown_ports(first.protocol, first.ports)
        yield Finding(code, verdict_of(code), host, host, first.id, shown, (str(remote),), data=data)


def _is_reachable(one: Socket, here: AddressSet, endpoint: Endpoint) -> bool:
    """Tell whether a socket is bound to all addresses, one of the host or the endpoint's own, which may be virtual."""
    bound = AddressRange.of_socket(one.local_address)
    if bound.first == 0:
        # IPv4 clients reach a dual-stack listener, and IPv6 clients none of IPv4.
        known = [*here.ranges, *([endpoint.address] if endpoint.address else [])]
        return bound.family == 6 or any(item.family == 4 for item in known)
    return here.overlaps(bound) or bound == endpoint.address


def _admitted(port_set: PortSet) -> dict[str, AddressSet]:
    """Return by guarded endpoint whom its rules let in."""
    admitted: dict[str, list[AddressRange]] = {}
    for rule, peers in port_set.rules.items():
        if rule.direction == "in" and rule.protocol == "tcp" and rule.guarded:
            admitted.setdefault(rule.endpoint, []).extend(item for peer in peers.values() for item in peer.addresses)
    return {endpoint: AddressSet(ranges) for endpoint, ranges in admitted.items()}


def _strangers(
    port_set: PortSet, sockets: Sequence[Socket]
) -> dict[tuple[AddressRange, tuple[Endpoint, ...]], list[Socket]]:
    """Return the connections of remotes that no endpoint on the port admits, by their address and these endpoints."""
    # A host connects to itself by addresses that the inventory does not know, too. Any process may bind a socket to an
    # address that is not the host's, but not have a connection there.
    connected = {one.local_address for one in sockets if (one.protocol, one.state) == ("tcp", "ESTABLISHED")}
    own = AddressSet([*port_set.addresses, *map(AddressRange.of_socket, connected)])
    admitted = _admitted(port_set)
    guarded = [item for item in port_set.endpoints if item.protocol == "tcp" and item.id in admitted]
    listening = {one.local_port for one in sockets if one.protocol == "tcp" and one.is_listener}
    found: dict[tuple[AddressRange, tuple[Endpoint, ...]], list[Socket]] = {}
    for one in sockets:
        # A local port without a listener belongs to a connection that the host itself opened.
        if one.state != "ESTABLISHED" or one.remote_address is None or one.local_port not in listening:
            continue
        remote, serving = AddressRange.of_socket(one.remote_address), _serving(guarded, one)
        known = own.overlaps(remote) or LOOPBACK.overlaps(remote)
        if serving and not known and not any(admitted[item.id].overlaps(remote) for item in serving):
            found.setdefault((remote, serving), []).append(one)
    return found


def _serving(endpoints: Iterable[Endpoint], one: Socket) -> tuple[Endpoint, ...]:
    """Return the endpoints that a connection may be for; where none has its address, all at its port."""
    at_port = tuple(item for item in endpoints if _is_at(one, item))
    local = AddressRange.of_socket(one.local_address)
    return tuple(item for item in at_port if item.address in (None, local)) or at_port
