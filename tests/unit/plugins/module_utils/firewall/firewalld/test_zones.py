# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a reload leaves a zone as it is: a wrong yes would take away what others changed only at run time."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.zones import stays

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<zone target="DROP">\n  <short>Public</short>\n'
FILE = f"""{HEAD}  <description>For use in public areas.</description>
  <interface name="eth0"/>
  <service name="ssh"/>
  <service name="dhcpv6-client"/>
  <port port="7777" protocol="tcp"/>
  <forward/>
</zone>
"""
IN_FORCE: dict[str, Any] = {
    "short": {"type": "s", "data": "Public"},
    "target": {"type": "s", "data": "DROP"},
    "interfaces": {"type": "as", "data": ["eth0"]},
    "services": {"type": "as", "data": ["dhcpv6-client", "ssh"]},
    "ports": {"type": "a(ss)", "data": [["7777", "tcp"]]},
    "masquerade": {"type": "b", "data": False},
    "icmp_block_inversion": {"type": "b", "data": False},
    "forward": {"type": "b", "data": True},
    "ingress_priority": {"type": "i", "data": 0},
}


def test_a_zone_that_is_what_its_file_says() -> None:
    """In any order."""
    assert stays(IN_FORCE, FILE)
    assert stays({}, "<zone/>")


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("interfaces", []),
        ("sources", ["192.0.2.0/24"]),
        ("services", ["ssh"]),
        ("ports", [["7777", "udp"]]),
        ("protocols", ["gre"]),
        ("source_ports", [["53", "udp"]]),
        ("icmp_blocks", ["echo-request"]),
        ("forward_ports", [["80", "tcp", "8080", ""]]),
        ("rules_str", ['rule family="ipv4" accept']),
        ("masquerade", True),
        ("icmp_block_inversion", True),
        ("forward", False),
    ],
)
def test_what_was_changed_at_run_time_only(key: str, data: Any) -> None:
    """All that can be set again."""
    assert not stays({**IN_FORCE, key: {"type": "", "data": data}}, FILE)


@pytest.mark.parametrize(
    "more",
    [
        '<service name="http"/>',
        '<port port="8888" protocol="tcp"/>',
        '<rule family="ipv4"><accept/></rule>',
        '<forward-port port="80" protocol="tcp" to-port="8080"/>',
        '<source ipset="theirs"/>',
        '<icmp-block name="echo-request"/>',
        "<masquerade/>",
        '<masquerade enabled="no"/>',
        '<port port="7777"/>',
        "<new/>",
        "<",
    ],
)
def test_what_a_file_says_more_or_is_not_understood(more: str) -> None:
    """It was changed for the next reload only, or it is of another version."""
    assert not stays(IN_FORCE, FILE.replace("</zone>", f"{more}</zone>"))


@pytest.mark.parametrize("text", ["", "<policy/>", "<zone>"])
def test_what_is_no_file_of_a_zone(text: str) -> None:
    """Nothing is said of it."""
    assert not stays({}, text)
