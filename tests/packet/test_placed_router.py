# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own chains in the table of a router's owner, which forwards nothing by default: real packets.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_placed_router.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from guarded import apply
from lab import Lab, LabHost
from routed import CLIENT, FROM, INSIDE, NEIGHBOUR, OUTSIDE, SERVER, behind, listen, router_rules, swept

IN, FORWARD = "inet filter input", "inet filter forward"
NEAR = "20-24,51-55,1430-1440,50098-50130,50197-50202"
THEIRS = """\
table inet filter {
  chain input { type filter hook input priority filter; policy accept;
    tcp dport 9 drop
  }
  chain forward { type filter hook forward priority filter; policy drop;
    tcp dport 22 accept
    tcp sport 22 accept
  }
}
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A client and its neighbour on one side of a router that forwards nothing but port 22, a server on the other."""
    with Lab() as lab:
        router = lab.host("fw-1", [f"{OUTSIDE}/24"])
        for name, address in (("app-01", CLIENT), ("app-66", NEIGHBOUR)):
            lab.host(name, [f"{address}/24"]).run(["ip", "route", "replace", "default", "via", OUTSIDE])
        behind(router, lab.host("db", [f"{SERVER}/24"]), INSIDE, SERVER)
        router.run(["nft", "-f", "-"], input=THEIRS)
        yield lab


def shown(host: LabHost) -> str:
    """Return every rule of a host."""
    return host.run(["nft", "-s", "list", "ruleset"]).stdout


@pytest.mark.parametrize("stateful", [True, False])
def test_declared_flows_pass_a_router_that_drops_by_default(lab: Lab, stateful: bool) -> None:
    """In both directions, without a rule of the owner for answers; all else is dropped as before."""
    router, client, neighbour, server = (lab.hosts[name] for name in ("fw-1", "app-01", "app-66", "db"))
    listen(server, "tcp/22", "tcp/1433", "tcp/50123", "tcp/5555", "udp/53", "udp/1434")
    listen(client, "udp/5002", "udp/5003", "udp/5004")
    rules, before = router_rules(stateful=stateful), shown(router)
    own = apply(router, rules=rules)
    assert {item["verdict"] for item in own["foreign"]} == {"drops"}
    result = apply(router, rules=rules, chains=[FORWARD])
    assert (result["changed"], result["foreign"]) == (True, [])
    assert "table inet dbports" not in shown(router)
    assert apply(router, rules=rules, chains=[FORWARD])["changed"] is False
    expected = {
        (client, "tcp", SERVER, NEAR): "22,1433,50123",
        (neighbour, "tcp", SERVER, NEAR): "22",
        (client, "udp", SERVER, NEAR): "1434",
        (neighbour, "udp", SERVER, NEAR): "",
        (server, "udp", CLIENT, "5000-5006"): "5002",
        (server, "tcp", CLIENT, "20-24"): "",
    }
    with ThreadPoolExecutor() as at_once:
        assert [answers for answers, _silent in at_once.map(swept, *zip(*expected))] == list(expected.values())
    assert apply(router, state="absent")["changed"] is True
    assert shown(router) == before


def test_what_a_target_opens_itself_is_its_owners_business(lab: Lab) -> None:
    """Its answers come into a guarded wide range, and whether they pass is up to the owner's rules."""
    router, neighbour, server = (lab.hosts[name] for name in ("fw-1", "app-66", "db"))
    listen(neighbour, "tcp/7000")
    from_wide_range = ("50150", NEIGHBOUR, "7000")
    router.run(["nft", f"add rule inet filter forward ip daddr {NEIGHBOUR} accept"])
    apply(router, rules=router_rules(stateful=True), chains=[FORWARD])
    assert server.python(FROM, SERVER, *from_wide_range).stdout == "silent\n"
    router.run(["nft", f"add rule inet filter forward ip saddr {NEIGHBOUR} tcp sport 7000 accept"])
    assert server.python(FROM, SERVER, *from_wide_range).stdout == "up\n"


@pytest.mark.parametrize("chains", [[IN], [FORWARD]])
def test_a_host_that_also_forwards_needs_both_chains(lab: Lab, chains: list[str]) -> None:
    """A rule without a chain is refused before anything changes."""
    router = lab.hosts["fw-1"]
    before = shown(router)
    rules: list[dict[str, Any]] = [
        *router_rules(stateful=True),
        {"protocol": "tcp", "ports": ["1433"], "peers": [CLIENT]},
    ]
    missing = "forward" if chains == [IN] else "input"
    error = apply(router, rules=rules, chains=chains)["error"]
    assert f"the rules need a base chain for each direction: {missing}" in error
    assert shown(router) == before
    assert apply(router, rules=rules, chains=[IN, FORWARD])["changed"] is True
    assert apply(router, rules=rules, chains=[FORWARD, IN])["changed"] is False
