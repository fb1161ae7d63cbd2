# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run keeps of its plan: all texts come back, and nothing is there before all of it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.artifact import _peer_line as peer_line
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.artifact import (
    canonical,
    load_artifact,
    render_plan,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.text_store import TextStore
from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.plain_inventory import PlainInventory
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


@pytest.mark.parametrize("text", ["plain", 'quo"te', "back\\slash", "line\nfeed", "žába", "\x7f\x00", "\U0001f40d"])
def test_a_peers_line_is_canonical(text: str) -> None:
    ref = RulePeer(text, (text, "192.0.2.1"), text, text)
    assert peer_line(ref) == canonical(ref._asdict())
