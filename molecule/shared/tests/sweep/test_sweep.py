# SPDX-License-Identifier: GPL-3.0-or-later
"""Every port of the servers, asked with a packet to each."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from scripts import run_script
from testinfra.host import Host

from sweep import numbers, ranges

GUARDED = {"tcp": {1433, 5002, 14330}, "udp": {1434, 5001}}
"""What the plan guards: SQL Server's two instances, 602SQL's PORTBASE + 1; SQL Server Browser, 602SQL's search."""


def sweep(sender: Host, database: Host, address: str, wanted: dict[str, set[int]]) -> dict[str, set[int]]:
    """Send a packet to every port and return the ports at which it came; what was lost on the way is sent again."""
    mark = str(secrets.randbits(31))
    missing = dict.fromkeys(wanted, "1-65535")
    seen: dict[str, set[int]] = {}
    for _round in range(5):
        run_script(sender, "sweep.py", "send", mark, address, *(f"{name}/{text}" for name, text in missing.items()))
        seen = {name: set(numbers(text)) for name, text in run_script(database, "sweep.py", "show", mark).items()}
        missing = {name: ranges(ports - seen[name]) for name, ports in wanted.items() if ports - seen[name]}
        if not missing:
            break
    return seen


@pytest.mark.parametrize("who", ["client", "intruder"])
def test_every_port_is_as_planned(
    who: str, database: Host, addresses: list[str], passes: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """Of 65,535 TCP and UDP ports those pass that the other firewall lets pass, but for the guarded ones."""
    opened = {name: set(numbers(text)) - GUARDED[name] for name, text in passes["open"].items()}
    wanted = {name: ports | GUARDED[name] for name, ports in opened.items()} if who == "client" else opened
    database.check_output(
        "systemctl is-active --quiet sweep || "
        "systemd-run --quiet --unit=sweep --service-type=notify /usr/bin/python3 /opt/sweep.py listen"
    )
    for address in addresses:
        seen = sweep(request.getfixturevalue(who), database, address, wanted)
        for name, ports in wanted.items():
            assert (ranges(ports - seen[name]), ranges(seen[name] - ports)) == ("", ""), (address, name)
