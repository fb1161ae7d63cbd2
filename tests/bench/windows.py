# SPDX-License-Identifier: GPL-3.0-or-later
"""Time what Python does for a Windows host: 400 rules and 10,000 sockets on the simulated host, in processor time.

    python tests/bench/windows.py [--rules 400] [--sockets 10000] [--rounds 3]

The simulated host answers at once, so what is measured is what the controller adds to the calls of PowerShell. The
floor is reading and writing the same JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CORE = "ansible_collections.dbports.firewall.plugins"


def crowded(simulated: Any, sockets: int) -> Any:
    """Return a host with many connections to many ports, and five hundred rules of others."""
    host = simulated.SimulatedWindows()
    rows = [
        f"  TCP  192.0.2.10:{20000 + number % 400}  198.51.{number // 250 % 250}.{number % 250}:{40000 + number}"
        "  ESTABLISHED  4711\n"
        for number in range(sockets)
    ]
    listening = [f"  TCP    0.0.0.0:{20000 + number}    0.0.0.0:0    LISTENING    4711\n" for number in range(400)]
    host.state["netstat"] += "".join(listening + rows)
    for number in range(500):
        rule = f"v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort={3000 + number}|Name=theirs {number}|"
        host.state["local"][f"{{B-{number}}}"] = rule
    return host


def read_and_write(value: Any, times: int) -> None:
    """Write and read a value as JSON."""
    for _turn in range(times):
        json.loads(json.dumps(value))


def processor_time(what: Callable[[], Any]) -> float:
    """Return the seconds of processor time that a call takes."""
    began = time.process_time()
    what()
    return time.process_time() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time what Python does for a Windows host.")
    parser.add_argument("--rules", type=int, default=400)
    parser.add_argument("--sockets", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        place = Path(base) / "ansible_collections" / "dbports"
        place.mkdir(parents=True)
        (place / "firewall").symlink_to(ROOT, target_is_directory=True)
        sys.path[:0] = [base, str(ROOT / "tests" / "support")]
        from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import WindowsHost
        from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.observation import observe
        from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.ruleset import apply_ruleset

        import simulated_windows

        rules = [
            {"direction": "in", "protocol": "tcp", "ports": [str(20000 + number)], "peers": [f"192.0.2.{number % 250}"]}
            for number in range(options.rules)
        ]
        wanted = {"owner": "erp-db", "rules": rules}
        took: dict[str, list[float]] = {}
        for _round in range(options.rounds):
            host = crowded(simulated_windows, options.sockets)
            windows = WindowsHost(host.call)
            apply = partial(apply_ruleset, windows, wanted, check=False)
            steps: dict[str, Callable[[], Any]] = {
                "floor: the same JSON, twice": partial(read_and_write, host.state, 2),
                "apply, first": apply,
                "apply, again": apply,
                "verify": partial(observe, windows, {"ports": ["20000-20399"], "ruleset": wanted}),
            }
            for name, step in steps.items():
                took.setdefault(name, []).append(processor_time(step))
            assert host.calls == ["collect", "apply", "collect", "collect"], host.calls
    print(f"{options.rules} rules, {options.sockets} sockets, 500 rules of others; medians of processor time")
    for name, seconds in took.items():
        print(f"  {name:28} {statistics.median(seconds):.2f} s")


if __name__ == "__main__":
    main()
