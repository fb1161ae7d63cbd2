# SPDX-License-Identifier: GPL-3.0-or-later
"""The three hosts of the scenario."""

from __future__ import annotations

import os

import pytest
import testinfra
from testinfra.host import Host


def _host(name: str) -> Host:
    return testinfra.get_host(f"ansible://{name}", ansible_inventory=os.environ["MOLECULE_INVENTORY_FILE"])


@pytest.fixture(scope="session")
def server() -> Host:
    """The server of both engines."""
    return _host("server")


@pytest.fixture(scope="session")
def client() -> Host:
    """A host that the server names as a client."""
    return _host("client")


@pytest.fixture(scope="session")
def intruder() -> Host:
    """A host that the server names nowhere, or as forbidden."""
    return _host("intruder")
