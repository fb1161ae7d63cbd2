# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a scenario, which are named in base.yml, and what Ansible knows of them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

sys.path.insert(0, str(Path(__file__).parents[1]))  # scripts.py and sweep.py, for the tests

INVENTORY = os.environ["MOLECULE_INVENTORY_FILE"]


def _host(name: str) -> Host:
    return testinfra.get_host(f"ansible://{name}", ansible_inventory=INVENTORY)


@pytest.fixture(scope="session", params=["bookworm", "trixie"])
def server(request: pytest.FixtureRequest) -> Host:
    """A host that carries the rules, on each release."""
    return _host(request.param)


@pytest.fixture(scope="session")
def client() -> Host:
    """A host that the servers name as a client."""
    return _host("client")


@pytest.fixture(scope="session")
def intruder() -> Host:
    """A host that the servers name as forbidden."""
    return _host("intruder")


@pytest.fixture
def variables(server: Host) -> dict[str, Any]:
    """What the scenario says of the server: its variables in the inventory."""
    return dict(server.ansible.get_variables())


@pytest.fixture
def passes(server: Host) -> dict[str, Any]:
    """What the other firewall lets pass: its open ports by protocol, and whether the database's were open before."""
    return dict(json.loads(server.file("/root/before/passes").content_string))


@pytest.fixture
def database(server: Host, variables: dict[str, Any]) -> Host:
    """The host whose ports the server guards: its own, or for a router a host behind it."""
    name = variables.get("lab_database")
    return _host(name) if name else server


@pytest.fixture
def addresses(database: Host) -> list[str]:
    """The database host's addresses, IPv4 first."""
    return list(database.ansible.get_variables()["dbports_addresses"])
