# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports of a Windows host a server cannot count on: dynamic ones, and those that Windows has reserved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT, PortRange

_ROW = re.compile(r"^\s*(\d{1,5})\s+(\d{1,5})\s*(\*?)\s*$", re.ASCII | re.MULTILINE)
_NUMBER = re.compile(r":\s*(\d{1,5})\s*$", re.ASCII | re.MULTILINE)
RESERVE = (
    "net stop winnat; netsh int ipv4 add excludedportrange protocol=tcp startport={0} numberofports=1; net start winnat"
)


def dynamic_range(text: str) -> PortRange | None:
    """Read ``netsh int ipv4 show dynamicport``: two numbers in every language, the start and how many."""
    numbers = [int(item) for item in _NUMBER.findall(text)]
    try:
        return PortRange(numbers[0], numbers[0] + numbers[1] - 1)
    except (IndexError, DbportsError):
        return None


def excluded_ranges(text: str) -> tuple[list[PortRange], list[PortRange]]:
    """Read ``netsh int ipv4 show excludedportrange``.

    :returns: what Windows has reserved by itself, and what an administrator has (``*``), so that a server gets it.
    """
    found: tuple[list[PortRange], list[PortRange]] = ([], [])
    for first, last, administered in _ROW.findall(text):
        if 0 < int(first) <= int(last) <= MAX_PORT:
            found[bool(administered)].append(PortRange(int(first), int(last)))
    return found


def port_warnings(wanted: Ruleset, shown: Mapping[str, Any]) -> Iterator[str]:
    """Yield a warning for each fixed TCP port that a server may not get, with the commands that reserve it."""
    dynamic = dynamic_range(str(shown.get("dynamic", {}).get("tcp", "")))
    excluded, administered = excluded_ranges(str(shown.get("excluded", "")))
    fixed = {item.first for accept in wanted.accepts for item in accept.ports if _is_fixed(accept, item)}
    for port in sorted(fixed):
        there = next((one for one in excluded if port in one), None)
        if any(port in one for one in administered):
            continue
        if there:
            where = f"the range {there}, which Windows has reserved: no server can listen there"
        elif dynamic and port in dynamic:
            where = f"the dynamic range {dynamic} of this host, where another program may take it"
        else:
            continue
        yield f"tcp {port} is in {where}; to reserve it for the server: {RESERVE.format(port)}"


def _is_fixed(accept: Accept, ports: PortRange) -> bool:
    return (accept.direction, accept.protocol) == ("in", "tcp") and ports.first == ports.last
