# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One table of the kinds of probe: every file is in it, and whoever names a kind names one of these."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import base, registry
from ansible_collections.dbports.firewall.plugins.modules import probe as module
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.registry import builtin_engines

FOLDER = Path(base.__file__).parent
PACKAGE = base.__name__.rpartition(".")[0]
DOCUMENTED = yaml.safe_load(module.DOCUMENTATION)["options"]["probes"]["suboptions"]


def test_every_file_that_has_a_kind_is_registered_under_its_own_name() -> None:
    files = {path.stem: importlib.import_module(f"{PACKAGE}.{path.stem}") for path in FOLDER.glob("[a-z]*.py")}
    kinds = {stem: file.KIND for stem, file in files.items() if hasattr(file, "KIND")}
    assert kinds == registry.KINDS
    assert {stem: kind.name for stem, kind in kinds.items()} == {stem: stem for stem in kinds}


def test_every_kind_has_one_way_to_run_and_its_protocols() -> None:
    for kind in registry.KINDS.values():
        assert (kind.run is None) != (kind.run_together is None)
        assert kind.protocols
        assert all(kind.name in registry.kinds_for(protocol) for protocol in kind.protocols)
        assert (kind.max_ports == 0) == (kind.protocols == ("icmp",))


def test_the_module_documents_and_accepts_every_kind() -> None:
    names = list(registry.KINDS)
    assert module.ARGUMENT_SPEC["probes"]["options"]["kind"]["choices"] == names
    assert DOCUMENTED["kind"]["choices"] == names
    assert [text.partition(")")[0] for text in DOCUMENTED["kind"]["description"]] == [f"V({name}" for name in names]
    naming = [name for name, kind in registry.KINDS.items() if kind.names_instance]
    assert all(f"V({name})" in DOCUMENTED["instance"]["description"] for name in naming)
    assert str(base.MAX_PORTS) in " ".join(DOCUMENTED["ports"]["description"])


def test_every_engine_probes_with_a_registered_kind_of_its_protocol() -> None:
    for engine in builtin_engines().values():
        for flow in engine.flows:
            assert flow.probe is None or flow.probe in registry.kinds_for(flow.protocol), (engine.name, flow.name)


def test_every_kind_is_used_by_an_engine() -> None:
    """But for the one that clients behind a SOCKS host use, whatever the server."""
    used = {flow.probe for engine in builtin_engines().values() for flow in engine.flows}
    assert set(registry.KINDS) - used == {"socks"}


@pytest.mark.parametrize("name", ["telnet", "", None, ["tcp"], "TCP"])
def test_another_name_is_an_error(name: Any) -> None:
    with pytest.raises(DbportsError) as caught:
        registry.kind_of(name)
    assert (caught.value.code, caught.value.path) == ("not_a_choice", "kind")
