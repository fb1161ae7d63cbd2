# SPDX-License-Identifier: GPL-3.0-or-later
"""What the client and the intruder meet at the server, asked with plain sockets."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from testinfra.host import Host

V4, V6 = "198.51.100.10", "2001:db8:6::10"
GUARDED = [
    f"tcp/{V4}/1433",
    f"tcp/{V6}/1433",
    f"tcp/{V4}/14330",
    f"tcp/{V6}/14330",
    f"ssrp/{V4}/1434",
    f"ssrp/{V6}/1434",
    f"tcp/{V4}/5002",
    f"search/{V4}/5001",
]
FREE = [f"tcp/{V4}/22", f"tcp/{V4}/8433", f"tcp/{V6}/8433"]
KNOCK = (Path(__file__).parents[2] / "shared" / "knock.py").read_text(encoding="utf-8")


def knock(host: Host, targets: list[str]) -> dict[str, str]:
    """Return what the host meets at each target."""
    command = " ".join(map(shlex.quote, ["python3", "-c", KNOCK, *targets]))
    results: dict[str, str] = json.loads(host.check_output(command))
    return results


def test_the_client_reaches_every_planned_port(client: Host) -> None:
    """A client gets in on each guarded port, in both families."""
    assert knock(client, GUARDED) == dict.fromkeys(GUARDED, "answers")


def test_the_intruder_reaches_none(intruder: Host) -> None:
    """Nobody else gets in on a guarded port."""
    assert "answers" not in knock(intruder, GUARDED).values()


def test_other_ports_stay_open(intruder: Host, client: Host) -> None:
    """Guarding, not policing: what the plan does not name stays as it was."""
    for host in (intruder, client):
        assert knock(host, FREE) == dict.fromkeys(FREE, "answers")


def test_the_other_rules_are_untouched(server: Host) -> None:
    """The table that somebody else wrote is there, to the byte."""
    before = server.file("/root/before.nft").content_string
    assert "table inet somebody" in before
    assert server.check_output("nft list table inet somebody") == before.strip()


def test_the_servers_listen(server: Host) -> None:
    """The stand-ins run, so that silence towards the intruder means the firewall."""
    for port in (1433, 14330, 5002, 8433):
        assert server.socket(f"tcp://0.0.0.0:{port}").is_listening
