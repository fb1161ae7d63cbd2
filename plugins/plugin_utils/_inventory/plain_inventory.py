# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory out of a dictionary: for filters, documentation and tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import (
    ALL,
    GLOBAL_VARIABLES,
    HOST_VARIABLES,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.variables import strays


class PlainInventory:
    """An inventory out of a dictionary: ``{"hosts": {name: variables}, "groups": {name: [hosts]}, "vars": {}}``.

    :raises DbportsError: when the dictionary has another form.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        for key in data:
            if key not in ("hosts", "groups", "vars"):
                fix = "Remove it, or write it below vars"
                raise DbportsError(
                    "an inventory has only hosts, groups and vars",
                    code="unknown_key",
                    path=str(key),
                    value=data[key],
                    fix=fix,
                )
        for key in ("hosts", "groups", "vars"):
            if not isinstance(data.get(key) or {}, Mapping):
                fix = "Write what it holds by name"
                raise DbportsError("expected a dictionary", code="wrong_type", path=key, value=data[key], fix=fix)
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

    def origin(self, name: str) -> str:
        """See :class:`Inventory`: a dictionary has no files."""
        return ""

    def strays(self) -> Iterable[DbportsError]:
        """See :class:`Inventory`."""
        for where, values in [(ALL, self._vars), *self._hosts.items()]:
            for name, error in strays(where, values or {}):
                error.value = values[name]
                yield error

    def size(self) -> int:
        """See :class:`Inventory`."""
        return len(self._hosts)
