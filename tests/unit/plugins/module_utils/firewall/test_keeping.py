# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The own unit of any firewall, when a change is undone that started it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import Backend
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.backend import IptablesBackend
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.backend import Nftables
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.persist import BootPlace
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import Runner
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import to_json

KEPT_NOTHING = "[[], []]"
BARE: list[tuple[Backend, Mapping[str, str]]] = [
    (
        Nftables(),
        {
            "program": "/usr/sbin/nft",
            "own table": "delete table inet dbports",
            "placed": "{}",
            "kept": KEPT_NOTHING,
            "boot": BootPlace("/usr/sbin/nft", True, ()).to_text(),
        },
    ),
    (IptablesBackend(), {"variant": "nf_tables", "saved 4": "", "saved 6": "", "kept": KEPT_NOTHING, "systemd": "yes"}),
]
"""What a host without rules of ours showed, with systemd."""


@pytest.mark.parametrize(("backend", "observed"), BARE, ids=[item[0].name for item in BARE])
def test_a_start_that_outlives_its_run_is_undone(tmp_path: Path, backend: Backend, observed: Mapping[str, str]) -> None:
    """systemd goes on with it when who asked for it is killed: it loads the new rules after the old ones are back."""
    in_force = ["new"]
    starting = [True]

    def run(argv: Sequence[str], _text: str) -> tuple[int, str, str]:
        if argv[0] != "systemctl":
            in_force.append("old")
        elif starting:
            in_force.append("new")
            if argv[1] == "stop":
                starting.clear()
        return 0, "", ""

    assert Runner(str(tmp_path), run).undo(to_json(backend.undo(observed))) == []
    assert (in_force[1], in_force[-1]) == ("old", "old")
