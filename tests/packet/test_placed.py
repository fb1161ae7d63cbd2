# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own chains in a table of somebody else that drops by policy: real packets, and every byte of that table.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_placed.py``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LAB = Path(__file__).resolve().parent.parent / "lab"
sys.path[:0] = [str(LAB), str(LAB.parent / "support")]

from guarded import CLIENT, CLIENT6, INTRUDER, INTRUDER6, SERVER, SERVER6, apply
from lab import Lab, LabHost

SWEEP = LAB / "sweep.py"
LISTENING = ["tcp/22", "tcp/1433", "tcp/1500", "tcp/5002", "tcp/8080", "tcp/50123", "udp/53", "udp/1434"]
RULES: list[dict[str, Any]] = [
    {"protocol": "tcp", "ports": ["1433", "50100-50199"], "peers": [CLIENT, CLIENT6], "purpose": "SQL"},
    {"protocol": "udp", "ports": ["1434"], "peers": [CLIENT, "2001:db8::20/124"], "purpose": 'a "jump"; accept'},
    {"protocol": "tcp", "ports": ["1500-1501"], "peers": [], "purpose": "nobody"},
    {"protocol": "icmp", "peers": [CLIENT, CLIENT6], "purpose": "ping"},
]
IN, OUT = "inet filter input", "inet filter output"
THEIRS = """\
table inet filter {
  comment "theirs"
  set office { type ipv4_addr; flags interval; elements = { 198.51.100.0/24, 203.0.113.7 }
  }
  chain input { type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    meta l4proto ipv6-icmp accept
    tcp dport { 22, 1500, 8080 } accept comment "jump dbports_inbound"
    udp dport 53 accept
    ip saddr @office jump office
  }
  chain office { counter accept
  }
  chain output { type filter hook output priority filter; policy accept;
    tcp dport 25 drop
  }
}
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A server whose owner's table drops by policy, a declared client and an intruder."""
    with Lab() as lab:
        server = lab.host("erp-db", [f"{SERVER}/24", f"{SERVER6}/64"])
        lab.host("app-01", [f"{CLIENT}/24", f"{CLIENT6}/64"])
        lab.host("intruder", [f"{INTRUDER}/24", f"{INTRUDER6}/64"])
        server.run(["sh", "-c", "echo 1000000 >/proc/sys/net/ipv4/icmp_msgs_burst || :"])
        server.popen([sys.executable, str(SWEEP), "echo", *LISTENING], stdout=subprocess.DEVNULL)
        server.wait_for(*LISTENING)
        server.run(["nft", "-f", "-"], input=THEIRS)
        yield lab


def place(host: LabHost, *chains: str, check: bool = False, **more: Any) -> dict[str, Any]:
    """Apply the rules in the table of these chains."""
    return apply(host, check=check, rules=more.pop("rules", RULES), chains=list(chains), **more)


def shown(host: LabHost) -> str:
    """Return every rule and set of the host, with handles and without counters."""
    return host.run(["nft", "-s", "list", "ruleset"]).stdout


def theirs(host: LabHost) -> str:
    """Return the table of somebody else, handles included, without what is ours in it."""
    text = host.run(["nft", "-s", "-a", "list", "table", "inet", "filter"]).stdout
    text = re.sub(r"\t(set|chain) dbports_\w+ \{.*?\n\t\}\n\n?", "", text, flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not re.fullmatch(r"\t\tjump dbports_\w+ # handle \d+", line)]
    return "\n".join(line for line in lines if line)


def swept(host: LabHost, protocol: str, address: str, ports: str = "1-65535") -> dict[str, str]:
    """Try every port of an address from a host; see sweep.py."""
    found: dict[str, str] = json.loads(host.python(SWEEP, protocol, address, ports, timeout=300).stdout)
    return found


def answers(host: LabHost, protocol: str, address: str = SERVER) -> str:
    """Return the ports near those of interest that answer."""
    ports = "20-60,1400-1550,5000-5030,8070-8090,50090-50210"
    return ",".join(filter(None, (swept(host, protocol, address, part)["answers"] for part in ports.split(","))))


def test_declared_clients_get_in_and_everyone_else_is_refused(lab: Lab) -> None:
    """The owner's other ports stay as they are, and a port that the owner opens to all is guarded now."""
    host, client, intruder = lab.hosts["erp-db"], lab.hosts["app-01"], lab.hosts["intruder"]
    before, whole = theirs(host), shown(host)
    assert "22,8080" in answers(client, "tcp").replace("1500,", "")
    result = place(host, IN)
    assert (result["changed"], result["foreign"], result["warnings"]) == (True, [], result["warnings"])
    assert theirs(host) == before
    assert "table inet dbports" not in shown(host)
    assert [answers(client, "tcp", server) for server in (SERVER, SERVER6)] == ["22,1433,8080,50123"] * 2
    assert [answers(client, "udp", server) for server in (SERVER, SERVER6)] == ["53,1434"] * 2
    assert [answers(intruder, "tcp", server) for server in (SERVER, SERVER6)] == ["22,8080"] * 2
    assert [answers(intruder, "udp", server) for server in (SERVER, SERVER6)] == ["53"] * 2
    assert place(host, IN)["changed"] is False
    assert place(host, IN, state="absent", rules=[])["changed"] is True
    assert shown(host) == whole


def test_there_and_back_leaves_no_trace(lab: Lab) -> None:
    """From the own table into that of somebody else and back, with rules for what goes out, and what check says."""
    host, client = lab.hosts["erp-db"], lab.hosts["app-01"]
    rules = [*RULES, {"direction": "out", "protocol": "tcp", "ports": ["7000"], "peers": [CLIENT]}]
    before, whole = theirs(host), shown(host)
    own = place(host, rules=rules, filter_outbound=True)
    assert {item["verdict"] for item in own["foreign"]} == {"drops"}
    alone = shown(host)
    said = place(host, IN, OUT, rules=rules, filter_outbound=True, check=True)
    assert (said["changed"], shown(host)) == (True, alone)
    assert place(host, IN, OUT, rules=rules, filter_outbound=True)["changed"] is True
    assert (theirs(host), "table inet dbports" in shown(host)) == (before, False)
    assert "1433" in answers(client, "tcp")
    assert "dbports_outbound" in shown(host)
    assert place(host, rules=rules, filter_outbound=True)["changed"] is True
    assert shown(host) == alone
    assert place(host, state="absent", rules=[])["changed"] is True
    assert shown(host) == whole


@pytest.mark.parametrize(
    "meddling",
    [
        "insert rule inet filter input tcp dport 1433 accept",
        "add rule inet filter dbports_inbound tcp dport 1433 accept",
        "add element inet filter dbports_peers1_v4 { 192.0.2.66 }",
        "flush chain inet filter dbports_inbound",
        "flush chain inet filter input",
        f"delete table inet filter\n{THEIRS}",
    ],
)
def test_meddling_is_seen_and_put_right(lab: Lab, meddling: str) -> None:
    """Whatever somebody changes in our chains or before them; rules of theirs stay."""
    host, intruder = lab.hosts["erp-db"], lab.hosts["intruder"]
    place(host, IN)
    host.run(["nft", "-f", "-"], input=f"{meddling}\n")
    assert place(host, IN, check=True)["in_sync"] is False
    assert place(host, IN)["changed"] is True
    assert place(host, IN)["changed"] is False
    assert answers(intruder, "tcp").replace("22,8080", "") == ""


@pytest.mark.parametrize(
    ("chains", "text"),
    [
        (["inet filter forward"], "no base chain of this name"),
        (["inet filter office"], "no base chain of this name"),
        (["inet missing input"], "no base chain of this name"),
        (["ip filter input"], "expected inet"),
        (["inet filter input; flush ruleset"], "expected inet"),
        ([OUT], "a base chain for each direction: input"),
        ([IN, "inet other output"], "more than one table"),
    ],
)
def test_a_chain_that_cannot_be_used_is_an_error_before_anything_changes(
    lab: Lab, chains: list[str], text: str
) -> None:
    """Its name, the host's chains and the rules are looked at first."""
    host = lab.hosts["erp-db"]
    before = shown(host)
    assert text in place(host, *chains)["error"]
    assert shown(host) == before


NFTABLES_SERVICE = "[Service]\nExecStart=/usr/sbin/nft -f /etc/nftables.conf\nExecStop=/usr/sbin/nft flush ruleset\n"


def test_the_rules_come_back_after_those_of_the_owner(lab: Lab) -> None:
    """What the unit and the drop-in run, after the owner's ruleset was loaded anew, and where the table has gone."""
    host = lab.hosts["erp-db"]
    root = Path(f"/proc/{host.pid}/root")
    host.run(["mkdir", "-p", "/run/systemd/system", "/run/bin"])
    (root / "run/bin/systemctl").write_text(
        "#!/bin/sh\n[ $1 != show ] || echo UnitFileState=enabled ActiveState=active\n"
    )
    (root / "run/bin/systemctl").chmod(0o755)
    (root / "etc/systemd/system/nftables.service").write_text(NFTABLES_SERVICE)
    before = host.run(["find", "/etc/systemd", "/etc/dbports"]).stdout
    host.run(["sh", "-c", 'mount --bind /run/bin/systemctl "$(command -v systemctl)"'])
    result = place(host, IN)
    assert (result["persistent"], result["persisted_files"]) == (
        True,
        [
            "/etc/dbports/ruleset.sh",
            "/etc/systemd/system/dbports-firewall.service",
            "/etc/systemd/system/nftables.service.d/dbports.conf",
        ],
    )
    whole = shown(host)
    drop_in = (root / "etc/systemd/system/nftables.service.d/dbports.conf").read_text()
    unit = (root / "etc/systemd/system/dbports-firewall.service").read_text()
    commands = [
        line.partition("=")[2].lstrip("-") for text in (drop_in, unit) for line in text.splitlines() if "Exec" in line
    ]
    assert set(commands) == {"/bin/sh /etc/dbports/ruleset.sh"}
    for _time in range(2):
        host.run(["nft", "-f", "-"], input=f"flush ruleset\n{THEIRS}")
        for _again in range(2):
            host.run(commands[0].split())
            assert shown(host) == whole
    host.run(["nft", "flush", "ruleset"])
    assert host.run(commands[0].split(), check=False).returncode != 0
    assert shown(host) == ""
    host.run(["nft", "-f", "-"], input=THEIRS)
    assert place(host, state="absent", rules=[])["changed"] is True
    assert host.run(["find", "/etc/systemd", "/etc/dbports"], check=False).stdout == before.replace(
        "/etc/dbports\n", ""
    )


UNDO = """
import json, sys
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.backend import Nftables
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import Runner
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import to_json
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply
first, second = json.load(sys.stdin)
apply(DesiredState.from_arguments(first))
backend = Nftables().called_by(tuple(second["chains"]))
undo = to_json(backend.undo(backend.observe()))
show = lambda: Runner("/")._run(["nft", "-s", "list", "ruleset"], "")[1]
before = show()
apply(DesiredState.from_arguments(second))
assert show() != before
for _time in range(2):
    assert Runner("/").undo(undo) == []
    assert show() == before, show()
"""


@pytest.mark.parametrize(("first", "second"), [([], [IN]), ([IN], []), ([IN], [IN])])
def test_undo_brings_the_old_place_back(lab: Lab, first: list[str], second: list[str]) -> None:
    """From whichever place to whichever, as often as it is run."""
    host = lab.hosts["erp-db"]
    rules = [{"direction": "in", "need": "required", **rule} for rule in RULES]
    wishes = [
        {"rules": rules, "chains": first, "persist": False},
        {"rules": rules[:1], "chains": second, "allow_shrink": True, "persist": False},
    ]
    host.python(UNDO, input=json.dumps(wishes))
