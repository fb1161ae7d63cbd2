# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The established connections that a plan would cut, of all hosts in one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._visible import counted

COLUMNS = ("host", "connection", "opened by", "process", "since")


class CutConnection(NamedTuple):
    """A connection of a host that its new rules would cut, in texts for people; what is not known is empty."""

    connection: str
    opened_by: str
    process: str
    since: str


class Asked(NamedTuple):
    """What a host that was asked said: its connections, or in ``failed`` why it could not be asked."""

    cut: tuple[CutConnection, ...] = ()
    failed: str = ""


def cut_lines(asked: Mapping[str, Asked]) -> list[str]:
    """Return a title, a line for each connection, and one for each host that could not be asked."""
    rows = [(name, *(text or "-" for text in one)) for name, found in asked.items() for one in found.cut]
    answered = sum(not found.failed for found in asked.values())
    hosts = counted(answered, "host")
    lines = [f"Established connections that this plan would cut on {hosts} that answered: {len(rows)}"]
    if rows:
        lines += _aligned([COLUMNS, *rows])
    return lines + [f"  {name} could not be asked: {found.failed}" for name, found in asked.items() if found.failed]


def _aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  " + "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
