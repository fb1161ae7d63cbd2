# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host sends by itself, and a foreign rule of the same host that does not let it out.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_announcement.py``.
"""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.verdicts import finding_sentence

from judged import Judged
from lab import Lab

SERVER, CLIENT = "192.0.2.10", "192.0.2.21"


def of(scene: Judged) -> dict[str, Finding]:
    """Return the findings of the server by code."""
    return {str(one.code): one for one in judge(scene.plan["db"], scene.observe("db"))}


def test_a_foreign_rule_that_eats_an_announcement_is_named() -> None:
    """Although the host does not filter what it sends, and no probe can show what a client does not hear."""
    hosts = {
        "db": {"ansible_host": SERVER, "dbports_servers": [{"engine": "sql602", "clients": ["app"]}]},
        "app": {"ansible_host": CLIENT},
    }
    with Lab() as lab:
        lab.host("db", [f"{SERVER}/24"])
        lab.host("app", [f"{CLIENT}/24"])
        scene = Judged(lab, {"hosts": hosts})
        scene.apply("db", scene.arguments("db"))
        before = of(scene)
        assert "outbound_closed" not in before
        foreign = "table ip site { chain out { type filter hook output priority 0; udp dport 5002 drop\n}\n}\n"
        lab.hosts["db"].run(["nft", "-f", "-"], input=foreign)
        found = of(scene)["outbound_closed"]
    assert (found.host, found.endpoint.partition("/")[2]) == ("db", "announcement")
    assert f"ip site out drops udp 5002 to {CLIENT}" in finding_sentence(found)
