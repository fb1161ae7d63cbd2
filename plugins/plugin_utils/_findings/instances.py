# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of servers: which of them a process is, and whether they are configured for the ports of the plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, format_ports, merge_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import verdict_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Code, Data, Finding, facts
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import Installed
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import Endpoint, PortSet


class Instances:
    """The instances that a host says to have; without any, nothing is known of them."""

    def __init__(self, installed: Iterable[Installed] = ()) -> None:
        self._installed = tuple(installed)
        self._by_pid = {item.pid: item for item in self._installed if item.pid}

    def may_be(self, one: Socket, endpoint: Endpoint) -> bool:
        """Tell whether a socket may be an endpoint's: its process is no other instance."""
        there = self._by_pid.get(one.pid or 0)
        return endpoint.shared or there is None or there.engine != endpoint.engine or _is(there, endpoint)

    def program(self, one: Socket) -> str:
        """Return what a sentence calls the process of a socket."""
        there = self._by_pid.get(one.pid or 0)
        return f"{one.process} of instance {there.instance}" if there else str(one.process)

    def why_stopped(self, endpoint: Endpoint) -> Data:
        """Return what the host says of an instance that does not listen."""
        if endpoint.shared or not any(item.engine == endpoint.engine for item in self._installed):
            return ()
        there = next((item for item in self._installed if _is(item, endpoint)), None)
        if there is None:
            return facts(service=f"no instance {endpoint.instance} is installed")
        return facts(service=f"service {there.service}: {there.state}")

    def judge(self, port_set: PortSet) -> Iterator[Finding]:
        """Yield a finding for each running instance whose own configuration is another one than the plan's.

        An instance that does not run is not judged: on the passive node of a cluster its values are an old copy.
        """
        for there in self._installed:
            planned = _planned(port_set, there)
            ports = merge_ports(item for endpoint in planned for item in endpoint.ports)
            if planned and there.pid and not _agrees(there, ports):
                host = port_set.host
                data = facts(program=there.service, now=_configured(there), planned=f"tcp {format_ports(ports)}")
                code: Code = "configured_otherwise"
                yield Finding(code, verdict_of(code), host, host, planned[0].id, data=data)


def _is(there: Installed, endpoint: Endpoint) -> bool:
    return (there.engine, there.instance.lower()) == (endpoint.engine, endpoint.instance.lower())


def _planned(port_set: PortSet, there: Installed) -> list[Endpoint]:
    """Return the endpoints whose ports an instance's configuration has."""
    names = {rule.endpoint for rule in port_set.rules if rule.direction == "in" and rule.flow in there.flows}
    return [item for item in port_set.endpoints if item.id in names and _is(there, item)]


def _agrees(there: Installed, planned: Sequence[PortRange]) -> bool:
    fixed = [item for item in planned if item.first == item.last]
    ranges = [item for item in planned if item.first != item.last]
    configured = [port for item in there.ports for port in range(item.first, item.last + 1)]
    return (
        there.enabled
        and not there.unreadable
        and there.dynamic == bool(ranges)
        and all(item.first in configured for item in fixed)
        and all(any(port in item for item in planned) for port in configured)
    )


def _configured(there: Installed) -> str:
    """Return for readers which ports an instance is configured for."""
    if not there.enabled:
        return "no TCP/IP"
    if there.unreadable:
        return f"the port '{there.unreadable}', with which it cannot start"
    words = [f"tcp {format_ports(there.ports)}"] if there.ports else []
    words += ["a dynamic port"] if there.dynamic else []
    return " and ".join(words) or "no port"
