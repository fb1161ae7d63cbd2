# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Linux router lets through between a client and a server, and a host to the container behind it: real packets.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_router.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from guarded import apply
from lab import Lab, LabHost
from routed import (
    CLIENT,
    FROM,
    LISTENING,
    NEIGHBOUR,
    OUTSIDE,
    SERVER,
    SESSIONS,
    listen,
    reaches,
    routed,
    router_rules,
    swept,
)
from talking import passes, talk


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A client and its neighbour on one side of a router, a server on the other; nothing tracks connections."""
    with routed() as lab:
        yield lab


@pytest.mark.parametrize("stateful", [True, False])
def test_every_port_in_both_directions(lab: Lab, stateful: bool) -> None:
    """What is declared passes, everyone else is stopped on the guarded ports, and all other ports are as before."""
    router, client, neighbour, server = (lab.hosts[name] for name in ("fw-1", "app-01", "app-66", "db"))
    listen(server, *LISTENING)
    listen(client, "udp/5002", "udp/5003", "udp/5004")
    for host in (server, client, neighbour):
        # All closed UDP ports answer with an ICMP error; the kernel's limit would look like a drop.
        host.run(["sh", "-c", "echo 1000000 >/proc/sys/net/ipv4/icmp_msgs_burst || :"])
    result = apply(router, rules=router_rules(stateful=stateful))
    assert result["changed"]
    assert not apply(router, rules=router_rules(stateful=stateful))["changed"]

    assert swept(client, "tcp", SERVER) == ("22,1433,50123", "")
    assert swept(neighbour, "tcp", SERVER) == ("22", "1433,50100-50199")
    # That the other datagrams are refused and not silent shows that errors of ICMP pass.
    assert swept(client, "udp", SERVER) == ("53,1434", "")
    assert swept(neighbour, "udp", SERVER) == ("53", "1434")
    # Only the ports tell that what comes back from 5004 is an answer, and there is to be none.
    assert swept(server, "udp", CLIENT) == (("5002,5004", "5003") if stateful else ("5002", "5003-5004"))
    assert swept(server, "tcp", CLIENT) == ("", "")
    assert swept(server, "udp", NEIGHBOUR, "5001-5004") == ("", "")

    # Without tracking requests come from the range of the client's system only.
    assert client.python(FROM, CLIENT, "700", SERVER, "1433").stdout.strip() == ("up" if stateful else "silent")
    assert apply(router, state="absent")["changed"]
    assert router.run(["nft", "list", "ruleset"]).stdout == ""
    assert reaches(neighbour, 1433)


ANSWER = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("198.51.100.10", 1434))
    sock.sendto(b"unasked", (sys.argv[1], 40000))
"""
HEAR = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("0.0.0.0", 40000))
    print("ready", flush=True)
    sock.settimeout(float(sys.argv[1]))
    try:
        print(sock.recv(64).decode())
    except TimeoutError:
        print("silence")
"""


@pytest.mark.parametrize(
    ("name", "address", "seconds", "heard"),
    [("app-01", CLIENT, "60", "unasked"), ("app-66", NEIGHBOUR, "2", "silence")],
)
def test_without_tracking_answers_go_to_declared_clients_only(
    lab: Lab, name: str, address: str, seconds: str, heard: str
) -> None:
    """A datagram from the service's port is an answer, and nothing better tells one."""
    apply(lab.hosts["fw-1"], rules=router_rules(stateful=False))
    listener = lab.hosts[name].popen([sys.executable, "-c", HEAR, seconds], stdout=subprocess.PIPE)
    assert listener.stdout is not None
    assert listener.stdout.readline() == "ready\n"
    lab.hosts["db"].python(ANSWER, address)
    assert listener.stdout.readline().strip() == heard


@pytest.mark.parametrize("name", SESSIONS)
@pytest.mark.parametrize(("first", "stateful"), [("opener", True), ("listener", True), ("listener", False)])
def test_a_session_older_than_the_rules(lab: Lab, name: str, first: str, stateful: bool) -> None:
    """Held open over the load, which is where connection tracking begins: none stalls, whoever speaks first."""
    opener, listener, alive = SESSIONS[name]
    here, there = talk(
        (lab.hosts[opener[0]], *opener[1:]),
        (lab.hosts[listener[0]], *listener[1:]),
    )
    apply(lab.hosts["fw-1"], rules=router_rules(stateful=stateful))
    ends = (here, there) if first == "opener" else (there, here)
    if alive:
        assert passes(*ends, "60") == "heard"
        assert passes(*reversed(ends), "60") == "heard"
    else:
        assert passes(*ends, "1") == "silence"


STATEFUL = """
table inet theirs {
  chain between { type filter hook forward priority %d; policy drop;
    ct state established,related accept
    tcp dport 22 ct state new accept
  }
}
"""


@pytest.mark.parametrize(("priority", "stateful"), [(-20, True), (0, False)])
def test_a_foreign_drop_is_named_with_what_its_owner_has_to_add(lab: Lab, priority: int, stateful: bool) -> None:
    """Before ours and behind ours; rules without tracking, and without notrack, live beside a table that tracks."""
    router, client = lab.hosts["fw-1"], lab.hosts["app-01"]
    listen(lab.hosts["db"], *LISTENING)
    router.run(["nft", "-f", "-"], input=STATEFUL % priority)
    found = apply(router, rules=router_rules(stateful=stateful), owner="fw-1")
    drops = {item["purpose"]: item for item in found["foreign"] if item["verdict"] == "drops"}
    told = ["announcement", "announcement of another", "announcement without answer"]
    assert sorted(drops) == ["SQL", *told, "browser"]
    assert drops["SQL"]["targets"] == [SERVER]
    assert any(
        f"fw-1: inet theirs between drops tcp 1433 from {CLIENT} to {SERVER}" in text for text in found["warnings"]
    )
    assert not reaches(client, 1433)
    for command in drops["SQL"]["fix"].split("; "):
        router.run(command.split())
    again = apply(router, rules=router_rules(stateful=stateful))
    assert "SQL" not in [item["purpose"] for item in again["foreign"]]
    assert reaches(client, 1433)
    assert not reaches(lab.hosts["app-66"], 1433)


NAT = """
table ip theirs {
  chain in { type nat hook prerouting priority -100; ip daddr 192.0.2.1 tcp dport 21433 dnat to 198.51.100.10:1433
  }
  chain out { type nat hook postrouting priority 100; ip daddr 198.51.100.10 masquerade
  }
}
"""


def test_translated_addresses_are_seen_from_the_inside(lab: Lab) -> None:
    """Behind destination NAT and before source NAT: rules name the client and the server, not what is published."""
    router = lab.hosts["fw-1"]
    listen(lab.hosts["db"], *LISTENING)
    router.run(["nft", "-f", "-"], input=NAT)
    apply(router, rules=router_rules(stateful=True))
    assert reaches(lab.hosts["app-01"], 21433, OUTSIDE)
    assert not reaches(lab.hosts["app-66"], 21433, OUTSIDE)


DOCKER = """*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 198.51.100.0/24 ! -o to-db -j MASQUERADE
-A DOCKER -i to-db -j RETURN
-A DOCKER ! -i to-db -p tcp -m tcp --dport 1433 -j DNAT --to-destination 198.51.100.10:14330
-A DOCKER ! -i to-db -p tcp -m tcp --dport 8080 -j DNAT --to-destination 198.51.100.10:1433
COMMIT
"""
"""As Docker publishes 1433:14330 and 8080:1433 of a container on its bridge."""

DOCKER_NFT = """
table ip docker {
  chain pre { type nat hook prerouting priority -100;
    fib daddr type local iifname != "to-db" tcp dport vmap { 1433 : goto sql, 8080 : goto web }
  }
  chain sql { ip protocol tcp dnat to 198.51.100.10:14330
  }
  chain web { ip protocol tcp dnat to 198.51.100.10:1433
  }
}
"""
PUBLISHED = [
    {"protocol": "tcp", "ports": ["1433"], "peers": [CLIENT], "purpose": "SQL"},
    {
        "direction": "forward",
        "published": True,
        "protocol": "tcp",
        "ports": ["1433"],
        "peers": [CLIENT],
        "purpose": "SQL",
    },
]


def published_to(host: LabHost) -> tuple[str, str]:
    """Try the ports around those that are published; return what answers and what stays silent."""
    found = [swept(host, "tcp", OUTSIDE, ports) for ports in ("1425-1440", "8075-8085")]
    answers, silent = (",".join(filter(None, part)) for part in zip(*found))
    return answers, silent


@pytest.mark.parametrize("program", ["iptables-nft-restore", "nft"])
def test_published_ports_of_a_container(lab: Lab, program: str) -> None:
    """Guarded by the port that clients use; another published port leads to the same port inside and is untouched."""
    host, client, neighbour = lab.hosts["fw-1"], lab.hosts["app-01"], lab.hosts["app-66"]
    listen(lab.hosts["db"], "tcp/14330", "tcp/1433")
    if program == "nft":
        host.run(["nft", "-f", "-"], input=DOCKER_NFT)
    else:
        host.run([program], input=DOCKER)
    before = host.run(["nft", "-s", "list", "ruleset"]).stdout
    assert published_to(neighbour) == ("1433,8080", "")
    here, there = talk((neighbour, NEIGHBOUR, 41000), (lab.hosts["db"], SERVER, 7000))
    result = apply(host, rules=PUBLISHED, backend="nftables")
    assert not [item for item in result["foreign"] if item["verdict"] == "drops"]
    assert published_to(client) == ("1433,8080", "")
    assert published_to(neighbour) == ("8080", "1433")
    assert passes(there, here, "60") == "heard"
    assert not apply(host, rules=PUBLISHED, backend="nftables")["changed"]
    apply(host, state="absent")
    assert host.run(["nft", "-s", "list", "ruleset"]).stdout == before
    assert reaches(neighbour, 1433, OUTSIDE)


def test_what_is_opened_to_the_port_elsewhere_is_not_ended(lab: Lab) -> None:
    """A container's connection through masquerading, and the host's own one, are none of a client of the published."""
    host, client, neighbour, container = (lab.hosts[name] for name in ("fw-1", "app-01", "app-66", "db"))
    host.run(["iptables-nft-restore"], input=DOCKER)
    talks = [
        talk((container, SERVER, 41000), (neighbour, NEIGHBOUR, 1433)),
        talk((host, OUTSIDE, 41001), (client, CLIENT, 1433)),
    ]
    assert apply(host, rules=PUBLISHED[1:], backend="nftables", cut_live="refuse").get("cut") == []
    for here, there in talks:
        assert passes(there, here, "60") == "heard"
        assert passes(here, there, "60") == "heard"


def test_sessions_that_would_be_cut_are_named_first(lab: Lab) -> None:
    """As far as connection tracking knows them; an administrator's through the router goes on unless it is guarded."""
    router, neighbour, server = (lab.hosts[name] for name in ("fw-1", "app-66", "db"))
    router.run(["nft", "-f", "-"], input=STATEFUL.replace("drop", "accept") % 0)
    admin = talk((neighbour, NEIGHBOUR, 42000), (server, SERVER, 22))
    talk((neighbour, NEIGHBOUR, 42001), (server, SERVER, 1433))
    talk((lab.hosts["app-01"], CLIENT, 42002), (server, SERVER, 1434))
    rules = router_rules(stateful=True)
    found = apply(router, rules=rules, check=True)
    cut = [(item["peer"], item["peer_port"], item["local_port"], item["through"]) for item in found["cut"]]
    assert cut == [(NEIGHBOUR, 42001, 1433, True)]
    assert any("through this host to 198.51.100.10" in text for text in found["warnings"])
    ssh = {"direction": "forward", "protocol": "tcp", "ports": ["22"], "peers": [CLIENT], "targets": [SERVER]}
    assert "port 42000 through this host" in apply(router, rules=[ssh], cut_live="refuse")["error"]
    apply(router, rules=rules)
    assert passes(*admin, "60") == "heard"


KNOWN = """
import json, sys
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.sessions import Sessions
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import build_ruleset, read_rules
rules = build_ruleset(read_rules(json.load(sys.stdin)), policy="guard", outbound=False)
found = [one for one in Sessions().look(rules).connections if one.through is not None]
json.dump(sorted([one.protocol, str(one.peer), one.local_port] for one in found), sys.stdout)
"""
SEND = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
"""


def test_the_tracking_forgets_what_the_rules_exclude(lab: Lab) -> None:
    """Firewalls that let pass what is established, such as firewalld, ask no rule about it before that."""
    router, client, neighbour, server = (lab.hosts[name] for name in ("fw-1", "app-01", "app-66", "db"))
    router.run(["nft", "-f", "-"], input=STATEFUL.replace("drop", "accept") % 0)
    router.run(["sh", "-c", "echo 600 >/proc/sys/net/netfilter/nf_conntrack_udp_timeout"])
    talk((neighbour, NEIGHBOUR, 42001), (server, SERVER, 1433))
    talk((client, CLIENT, 42002), (server, SERVER, 1434))
    for host in (client, neighbour):
        host.python(SEND, SERVER, "1434")
    rules = router_rules(stateful=True)
    declared = [["tcp", CLIENT, 1434], ["udp", CLIENT, 1434]]
    strange = [["tcp", NEIGHBOUR, 1433], ["udp", NEIGHBOUR, 1434]]
    assert json.loads(router.python(KNOWN, input=json.dumps(rules)).stdout) == sorted(declared + strange)
    apply(router, rules=rules)
    assert json.loads(router.python(KNOWN, input=json.dumps(rules)).stdout) == declared
