# SPDX-License-Identifier: GPL-3.0-or-later
"""After state: absent the servers are as they were before anything was applied."""

from __future__ import annotations

from typing import Any

from scripts import run_script
from testinfra.host import Host


def test_the_rules_are_as_before(server: Host, variables: dict[str, Any]) -> None:
    """Every rule is as it was, to the byte."""
    for name in ("foreign", "rules"):
        before = server.file(f"/root/before/{name}").content_string
        assert before.strip()
        assert server.check_output(f"( {variables[f'lab_{name}']} )") == before.strip()


def test_every_file_is_as_before(server: Host, variables: dict[str, Any]) -> None:
    """Every file of the configuration has its content, mode and owner, and nothing that bears our name is left."""
    before = server.file("/root/before/files").content_string.splitlines()
    after = server.check_output(str(variables["lab_files"])).splitlines()
    assert (sorted(set(before) - set(after)), sorted(set(after) - set(before))) == ([], [])


def test_the_firewall_kept_the_intruder_out(intruder: Host, addresses: list[str], passes: dict[str, Any]) -> None:
    """The port is as open or closed to the intruder as before, which shows what kept it out."""
    target = f"tcp/{addresses[0]}/1433"
    met = run_script(intruder, "knock.py", target)[target]
    assert (met == "answers") == passes["was_open"]
