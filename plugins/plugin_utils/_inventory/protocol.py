# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan reads: the variables, and the one interface for Ansible's inventory and a plain dictionary."""

from __future__ import annotations

from collections.abc import Iterable
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

ALL = "all"
"""Where a variable of the whole inventory belongs, in errors."""

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

    def origin(self, name: str) -> str:
        """Return the file that sets one of the ``GLOBAL_VARIABLES``; empty where that is not known."""

    def strays(self) -> Iterable[DbportsError]:
        """Return an error for every variable that its user takes for an input of the plan, and that is none."""

    def size(self) -> int:
        """Return how many hosts the inventory has."""
