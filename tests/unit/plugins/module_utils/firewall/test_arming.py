# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on a host, and runs there, while a change is not finished."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import arming
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.persist import UNIT as IPTABLES_UNIT
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.persist import UNIT as NFTABLES_UNIT
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import (
    BOOT_UNIT,
    RUNNING,
    Journal,
    Runner,
    boot,
    network,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import RunCommand, Step, to_json


@pytest.fixture
def on_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Return a host on which systemd runs."""
    monkeypatch.setattr(arming, "_systemd", lambda _runner: True)
    return Runner(str(tmp_path), lambda _argv, _text: (0, "", ""))


@pytest.mark.parametrize("reader", [IPTABLES_UNIT, NFTABLES_UNIT, "ufw.service", "firewalld.service", "sysinit.target"])
def test_files_are_back_before_they_are_read_at_boot(on_systemd: Runner, reader: str) -> None:
    """Else rules of a change that was not finished are in force, and its files are not there.

    Ordinary services, such as a SOCKS server, come after sysinit.target.
    """
    arming.arm(on_systemd, [], [], 0)
    lines = on_systemd.at(BOOT_UNIT).read_text(encoding="utf-8").splitlines()
    assert reader in [unit for line in lines if line.startswith("Before=") for unit in line.partition("=")[2].split()]


def test_a_boot_starts_what_it_had_left_out(tmp_path: Path) -> None:
    """systemd decides what to start before the unit's file is back. Waiting for a unit that comes later would hang."""
    said: list[str] = []

    def run(argv: Sequence[str], _text: str) -> tuple[int, str, str]:
        said.append(" ".join(argv))
        return 0, "", ""

    host = Runner(str(tmp_path), run)
    verbs = ("stop", "daemon-reload", "enable", "start", "reset-failed")
    undo: list[Step] = [RunCommand(("nft", "-f", "-")), *(RunCommand(("systemctl", verb, "it")) for verb in verbs)]
    host.write_journal(Journal("x", RUNNING, 0, "an earlier boot", network(), False, to_json(undo)))
    boot(host)
    assert said == ["systemctl daemon-reload it", "systemctl enable it", "systemctl start --no-block it"]
