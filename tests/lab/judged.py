# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lab hosts that are planned, given their rules and judged as by apply and verify, without Ansible in between."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.ruleset import (
    observed_ruleset,
    ruleset_arguments,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.join import join
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import (
    Observation,
    read_observation,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.outside import watched_processes
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.probes import probes_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.sockets import watched_ports
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

from lab import Lab

APPLY = """
import json, sys
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply
apply(DesiredState.from_arguments(json.load(sys.stdin)))
"""
OBSERVE = """
import json, sys
from ansible_collections.dbports.firewall.plugins.module_utils._observe import observe
json.dump(observe(**json.load(sys.stdin)), sys.stdout)
"""
TIMEOUT = 5
"""Seconds for a connection that the kernel accepts at once, and for one that is dropped."""


class Judged:
    """The plan of an inventory whose hosts are on a lab."""

    def __init__(self, lab: Lab, inventory: Mapping[str, Any]) -> None:
        self.lab = lab
        self.plan = build_plan(PlainInventory(inventory)).hosts

    def arguments(self, host: str) -> dict[str, Any]:
        """Return the ruleset module's arguments of a host."""
        return {**ruleset_arguments(self.plan[host]), "persist": False}

    def apply(self, host: str, arguments: Mapping[str, Any]) -> None:
        """Bring rules into force."""
        self.lab.hosts[host].python(APPLY, input=json.dumps(arguments))

    def observe(self, host: str) -> Observation:
        """Return what a host shows, as the module observation_info does."""
        port_set = self.plan[host]
        asked = {
            "ports": watched_ports(port_set),
            "processes": watched_processes(port_set),
            "listeners": [],
            "ruleset": {**observed_ruleset(port_set), "persist": False},
            "probes": probes_of(port_set),
            "timeout": TIMEOUT,
        }
        return read_observation(json.loads(self.lab.hosts[host].python(OBSERVE, input=json.dumps(asked)).stdout))

    def observe_all(self, hosts: Sequence[str]) -> dict[str, Observation]:
        """Return what hosts show, looked at all at once."""
        with ThreadPoolExecutor() as pool:
            return dict(zip(hosts, pool.map(self.observe, hosts)))

    def findings(self, seen: Mapping[str, Observation]) -> list[Finding]:
        """Return the findings of one run on these hosts."""
        shown = {host: judge(self.plan[host], observation) for host, observation in seen.items()}
        return [one for mine in shown.values() for one in join(mine, lambda name: shown.get(name, ()))]
