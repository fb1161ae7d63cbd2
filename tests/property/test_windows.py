# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever rules others have: the rules of ours let the declared peers in and everyone else not, and read back."""

from __future__ import annotations

from typing import Any

import netaddr
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, parse_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import owner_text
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.encode import (
    decode,
    encode,
    everyone_else,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.policy import (
    Decider,
    Packet,
    WindowsPolicy,
    read_switches,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.rules import (
    WindowsRule,
    parse_rule,
)
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from hypothesis import given
from hypothesis import strategies as st

from firewall_cases import ruleset
from hostile import COMMENTS

PORTS = [1, 445, 1433, 1434, 1435, 5002, 49152, 50000, 65535]
PEERS = [
    "192.0.2.10",
    "192.0.2.0/28",
    "198.51.100.0/24",
    "203.0.113.4-203.0.113.9",
    "0.0.0.0/0",
    "2001:db8::/64",
    "::/0",
]
SENDERS = [
    "192.0.2.10",
    "192.0.2.15",
    "192.0.2.16",
    "198.51.100.255",
    "203.0.113.3",
    "203.0.113.4",
    "2001:db8::1",
    "2001:db9::1",
]

ports = st.lists(st.sampled_from(["1433", "1434-1435", "445", "49152-65535", "5002", "1"]), min_size=1, max_size=3)
rules = st.lists(
    st.fixed_dictionaries(
        {
            "direction": st.just("in"),
            "protocol": st.sampled_from(["tcp", "udp"]),
            "ports": ports,
            "peers": st.lists(st.sampled_from(PEERS), max_size=3),
            "purpose": COMMENTS,
            "guarded": st.sampled_from([True, True, True, False]),
        }
    ),
    max_size=5,
)
foreign_allows = st.lists(
    st.tuples(
        st.sampled_from(["", "Protocol=6|", "Protocol=17|"]),
        st.sampled_from(["", "LPort2_10=1-65535|", "LPort=RPC|"]),
        st.sampled_from(["", "RA4=0.0.0.0-255.255.255.255|", "RA4=LocalSubnet|RA6=LocalSubnet|"]),
        st.sampled_from(["", "App=sqlservr.exe|"]),
    ).map(lambda tokens: parse_rule(f"v2.10|Action=Allow|Active=TRUE|Dir=In|{''.join(tokens)}")),
    max_size=3,
)


def admitted(wanted: list[dict[str, Any]], protocol: str, port: int, sender: str) -> bool | None:
    """Return whether rules of a host admit a sender, straight from their text; None where no rule guards the port."""
    mine = [
        item
        for item in wanted
        if item["protocol"] == protocol and any(port in PortRange.parse(text) for text in item["ports"])
    ]
    peers = parse_addresses(text for item in mine for text in item["peers"])
    if any(item.overlaps(AddressRange.parse(sender)) for item in peers):
        return True
    return False if any(item["guarded"] for item in mine) else None


@given(rules, foreign_allows)
def test_declared_peers_get_in_and_others_do_not(wanted: list[dict[str, Any]], theirs: list[WindowsRule]) -> None:
    own = [parse_rule(rule.text()) for rule in encode(ruleset(wanted).of("erp-db"))]
    policy = WindowsPolicy({"local": [*own, *theirs], "policy": []}, read_switches({}, {}), ("Public",))
    without = policy._replace(rules={"local": theirs, "policy": []})
    decider = Decider(policy)
    for protocol in ("tcp", "udp"):
        for port in PORTS:
            for sender in SENDERS:
                packet = Packet("in", protocol, port, AddressRange.parse(sender))
                verdict = policy.decide(packet).verdict
                assert decider.decide(packet) == policy.decide(packet)
                expected = admitted(wanted, protocol, port, sender)
                if expected is None:
                    assert verdict == without.decide(packet).verdict
                else:
                    assert verdict == ("allow" if expected else "block")


@given(rules, st.text(max_size=30))
def test_rules_read_back(wanted: list[dict[str, Any]], owner: str) -> None:
    built = ruleset(wanted).of(owner_text(owner))
    assert decode(parse_rule(rule.text()) for rule in encode(built)) == built


@given(st.lists(st.sampled_from(PEERS)))
def test_everyone_else_is_the_complement(peers: list[str]) -> None:
    ranges = parse_addresses(peers)
    whole = netaddr.IPSet(["0.0.0.0/0", "::/0"]) - netaddr.IPSet(["127.0.0.0/8", "::/127"])
    taken = netaddr.IPSet()
    for item in ranges:
        taken |= netaddr.IPSet(netaddr.IPRange(item.first, item.last) if item.family == 4 else [str(item)])
    found = netaddr.IPSet()
    for item in everyone_else(ranges):
        ends = [netaddr.IPAddress(end, version=item.family) for end in (item.first, item.last)]
        found |= netaddr.IPSet(netaddr.IPRange(*ends))
    assert found == whole - taken


@given(st.text())
def test_any_text_is_a_rule_or_an_error(text: str) -> None:
    for given_text in (text, f"v2.10|Action=Allow|Active=TRUE|Dir=In|{text}"):
        try:
            rule = parse_rule(given_text)
        except DbportsError as error:
            assert error.code == "malformed_answer"
        else:
            assert parse_rule(rule.text()) == rule
