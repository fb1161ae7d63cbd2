# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's port set as the arguments of the module that writes its ruleset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RULESET_MODULE = "dbports.firewall.ruleset"
"""The module for hosts that run Python."""


def ruleset_arguments(port_set: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ruleset module's arguments for a host's port set, in the shape of its file."""
    return {
        "state": "present",
        "policy": port_set["settings"]["policy"],
        "filter_outbound": port_set["settings"]["filter_outbound"],
        "rules": [
            {
                "direction": rule["direction"],
                "protocol": rule["protocol"],
                "ports": rule["ports"].split(",") if rule["ports"] else [],
                "peers": [address for peer in rule["peers"] for address in peer["addresses"]],
                "purpose": rule["purpose"],
                "need": rule["need"],
            }
            for rule in port_set["rules"]
            if rule["direction"] == "in" or port_set["settings"]["filter_outbound"]
        ],
    }
