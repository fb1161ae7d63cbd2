# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of example hosts, each with its text for nft and nft's own listing in tests/golden/nftables.

``<name>.nft`` is what encode() writes; ``<name>.json`` is what ``nft -j list ruleset`` of nft 1.0.6 then said.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    Ruleset,
    build_ruleset,
    read_policy,
    read_rules,
)

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "nftables"

GUARD: dict[str, Any] = {"policy": "guard", "outbound": False}

SQL602: list[dict[str, Any]] = [
    {"direction": "in", "protocol": "udp", "ports": ["5001"], "peers": ["192.0.2.21"], "purpose": "search"},
    {
        "direction": "in",
        "protocol": "tcp",
        "ports": ["5002"],
        "peers": ["192.0.2.21", "198.51.100.0/24", "2001:db8:1::/48"],
        "purpose": "602SQL clients",
    },
    {"direction": "in", "protocol": "icmp", "ports": [], "peers": ["192.0.2.21", "2001:db8::21"], "purpose": "ping"},
    {"direction": "out", "protocol": "udp", "ports": ["5002"], "peers": ["192.0.2.21"], "purpose": "announcements"},
]
MSSQL: list[dict[str, Any]] = [
    {"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["0.0.0.0/0", "::/0"], "purpose": "everyone"},
    {
        "direction": "in",
        "protocol": "tcp",
        "ports": ["49152-65535"],
        "peers": ["192.0.2.32/27", "192.0.2.70-192.0.2.75"],
        "purpose": 'dynamic "SALES"',
    },
    {"direction": "in", "protocol": "udp", "ports": ["1434"], "peers": [], "purpose": "nobody yet"},
]

ROUTER: list[dict[str, Any]] = [
    {
        "direction": "forward",
        "protocol": "tcp",
        "ports": ["1433", "49152-65535"],
        "peers": ["192.0.2.0/24", "2001:db8:1::/48"],
        "targets": ["198.51.100.10", "2001:db8:d::10"],
        "purpose": "SQL",
    },
    {
        "direction": "forward",
        "protocol": "udp",
        "ports": ["1434"],
        "peers": ["192.0.2.21"],
        "targets": ["198.51.100.10"],
        "source_ports": ["32768-60999"],
        "stateful": False,
        "purpose": "browser",
    },
]

CASES: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "sql602": (SQL602, GUARD),
    "sql602_outbound": (SQL602, {"policy": "guard", "outbound": True}),
    "sql602_open": (SQL602, {"policy": "open", "outbound": False}),
    "mssql": (MSSQL, GUARD),
    "nothing": ([], GUARD),
}
FORWARDED: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {"router": (ROUTER, GUARD)}
"""Cases that only backends with rules for what is forwarded have."""


def ruleset(rules: Sequence[Any], *, policy: str = "guard", outbound: bool = False) -> Ruleset:
    """Read rules as users write them and build their ruleset."""
    return build_ruleset(read_rules(rules), policy=read_policy(policy), outbound=outbound)


def case(name: str) -> Ruleset:
    """Return the ruleset of a case."""
    rules, settings = {**CASES, **FORWARDED}[name]
    return ruleset(rules, **settings)


def listing(name: str) -> list[dict[str, Any]]:
    """Return nft's own listing of a case."""
    objects: list[dict[str, Any]] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return objects
