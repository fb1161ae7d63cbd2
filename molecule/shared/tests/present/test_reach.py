# SPDX-License-Identifier: GPL-3.0-or-later
"""What the client and the intruder meet at the servers, asked with plain sockets."""

from __future__ import annotations

from typing import Any

import pytest
from scripts import run_script
from testinfra.host import Host


@pytest.fixture
def targets(addresses: list[str]) -> list[str]:
    """Every guarded port, in words of knock.py."""
    tcp = [f"tcp/{address}/{port}" for address in addresses for port in (1433, 14330)]
    ssrp = [f"ssrp/{address}/1434" for address in addresses]
    return [*tcp, *ssrp, f"tcp/{addresses[0]}/5002", f"search/{addresses[0]}/5001"]


def test_the_client_is_served_on_every_planned_port(client: Host, targets: list[str]) -> None:
    """A client gets in on each guarded port, in both families, and gets its answer."""
    assert run_script(client, "knock.py", *targets) == dict.fromkeys(targets, "answers")


def test_the_intruder_is_served_on_none(intruder: Host, targets: list[str]) -> None:
    """No one else gets in on a guarded port."""
    assert "answers" not in run_script(intruder, "knock.py", *targets).values()


def test_the_other_rules_are_untouched(server: Host, variables: dict[str, Any]) -> None:
    """The rules that others wrote are there, to the byte."""
    before = server.file("/root/before/foreign").content_string
    assert before.strip()
    assert server.check_output(f"( {variables['lab_foreign']} )") == before.strip()


def test_the_servers_listen(database: Host) -> None:
    """The stand-ins run, so that silence towards the intruder means the firewall."""
    for port in (1433, 14330, 5002, 8433):
        assert database.socket(f"tcp://0.0.0.0:{port}").is_listening
