# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets as a host returns them to the judge."""

from __future__ import annotations

from typing import Any


def listening(
    port: int = 1433, process: str | None = "sqlservr", protocol: str = "tcp", **other: Any
) -> dict[str, Any]:
    """Return a listening socket, with what differs."""
    return {
        "protocol": protocol,
        "family": "ipv4",
        "state": "LISTEN" if protocol == "tcp" else None,
        "local_address": "0.0.0.0",
        "local_port": port,
        "remote_address": None,
        "remote_port": None,
        "pid": 7 if process else None,
        "process": process,
        **other,
    }
