# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk "a new kind of probe": one file, and its name in the registry; nothing else changes.

The kind is ``redis_ping.py`` of this folder. Runner, engines of users, plan and verdicts learn of it from the registry.
"""

from __future__ import annotations

import importlib.util
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import registry
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import ProbeKind
from ansible_collections.dbports.firewall.plugins.module_utils._probe.run import run_probes
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.declarations import PlanError
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.judge import judge
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.observation import read_observation
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.probes import probes_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import PortSet
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan

FILE = Path(__file__).with_name("redis_ping.py")
INVENTORY: dict[str, Any] = {
    "hosts": {
        "cache": {
            "ansible_host": "192.0.2.10",
            "dbports_servers": [{"engine": "redis", "clients": ["app"], "forbidden_clients": ["evil"]}],
        },
        "app": {"ansible_host": "192.0.2.21"},
        "evil": {"ansible_host": "192.0.2.66"},
    },
    "vars": {
        "dbports_engines": {
            "redis": {
                "source": "the vendor's manual",
                "options": {"port": {"type": "port", "default": 6379}},
                "flows": [{"name": "resp", "port": "port", "purpose": "Clients connect", "probe": "redis_ping"}],
            }
        }
    },
}


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> ProbeKind:
    """Register the kind, which is all that a newcomer does beside writing its file."""
    spec = importlib.util.spec_from_file_location("redis_ping", FILE)
    assert spec
    assert spec.loader
    file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(file)
    found: ProbeKind = file.KIND
    monkeypatch.setitem(registry.KINDS, found.name, found)
    return found


@pytest.fixture
def redis() -> Iterator[str]:
    """Answer PING on a port of this machine, once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as client:
                client.recv(64)
                client.sendall(b"+PONG\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield str(server.getsockname()[1])
        thread.join()


def port_set(host: str) -> PortSet:
    """Return a host's part of the plan."""
    return build_plan(PlainInventory(INVENTORY)).hosts[host]


def verdict(host: str, probed: str, reached: bool = False) -> str:
    """Return what is said when all probes of a host have one verdict."""
    planned = port_set(host)
    met = {"verdict": probed, "reached": reached, "detail": "why", "port": 6379}
    results = [{**probe, **met} for probe in probes_of(planned)]
    (finding,) = judge(planned, read_observation({"probes": results}))
    return finding.verdict


@pytest.mark.usefixtures("kind")
def test_the_runner_runs_it(redis: str) -> None:
    wanted = {"id": "a", "kind": "redis_ping", "address": "127.0.0.1", "ports": redis, "instance": "0"}
    (found,) = run_probes([wanted], 2)
    assert (found["verdict"], found["detail"], found["port"]) == ("answers", "Redis answered 0", int(redis))
    with pytest.raises(DbportsError, match="at most 4 ports"):
        run_probes([{**wanted, "ports": "1,2,3,4,5"}], 2)


@pytest.mark.usefixtures("kind")
def test_an_engine_of_a_user_has_it_and_the_plan_sends_it() -> None:
    assert [(one["kind"], one["ports"]) for one in probes_of(port_set("app"))] == [("redis_ping", "6379")]


@pytest.mark.usefixtures("kind")
def test_the_verdicts_know_what_its_answers_mean() -> None:
    assert [verdict("evil", probed, True) for probed in ("answers", "silent", "refused")] == ["fail", "fail", "fail"]
    assert [verdict("evil", probed) for probed in ("silent", "refused")] == ["ok", "ok"]
    assert [verdict("app", probed) for probed in ("answers", "silent")] == ["ok", "fail"]


def test_without_it_in_the_registry_nobody_knows_it() -> None:
    with pytest.raises(PlanError) as caught:
        port_set("app")
    assert [(error.code, error.path) for error in caught.value.errors] == [
        ("not_a_choice", "dbports_engines.redis.flows[0].probe")
    ]
