# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under every strategy and error policy these and only these hosts go back that lock the controller out.

Each setting has hosts of its own, and all plays run at once. `make fleet` does the same with a hundred hosts.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fleet import Fleet, Setting
from lab import Lab
from over_ssh import OverSsh

HOSTS, LOST = 3, 1
"""How many hosts each setting has, and which of them locks the controller out: the one in the middle."""

SETTINGS = {
    "linear": Setting({"strategy": "linear", "any_errors_fatal": True}, {}, forks=2),
    "batches": Setting({"serial": 2, "max_fail_percentage": 0}, {}, forks=3, stops=2),
    "free": Setting({"strategy": "free", "any_errors_fatal": True}, {"throttle": 2}, forks=3),
    "pinned": Setting({"strategy": "host_pinned"}, {}, forks=2),
}


@pytest.fixture(scope="module")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Fleet]]:
    """Run all plays to their end."""
    with Lab() as lab:
        way = OverSsh(lab, tmp_path_factory.mktemp("strategies"))
        fleets = {}
        for number, name in enumerate(SETTINGS):
            numbers = range(100 + HOSTS * number, 100 + HOSTS * (number + 1))
            fleets[name] = Fleet(lab, way, name, numbers, [numbers[LOST]])
        running = [fleet.start(SETTINGS[name], timeout=250, lost_timeout=2) for name, fleet in fleets.items()]
        for process in running:
            process.wait(600)
        yield fleets


@pytest.mark.parametrize("name", SETTINGS)
def test_only_those_that_lock_out_are_rolled_back(fleets: dict[str, Fleet], name: str) -> None:
    problems = fleets[name].problems(SETTINGS[name])
    assert not problems, "\n".join([*problems, (fleets[name].place / "output").read_text(encoding="utf-8")])
