# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets that a Windows host shows, with programs and services: netstat itself tells only process ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._netstat import windows
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket


def sockets_of(shown: Mapping[str, Any]) -> Iterable[Socket]:
    """Yield netstat's sockets with their programs, for decisions.

    A connection of a process whose state is a word of no known language counts as established: to name one that is
    closing is better than to miss one that is not.
    """
    for one in listed(shown):
        yield one._replace(state="ESTABLISHED") if one.state == "UNKNOWN" and one.pid else one


def listed(shown: Mapping[str, Any]) -> Iterable[Socket]:
    """Yield netstat's sockets with their programs, as they are shown."""
    names = {item["pid"]: str(item["name"]) for item in shown["processes"]}
    for one in windows.parse(str(shown["netstat"])):
        yield one._replace(process=one.process or names.get(one.pid))


def services_of(shown: Mapping[str, Any]) -> dict[int, tuple[str, ...]]:
    """Return the services of each process, sorted: only they tell which instance a ``sqlservr.exe`` is."""
    found: dict[int, list[str]] = {}
    for item in shown["services"]:
        if item["pid"]:
            found.setdefault(item["pid"], []).append(str(item["name"]))
    return {pid: tuple(sorted(names)) for pid, names in found.items()}
