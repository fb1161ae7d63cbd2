# SPDX-License-Identifier: GPL-3.0-or-later
"""SOCKS 4 does not tell who refused: the SOCKS host's own probe of the server does."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._probe.socks import DENIED
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import combined
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding, Reached, facts
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.join import join
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import Observation, ProbeResult
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.probes import probes_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.verdicts import finding_sentence
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

DATA = {
    "hosts": {
        "db": {
            "ansible_host": "198.51.100.10",
            "dbports_servers": [{"engine": "sql602", "minimum": True, "clients": ["app"]}],
        },
        "app": {"ansible_host": "192.0.2.21"},
        "bastion": {"ansible_host": "192.0.2.1"},
    },
    "vars": {
        "dbports_networks": {"office": ["192.0.2.0/24"], "dc": ["198.51.100.0/24"]},
        "dbports_gateways": [
            {
                "name": "socks-1",
                "kind": "socks",
                "platform": "dante",
                "host": "bastion",
                "between": ["office", "dc"],
                "addresses": {"office": "192.0.2.1", "dc": "198.51.100.1"},
            }
        ],
    },
}
PLAN = build_plan(PlainInventory(DATA)).hosts


def client_finding() -> Finding:
    """Return what a client says whom the SOCKS host refused."""
    (probe,) = probes_of(PLAN["app"])
    assert (probe["kind"], probe["instance"]) == ("socks", "198.51.100.10:5002")
    result = ProbeResult("socks", probe["id"], "192.0.2.1", "refused", DENIED.format(0x5B))
    (found,) = [one for one in judge(PLAN["app"], Observation(probes=(result,))) if one.reached]
    return found


def own(reached: Reached, address: str = "198.51.100.10") -> Finding:
    """Return what the SOCKS host's own probe met."""
    place = Finding("not_probed", "unknown", "bastion", "db", "sql602/connect", "tcp 5002", ("bastion",), "accept")
    return combined(place, reached=reached, data=facts(address=address, detail="the detail"))


def told(*relay: Finding) -> str:
    (found,) = join([client_finding()], lambda host: relay if host == "bastion" else ())
    assert found.verdict == "fail"
    return finding_sentence(found)


def test_the_socks_host_reaches_the_server_itself() -> None:
    text = told(own("answers"))
    assert "SOCKS 4 does not tell which" in text
    assert "bastion itself reaches db, so that the SOCKS host refuses" in text


def test_the_server_refuses_the_socks_host_too() -> None:
    for reached in ("refused", "filtered"):
        assert "bastion itself does not reach db (the detail), so that it is not the SOCKS host's rules" in told(
            own(reached)
        )


def test_nothing_is_known_of_the_socks_host() -> None:
    """It was not verified, or its probe was of another server."""
    for relay in ((), (own("answers", "198.51.100.11"),)):
        text = told(*relay)
        assert "does not tell which" in text
        assert "itself" not in text
