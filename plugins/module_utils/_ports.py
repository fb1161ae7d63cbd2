# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports and ranges of ports: values that parse, compare and print themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

MAX_PORT = 65535
Protocol = Literal["tcp", "udp", "icmp"]
PROTOCOLS: tuple[Protocol, ...] = ("tcp", "udp", "icmp")
"""The protocols of a flow; ``icmp`` is the echo request of IPv4 and IPv6 and has no ports."""

_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)


class _Ends(NamedTuple):
    first: int
    last: int


class PortRange(_Ends):
    """The ports ``first`` to ``last``, both included, each from 1 to 65535."""

    __slots__ = ()

    def __new__(cls, first: int, last: int) -> PortRange:
        """Make a range.

        :raises DbportsError: when an end is not a port, or the range goes downwards.
        """
        if not 1 <= first <= last <= MAX_PORT:
            raise DbportsError(
                f"a port is a number from 1 to {MAX_PORT}, and a range goes upwards",
                code="not_a_port",
                value=f"{first}-{last}" if first != last else first,
            )
        return super().__new__(cls, first, last)

    @classmethod
    def parse(cls, value: Any) -> PortRange:
        """Read ``1433``, ``"1433"`` or ``"1024-65535"``.

        :raises DbportsError: for anything else.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return cls(int(value), int(value))
        if isinstance(value, str):
            match = _RANGE.fullmatch(value.strip())
            if match:
                first = int(match.group(1))
                return cls(first, int(match.group(2) or first))
        raise DbportsError("not a port or a range of ports such as 1433 or 1024-65535", code="not_a_port", value=value)

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last

    def overlaps(self, other: PortRange) -> bool:
        """Tell whether a port is in both."""
        return self.first <= other.last and other.first <= self.last


def parse_ports(value: Any) -> tuple[PortRange, ...]:
    """Read one port, one range, a comma separated string of them or a list of these.

    :returns: the merged ranges, ascending; never empty.
    :raises DbportsError: when a part is no port or there is none.
    """
    if isinstance(value, str):
        parts: list[Any] = value.split(",")
    elif isinstance(value, (list, tuple)) and not isinstance(value, PortRange):
        parts = list(value)
    else:
        parts = [value]
    if not parts:
        raise DbportsError("expected at least one port", code="empty", value=value)
    return merge_ports(PortRange.parse(part) for part in parts)


def merge_ports(ranges: Iterable[PortRange]) -> tuple[PortRange, ...]:
    """Return the same ports in the fewest ranges, ascending."""
    merged: list[PortRange] = []
    for item in sorted(ranges):
        if merged and item.first <= merged[-1].last + 1:
            merged[-1] = PortRange(merged[-1].first, max(merged[-1].last, item.last))
        else:
            merged.append(item)
    return tuple(merged)


def format_ports(ranges: Iterable[PortRange]) -> str:
    """Print ranges the way ``parse_ports`` reads them: ``1433,1500-1501``."""
    return ",".join(str(item) for item in ranges)
