# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instances of SQL Server that a Windows host has: from its registry and its services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._engines.mssql_common import DEFAULT_INSTANCE
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, merge_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import Installed

_PREFIX = "MSSQL$"
_FLOWS = ("tds", "tds_dynamic", "tds_unasked", "tds_hidden")
"""The flows of the engine whose ports these registry values are."""


class RegisteredInstance(NamedTuple):
    """An instance as the registry and its service show it.

    :param service: the service's name; Windows writes it in any case.
    :param state: that of the service, such as ``Running``; ``missing`` where there is none.
    :param pid: its process, 0 where it does not run.
    :param values: the values of its registry keys, by their path below ``SuperSocketNetLib``, and in ``key`` where it
        has them below HKEY_LOCAL_MACHINE.
    """

    name: str
    service: str
    state: str
    pid: int
    values: Mapping[str, Any]


def instance_of(services: tuple[str, ...]) -> str | None:
    """Return which instance a process is that has these services: ``MSSQLSERVER`` or ``MSSQL$NAME``."""
    for name in services:
        if name.upper() == DEFAULT_INSTANCE:
            return DEFAULT_INSTANCE
        if name.upper().startswith(_PREFIX):
            return name[len(_PREFIX) :]
    return None


def services_by_name(shown: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the services of a host by their names in capitals: names of services have no case."""
    return {str(item["name"]).upper(): item for item in shown["services"]}


def registered(shown: Mapping[str, Any]) -> Iterator[RegisteredInstance]:
    """Yield the instances of a host, by name.

    :param shown: what ``collect.ps1`` returned.
    """
    services = services_by_name(shown)
    for name, values in sorted(shown.get("instances", {}).items()):
        service = DEFAULT_INSTANCE if name.upper() == DEFAULT_INSTANCE else f"{_PREFIX}{name}"
        there = services.get(service.upper(), {})
        state, pid = str(there.get("state", "missing")), int(there.get("pid") or 0)
        yield RegisteredInstance(name, service, state, pid, values)


def installed(shown: Mapping[str, Any]) -> list[Installed]:
    """Return the instances of a host, by name, with the ports that they are configured for.

    :param shown: what ``collect.ps1`` returned.
    """
    found = []
    for one in registered(shown):
        fixed, unreadable = _fixed(one.values)
        found.append(
            Installed(
                engine="mssql",
                instance=one.name,
                service=one.service,
                state=one.state.lower(),
                pid=one.pid,
                flows=_FLOWS,
                enabled=one.values.get("Tcp", {}).get("Enabled") != "0",
                ports=fixed,
                dynamic=any(part.get("TcpDynamicPorts") for part in _parts(one.values)),
                unreadable=unreadable,
            )
        )
    return found


def _parts(values: Mapping[str, Mapping[str, str]]) -> Iterator[Mapping[str, str]]:
    """Yield the keys that count: IPAll where it listens on all addresses, else those of each enabled address."""
    if values.get("Tcp", {}).get("ListenOnAllIPs", "1") != "0":
        yield values.get("Tcp\\IPAll", {})
        return
    yield from (
        part
        for key, part in values.items()
        if key.startswith("Tcp\\IP") and key != "Tcp\\IPAll" and part.get("Enabled") == "1"
    )


def _fixed(values: Mapping[str, Mapping[str, str]]) -> tuple[tuple[PortRange, ...], str]:
    """Return the ports of TcpPort, and the first value that is none: a blank keeps the instance from starting."""
    ports = []
    for part in _parts(values):
        for text in filter(None, part.get("TcpPort", "").split(",")):
            try:
                if text != text.strip():
                    raise DbportsError("a blank", code="not_a_port")
                ports.append(PortRange.parse(text))
            except DbportsError:
                return (), text
    return merge_ports(ports), ""
