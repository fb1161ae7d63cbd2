# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own chains in a table of somebody else that drops by policy: real packets, and every byte of that table.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_placed.py``.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from guarded import CLIENT, CLIENT6, INTRUDER, INTRUDER6, SERVER, SERVER6, apply
from lab import Lab, LabHost

LAB = Path(__file__).resolve().parent.parent / "lab"
MOLECULE = LAB.parents[1] / "molecule" / "shared"


SWEEP = LAB / "sweep.py"
PACKETS = MOLECULE / "sweep.py"
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
    icmp type echo-request accept
    tcp dport { 22, 1500, 8080 } accept comment "jump dbports_inbound"
    udp dport 53 accept
    ip saddr @office jump office
    jump dbports_admin
  }
  set dbports_hosts { type ipv4_addr; elements = { 203.0.113.9 }
  }
  chain dbports_admin { ip saddr @dbports_hosts tcp dport 99 accept
  }
  chain office { counter accept
  }
  chain early { type filter hook prerouting priority raw; policy accept;
  }
  chain translate { type nat hook input priority 0; policy accept;
  }
  chain output { type filter hook output priority filter; policy accept;
    tcp dport 25 drop
  }
}
"""
OURS = "dbports_(?:(?:in|out)bound|forwarded|peers[0-9]+_v[46])"
"""The names of ours; the owner has others that begin like them."""


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
    text = re.sub(rf"\t(set|chain) {OURS} \{{.*?\n\t\}}\n\n?", "", text, flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not re.fullmatch(rf"\t\tjump {OURS} # handle \d+", line)]
    return "\n".join(line for line in lines if line)


def answers(host: LabHost, protocol: str, address: str = SERVER) -> str:
    """Return the ports near those of interest that answer; few enough to be tried at once."""
    ports = "20-24,51-55,1430-1436,1498-1503,5000-5004,8078-8082,50098-50130,50197-50202"
    found = json.loads(host.python(SWEEP, protocol, address, ports, timeout=300).stdout)
    return str(found["answers"])


def listen_for_all(host: LabHost, told: Path) -> None:
    """Let a host note every packet that comes behind its firewall, whatever listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(told))
        ready.settimeout(120)
        host.popen([sys.executable, str(PACKETS), "listen"], env={**os.environ, "NOTIFY_SOCKET": str(told)})
        assert ready.recv(64) == b"READY=1"


def passing(sender: LabHost, host: LabHost, address: str, wanted: dict[str, str]) -> dict[str, str]:
    """Send a packet to each of 65,535 TCP and UDP ports, and return those at which it came behind the firewall.

    A packet may be lost on a busy machine: where one of ``wanted`` has not come, all of these are sent once more.
    """
    mark, ports = f"{secrets.randbits(31)}", dict.fromkeys(wanted, "1-65535")
    seen: dict[str, str] = {}
    for _round in range(5):
        sender.python(PACKETS, "send", mark, address, *(f"{name}/{text}" for name, text in ports.items()), timeout=300)
        seen = json.loads(host.python(PACKETS, "show", mark).stdout)
        if seen == wanted:
            break
        ports = wanted
    return seen


def test_declared_clients_get_in_and_everyone_else_is_refused(lab: Lab, tmp_path: Path) -> None:
    """The owner's other ports stay as they are, and a port that the owner opens to all is guarded now."""
    host, client, intruder = lab.hosts["erp-db"], lab.hosts["app-01"], lab.hosts["intruder"]
    before, whole = theirs(host), shown(host)
    assert "22,8080" in answers(client, "tcp").replace("1500,", "")
    result = place(host, IN)
    assert (result["changed"], result["foreign"], result["warnings"]) == (True, [], result["warnings"])
    assert theirs(host) == before
    assert "table inet dbports" not in shown(host)
    expected = {
        (client, "tcp", SERVER): "22,1433,8080,50123",
        (client, "udp", SERVER6): "53,1434",
        (intruder, "tcp", SERVER6): "22,8080",
        (intruder, "udp", SERVER): "53",
    }
    with ThreadPoolExecutor() as at_once:
        assert list(at_once.map(answers, *zip(*expected))) == list(expected.values())
    listen_for_all(host, tmp_path / "told")
    declared = {"tcp": "22,1433,8080,50100-50199", "udp": "53,1434"}
    theirs_only = {"tcp": "22,8080", "udp": "53"}
    for server in (SERVER, SERVER6):
        assert passing(client, host, server, declared) == declared
        assert passing(intruder, host, server, theirs_only) == theirs_only
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
        (
            ["inet filter missing"],
            "chains[0]: there is no such chain on this host (got 'inet filter missing'). Set chains (dbports_chains) "
            "to chains of one table out of: inet filter input, inet filter output",
        ),
        ([IN, "inet filter office"], "chains[1]: this is no base chain: other chains call it"),
        (["inet filter early"], "this chain is of the type filter at the hook prerouting, and only"),
        (["inet filter translate"], "this chain is of the type nat at the hook input, and only"),
        (["inet missing input"], "there is no such chain on this host"),
        (["ip filter input"], "a table of the family ip sees only one of IPv4 and IPv6"),
        (["inet dbports inbound"], "expected inet, a table of your own"),
        ([IN, IN], "chains[1]: a second chain for input"),
        (["inet filter input; flush ruleset"], "expected inet"),
        ([OUT], "a base chain for each direction: input"),
        ([IN, "inet other output"], "more than one table"),
        (["inet filter $(reboot)"], "expected inet"),
        (["inet filter 'input"], "expected inet"),
        (["inet filter input\nflush ruleset"], "expected inet"),
        (["inet filter \u0131nput"], "expected inet"),
        (["inet filter " + "i" * 300], "there is no such chain"),
        ([""], "expected inet"),
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


NFTABLES_SERVICE = """\
[Service]
ExecStart=/usr/sbin/nft -f /etc/nftables.conf
ExecReload=/usr/sbin/nft -f /etc/nftables.conf
ExecStop=/usr/sbin/nft flush ruleset
"""
INCLUDE = 'include "/etc/nftables.d/*.nft"\n'
INCLUDED = "etc/nftables.d/dbports.nft"
DROP_IN = "etc/systemd/system/nftables.service.d/dbports.conf"


def files_of(host: LabHost) -> list[str]:
    """Return the paths of all files; the lab itself has made the directory for ours."""
    return sorted(set(host.run(["find", "/etc"]).stdout.splitlines()) - {"/etc/dbports"})


class Owner:
    """The owner of a host with nftables.service, whose ruleset may include a directory before or after its table."""

    def __init__(self, host: LabHost, layout: str) -> None:
        self.host = host
        self.root = Path(f"/proc/{host.pid}/root")
        self.layout = layout
        host.run(["mkdir", "-p", "/run/systemd/system", "/run/bin", "/etc/nftables.d", "/etc/systemd/system"])
        (self.root / "run/bin/systemctl").write_text(
            "#!/bin/sh\n[ $1 != show ] || echo UnitFileState=enabled ActiveState=active\n"
        )
        (self.root / "run/bin/systemctl").chmod(0o755)
        host.run(["sh", "-c", 'mount --bind /run/bin/systemctl "$(command -v systemctl)"'])
        (self.root / "etc/systemd/system/nftables.service").write_text(NFTABLES_SERVICE)
        self.writes(THEIRS)

    def writes(self, ruleset: str) -> None:
        """Write the ruleset, which begins with a flush."""
        before, after = (INCLUDE if self.layout == name else "" for name in ("before", "after"))
        (self.root / "etc/nftables.conf").write_text(f"flush ruleset\n{before}{ruleset}{after}")

    def command(self, name: str) -> list[str]:
        """Return what nftables.service runs, such as its ExecReload."""
        texts = [NFTABLES_SERVICE, *(path.read_text() for path in [self.root / DROP_IN] if path.exists())]
        found = [line.partition("=")[2] for text in texts for line in text.splitlines() if line.startswith(f"{name}=")]
        assert found[-2] == "", found  # one command, which takes the place of the owner's
        return shlex.split(found[-1])

    def generations(self, command: list[str]) -> str:
        """Run a command, and return for each ruleset that was in force since then whether ours were in it: ``+-``."""
        watcher = self.host.popen(["nft", "monitor"], stdout=subprocess.PIPE)
        assert watcher.stdout is not None
        begun = self.host.popen(["sh", "-c", "while sleep 0.1; do nft 'add table inet t; delete table inet t'; done"])
        while "delete table inet t\n" not in watcher.stdout.readline():
            pass
        begun.kill()
        begun.wait()
        self.host.run(command)
        self.host.run(["nft", "add table inet finished; delete table inet finished"])
        found, ours = "", ""
        for line in watcher.stdout:
            if "delete table inet finished" in line:
                break
            if line.endswith(" jump dbports_inbound\n"):
                ours = "+"
            elif "delete chain inet filter input" in line:
                ours = "-"
            if line.startswith("# new generation"):
                found, ours = found + ours, ""
        watcher.kill()
        return found


@pytest.mark.parametrize("layout", ["without", "before", "after"])
def test_the_rules_come_with_those_of_the_owner(lab: Lab, layout: str) -> None:
    """In one transaction with them at start and reload, by hand where they are included, and later by the unit."""
    host = lab.hosts["erp-db"]
    owner = Owner(host, layout)
    before, alone = files_of(host), shown(host)
    result = place(host, IN)
    assert [path.rpartition("etc/")[2] for path in result["persisted_files"]] == [
        "dbports/ruleset.sh",
        *(["nftables.d/dbports.nft"] if layout == "after" else []),
        "systemd/system/dbports-firewall.service",
        "systemd/system/nftables.service.d/dbports.conf",
    ]
    whole = shown(host)
    for name in ("ExecStart", "ExecReload"):
        assert owner.generations(owner.command(name)) == "+"
        assert shown(host) == whole
        assert place(host, IN, check=True)["changed"] is False
    by_hand = owner.generations(["nft", "-f", "/etc/nftables.conf"])
    assert by_hand == ("+" if layout == "after" else "-")
    assert answers(lab.hosts["app-01"], "tcp") == ("22,1433,8080,50123" if layout == "after" else "22,1500,8080")
    unit = (owner.root / "etc/systemd/system/dbports-firewall.service").read_text()
    (again,) = {line.partition("=")[2] for line in unit.splitlines() if line.startswith("Exec")}
    for _time in range(2):
        host.run(again.split())
        assert shown(host) == whole
    host.run(["nft", "flush", "ruleset"])  # what the service does when it is stopped
    host.run(owner.command("ExecStart"))
    assert shown(host) == whole
    assert place(host, state="absent", rules=[])["changed"] is True
    assert (files_of(host), shown(host)) == (before, alone)


@pytest.mark.parametrize("layout", ["without", "before", "after"])
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (THEIRS.replace("inet filter", "inet other"), {"after": True}),
        (THEIRS.replace("priority filter", "priority 7"), {"without": True, "before": True}),
        (THEIRS.replace("udp dport 53", "udp dport fiftythree"), None),
    ],
    ids=["renamed", "moved", "wrong"],
)
def test_a_ruleset_of_the_owner_always_loads(lab: Lab, layout: str, theirs: str, ours: dict[str, bool] | None) -> None:
    """Whatever its owner has made of the chain that calls ours; what does not load without us changes nothing."""
    host = lab.hosts["erp-db"]
    owner = Owner(host, layout)
    place(host, IN)
    whole, files = shown(host), files_of(host)
    owner.writes(theirs)
    done = host.run(owner.command("ExecReload"), check=False)
    if ours is None:
        assert (done.returncode, shown(host), files_of(host)) == (1, whole, files)
        return
    assert done.returncode == 0
    assert ("\tjump dbports_inbound\n" in shown(host)) is ours.get(layout, False)
    assert "dport 8080" in shown(host).replace("{ 22, 1500, 8080 }", "8080")
    if "inet filter" in theirs:
        assert place(host, IN)["changed"] is (layout == "after")
        assert owner.generations(owner.command("ExecReload")) == "+"
        assert place(host, IN, check=True)["changed"] is False
    assert place(host, state="absent", rules=[])["changed"] is True
    assert host.run(["find", "/etc/dbports", f"/{INCLUDED}"], check=False).stdout == ""


def test_a_chain_after_ours_that_drops_is_named(lab: Lab) -> None:
    """Its owner gets the host's chain and the rule to add."""
    host = lab.hosts["erp-db"]
    late = (
        "table inet filter {\nchain late { type filter hook input priority 10; policy drop; tcp dport 22 accept; }\n}"
    )
    host.run(["nft", "-f", "-"], input=late)
    found = place(host, IN)["foreign"]
    assert {item["chain"] for item in found} == {"late"}
    assert "nft insert rule inet filter late ip saddr 192.0.2.21 tcp dport { 1433, 50100-50199 } accept" in str(found)


UNDO = """
import json, sys
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.backend import Nftables
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import Runner
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import to_json
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply
first, second = json.load(sys.stdin)
show = lambda: Runner("/")._run(["nft", "-s", "list", "ruleset"], "")[1]
apply(DesiredState.from_arguments(first))
backend = Nftables().called_by(tuple(second["chains"]))
undo = to_json(backend.undo(backend.observe()))
seen = [show()]
apply(DesiredState.from_arguments(second))
seen.append(show())
failed = []
for _time in range(2):
    failed += Runner("/").undo(undo)
    seen.append(show())
json.dump([failed, *seen], sys.stdout)
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
    failed, before, changed, *undone = json.loads(host.python(UNDO, input=json.dumps(wishes)).stdout)
    assert failed == []
    assert ("\tjump dbports_inbound\n" in before, "table inet dbports" in before) == (bool(first), not first)
    assert changed != before
    assert undone == [before, before]
