# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host that declares servers in an inventory that only says where everyone else is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import Inventory


class OneHost:
    """An inventory in which one host declares servers, and nothing else is declared; see :class:`Inventory`.

    :param inventory: where hosts, groups and their addresses come from.
    :param variables: what the host has in place of, or beside, its own ``HOST_VARIABLES``.
    :param settings: the ``GLOBAL_VARIABLES``.
    """

    def __init__(
        self, inventory: Inventory, name: str, variables: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> None:
        self._inventory = inventory
        self._name = name
        self._own = variables
        self._settings = settings

    def declaring(self) -> Iterable[str]:
        """See :class:`Inventory`."""
        return [self._name]

    def host(self, name: str) -> dict[str, Any] | None:
        """See :class:`Inventory`."""
        found = self._inventory.host(name)
        if found is None and name != self._name:
            return None
        values = {key: value for key, value in (found or {}).items() if key != "dbports_servers"}
        return {**values, **self._own} if name == self._name else values

    def group(self, name: str) -> tuple[str, ...] | None:
        """See :class:`Inventory`."""
        return self._inventory.group(name)

    def names(self) -> Iterable[str]:
        """See :class:`Inventory`."""
        return self._inventory.names()

    def fact_addresses(self, name: str) -> list[str]:
        """See :class:`Inventory`."""
        return self._inventory.fact_addresses(name)

    def settings(self) -> dict[str, Any]:
        """See :class:`Inventory`."""
        return dict(self._settings)

    def origin(self, name: str) -> str:
        """See :class:`Inventory`: what was handed over has no file."""
        return ""

    def strays(self) -> Iterable[DbportsError]:
        """See :class:`Inventory`: what the inventory says of a plan does not matter here."""
        return ()

    def size(self) -> int:
        """See :class:`Inventory`."""
        return self._inventory.size()
