# SPDX-License-Identifier: GPL-3.0-or-later
"""What SOCKS hosts are told, without a host; real Dante and sshd are in tests/packet/test_socks.py."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.module_utils._relay import dante, sshd
from ansible_collections.dbports.firewall.plugins.module_utils._relay.change import SERVERS
from ansible_collections.dbports.firewall.plugins.module_utils._relay.model import RelayRules, Target, lost
from hypothesis import given
from hypothesis import strategies as st

ARGUMENTS: dict[str, Any] = {
    "gateway": "socks-1",
    "port": 1080,
    "internal": ["192.0.2.1"],
    "external": ["198.51.100.1"],
    "user": "relay",
    "rules": [{"clients": ["192.0.2.0/24"], "servers": ["198.51.100.10"], "ports": ["5002"]}],
}
FACTS = """\
# Written by the Ansible collection dbports.firewall for the gateway socks-1; changes are overwritten
logoutput: syslog
internal: 192.0.2.1 port = 1080
external: 198.51.100.1
clientmethod: none
socksmethod: none
user.privileged: proxy
user.unprivileged: nobody
client pass { from: 192.0.2.0/24 to: 192.0.2.1/32 port = 1080
              log: error }
socks pass { from: 192.0.2.0/24 to: 198.51.100.10/32 port = 5002
             protocol: tcp
             command: connect
             proxyprotocol: socks_v4
             log: connect error }
socks block { from: 0.0.0.0/0 to: 0.0.0.0/0
              log: connect error }
"""


def rules(**more: Any) -> RelayRules:
    return RelayRules.from_arguments({**ARGUMENTS, **more})


def rule(clients: list[str], servers: list[str], ports: list[str]) -> dict[str, list[str]]:
    return {"clients": clients, "servers": servers, "ports": ports}


def test_the_rules_of_one_network_and_one_server() -> None:
    """Settings before rules, and an own block, which logs what it refuses."""
    assert dante.encode(rules()) == FACTS


def test_a_low_port_needs_root_and_two_networks_the_routing_table() -> None:
    text = dante.encode(rules(port=443, external=["198.51.100.1", "203.0.113.1"]))
    assert "user.privileged: root\n" in text
    assert "external: 203.0.113.1\nexternal.rotation: route\n" in text


def test_without_rules_everything_is_refused() -> None:
    text = dante.encode(rules(rules=[]))
    assert "pass" not in text
    assert "socks block" in text
    assert "PermitOpen none" in sshd.encode(rules(rules=[]))


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"gateway": "a}\nb"}, "not_a_name"),
        ({"gateway": ""}, "not_a_name"),
        ({"user": "x Address *"}, "not_a_name"),
        ({"user": "relay\n"}, "not_a_name"),
        ({"user": "root"}, "would_lock_out"),
        ({"internal": []}, "missing"),
        ({"internal": ["192.0.2.0/24"]}, "not_an_address"),
        ({"external": ["2001:db8::1"]}, "not_an_address"),
        ({"rules": [rule(["2001:db8::/64"], ["198.51.100.10"], ["5002"])]}, "not_an_address"),
        ({"rules": [rule(["192.0.2.0/24"], ["db-1"], ["5002"])]}, "not_an_address"),
        ({"rules": [rule(["192.0.2.0/24"], ["198.51.100.10"], ["0"])]}, "not_a_port"),
        ({"rules": [rule(["192.0.2.0/24"], ["198.51.100.10"], ["1 }"])]}, "not_a_port"),
        ({"port": 0}, "not_a_port"),
    ],
)
def test_what_is_no_value_is_refused_before_it_is_written(more: dict[str, Any], code: str) -> None:
    with pytest.raises(DbportsError) as caught:
        rules(**more)
    assert caught.value.code == code


def test_clients_of_one_server_are_let_to_no_other_one() -> None:
    """Of several blocks of sshd only the first one that matches counts: overlapping clients are cut apart."""
    both = [rule(["192.0.2.0/24"], ["198.51.100.10"], ["5002"]), rule(["192.0.2.21"], ["198.51.100.11"], ["6002"])]
    text = sshd.encode(rules(rules=both))
    assert (
        "Match User relay Address 192.0.2.21/32\n    AllowTcpForwarding local\n    PermitOpen 198.51.100.10:5002 "
        in text
    )
    assert text.count("198.51.100.11:6002") == 1
    assert text.endswith("Match all\n")
    assert sshd.decode(text) == rules(rules=both).permits


def test_too_many_for_permit_open() -> None:
    with pytest.raises(DbportsError) as caught:
        sshd.encode(rules(rules=[rule(["192.0.2.0/24"], ["198.51.100.0/24"], ["5000-5099"])]))
    assert (caught.value.code, caught.value.value) == ("over_limit", 25600)


def test_an_include_counts_only_for_everyone() -> None:
    path = sshd.PATH
    assert sshd.included("# x\nInclude /etc/ssh/sshd_config.d/*.conf\n", path)
    assert sshd.included('include "sshd_config.d/*.conf"\n', path)
    assert not sshd.included("#Include /etc/ssh/sshd_config.d/*.conf\n", path)
    assert not sshd.included("Include /etc/ssh/other.d/*.conf\n", path)
    assert not sshd.included("Match User x\nInclude /etc/ssh/sshd_config.d/*.conf\n", path)


def test_what_clients_lose() -> None:
    def permits(server: str, port: int, clients: str) -> dict[Target, Any]:
        return {Target(AddressRange.parse(server), PortRange(port, port)): (AddressRange.parse(clients),)}

    before = permits("198.51.100.10", 5002, "192.0.2.0/24")
    assert lost(before, before) == []
    assert lost(before, permits("198.51.100.10", 6002, "192.0.2.0/24")) == []
    assert lost(before, permits("198.51.100.10", 5002, "192.0.2.0/25")) == []
    assert lost(before, permits("198.51.100.10", 5002, "192.0.2.0/26")) == [
        "198.51.100.10 port 5002 for 192 of 256 addresses"
    ]
    assert lost(before, permits("198.51.100.11", 5002, "192.0.2.0/24")) == ["198.51.100.10 port 5002"]


def test_a_file_without_internal_serves_nobody() -> None:
    assert not dante.serves("logoutput: stderr\n#internal: eth0 port = 1080\nuser.privileged: proxy\n")
    assert dante.serves(" internal : eth0 port = 1080\n")


LINES = st.builds(
    rule,
    st.lists(st.sampled_from(["192.0.2.0/24", "192.0.2.21", "192.0.2.16/28", "203.0.113.5"]), min_size=1, max_size=3),
    st.lists(st.sampled_from(["198.51.100.10", "198.51.100.11", "198.51.100.12/30"]), min_size=1, max_size=2),
    st.lists(st.sampled_from(["5002", "6002", "7001-7003"]), min_size=1, max_size=2),
)


def pairs(permits: Any) -> set[tuple[int, int, int]]:
    """Return who may reach what, for the border addresses of all clients."""
    borders = {192 << 24 | 2 << 8 | last for last in (0, 15, 16, 21, 22, 31, 32, 255)} | {203 << 24 | 113 << 8 | 5}
    return {
        (client, server, port)
        for target, clients in permits.items()
        for client in borders
        if any(item.first <= client <= item.last for item in clients)
        for server in range(target.servers.first, target.servers.last + 1)
        for port in range(target.ports.first, target.ports.last + 1)
    }


@given(st.lists(LINES, max_size=4))
def test_what_is_written_is_what_is_read_back(lines: list[dict[str, list[str]]]) -> None:
    wanted = rules(rules=lines)
    for server in SERVERS.values():
        text = server.encode(wanted)
        assert text.startswith(server.mark)
        assert pairs(server.decode(text)) == pairs(wanted.permits)
