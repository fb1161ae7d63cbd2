# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect what one host shows: its sockets, its ruleset and what its probes meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import collect
from ansible_collections.dbports.firewall.plugins.module_utils._ports import parse_ports
from ansible_collections.dbports.firewall.plugins.module_utils._probe.run import run_probes


def observe(
    ports: Sequence[str], ruleset: Mapping[str, Any] | None, probes: Sequence[Mapping[str, Any]], timeout: float
) -> dict[str, Any]:
    """Return what was asked for: ``sockets``, ``ruleset`` and ``probes``, each only when it was.

    :param ports: ports and ranges whose sockets matter.
    :param ruleset: the ruleset module's arguments that the host should follow.
    :param probes: see the module dbports.firewall.probe.
    :param timeout: seconds for each probe.
    :raises DbportsError: when sockets cannot be listed or a probe is malformed; an unreadable ruleset is a result.
    """
    found: dict[str, Any] = {}
    if ports:
        _source, sockets = collect(ports=parse_ports(list(ports)))
        found["sockets"] = [one._asdict() for one in sockets]
    if ruleset is not None:
        found["ruleset"] = _ruleset_state(ruleset)
    if probes:
        found["probes"] = run_probes(probes, timeout)
    return found


def _ruleset_state(ruleset: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the transaction in check mode whether the host carries the wanted ruleset."""
    try:
        result = apply(DesiredState.from_arguments({"persist": False, **ruleset, "allow_shrink": True}), check=True)
    except DbportsError as error:
        return {"error": str(error)}
    return {"in_sync": result["in_sync"], "foreign": result["foreign"]}
