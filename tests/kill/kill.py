# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill runs in the middle, and let two of them run at once: the host is always whole.

    python tests/kill/kill.py --backend nftables --kills 250 --boundaries 0 --pairs 200

A host (see hosts.py) goes round between two rulesets that are kept for the next boot, and none. Runs are killed at
random moments (the module, its process group, by SIGKILL and by signals that it may handle) and, with strace, at system
calls of the swap; so is the process that undoes one. Then either nobody does anything, or the host is restarted.
Afterwards what is in force and what is kept are both the old state or both the new one, and everything else is as it
was; the next run succeeds, and nothing is left on the host. What the host keeps of its last call says that nothing has
to be changed only where that is true, and says it after each run that succeeded.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from hosts import KINDS as HOSTS
from hosts import STATE, SystemdSide, enter
from hosts import Host as Place

ROUND = {"a": "b", "b": "absent", "absent": "a"}
"""The states of a host, and which one comes after which."""

KEPT = {name: [[name], ["/run/dbports-firewall"]] if name != "absent" else [[], []] for name in ROUND}
"""The calls that a host answers by itself after a run, and where it keeps them."""

PATIENCE = 60
"""Seconds after which a host that does not come to rest has failed."""

CALLS = "rename,renameat,renameat2,unlink,unlinkat,fsync,mkdir,rmdir,vfork,clone,clone3,flock,execve,openat,write,close"
"""System calls of the swap at which a run is killed."""

PAIRS = tuple(permutations(ROUND, 2))
"""What two runs that are started at once lead to."""

KINDS = (
    ("module, SIGKILL", False, signal.SIGKILL),
    ("group, SIGKILL", True, signal.SIGKILL),
    ("module, SIGTERM", False, signal.SIGTERM),
    ("group, SIGHUP", True, signal.SIGHUP),
)
"""What a kill is called, whether it goes to the whole process group, and the signal."""


class HalfStateError(AssertionError):
    """What no host may ever come to."""


class Told(NamedTuple):
    """What a run said before it ended: a failure, whether it changed something, and whether it waits."""

    failed: str = ""
    changed: bool = False
    confirm: str = ""
    warnings: tuple[str, ...] = ()
    msg: str = ""


def read_answer(status: int, output: str) -> Told:
    """Read what a run said; one that was killed said nothing."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines and status not in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, 128 + signal.SIGKILL):
        raise HalfStateError(f"a run broke: {status} {output}")
    return Told(**json.loads(lines[-1])) if lines else Told(failed="killed")


class Host:
    """A host with one backend, two rulesets and none."""

    def __init__(self, place: Place, backend: str) -> None:
        self.place = place
        self.backend = backend
        self.whole: dict[str, list[str]] = {}
        self.serve()
        self.name, untouched = "absent", self.look()
        for name in ("b", "absent", "a"):
            told = self.finish(self.start(name))
            if not told.changed:
                raise HalfStateError(f"the first run of {name} did not change anything: {told}")
            self.whole[name] = self.look()
        if self.whole["absent"] != untouched:
            raise HalfStateError(f"a trace is left: {difference(untouched, self.whole['absent'])}")
        self.name = "a"

    @property
    def target(self) -> str:
        """The state to which the next run goes."""
        return ROUND[self.name]

    def serve(self) -> None:
        """Start what runs and looks on the host."""
        command = [self.place.python, self.place.on_host]
        self.server = self.place.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.place.looking = self.server.pid

    @property
    def root(self) -> Path:
        """The file system of the host."""
        return self.place.root

    def ask(self, **request: Any) -> Any:
        """Ask the server on the host."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        print(json.dumps(request), file=self.server.stdin, flush=True)
        return json.loads(self.server.stdout.readline())

    def arguments(self, name: str) -> dict[str, Any]:
        """Return the arguments that lead to a state."""
        if name == "absent":
            return {"state": "absent", "backend": self.backend}
        peers = ["192.0.2.21", "198.51.100.0/24", "2001:db8::/64"] if name == "a" else ["192.0.2.22"]
        ports = [["1433"], ["5022"], ["49152-65535"]] if name == "a" else [["1433"], ["1434"]]
        rules = [
            {"direction": "in", "protocol": "tcp", "ports": item, "peers": peers, "purpose": name} for item in ports
        ]
        chains = self.place.chains
        return {"call_id": name, "rules": rules, "allow_shrink": True, "backend": self.backend, "chains": chains}

    def start(self, name: str, confirm_timeout: int = 0) -> int:
        """Start a run, as a session of its own; returns its process id."""
        return int(self.ask(run=[self.arguments(name), {"confirm_timeout": confirm_timeout}]))

    def command(self, name: str) -> tuple[str, str]:
        """Return the arguments of a process that makes one run."""
        return json.dumps(self.arguments(name)), "{}"

    def finish(self, pid: int) -> Told:
        """Wait for a run."""
        return read_answer(*self.ask(wait=pid))

    def leave(self) -> str:
        """Make a change that was killed together with the process that watches it; returns its token."""
        told = self.finish(self.start(self.target, 600))
        for pid in self.watchers():
            os.kill(pid, signal.SIGKILL)
        journal = self.root / STATE[1:] / "journal.json"
        journal.write_text(journal.read_text(encoding="utf-8").replace('"waiting"', '"running"'), encoding="utf-8")
        return told.confirm

    def trace(self, arguments: Sequence[str], *options: str) -> Told:
        """Make a run, or undo one, under strace."""
        command = [*self.place.strace(), *options, self.place.python, self.place.on_host, *arguments]
        process = self.place.popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = process.communicate(timeout=300)[0]
        return read_answer(process.returncode, output)

    def look(self) -> list[str]:
        """Return the rules in force, what is kept, and everything else that a run could change."""
        found: list[str] = self.ask(look=self.backend)
        return found

    def found(self) -> str:
        """Return the state that the host is in; empty when that is none."""
        seen = self.look()
        return next((name for name, whole in self.whole.items() if whole == seen), "")

    def strange(self) -> list[str]:
        """Return what keeps the host from being in the state that is the nearest."""
        seen = self.look()
        return min((difference(whole, seen) for whole in self.whole.values()), key=len)

    def kill(self, pid: int, group: bool, kind: int) -> None:
        """Send a signal to a run that was started; one that has ended is still there for its parent."""
        self.ask(kill=[pid, group, kind])

    def is_running(self, pid: int) -> bool:
        """Tell whether a run has not ended yet."""
        try:
            return (self.root / f"proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def watchers(self) -> list[int]:
        """Return the processes that wait to undo a change of this host."""
        return self.place.watchers()

    @property
    def busy(self) -> bool:
        """Whether a change is not finished."""
        return (self.root / STATE[1:] / "journal.json").exists()

    def left(self) -> list[str]:
        """Return what no finished change leaves."""
        found: list[str] = self.ask(left=True)
        return found

    def clean(self) -> bool:
        """Tell whether nothing is left, after the time that a process needs to see that its change was finished."""
        end = time.monotonic() + PATIENCE
        while self.watchers() and time.monotonic() < end:
            time.sleep(0.05)
        return not self.left() and not self.watchers()

    def come_to_rest(self) -> None:
        """Wait until nobody is about to undo anything; what was killed before that was armed has changed nothing."""
        end, quiet = time.monotonic() + PATIENCE, 0
        while quiet < (20 if self.busy else 1):
            if time.monotonic() > end:
                raise HalfStateError(f"after {PATIENCE} s there is still {self.left()}")
            quiet = 0 if self.watchers() else quiet + 1
            time.sleep(0.05)

    def restart(self) -> None:
        """Do what a power cut and the next boot do."""
        self.place.restart()
        if self.server.poll() is not None:
            self.serve()

    def check_repeated(self, found: str, whole: bool) -> None:
        """See that the host answers no call by itself but the one that led to its state.

        :param whole: whether it has to answer that one, and without rules to keep nothing.
        """
        answers, kept = self.ask(repeat=["a", "b"])
        if answers not in ([], [found]) or (whole and [answers, kept] != KEPT[found]):
            raise HalfStateError(f"in state {found} the host answers for {answers} and keeps {kept}")

    def settle(self, target: str, told: Told, confirm_timeout: int, restart: bool) -> str:
        """See that the host is whole after a run and clean after the next one; returns the state it was found in."""
        if restart:
            self.restart()
        self.come_to_rest()
        found = self.found()
        if found not in (self.name, target):
            raise HalfStateError(f"neither {self.name} nor {target}: {found or self.strange()}")
        self.check_repeated(found, whole=False)
        kept = not told.failed and not confirm_timeout
        if found != (target if kept else self.name) and (kept or told.failed != "killed"):
            raise HalfStateError(f"the run said {told}, and the host is in state {found}")
        if secrets.randbelow(4) == 0:
            self.go_on(self.name)  # the call before, of which a killed run may have left a part
        self.go_on(target)
        return "new" if found == target else "old"

    def go_on(self, target: str) -> None:
        """See that the next run succeeds, whatever the one before left, and leaves nothing itself."""
        again = self.finish(self.start(target))
        if again.failed or self.found() != target or not self.clean():
            raise HalfStateError(f"the next run: {again}, {self.found() or self.strange()}, {self.left()}")
        self.check_repeated(target, whole=True)
        self.name = target


def difference(wanted: list[str], seen: list[str]) -> list[str]:
    """Return what is on one side only."""
    return [f"- {item}" for item in wanted if item not in seen] + [f"+ {item}" for item in seen if item not in wanted]


def kill_at_random(host: Host, runs: int, chance: random.Random) -> Counter[str]:
    """Kill runs at random moments, half of them from the moment at which something is on the host."""
    began = time.monotonic()
    told = host.finish(host.start(host.target))
    length = time.monotonic() - began
    host.settle(host.target, told, 0, False)
    seen: Counter[str] = Counter()
    for number in range(runs):
        name, group, kind = KINDS[number % len(KINDS)]
        target, timeout, restart = host.target, chance.choice((0, 1)), chance.random() < 0.25
        pid = host.start(target, timeout)
        if number % 2:
            while host.is_running(pid) and not (host.root / STATE[1:]).exists():
                time.sleep(0.0005)
        time.sleep(chance.uniform(0, length / 2 if number % 2 else length * 1.2))
        host.kill(pid, group, kind)
        told = host.finish(pid)
        try:
            seen[host.settle(target, told, timeout, restart)] += 1
        except HalfStateError as error:
            raise HalfStateError(
                f"kill {number} ({name}, confirm_timeout {timeout}, restart {restart}): {error}"
            ) from error
    return seen


def boundaries(host: Host, arguments: Sequence[str]) -> tuple[Told, list[tuple[str, int]]]:
    """Make a run; returns what it said, and its system calls from the first one about the journal's directory on.

    Each call has its number among those of its name.
    """
    log = host.root / "run/dbports-strace"
    told = host.trace(arguments, "-o", "/run/dbports-strace", "-e", f"trace=?{CALLS.replace(',', ',?')}")
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    counts: Counter[str] = Counter()
    found: list[tuple[str, int]] = []
    for line in lines:
        call = line.partition("(")[0]
        if call in CALLS.split(","):
            counts[call] += 1
            if found or STATE in line:
                found.append((call, counts[call]))
    return told, found


def dying_at(call: str, number: int) -> tuple[str, ...]:
    """Return the options of strace that kill at a system call."""
    return ("-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")


def kill_at_boundaries(host: Host, most: int, chance: random.Random) -> Counter[str]:
    """Kill runs from each state to the next at system calls of the swap; 0 for ``most`` means at every one."""
    seen: Counter[str] = Counter()
    if not host.place.strace():
        print("kill: strace is missing, no system call is a boundary")
        return seen
    ways = {}
    for _way in ROUND:
        target = host.target
        told, ways[target] = boundaries(host, host.command(target))
        host.settle(target, told, 0, False)
    for turn in range(most or len(ROUND) * max(map(len, ways.values()))):
        target, restart = host.target, chance.random() < 0.25
        way = ways[target]
        call, number = chance.choice(way) if most else way[turn // len(ROUND) % len(way)]
        told = host.trace(host.command(target), *dying_at(call, number))
        try:
            found = host.settle(target, told, 0, restart)
        except HalfStateError as error:
            raise HalfStateError(f"killed at {call} {number} (restart {restart}): {error}") from error
        seen[found if told.failed else f"{found}, not killed"] += 1
    return seen


def kill_the_undo(host: Host, most: int, chance: random.Random) -> Counter[str]:
    """Kill who undoes a change at its system calls, 0 for ``most`` at every one; another process finishes it."""
    seen: Counter[str] = Counter()
    if not host.place.strace() or isinstance(host.place, SystemdSide):  # systemd starts at once another one
        return seen
    ways: dict[str, list[tuple[str, int]]] = {}
    turn = 0
    while not ways or turn < (most or len(ROUND) * max(map(len, ways.values()))):
        target, token = host.target, host.leave()
        if not ways or (not most and target not in ways):
            _told, ways[target] = boundaries(host, ("undo", token))
            host.settle(target, Told(failed="undone"), 0, False)
            continue
        way = ways.get(target) or next(iter(ways.values()))
        call, number = chance.choice(way) if most else way[turn // len(ROUND) % len(way)]
        told = host.trace(("undo", token), *dying_at(call, number))
        how = chance.choice(("another", "the next boot", "the next run"))
        if how == "another":
            host.trace(("undo", token), "-o", os.devnull, "-e", "trace=none")
        try:
            if how == "the next run":
                host.go_on(target)
            else:
                host.settle(target, Told(failed="undone"), 0, how == "the next boot")
        except HalfStateError as error:
            raise HalfStateError(f"the undo was killed at {call} {number}, {how} went on: {error}") from error
        seen[how if told.failed else f"{how}, not killed"] += 1
        turn += 1
    return seen


def run_pairs(host: Host, pairs: int) -> Counter[str]:
    """Let two runs with different wishes start at once; the end is one of them, and both tell the truth."""
    seen: Counter[str] = Counter()
    for number in range(pairs):
        pids = {name: host.start(name) for name in PAIRS[number % len(PAIRS)]}
        told = {name: host.finish(pid) for name, pid in pids.items()}
        found = host.found()
        failed = {item.failed for item in told.values()} - {""}
        if found not in told or told[found].failed or failed - {"busy"} or not host.clean():
            raise HalfStateError(f"pair {number}: {told}, {found or host.strange()}, {host.left()}")
        host.check_repeated(found, whole=False)
        if not any(item.changed for item in told.values()):
            raise HalfStateError(f"pair {number}: nobody changed anything: {told}")
        host.name = found
        seen["one waited" if not failed else "one was refused"] += 1
    return seen


def main(options: argparse.Namespace) -> None:
    """Run all of it on a host."""
    chance = secrets.SystemRandom()
    with HOSTS[options.backend]() as place:
        host = Host(place, options.backend.partition("-")[0])
        kills = kill_at_random(host, options.kills, chance)
        calls = kill_at_boundaries(host, options.boundaries, chance)
        undone = kill_the_undo(host, options.boundaries and -(-options.boundaries // 3), chance)
        pairs = run_pairs(host, options.pairs)
    numbers = (
        ("random kills", kills),
        ("kills at system calls", calls),
        ("kills of the undo", undone),
        ("pairs", pairs),
    )
    said = "; ".join(
        f"{sum(seen.values())} {what} ({', '.join(f'{count} {name}' for name, count in sorted(seen.items()))})"
        for what, seen in numbers
    )
    print(f"kill: {options.backend}: {said}; 0 half states", flush=True)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=list(HOSTS), default="nftables")
    parser.add_argument("--kills", type=int, default=250)
    parser.add_argument("--boundaries", type=int, default=0, help="so many at most; 0 kills at all of them")
    parser.add_argument("--pairs", type=int, default=200)
    return parser.parse_args()


if __name__ == "__main__":
    asked = arguments()
    enter(asked.backend)
    main(asked)
