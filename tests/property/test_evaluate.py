# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ruleset does with a flow, asked of the evaluator and of one packet after the other."""

from __future__ import annotations

from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.evaluate import Evaluator, FlowKey
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Guard, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, merge_ports
from hypothesis import given
from hypothesis import strategies as st

NET = AddressRange.parse("192.0.2.0").first
PORTS = 6
HOSTS = 6


def _ranges(most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(1, most), st.integers(1, most)).map(lambda pair: (min(pair), max(pair)))


ports = st.lists(_ranges(PORTS).map(lambda pair: PortRange(*pair)), min_size=1, max_size=2).map(merge_ports)
peers = st.lists(_ranges(HOSTS).map(lambda pair: AddressRange(4, NET + pair[0], NET + pair[1])), max_size=2).map(tuple)
accepts = st.lists(st.builds(Accept, st.just("in"), st.just("tcp"), ports, peers, st.just("why")), max_size=3)
guards = st.lists(st.builds(Guard, st.just("in"), st.just("tcp"), ports), max_size=2)
rulesets = st.builds(lambda some, closed: Ruleset(tuple(some), tuple(closed)), accepts, guards)


def accepted(ruleset: Ruleset, port: int, address: int) -> bool:
    """Tell whether a rule accepts one packet."""
    return any(
        any(port in item for item in one.ports) and any(peer.first <= address <= peer.last for peer in one.peers)
        for one in ruleset.accepts
    )


def closed(ruleset: Ruleset, port: int) -> bool:
    """Tell whether everyone who is not accepted is refused on a port."""
    return any(port in item for one in ruleset.guards for item in one.ports)


def passes(ruleset: Ruleset, port: int, address: int) -> bool:
    """Decide one packet as a firewall does: an accept wins, else a refusal, else it passes."""
    return accepted(ruleset, port, address) or not closed(ruleset, port)


@given(rulesets, rulesets, ports, peers)
def test_the_verdict_is_that_of_all_packets_together(ruleset: Ruleset, wanted: Ruleset, at: Any, who: Any) -> None:
    found = Evaluator(ruleset, wanted).decide(FlowKey("in", "tcp", at), who)
    numbers = [port for item in at for port in range(item.first, item.last + 1)]
    addresses = [address for peer in who for address in range(peer.first, peer.last + 1)]
    if not all(passes(ruleset, port, address) for port in numbers for address in addresses):
        assert found.verdict == "refuses"
    elif any(closed(wanted, port) and not closed(ruleset, port) for port in numbers):
        assert found.verdict == "open"
    else:
        assert found.verdict == "accepts"


@given(rulesets, ports, peers)
def test_strangers_are_those_who_are_accepted_and_not_meant(ruleset: Ruleset, at: Any, who: Any) -> None:
    found = Evaluator(ruleset, ruleset).strangers(FlowKey("in", "tcp", at), who)
    numbers = [port for item in at for port in range(item.first, item.last + 1)]
    for address in range(NET, NET + HOSTS + 2):
        meant = any(peer.first <= address <= peer.last for peer in who)
        stranger = not meant and any(accepted(ruleset, port, address) for port in numbers)
        assert any(item.first <= address <= item.last for item in found) is stranger


@given(rulesets, peers)
def test_icmp_is_refused_to_no_one(ruleset: Ruleset, who: Any) -> None:
    assert Evaluator(ruleset, ruleset).decide(FlowKey("in", "icmp", ()), who).verdict == "accepts"
