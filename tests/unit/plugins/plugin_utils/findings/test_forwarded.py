# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a router is seen to carry, on its way from the host to the findings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import Change, DesiredState, decide
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.foreign import judge_foreign
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import listing_of
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Script, State
from ansible_collections.dbports.firewall.plugins.module_utils._observe import ruleset_state
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import read_observation

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "support"))

from firewall_cases import ROUTER, case, ruleset

PUBLISHED: dict[str, Any] = {
    "direction": "forward",
    "published": True,
    "protocol": "tcp",
    "ports": ["1433"],
    "peers": ["192.0.2.21"],
    "purpose": "container",
}
CLOSED = {"family": "inet", "table": "theirs", "name": "c", "type": "filter", "hook": "forward", "prio": 0}


@pytest.mark.parametrize("rules", [ROUTER, [PUBLISHED], [*ROUTER, PUBLISHED]])
def test_rules_and_foreign_drops_arrive_as_they_are(rules: list[dict[str, Any]]) -> None:
    """Through JSON, with targets, source ports and whether tracking is asked."""
    there = ruleset(rules).of("fw-1")
    foreign = listing_of([{"chain": {**CLOSED, "policy": "drop"}}])

    def look(wish: DesiredState) -> Change:
        return decide(State(there, foreign=lambda wanted: judge_foreign(foreign, wanted)), wish, Script())

    state = json.loads(json.dumps(ruleset_state({"rules": [], "sent": rules}, look)))
    found = read_observation({"ruleset": state}).ruleset
    assert found is not None
    assert found.carried is not None
    assert found.carried.ruleset() == there
    assert {item.verdict for item in found.foreign} == {"drops"}
    assert {item.targets for item in found.foreign} == {item.forward.targets for item in there.accepts if item.forward}


def test_nothing_is_said_of_a_router_in_sync() -> None:
    """As of any other host."""
    there = case("router")
    state = ruleset_state({"rules": ROUTER}, lambda wish: decide(State(there), wish, Script()))
    assert state == {"in_sync": True, "foreign": []}
