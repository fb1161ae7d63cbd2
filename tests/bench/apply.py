# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time one apply of the module's core against its floor, ``nft -f`` of the same text.

    python tests/bench/apply.py [--rounds 5]

In a network namespace of its own. The first run swaps the table in and reads it back, the second finds
it in place; both are measured without Ansible's transport and without Python's start. Ratios hold from
machine to machine, seconds do not.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lab"))
sys.path.insert(0, str(ROOT / "tests"))

import world


def rule(number: int, peers: list[str]) -> dict[str, Any]:
    """Return one inbound rule on a port of its own."""
    return {"direction": "in", "protocol": "tcp", "ports": [str(2000 + 2 * number)], "peers": peers, "purpose": "bench"}


def cases() -> dict[str, list[dict[str, Any]]]:
    """Return the rules of each case by its title."""
    networks = [f"2001:db8:{2 * number:x}::/48" for number in range(1000)]
    few = {n: [rule(i, [f"192.0.2.{i}", f"2001:db8::{i}", "198.51.100.0/24"]) for i in range(n)] for n in (25, 100)}
    return {"25 rules": few[25], "100 rules": few[100], "1 rule, 1,000 networks": [rule(0, networks)]}


def median(work: Callable[[], object], before: Callable[[], object], rounds: int) -> float:
    """Return the median time of some work in milliseconds; what comes before each round is not counted."""
    times = []
    for _round in range(rounds):
        before()
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    """Measure every case and print a table."""
    importlib.import_module("conftest")  # makes the checkout importable as the collection
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.encode import encode
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import DELETE
    from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds

    def nft(text: str) -> None:
        subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)

    print(f"{'':24}{'nft -f':>10}{'first':>10}{'ratio':>7}{'second':>10}{'ratio':>7}   (ms, medians of {rounds})")
    for title, rules in cases().items():
        wish = DesiredState.from_arguments({"rules": rules, "persist": False})
        text = encode(wish.ruleset)
        floor = median(lambda text=text: nft(text), lambda: nft(DELETE), rounds)
        first = median(lambda wish=wish: apply(wish), lambda: nft(DELETE), rounds)
        second = median(lambda wish=wish: apply(wish), lambda: None, rounds)
        print(f"{title:24}{floor:10.1f}{first:10.1f}{first / floor:7.1f}{second:10.1f}{second / floor:7.1f}")


if __name__ == "__main__":
    world.enter()
    main()
