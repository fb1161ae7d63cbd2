# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change a hundred hosts at once over real ssh, under each strategy, while every fifth one locks the controller out.

    python tests/fleet/confirm.py --hosts 100

Each host is a network namespace with an sshd of its own. After each play these and only these hosts have their old
rules that lock the controller out, and each says so; nothing is left on any of them. Then the controller is killed when
a third of the hosts has finished, and every host is as it was or has its confirmed rules. Ends with 1 if not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))

import world
from fleet import Fleet, Setting
from lab import Lab
from over_ssh import OverSsh

EVERY = 5
"""One host in so many locks the controller out."""

FIRST = 100
"""The last number of the first host's address."""


def settings(hosts: int) -> dict[str, Setting]:
    """Return what is tried; in the batches the second and last host to be changed is the first that locks out."""
    return {
        "linear, all at once": Setting({"strategy": "linear"}, {}, hosts),
        "linear, any_errors_fatal": Setting({"any_errors_fatal": True}, {}, hosts // 5),
        "linear, serial 1 and 20%, any_errors_fatal": Setting(
            {"serial": [1, "20%"], "any_errors_fatal": True}, {}, hosts // 5, stops=1 + hosts // 5
        ),
        "linear, serial 50%, max_fail_percentage 10": Setting(
            {"serial": "50%", "max_fail_percentage": 10}, {}, hosts // 5, stops=hosts // 2
        ),
        "free, all at once": Setting({"strategy": "free"}, {}, hosts),
        "free, throttle, any_errors_fatal": Setting(
            {"strategy": "free", "any_errors_fatal": True}, {"throttle": hosts // 10}, hosts // 5
        ),
        "host_pinned": Setting({"strategy": "host_pinned"}, {}, hosts // 5),
    }


def main() -> None:
    """Run all settings, or those that are named, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=100, choices=range(10, 151))
    parser.add_argument("--timeout", type=int, default=30, help="confirm_timeout of every host")
    options = parser.parse_args()
    numbers = range(FIRST, FIRST + options.hosts)
    failed = False
    with Lab() as lab, tempfile.TemporaryDirectory(prefix="dbports-fleet-") as place:
        way = OverSsh(lab, Path(place))
        fleet = Fleet(lab, way, "db", numbers, [number for number in numbers if number % EVERY == 1])
        print(f"fleet: {options.hosts} hosts, confirm_timeout {options.timeout} s", flush=True)
        for name, setting in settings(options.hosts).items():
            start = time.monotonic()
            fleet.start(setting, options.timeout, options.timeout).wait(3600)
            seconds = time.monotonic() - start
            failed |= _told(name, fleet, fleet.problems(setting), seconds)
            fleet.forget()
        everyone = settings(options.hosts)["free, all at once"]
        start = time.monotonic()
        fleet.kill(fleet.start(everyone, options.timeout, options.timeout), options.hosts // 3)
        failed |= _told("free, all at once, controller killed", fleet, fleet.broken(), time.monotonic() - start)
    sys.exit(failed)


def _told(name: str, fleet: Fleet, problems: list[str], seconds: float) -> bool:
    """Print what became of the hosts; tell whether that is wrong."""
    counts = Counter(fleet.seen().values())
    said = Counter(result["status"] for result in fleet.results().values())
    load = os.getloadavg()[0]
    print(
        f"  {name}: {counts['new']} changed, {counts['old']} as before, {counts['unfinished']} unfinished; "
        f"said ok {said['ok']}, failed {said['failed']}; {seconds:.0f} s (load {load:.0f}): "
        f"{'WRONG' if problems else 'right'}",
        flush=True,
    )
    for line in problems:
        print(f"    {line}", flush=True)
    return bool(problems)


if __name__ == "__main__":
    world.enter()
    main()
