# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which known name was probably meant by one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache

from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.protocol import Inventory

HOST_FIX = "Name an inventory host"
"""What to do where no host's name is like the unknown one."""


def near_name(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that is most like another one, in whatever case, or None.

    A fully qualified name resembles its first label: ``app-01.example.net`` is ``app-01``.
    """
    return _nearest(str(name).lower(), tuple(known))


def near_host(inventory: Inventory, name: object) -> str | None:
    """Return the host of an inventory whose name is most like another one, or None."""
    return near_name(name, (item for item in inventory.names() if inventory.group(item) is None))


def did_you_mean(near: str | None, otherwise: str) -> str:
    """Return the fix for an unknown name.

    :param near: the known name that resembles it, if there is one.
    :param otherwise: the fix if there is none.
    """
    return f"Did you mean {near}?" if near else otherwise


@lru_cache(maxsize=64)
def _nearest(name: str, known: tuple[str, ...]) -> str | None:
    """Compare once, however many hosts inherit the same mistake: among 10,000 names it takes tenths of a second."""
    names = {item.lower(): item for item in known}
    near = [item for item in (name, name.partition(".")[0]) if item in names]
    near = near or difflib.get_close_matches(name, sorted(names), 1)
    return names[near[0]] if near else None
