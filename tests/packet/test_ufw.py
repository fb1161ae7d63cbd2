# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guarded ports on a host that ufw governs: the real ufw in a lab host, with /etc/ufw of its own, and real packets.

Run in a private world: ``python tests/lab/world.py -- pytest tests/packet/test_ufw.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LAB = Path(__file__).resolve().parent.parent / "lab"
sys.path.insert(0, str(LAB))

from lab import Lab, LabHost

SWEEP = LAB / "sweep.py"
SERVER, SERVER6 = "192.0.2.10", "2001:db8::10"
CLIENT, CLIENT6 = "192.0.2.21", "2001:db8::21"
INTRUDER, INTRUDER6 = "192.0.2.66", "2001:db8::66"

LISTENING = ["tcp/22", "tcp/1433", "tcp/1500", "tcp/5002", "tcp/50123", "udp/53", "udp/1434", "udp/5001"]

RULES: list[dict[str, Any]] = [
    {"protocol": "tcp", "ports": ["1433", "5002", "50100-50199"], "peers": [CLIENT, CLIENT6], "purpose": "SQL"},
    {"protocol": "udp", "ports": ["1434", "5001"], "peers": [CLIENT, "2001:db8::20/124"], "purpose": "search"},
    {"protocol": "tcp", "ports": ["1500-1501"], "peers": [], "purpose": "nobody"},
    {"protocol": "icmp", "peers": [CLIENT, CLIENT6], "purpose": "ping"},
]
GUARDED = {"tcp": "1433,1500-1501,5002,50100-50199", "udp": "1434,5001"}

INSTALL = """
set -e
rm -rf /etc/ufw /etc/default /etc/alternatives
mkdir -p /etc/ufw/applications.d /etc/default
cp -a /run/etc-below/alternatives /etc/alternatives
cp /usr/share/ufw/iptables/*.rules /usr/share/ufw/ufw.conf /etc/ufw
chmod 640 /etc/ufw/*.rules
sed 's/^IPT_SYSCTL=/#&/' /run/etc-below/default/ufw >/etc/default/ufw
printf '[App]\\ntitle=App\\ndescription=App\\nports=8080,8443/tcp\\n' >/etc/ufw/applications.d/app
for program in iptables ip6tables; do
  for part in "" -save -restore; do
    ln -sf "$(command -v "$program-$1$part")" "/etc/alternatives/$program$part"
  done
done
ufw default reject incoming
ufw allow 22/tcp
ufw allow 1433
ufw allow 53/udp
ufw limit 2222/tcp comment limited
ufw allow App
ufw route allow proto tcp from 192.0.2.0/24 to any port 8080
ufw deny from 198.51.100.0/24 to any port 1433 proto tcp
ufw --force enable
"""
"""What an administrator does, as ufw's package and a manual page tell it; ``$1`` is the variant of iptables."""

APPLY = """
import json, sys
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply
arguments = json.load(sys.stdin)
check = arguments.pop("check")
rules = [{"direction": "in", **rule} for rule in arguments.pop("rules", [])]
try:
    result = apply(DesiredState.from_arguments({**arguments, "rules": rules}), check=check)
except DbportsError as error:
    result = {"error": str(error)}
json.dump(result, sys.stdout)
"""

SHOWN = (
    "iptables-save; ip6tables-save; ls -ln /etc/ufw /etc/default | awk '{ print $1, $3, $4, $5, $9 }'; "
    "cd /etc/ufw; tail -n +1 *.* applications.d/* /etc/default/ufw; ufw status numbered; ufw show added"
)
"""Every rule in force, every byte and mode of ufw's files, and what ufw says of itself."""


def apply(host: LabHost, check: bool = False, **arguments: Any) -> dict[str, Any]:
    """Run the module's core on a host."""
    done = host.python(APPLY, input=json.dumps({"check": check, **arguments}))
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def shell(host: LabHost, command: str) -> str:
    """Run a command line on a host and return what it printed."""
    return host.run(["sh", "-c", command]).stdout


def shown(host: LabHost) -> str:
    """Return all that :data:`SHOWN` shows, without times and counters."""
    lines = shell(host, SHOWN).splitlines()
    return "\n".join(line for line in lines if not line.startswith("# "))


def swept(host: LabHost, protocol: str, address: str, ports: str = "1-65535") -> dict[str, str]:
    """Try every port of an address from a host; see sweep.py."""
    found: dict[str, str] = json.loads(host.python(SWEEP, protocol, address, ports, timeout=300).stdout)
    return found


def reaches(host: LabHost, port: int, address: str = SERVER) -> bool:
    """Tell whether a TCP connection to the server comes up."""
    return bool(swept(host, "tcp", address, f"{port}")["answers"])


@pytest.fixture(params=["nft"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A server with listeners and ufw, a declared client and an intruder."""
    with Lab() as lab:
        server = lab.host("erp-db", [f"{SERVER}/24", f"{SERVER6}/64"])
        lab.host("app-01", [f"{CLIENT}/24", f"{CLIENT6}/64"])
        lab.host("intruder", [f"{INTRUDER}/24", f"{INTRUDER6}/64"])
        server.run(["sh", "-c", "echo 1000000 >/proc/sys/net/ipv4/icmp_msgs_burst || :"])
        server.run(["sh", "-c", INSTALL, "install", request.param])
        server.popen([sys.executable, str(SWEEP), "echo", *LISTENING], stdout=subprocess.DEVNULL)
        server.wait_for(*LISTENING)
        yield lab


BOTH = pytest.mark.parametrize("lab", ["nft", "legacy"], indirect=True)
"""Both kinds of iptables: over nftables, and the older one."""


@pytest.mark.parametrize("server", [SERVER, SERVER6])
def test_ports(lab: Lab, server: str) -> None:
    """The client reaches the guarded ports, the intruder none of them; Molecule sweeps all ports."""
    host, client, intruder = lab.hosts["erp-db"], lab.hosts["app-01"], lab.hosts["intruder"]
    # What ufw rejects by default is refused, so that a sweep waits only for what the guard drops.
    before = {protocol: swept(intruder, protocol, server, "1400-1550") for protocol in ("tcp", "udp")}
    assert (before["tcp"]["answers"], before["tcp"]["silent"]) == ("1433", "")
    assert (before["udp"]["answers"], before["udp"]["silent"]) == ("", "")

    result = apply(host, rules=RULES)
    assert (result["backend"], result["guarded"], result["warnings"]) == ("ufw", GUARDED, [])

    allowed = {protocol: swept(client, protocol, server, "1400-1550") for protocol in ("tcp", "udp")}
    assert (allowed["tcp"]["answers"], allowed["tcp"]["silent"]) == ("1433", "1500-1501")
    assert (allowed["udp"]["answers"], allowed["udp"]["silent"]) == ("1434", "")
    refused = {protocol: swept(intruder, protocol, server, "1400-1550") for protocol in ("tcp", "udp")}
    assert (refused["tcp"]["answers"], refused["tcp"]["silent"]) == ("", "1433,1500-1501")
    assert (refused["udp"]["answers"], refused["udp"]["silent"]) == ("", "1434")
    assert swept(client, "tcp", server, "50090-50210")["answers"] == "50123"
    assert swept(intruder, "tcp", server, "50090-50210")["silent"] == "50100-50199"

    apply(host, state="absent")
    assert {protocol: swept(intruder, protocol, server, "1400-1550") for protocol in ("tcp", "udp")} == before


@BOTH
def test_absent_leaves_nothing(lab: Lab) -> None:
    """A check says what a run then does and does nothing; the last run restores every byte and every rule."""
    host = lab.hosts["erp-db"]
    shell(host, "ufw reload")
    before = shown(host)
    for arguments in (
        {"rules": RULES, "owner": "erp-db"},
        {"rules": [*RULES[:2], {"protocol": "tcp", "ports": ["1500-1501"], "peers": ["198.51.100.0/24"]}]},
        {"rules": RULES[:1], "persist": False, "allow_shrink": True},
        {"rules": RULES[:1], "policy": "open", "allow_shrink": True},
        {"state": "absent"},
    ):
        untouched = shown(host)
        predicted = apply(host, check=True, **arguments)
        assert shown(host) == untouched
        assert predicted["changed"] is True
        assert apply(host, **arguments) == predicted
        again = apply(host, **arguments)
        assert (again["changed"], again["diff"], again["in_sync"]) == (False, [], True)
    assert shown(host) == before


ADMINISTRATION = [
    "ufw reload",
    "ufw disable && ufw --force enable",
    "ufw insert 1 allow 5002/tcp",
    "ufw prepend allow from any to any port 1433 proto tcp",
    "ufw --force delete 1",
    "for what in '' delete; do ufw $what allow from 192.0.2.21 to any port 1433 proto tcp; done",
    "ufw logging medium",
    "ufw app update App",
    "ufw default allow incoming",
]


@BOTH
def test_an_administrator_goes_on_with_ufw(lab: Lab) -> None:
    """Whatever else is done with ufw, the guarded ports stay as they are and ufw's own numbers stay its own."""
    host, client, intruder = lab.hosts["erp-db"], lab.hosts["app-01"], lab.hosts["intruder"]
    apply(host, rules=RULES)
    assert "dbports" not in shell(host, "ufw show added")
    for command in ADMINISTRATION:
        shell(host, command)
        assert apply(host, rules=RULES)["changed"] is False
    # Whose rule is now the first of ufw and allows everyone in, by an open default.
    assert "5002/tcp" in shell(host, "ufw status numbered")
    assert [reaches(intruder, port) for port in (1433, 5002)] == [False, False]
    assert [reaches(client, port) for port in (1433, 5002)] == [True, True]
