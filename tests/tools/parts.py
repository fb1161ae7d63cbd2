# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the parts of ``make test``, a few at a time, and say how each of them went.

    python tests/tools/parts.py --jobs 2 --logs .build/logs -- unit lint ...

Every part is a target of the Makefile. Its output goes to a log of its own; a failed part's log is printed whole,
so that a machine whose files are gone afterwards still tells why. The last line counts the parts.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

TELLING = re.compile(
    r"^(?:\d+ (?:passed|failed|error).*|Success: .*|Found \d+ error.*|Passed: .*|(?:sanity|build|kill): .*|Built .*)$"
)
"""The lines in which the tools sum themselves up; a part's last one is shown beside its name."""

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Outcome:
    """How one part went."""

    name: str
    status: int
    seconds: float
    log: Path

    def line(self) -> str:
        """Return the part's line in the summary."""
        mark = "ok    " if self.status == 0 else "FAILED"
        return f"{mark} {self.name:<12} {self.seconds:6.1f} s  {self.gist()}".rstrip()

    def gist(self) -> str:
        """Return the tool's own last summary line, or nothing."""
        lines = [COLOUR.sub("", line)[8:].strip(" =│") for line in self.log.read_text().splitlines()]
        return next((line for line in reversed(lines) if TELLING.match(line)), "")


def run_part(name: str, logs: Path) -> Outcome:
    """Run one part to its end and return how it went."""
    log = logs / f"{name}.log"
    started = time.monotonic()
    command = ["make", name]
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as part,
    ):
        for line in part.stdout or ():
            output.write(f"{time.monotonic() - started:7.1f} {line}")  # so that a log tells where the time went
            output.flush()
    return Outcome(name, part.returncode, time.monotonic() - started, log)


def main() -> int:
    """Run the named parts; return 0 when all of them passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="parts at a time")
    parser.add_argument("--logs", type=Path, required=True, help="folder for one log a part")
    parser.add_argument("parts", nargs="+", help="targets of the Makefile")
    args = parser.parse_args()
    args.logs.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    print(f"test: {' '.join(args.parts)}; {args.jobs} at a time, logs in {args.logs}", flush=True)
    outcomes: dict[str, Outcome] = {}
    with ThreadPoolExecutor(max_workers=args.jobs) as pool:
        for future in as_completed([pool.submit(run_part, name, args.logs) for name in args.parts]):
            outcome = future.result()
            outcomes[outcome.name] = outcome
            if outcome.status:
                print(f"---- log of {outcome.name}", outcome.log.read_text(), "----", sep="\n")
            print(outcome.line(), flush=True)
    failed = [name for name in args.parts if outcomes[name].status]
    print(f"\ntest: the parts in order, after {time.monotonic() - started:.0f} s")
    for name in args.parts:
        print(outcomes[name].line())
    print(f"{len(args.parts) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
