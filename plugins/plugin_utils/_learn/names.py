# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory hosts by their addresses, so that a learned declaration names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.peers import Peers
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import Inventory

INSTANCES = "instances"
"""The one list of a server that holds no peers."""


def names_by_address(inventory: Inventory, hosts: Iterable[str]) -> dict[str, str]:
    """Return which host has an address; one of several hosts, and one of a host that cannot be named, is left out.

    A declaration is data that Ansible settles: a name with a template in it would be run when it is reviewed and used.
    """
    peers = Peers(inventory)
    found: dict[str, set[str]] = {}
    for name in hosts:
        try:
            addresses = peers.host(name).addresses
        except DbportsError:  # it has no address, or one that the plan will tell is wrong
            continue
        for address in addresses:
            found.setdefault(str(address), set()).add(str(name))  # Ansible has its own strings
    only = {address: names.pop() for address, names in found.items() if len(names) == 1}
    return {address: name for address, name in only.items() if "{" not in name and visible(name) == name}


def named(server: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a server whose peers are hosts where their addresses are known."""
    return {
        key: joined((), [names.get(item, item) if isinstance(item, str) else item for item in value])
        if isinstance(value, list) and key != INSTANCES
        else value
        for key, value in server.items()
    }


def joined(earlier: Sequence[Any], now: Sequence[Any]) -> list[Any]:
    """Return all peers of two lists, each once: names and addresses in order, then what a reviewer wrote otherwise."""
    both = [*earlier, *now]
    others = [item for item in both if not isinstance(item, str)]
    return [
        *sorted({item for item in both if isinstance(item, str)}),
        *(item for number, item in enumerate(others) if item not in others[:number]),
    ]
