# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module observation_info returns, for a Windows host: collected as raw texts, read on the controller."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.backend import read_policy
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.encode import encode, enforceable
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.policy import why_not_enforced
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._observe import look_until, read_listeners, ruleset_state
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, parse_ports
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import Deadline
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import Installed
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import codec
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import WindowsHost, observed_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.instances import installed, instance_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.probes import TIMEOUT, run_probes
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.ruleset import plan_on
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.sockets import listed, services_of, sockets_of


def observe(host: WindowsHost, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Collect in one call, send probes in another, and return what was asked for, as the module observation_info does.

    :param arguments: those of the module.
    :raises DbportsError: when the host's answer cannot be read.
    """
    ports: Sequence[str] = arguments.get("ports") or ()
    probes = arguments.get("probes") or ()
    found: dict[str, Any] = {}
    timeout = float(arguments.get("timeout") or TIMEOUT)
    deadline = Deadline(timeout)
    if probes:
        found["probes"] = run_probes(host, probes, timeout)
    shown = host.collect(sockets=bool(ports))
    if arguments.get("ruleset") is not None:
        found["ruleset"] = _ruleset(shown, arguments["ruleset"])
    if ports:
        watched, patterns = parse_ports(list(ports)), arguments.get("processes") or ()
        texts = [shown]

        def look() -> list[Socket]:
            return list(sockets_of(texts.pop() if texts else host.collect(sockets=True)))

        sockets = look_until(read_listeners(arguments.get("listeners") or ()), look, deadline.pause)
        found["sockets"] = [one._asdict() for one in sockets if _matters(one, watched, patterns)]
        found["instances"] = json.loads(codec(tuple[Installed, ...]).write(tuple(installed(shown))))
    return found


def _ruleset(shown: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the rules compare with the wanted ones, or why those that are there have no effect."""
    found = ruleset_state(wanted, lambda wish: plan_on(shown, wish))
    if "error" in found or not wanted.get("rules"):
        return found
    rules = encode(enforceable(DesiredState.from_arguments(wanted).ruleset))
    reasons = why_not_enforced(read_policy(observed_of(shown)), rules, shields=False)
    return {"error": "; ".join(reasons), "in_force": False} if reasons else found


def facts(host: WindowsHost, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the module netstat_facts returns under ``dbports_netstat``; a row also names its ``services``.

    :raises DbportsError: when the host's answer cannot be read.
    """
    shown = host.collect(sockets=True)
    services = services_of(shown)
    ports, patterns = arguments.get("ports"), arguments.get("processes") or ()
    watched = parse_ports(list(ports)) if ports else ()
    rows = [
        {**one._asdict(), "services": list(mine), "instance": instance_of(mine)}
        for one in sorted(listed(shown), key=Socket.order)
        if (ports is None and not patterns) or _matters(one, watched, patterns)
        for mine in [services.get(one.pid or 0, ())]
    ]
    return {"source": "netstat", "sockets": rows}


def _matters(one: Socket, ports: Sequence[PortRange], processes: Sequence[str]) -> bool:
    return one.touches(ports) or (one.is_listener and one.is_of(processes))
