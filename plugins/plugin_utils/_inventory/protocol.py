# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan reads: an inventory, Ansible's or a plain dictionary, one interface for both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

HOST_VARIABLES = (
    "ansible_host",
    "dbports_addresses",
    "dbports_ephemeral_ports",
    "dbports_filter_outbound",
    "dbports_os",
    "dbports_policy",
    "dbports_servers",
)
"""What is read of a host that matters; nothing else is looked at."""

GLOBAL_VARIABLES = ("dbports_engines", "dbports_expected_hosts", "dbports_gateways", "dbports_networks")
"""What is read of the whole inventory: the variables of group all, or extra variables."""


class Inventory(Protocol):
    """All that the plan asks of an inventory."""

    def declaring(self) -> Iterable[str]:
        """Return the names of the hosts that declare ``dbports_servers``."""

    def host(self, name: str) -> dict[str, Any] | None:
        """Return the ``HOST_VARIABLES`` that a host has, or None when there is no such host."""

    def group(self, name: str) -> tuple[str, ...] | None:
        """Return the names of a group's hosts, or None when there is no such group."""

    def names(self) -> Iterable[str]:
        """Return the names of all hosts and groups; asked only to help after an error."""

    def fact_addresses(self, name: str) -> list[str]:
        """Return the default addresses in the host's gathered or cached facts; empty without facts."""

    def settings(self) -> dict[str, Any]:
        """Return the ``GLOBAL_VARIABLES`` that are set."""

    def size(self) -> int:
        """Return how many hosts the inventory has."""


class PlainInventory:
    """An inventory out of a dictionary: ``{"hosts": {name: variables}, "groups": {name: [hosts]}, "vars": {}}``.

    :raises DbportsError: when the dictionary has another form.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        for key in data:
            if key not in ("hosts", "groups", "vars"):
                raise DbportsError("an inventory has hosts, groups and vars", path=str(key))
        for key in ("hosts", "groups", "vars"):
            if not isinstance(data.get(key) or {}, Mapping):
                raise DbportsError("not a dictionary", path=key, value=data[key])
        self._hosts: Mapping[str, Any] = data.get("hosts") or {}
        self._vars: Mapping[str, Any] = data.get("vars") or {}
        self._groups = {name: tuple(members or ()) for name, members in (data.get("groups") or {}).items()}
        self._groups.setdefault("all", tuple(self._hosts))

    def declaring(self) -> Iterable[str]:
        """See :class:`Inventory`."""
        return [name for name, values in self._hosts.items() if "dbports_servers" in (values or {})]

    def host(self, name: str) -> dict[str, Any] | None:
        """See :class:`Inventory`."""
        if name not in self._hosts:
            return None
        values = {**self._vars, **(self._hosts[name] or {})}
        return {key: values[key] for key in HOST_VARIABLES if key in values}

    def group(self, name: str) -> tuple[str, ...] | None:
        """See :class:`Inventory`."""
        return self._groups.get(name)

    def names(self) -> Iterable[str]:
        """See :class:`Inventory`."""
        return [*self._hosts, *self._groups]

    def fact_addresses(self, name: str) -> list[str]:
        """See :class:`Inventory`: a dictionary has no facts."""
        return []

    def settings(self) -> dict[str, Any]:
        """See :class:`Inventory`."""
        return {key: self._vars[key] for key in GLOBAL_VARIABLES if key in self._vars}

    def size(self) -> int:
        """See :class:`Inventory`."""
        return len(self._hosts)
