# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs of this machine print of real sockets: in other languages, by BusyBox, and as jc reads it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import jc
import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import collect
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.text import parse
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange

LOOPBACK = "127.0.0.1"
SOCKETS = 8
"""That this test opens."""
ROWS = ("tcp", "udp", "raw")
SHORT = re.compile(r"127\.0\.0\.1:| :::\d")
LANGUAGES = ("cs", "de", "et", "fr", "ja", "pt_BR")
"""Those of net-tools; LANGUAGE chooses one in any locale but C, whatever locales are installed."""


@pytest.fixture(scope="module")
def ports() -> Iterator[list[PortRange]]:
    """Open a listener of each family, a connection to each, and UDP sockets with and without a peer."""
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(socket.create_server((LOOPBACK, 0))),
            stack.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)),
        ]
        used = []
        for listener in listeners:
            client = stack.enter_context(socket.create_connection((LOOPBACK, listener.getsockname()[1]), timeout=60))
            stack.enter_context(listener.accept()[0])
            used += [listener, client]
        for peer in (None, used[0].getsockname()):
            one = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            one.bind((LOOPBACK, 0))
            if peer:
                one.connect(peer)
            used.append(one)
        yield [PortRange(port, port) for port in sorted({one.getsockname()[1] for one in used})]


def run(argv: list[str], language: str = "C") -> str:
    """Return what a program prints in a language."""
    locale = {"LC_ALL": "C" if language == "C" else "C.UTF-8", "LANGUAGE": language}
    done = subprocess.run(argv, env={**os.environ, **locale}, capture_output=True, check=True, timeout=600)
    lines = done.stdout.decode().split("\n")
    # BusyBox cuts addresses, which is an error; those of this test are short, those of this machine may be long.
    return "\n".join(line for line in lines if argv[0] != "busybox" or not line.startswith(ROWS) or SHORT.search(line))


def of_ports(sockets: list[Socket], ports: list[PortRange]) -> list[Socket]:
    """Return the sockets that matter here; earlier connections of the same ports may linger."""
    return [one for one in sockets if one.touches(ports) and one.state != "TIME_WAIT"]


def compared(
    argv: list[str], language: str, ports: list[PortRange], *unknown: str, protocols: tuple[str, ...] = ("tcp", "udp")
) -> tuple[set[Socket], set[Socket]]:
    """Return the sockets that a program prints, and those that the kernel has, without some of their fields.

    Both are asked again while they differ: others open and close sockets meanwhile, also on these ports. Those of
    other processes are left out where they are known: netstat names only one of several owners.
    """
    nothing: dict[str, Any] = dict.fromkeys(unknown)
    owners = [None, os.getpid()]
    printed: set[Socket] = set()
    there: set[Socket] = set()
    for _attempt in range(20):
        sockets = (parse(run(argv, language))[1], collect("auto", ports)[1])
        printed, there = (
            {one._replace(**nothing) for one in of_ports(found, ports) if "pid" in unknown or one.pid in owners}
            for found in sockets
        )
        there = {one for one in there if one.protocol in protocols}
        if printed == there:
            break
    return printed, there


@pytest.mark.parametrize("language", ["C", *LANGUAGES])
@pytest.mark.parametrize("options", ["-nWpaA", "-nWpeaA", "-nWpeoaA", "-nWpoaA"])
def test_netstat_in_other_languages(ports: list[PortRange], language: str, options: str) -> None:
    """States, headings and timers are translated, and mean the same."""
    argv = ["netstat", options, "inet,inet6"]
    printed, there = compared(argv, language, ports, "process")
    assert printed == there
    assert parse(run(argv, language))[0].startswith("netstat of net-tools")


@pytest.mark.parametrize("options", ["-nat", "-natu", "-na", "-nae"])
def test_busybox(ports: list[PortRange], options: str) -> None:
    """Its columns are net-tools'; it names no owners here."""
    argv, protocols = ["busybox", "netstat", options], ("tcp",) if options == "-nat" else ("tcp", "udp")
    printed, there = compared(argv, "C", ports, "pid", "process", protocols=protocols)
    assert printed == there
    assert parse(run(argv))[0].startswith("netstat of net-tools")


def test_ss_with_its_processes(ports: list[PortRange]) -> None:
    """The text that people paste, with names."""
    printed, there = compared(["ss", "-naeptuw"], "C", ports)
    assert printed == there
    assert len(printed) >= SOCKETS
    assert parse(run(["ss", "-naeptuw"]))[0] == "ss of iproute2"


def _ends(row: dict[str, Any], program: str) -> tuple[str, int, str]:
    protocol = row["proto" if program == "netstat" else "netid"].rstrip("6")
    state = {"ESTAB": "ESTABLISHED", "UNCONN": "", None: ""}.get(row.get("state"), row.get("state"))
    return protocol, int(row["local_port"]), str(state)


@pytest.mark.parametrize(
    ("program", "argv"), [("netstat", ["netstat", "-nWpaA", "inet,inet6"]), ("ss", ["ss", "-naptu"])]
)
def test_jc_reads_the_same(ports: list[PortRange], program: str, argv: list[str]) -> None:
    """A second opinion on protocols, ports and states."""
    output = run(argv)
    rows = jc.parse(program, output)
    ours = [(one.protocol, one.local_port, one.state or "") for one in of_ports(parse(output)[1], ports)]
    theirs = [
        _ends(row, program)
        for row in rows
        if row.get("local_port", "").isdigit()
        and row.get("state") not in ("TIME_WAIT", "TIME-WAIT")
        and any(
            int(row[end]) in port
            for end in ("local_port", "peer_port", "foreign_port")
            for port in ports
            if row.get(end, "").isdigit()
        )
    ]
    assert sorted(ours) == sorted(theirs)
    assert ours
