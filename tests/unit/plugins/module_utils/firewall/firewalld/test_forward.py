# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host forwards, on firewalld: a policy of its own, and what is refused; packets are in molecule/firewalld."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.backend import FirewalldBackend
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.encode import files, objects
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.host import OwnConfiguration
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import plan_change

from firewall_cases import ruleset
from firewalld_reads import in_force, theirs

COMMON: dict[str, Any] = {"direction": "forward", "peers": ["192.0.2.21"], "purpose": "SQL"}
SQL: dict[str, Any] = {**COMMON, "protocol": "tcp", "ports": ["1433"], "targets": ["198.51.100.10"]}
TOLD: dict[str, Any] = {**SQL, "protocol": "udp", "ports": ["5002"], "answered": False, "purpose": "announcements"}
NOTHING: dict[str, Any] = in_force(())
BY_INTERFACE = '{"nftables": [{"chain": {"family": "inet", "table": "firewalld", "name": "filter_FORWARD_POLICIES"}}]}'
"""As firewalld 2.3.1 names its chain; that of 1.3.3 ends in ``_pre``."""


def shown(settings: dict[str, Any], **texts: str) -> dict[str, str]:
    """Return what a host shows of firewalld."""
    nothing = {"files": "[[], []]", "saved": "{}", "tables": "", "unseen": "", "routed": ""}
    uses = {"uses": "nftables", "set": "nftables"}
    return {**nothing, **uses, "settings": json.dumps(settings), "others": json.dumps(theirs(settings)), **texts}


def test_rules_of_a_router_are_a_policy_between_all_zones() -> None:
    """With both sides in each rule, and everyone else refused at the target only."""
    settings = in_force(files(objects(ruleset([SQL, TOLD]))))
    policy = {key: item["data"] for key, item in settings["policies"]["dbports-forward"].items()}
    assert (policy["ingress_zones"], policy["egress_zones"], policy["priority"]) == (["ANY"], ["ANY"], -32768)
    sides = 'source ipset="dbports-1-v4" destination ipset="dbports-2-v4"'
    assert policy["rich_rules"] == [
        f'rule priority="1" family="ipv4" {sides} port port="1433" protocol="tcp" accept',
        f'rule priority="2" family="ipv4" {sides} port port="5002" protocol="udp" accept',
        'rule priority="32767" family="ipv4" destination ipset="dbports-2-v4" port port="1433" protocol="tcp" drop',
        'rule priority="32767" family="ipv4" destination ipset="dbports-2-v4" port port="5002" protocol="udp" drop',
    ]
    assert FirewalldBackend().decode(shown(settings)).ruleset == ruleset([SQL, TOLD])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (' destination ipset="dbports-2-v4"', ""),
        (' family="ipv4"', ""),
        ('source ipset="dbports-1-v4"', 'source ipset="dbports-2-v4"'),
        ("dbports-2-v4", "theirs"),
    ],
)
def test_what_somebody_wrote_into_it_is_seen(old: str, new: str) -> None:
    """So that the next run changes it back."""
    settings = in_force(files(objects(ruleset([SQL]))))
    rules = settings["policies"]["dbports-forward"]["rich_rules"]
    rules["data"] = [rule.replace(old, new) for rule in rules["data"]]
    assert FirewalldBackend().decode(shown(settings)).ruleset.unexpected


@pytest.mark.parametrize(
    ("rule", "reason", "fix"),
    [
        ({**SQL, "stateful": False}, "stateless rules", "stateful: true"),
        ({**SQL, "source_ports": ["32768-60999"]}, "source ports", "source ports out"),
        ({**COMMON, "protocol": "tcp", "ports": ["1433"], "published": True}, "published ports", "Leave published out"),
    ],
)
def test_what_firewalld_has_no_rules_for_is_refused(rule: dict[str, Any], reason: str, fix: str) -> None:
    """Before anything changes, with what to do."""
    with pytest.raises(DbportsError, match=reason) as caught:
        plan_change(FirewalldBackend(), shown(NOTHING), DesiredState.from_arguments({"rules": [rule]}))
    assert (caught.value.code, caught.value.path, caught.value.value) == ("cannot_encode", "rules", ["1433"])
    assert fix in str(caught.value.fix)
    assert "nftables" in str(caught.value.fix)


def settings_with(kind: str, **lists: list[Any]) -> dict[str, Any]:
    """Return settings with one zone or policy of the host's owner."""
    return {**NOTHING, kind: {"theirs": {key: {"type": "as", "data": data} for key, data in lists.items()}}}


@pytest.mark.parametrize(
    ("tables", "settings", "refused"),
    [
        (BY_INTERFACE, NOTHING, True),
        (BY_INTERFACE.replace("POLICIES", "POLICIES_pre"), NOTHING, False),
        (BY_INTERFACE, settings_with("zones", interfaces=["lan"]), False),
        (BY_INTERFACE, settings_with("zones", interfaces=["la+"]), False),
        (BY_INTERFACE, settings_with("zones", interfaces=["wan"]), True),
        (BY_INTERFACE, settings_with("zones", sources=["192.0.2.0/24", "ipset:theirs"]), True),
        (BY_INTERFACE, settings_with("zones", sources=["198.51.100.0/24"]), False),
    ],
)
def test_interfaces_between_which_no_policy_is_asked(tables: str, settings: dict[str, Any], refused: bool) -> None:
    """Since 2.0 declared clients would not get through between two interfaces that only have the default zone."""
    host = shown(settings, tables=tables, routed="dmz lan")
    if not refused:
        assert FirewalldBackend().encode(ruleset([SQL]), host, persist=True).load
        return
    with pytest.raises(DbportsError, match="in no zone: dmz, lan") as caught:
        FirewalldBackend().encode(ruleset([SQL]), host, persist=True)
    assert "--add-interface=dmz" in str(caught.value.fix)
    own = ruleset([{**SQL, "direction": "in", "targets": []}])
    assert FirewalldBackend().encode(own, host, persist=True).load


FORWARD_PORT = 'rule family="ipv4" forward-port port="21433" protocol="tcp" to-port="1433" to-addr="198.51.100.10"'


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (settings_with("zones", forward_ports=[["21433", "tcp", "1433", "198.51.100.10"]]), "zone theirs"),
        (settings_with("zones", forward_ports=[["1433", "tcp", "", "198.51.100.10"]]), "zone theirs"),
        (settings_with("policies", rich_rules=[FORWARD_PORT]), "policy theirs"),
        (settings_with("zones", rules_str=[FORWARD_PORT]), "zone theirs"),
        (settings_with("zones", forward_ports=[["21433", "udp", "1433", "198.51.100.10"]]), ""),
        (settings_with("zones", forward_ports=[["21433", "tcp", "1434", "198.51.100.10"]]), ""),
        (settings_with("zones", forward_ports=[["21433", "tcp", "1433", "198.51.100.11"]]), ""),
        (settings_with("zones", forward_ports=[["21433", "tcp", "1433", ""]]), ""),
    ],
)
def test_a_port_that_firewalld_forwards_past_its_policies(settings: dict[str, Any], said: str) -> None:
    """Everyone would get in there."""
    if not said:
        assert FirewalldBackend().encode(ruleset([SQL]), shown(settings), persist=True).load
        return
    with pytest.raises(DbportsError, match=f"{said} forwards port .* to 198.51.100.10 port 1433, which is guarded"):
        FirewalldBackend().encode(ruleset([SQL]), shown(settings), persist=True)


def test_the_interfaces_that_a_host_has_routes_through(tmp_path: Path) -> None:
    """Not loopback, nor those that have link-local addresses only, such as the ports of a bridge."""
    folder = tmp_path / "proc/net"
    folder.mkdir(parents=True)
    assert OwnConfiguration(str(tmp_path)).routed() == []
    (folder / "route").write_text("Iface\tDestination\tGateway\nfe-lan\t000200C0\t00000000\n", encoding="ascii")
    line = "{} 40 " + "0" * 32 + " 00 " + "0" * 32 + " 00000100 00000001 00000000 00000001 {:>8}\n"
    entries = [("20010db8" + "0" * 24, "dmz"), ("fe80" + "0" * 28, "port"), ("0" * 31 + "1", "lo")]
    (folder / "ipv6_route").write_text("".join(line.format(*entry) for entry in entries), encoding="ascii")
    assert OwnConfiguration(str(tmp_path)).routed() == ["dmz", "fe-lan"]
