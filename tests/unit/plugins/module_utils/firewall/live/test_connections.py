# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rules mean for connections that exist: pure, from sockets and a ruleset."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import (
    Change,
    DesiredState,
    decide,
    with_live,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.connections import (
    Connection,
    Live,
    Verdicts,
    connections,
    newly_cut,
    sentence,
    told_by_direction,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    Ruleset,
    build_ruleset,
    read_rules,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Script, State
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import RunCommand
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket

HERE, CLIENT, STRANGER = "192.0.2.10", "192.0.2.21", "192.0.2.66"

RULES: list[dict[str, Any]] = [
    {"direction": "in", "protocol": "tcp", "ports": ["1433", "5022", "49152-65535"], "peers": [CLIENT]},
    {"direction": "out", "protocol": "tcp", "ports": ["1433"], "peers": [CLIENT]},
]


def ruleset(outbound: bool = True) -> Ruleset:
    return build_ruleset(read_rules(RULES), policy="guard", outbound=outbound)


def connection(local_port: int, peer: str, peer_port: int, opener: Any = "peer", **more: Any) -> Connection:
    return Connection("tcp", AddressRange.parse(HERE), local_port, AddressRange.parse(peer), peer_port, opener, **more)


def tcp(local_port: int, peer: str | None, peer_port: int | None, state: Any = "ESTABLISHED", **more: Any) -> Socket:
    return Socket("ipv4", "tcp", state, HERE, local_port, peer, peer_port, **more)


def test_who_opened_a_connection_shows_in_who_waits_for_clients() -> None:
    """A connection of two owners is one; loopback, listeners and what has ended are none."""
    found = connections(
        [
            tcp(1433, None, None, "LISTEN"),
            tcp(1433, STRANGER, 51000, pid=71, process="sqlservr"),
            tcp(1433, STRANGER, 51000, pid=72, process="sqlservr"),
            tcp(50000, CLIENT, 1433),
            tcp(1433, HERE, 50001),
            tcp(50001, HERE, 1433),
            tcp(1433, STRANGER, 51001, "TIME_WAIT"),
            tcp(1433, STRANGER, 51002, "CLOSE_WAIT"),
            Socket("ipv4", "udp", None, HERE, 1434),
            Socket("ipv4", "udp", "ESTABLISHED", HERE, 40000, CLIENT, 53),
            Socket("ipv6", "tcp", "ESTABLISHED", "fe80::1%eth0", 1433, "fe80::2%eth0", 51000),
        ]
    )
    assert [str(one) for one in found] == [
        "tcp 1433 from 192.0.2.66 port 51000 (sqlservr, pid 71)",
        "tcp 1433 to 192.0.2.21 from port 50000",
        "tcp 1433 from 192.0.2.66 port 51002",
        "udp 53 to 192.0.2.21 from port 40000",
        "tcp 1433 from fe80::2 port 51000",
    ]
    assert [one.established for one in found] == [True, True, False, True, True]


@pytest.mark.parametrize(
    ("one", "cut"),
    [
        (connection(1433, CLIENT, 51000), False),
        (connection(1433, STRANGER, 51000), True),
        (connection(49151, STRANGER, 51000), False),
        (connection(50000, STRANGER, 51000), True),
        (connection(50000, STRANGER, 7000, "here"), False),
        (connection(5022, STRANGER, 7000, "here"), True),
        (connection(5022, CLIENT, 7000, "here"), False),
        (connection(40000, STRANGER, 1433, "here"), True),
        (connection(40000, CLIENT, 1433, "here"), False),
        (connection(22, STRANGER, 1433), False),
    ],
)
def test_what_is_cut(one: Connection, cut: bool) -> None:
    """What a peer opened is decided at the port of this host; what this host opened, at that of the other one."""
    assert Verdicts(ruleset()).cuts(one) is cut


def test_the_same_with_other_rules() -> None:
    """Nothing is refused outbound that is not filtered, and nothing at all without a guard."""
    assert not Verdicts(ruleset(outbound=False)).cuts(connection(40000, STRANGER, 1433, "here"))
    only_accepts = build_ruleset(read_rules(RULES), policy="open", outbound=True)
    assert not Verdicts(only_accepts).cuts(connection(1433, STRANGER, 51000))


def test_what_goes_on_with_the_old_rules_and_ends_with_the_new_ones() -> None:
    """A session that the old rules exclude is dead already, and one that is half closed is no longer established."""
    old = build_ruleset(read_rules(RULES[:1]), policy="guard", outbound=False)
    live = [
        connection(1433, STRANGER, 51000),
        connection(40000, STRANGER, 1433, "here"),
        connection(40001, STRANGER, 1433, "here", established=False),
        connection(1433, CLIENT, 51000),
    ]
    assert newly_cut(live, old, ruleset()) == [live[1]]
    assert newly_cut(live, Ruleset(), ruleset()) == live[:2]


def test_the_tracking_matters_only_for_wide_ranges_and_outbound_ports() -> None:
    live = [
        connection(1433, CLIENT, 51000),
        connection(50000, STRANGER, 7000, "here"),
        connection(22, STRANGER, 1433),
        connection(22, STRANGER, 40000),
    ]
    assert told_by_direction(live, ruleset()) == live[1:3]


def changed(**wish: Any) -> Change:
    """Return a change that loads the rules on a host without any."""
    return decide(State(Ruleset()), DesiredState(ruleset(), **wish), Script((RunCommand(("load",)),)))


def test_connections_that_are_cut_are_named_or_refused() -> None:
    live = Live((connection(1433, STRANGER, 51000, process="sqlservr", pid=71), connection(1433, CLIENT, 51000)))
    text = "the new rules cut 1 established connection: tcp 1433 from 192.0.2.66 port 51000 (sqlservr, pid 71)"
    warned = with_live(changed(owner="erp-db"), live)
    assert (warned.warnings, warned.refusal) == ((f"erp-db: {text}",), None)
    assert [item.as_dict()["peer"] for item in warned.cut] == [STRANGER]
    allowed = with_live(changed(cut_live="allow"), live)
    assert (allowed.warnings, allowed.refusal, allowed.cut) == ((), None, warned.cut)
    refused = with_live(changed(cut_live="refuse"), live).refusal
    assert refused is not None
    assert refused.code == "would_cut"
    assert text in refused.reason
    assert with_live(changed(cut_live="refuse"), Live(live.connections[1:])).refusal is None


def test_what_a_kernel_cannot_tell_is_said_before_anything_is_changed() -> None:
    """Without its tracking the connections that depend on it are named; without sockets, that nothing is known."""
    live = Live((connection(50000, STRANGER, 7000, "here"),), tracking=False)
    (text,) = with_live(changed(), live).warnings
    assert "these may stall: 1 established connection: tcp 7000 to 192.0.2.66 from port 50000" in text
    refused = with_live(changed(cut_live="refuse"), Live(unknown="no source"))
    assert refused.refusal is not None
    assert "not known: no source" in refused.refusal.reason


def test_a_sentence_names_the_first_of_many() -> None:
    many = [connection(1433, STRANGER, 51000 + number) for number in range(20)]
    assert sentence(many).startswith("20 established connections: tcp 1433 from 192.0.2.66 port 51000; ")
    assert sentence(many).endswith("port 51007 and 12 more")


def test_the_command_that_ends_a_session() -> None:
    assert connection(1433, STRANGER, 51000).command == "ss --kill --tcp dst 192.0.2.66 dport = 51000 sport = 1433"
    passing = connection(14330, STRANGER, 51000)._replace(through=1433)
    assert passing.command == "conntrack -D -p tcp -s 192.0.2.66 --sport 51000 --dport 1433"


def test_a_bad_choice_is_refused() -> None:
    with pytest.raises(DbportsError) as caught:
        DesiredState.from_arguments({"cut_live": "perhaps"})
    assert (caught.value.code, caught.value.path) == ("not_a_choice", "cut_live")
