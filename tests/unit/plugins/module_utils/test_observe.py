# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that was just started is given time, and where all listen nothing waits."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._observe import Listener, look_until, observe
from ansible_collections.dbports.firewall.plugins.module_utils._ports import parse_ports

TCP = Listener("tcp", parse_ports("5002"), ("602sql*",))
UDP = Listener("udp", parse_ports("5001"), ("602sql*",))
DYNAMIC = Listener("tcp", parse_ports("49152-65535"), ("sqlservr",))
LISTENER = Socket("ipv4", "tcp", "LISTEN", "0.0.0.0", 5002, pid=7, process="602sql11")
SEARCH = LISTENER._replace(protocol="udp", state=None, local_port=5001)
INSTANCE = LISTENER._replace(local_port=50123, process="SQLSERVR.EXE")


def looks(awaited: list[Listener], seen: list[list[Socket]], waits: int) -> tuple[int, list[Socket]]:
    """Look at a host that shows other sockets each time; return how often, and what was returned."""
    left, count = iter([True] * waits + [False]), 0

    def look() -> list[Socket]:
        nonlocal count
        count += 1
        return seen[min(count, len(seen)) - 1]

    found = look_until(awaited, look, lambda: next(left))
    return count, found


@pytest.mark.parametrize(
    ("awaited", "seen", "count"),
    [
        ([], [[]], 1),
        ([TCP, UDP], [[LISTENER, SEARCH]], 1),
        ([TCP, UDP], [[], [SEARCH], [LISTENER, SEARCH]], 3),
        ([TCP], [[LISTENER._replace(state="ESTABLISHED")], [SEARCH._replace(local_port=5002)], [LISTENER]], 3),
        ([UDP], [[SEARCH._replace(remote_port=53)], [SEARCH]], 2),
        ([TCP], [[LISTENER._replace(process="nginx")]], 1),
        ([DYNAMIC], [[INSTANCE._replace(process="nginx")], [INSTANCE]], 2),
        ([DYNAMIC], [[INSTANCE._replace(process=None)]], 1),
    ],
)
def test_what_is_missing_is_looked_for_again(awaited: list[Listener], seen: list[list[Socket]], count: int) -> None:
    assert looks(awaited, seen, 9) == (count, seen[-1])


def test_when_the_time_is_up_the_last_look_counts() -> None:
    assert looks([TCP, UDP], [[], [SEARCH], [SEARCH], [LISTENER, SEARCH]], 2) == (3, [SEARCH])


def test_a_host_is_observed_with_its_sockets_when_it_waited_in_vain() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody else gets it
        ports = [str(one.getsockname()[1]) for one in (server, unused)]
        listeners = [{"protocol": "tcp", "ports": port, "processes": ["python*"]} for port in ports]
        found = observe(ports, [], listeners, None, [], 0.05)
    assert [one["local_port"] for one in found["sockets"] if one["state"] == "LISTEN"] == [int(ports[0])]
    assert set(found) == {"sockets"}


@pytest.mark.parametrize("timeout", [0, 61, float("nan")])
def test_nothing_waits_for_ever(timeout: float) -> None:
    with pytest.raises(DbportsError) as caught:
        observe(["5002"], [], [{"protocol": "tcp", "ports": "5002", "processes": []}], None, [], timeout)
    assert caught.value.path == "timeout"


@pytest.mark.parametrize(
    ("uid", "nft", "permitted"),
    [
        (1000, "exit 0", False),
        (0, "echo 'Error: Operation not permitted (you must be root)' >&2; exit 1", False),
        (0, "echo 'Error: syntax error' >&2; exit 1", True),
    ],
)
def test_a_ruleset_that_may_not_be_read_is_told_from_one_that_cannot(
    uid: int, nft: str, permitted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nft").write_text(f"#!/bin/sh\n{nft}\n", encoding="ascii")
    (tmp_path / "nft").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("os.geteuid", lambda: uid)
    ruleset = {"state": "present", "owner": "db", "policy": "guard", "filter_outbound": False, "rules": []}
    found = observe([], [], [], ruleset, [], 1)["ruleset"]
    assert found["permitted"] is permitted
    assert found["error"]
