# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a simulated Windows host shows, as verify reads it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import read_observation
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import WindowsHost
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.observation import facts, observe
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.ruleset import apply_ruleset

from simulated_windows import SimulatedWindows

RULES: dict[str, Any] = {
    "owner": "erp-db",
    "rules": [{"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.21"]}],
}


def test_sockets_have_their_programs() -> None:
    windows = SimulatedWindows()
    shown = read_observation(observe(WindowsHost(windows.call), {"ports": ["1433-1434"], "ruleset": RULES}))
    assert windows.calls == ["collect"]
    assert shown.sockets is not None
    assert {(one.protocol, one.family, one.local_port, one.process) for one in shown.sockets} == {
        ("tcp", "ipv4", 1433, "sqlservr"),
        ("tcp", "ipv6", 1433, "sqlservr"),
        ("udp", "ipv4", 1434, "sqlbrowser"),
    }
    assert shown.ruleset is not None
    assert not shown.ruleset.in_sync


@pytest.mark.parametrize(
    ("store", "key", "switch", "says"),
    [
        ("local", "", {"EnableFirewall": "0"}, "the firewall is off in the public profile"),
        ("policy", "", {"AllowLocalPolicyMerge": "0"}, "Group Policy does not merge local rules in the public profile"),
        (
            "policy",
            r"\GloballyOpenPorts",
            {"AllowUserPrefMerge": "0"},
            "Group Policy does not merge local rules for a single port in the public profile",
        ),
        ("local", r"\GloballyOpenPorts", {"AllowUserPrefMerge": "0"}, ""),
        ("local", "", {"DoNotAllowExceptions": "1"}, ""),
    ],
)
def test_rules_that_have_no_effect_are_not_called_right(
    store: str, key: str, switch: dict[str, str], says: str
) -> None:
    """They are on the host as planned, and whoever asks may get in all the same."""
    windows = SimulatedWindows()
    apply_ruleset(WindowsHost(windows.call), RULES, check=False)
    windows.state["switches"][store] = {"PublicProfile": {}, f"PublicProfile{key}": switch}
    shown = read_observation(observe(WindowsHost(windows.call), {"ruleset": RULES}))
    assert shown.ruleset is not None
    assert shown.ruleset.in_force is (not says)
    assert says in shown.ruleset.error


def test_only_what_matters_is_returned() -> None:
    windows = SimulatedWindows()
    shown = observe(WindowsHost(windows.call), {"ports": ["5022"], "processes": ["sqlbrowser*"]})
    assert [one["local_port"] for one in shown["sockets"]] == [1434]
    assert "ruleset" not in shown


def test_the_rules_are_read_back() -> None:
    windows = SimulatedWindows()
    apply_ruleset(WindowsHost(windows.call), RULES, check=False)
    shown = read_observation(observe(WindowsHost(windows.call), {"ruleset": RULES}))
    assert shown.ruleset is not None
    assert shown.ruleset.in_sync
    edited = {key: text.replace("RA4=192.0.2.21", "RA4=192.0.2.99") for key, text in windows.state["local"].items()}
    windows.state["local"] = edited
    shown = read_observation(observe(WindowsHost(windows.call), {"ruleset": RULES}))
    assert shown.ruleset is not None
    assert not shown.ruleset.in_sync


def test_a_state_in_another_language_is_a_connection_and_is_shown_as_it_is() -> None:
    windows = SimulatedWindows()
    windows.state["netstat"] += "  TCP    192.0.2.10:1433   192.0.2.66:51000   USTANOWIONO     4711\n"
    host = WindowsHost(windows.call)
    seen = [one["state"] for one in observe(host, {"ports": ["1433"]})["sockets"] if one["remote_port"]]
    told = [one["state"] for one in facts(host, {})["sockets"] if one["remote_port"]]
    assert (seen, told) == (["ESTABLISHED"], ["UNKNOWN"])
