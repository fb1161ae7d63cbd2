# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run keeps of its plan: all texts come back, and nothing is there before all of it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import canonical
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import read_index
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import load_artifact
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.text_store import TextStore
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import render_plan
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.values import Declared
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import codec
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.port_sets import RulePeer
from ansible_collections.dbports.firewall.plugins.plugin_utils._plan.builder import build_plan


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    hosts = {
        "db": {"ansible_host": "192.0.2.10", "dbports_servers": [{"engine": "sql602", "clients": ["žába", "app"]}]},
        "žába": {"ansible_host": "192.0.2.21"},
        "app": {"ansible_host": "2001:db8::1"},
    }
    artifact = render_plan(build_plan(PlainInventory({"hosts": hosts})))
    pack = TextStore(tmp_path / "run.plan")
    assert not pack.exists()
    pack.write(artifact.files)
    assert pack.exists()
    assert load_artifact(pack) == artifact
    assert pack.read("index.json") == artifact.files["index.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["run.plan"]


def test_a_text_that_is_not_there(tmp_path: Path) -> None:
    pack = TextStore(tmp_path / "run.plan")
    pack.write({"a": "1"})
    with pytest.raises(FileNotFoundError):
        pack.read("b")


def test_reading_what_was_never_written_writes_nothing(tmp_path: Path) -> None:
    """An empty file in its place would say to the other forks that the plan is there."""
    pack = TextStore(tmp_path / "run.plan")
    for read in (lambda: pack.read("a"), pack.read_all):
        with pytest.raises(OSError, match=r"run\.plan"):
            read()
    with pytest.raises(DbportsError) as caught:
        read_index(pack, None)
    assert (caught.value.code, caught.value.value) == ("no_plan", str(tmp_path / "run.plan"))
    assert not pack.exists()


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "run.plan").write_text("damaged " * 100, encoding="utf-8")
    with pytest.raises(DbportsError) as caught:
        read_index(TextStore(tmp_path / "run.plan"), None)
    assert caught.value.code == "no_plan"


@pytest.mark.parametrize("text", ["plain", 'quo"te', "back\\slash", "line\nfeed", "žába", "\x7f\x00", "\U0001f40d"])
@pytest.mark.parametrize("source_ports", ["1024-65535", "123", None])
def test_a_peers_line_is_canonical(text: str, source_ports: str | None) -> None:
    addresses = ["192.0.2.1", "2001:db8::/64"]
    ports = PortRange.parse(source_ports) if source_ports else None
    ref = RulePeer(text, "network", tuple(map(AddressRange.parse, addresses)), ports, Declared(text, text))
    assert codec(RulePeer).write(ref) == canonical(
        {
            "name": text,
            "kind": "network",
            "addresses": addresses,
            "source_ports": source_ports,
            "declared": {"host": text, "path": text},
        }
    )
