# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kill test runs on its host: either one run, or a server that starts runs without importing everything anew.

The server reads a line of JSON for each request and answers with one: ``{"run": [arguments, options]}`` starts a run as
a session of its own and returns its process id, ``{"wait": PID}`` waits for it and returns its status and what it said,
``{"kill": [PID, whether its group, SIGNAL]}`` sends a signal, ``{"look": BACKEND}`` returns
the rules in force, what is kept, and whatever else a run could change: every table and file, ``{"left": true}`` what is
there only while a change is not finished, and ``{"repeat": [CALL_ID, ...]}`` which of these calls the host answers by
itself, and what it has for that. With the arguments ``undo TOKEN`` it undoes a change.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import changing, repeat, way_in
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.backend import BACKENDS
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import (
    KEPT,
    STATE,
    Runner,
    watch,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply

PLACES = ("dbports", "nftables*", "iptables*", "ufw", "firewalld", "systemd/system", "units-enabled")
"""Where a run writes in /etc, and where it should not."""

OWN = r"^table inet dbports \{\n(?:\t.*\n)*|^\t\w+ \S*(?i:dbports)\S+ \{\n(?:\t\t.*\n)*\t\}\n"
"""Our table and chains, which are compared as rules: one program lists the parts of a rule in another order."""

UNFINISHED = (".dbports-", "dbports-firewall-undo", "sysinit.target.d")
"""What the names hold of the files and folders in /etc that are there while a change is not finished."""

SENT = Path("/run/dbports-sent.zip")
"""Stands for the file in which Ansible sends the code of a module."""

IMPORTED = (changing, way_in, *(known.load() for known in BACKENDS))
"""What a run imports only when it needs it, so that the system calls of a run here are those of what it does."""


def run(arguments: dict[str, Any], options: dict[str, Any]) -> str:
    """Make one run, as the module does; returns what it would tell its user, as JSON."""
    try:
        result = apply(DesiredState.from_arguments(arguments), remember=lambda: _remember(arguments), **options)
    except DbportsError as error:
        return json.dumps({"failed": error.code, "msg": str(error)})
    return json.dumps({key: result[key] for key in ("changed", "confirm", "warnings")})


def _remember(arguments: dict[str, Any]) -> None:
    if arguments.get("rules"):
        repeat.keep(arguments["call_id"], arguments, archive=str(SENT))
    else:
        repeat.forget()


def tables() -> list[str]:
    """Return the text of every foreign chain and set, without counters and in an order that is not that of making."""
    listing = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    plain = re.sub(r"counter packets \d+ bytes \d+|^[\n}]+", "", listing, flags=re.MULTILINE)
    parts = re.split(r"^(?=table |\t\w+ \S+ \{)", re.sub(OWN, "", plain, flags=re.MULTILINE), flags=re.MULTILINE)
    return sorted(parts)


def places() -> Iterator[Path]:
    """Yield the files, links and folders in those places of /etc that a firewall has."""
    for place in PLACES:
        yield from sorted(Path("/etc").glob(f"{place}/**/*"))


def left() -> list[str]:
    """Return what no finished change leaves."""
    return [str(path) for path in (*places(), Path(STATE)) if is_unfinished(path) and os.path.lexists(path)]


def is_unfinished(path: Path) -> bool:
    """Tell whether something is there only while a change is not finished."""
    return str(path) == STATE or any(word in path.name for word in UNFINISHED)


def files() -> list[str]:
    """Return the files of the host's state with a digest of each."""
    found = []
    for path in places():
        if not is_unfinished(path):
            what = str(path.readlink()) if path.is_symlink() else path.is_file() and crc32(path.read_bytes())
            found.append(f"{path} {path.lstat().st_mode:o} {what}")
    return found


def send() -> None:
    """Write the file that Ansible would send."""
    utils = Path(repeat.__file__).parents[1]
    with zipfile.ZipFile(SENT, "w") as sent:
        for path in utils.rglob("*.py"):
            sent.write(path, Path(*repeat.__name__.split(".")[:-2]) / path.relative_to(utils))


def repeated(call_ids: list[str]) -> tuple[list[str], list[str]]:
    """Return which of these calls the host answers by itself, and the places in which it keeps calls."""
    place = Path(KEPT)
    commands = {call_id: repeat.repeat_command(call_id) for call_id in call_ids if place.exists()}
    done = {name: subprocess.run(argv, capture_output=True, check=False) for name, argv in commands.items()}
    answers = [name for name, process in done.items() if process.returncode == 0]
    return answers, [str(path) for path in place.parent.glob(f"{place.name}*")]


class Server:
    """Starts runs and looks at the host."""

    def __init__(self) -> None:
        self.outputs: dict[int, int] = {}

    def answer(self, request: dict[str, Any]) -> Any:
        """Do what a request asks for."""
        if "run" in request:
            return self.start(*request["run"])
        if "wait" in request:
            _pid, status = os.waitpid(request["wait"], 0)
            with os.fdopen(self.outputs.pop(request["wait"]), encoding="utf-8") as output:
                return [os.waitstatus_to_exitcode(status), output.read()]
        if "kill" in request:
            pid, group, kind = request["kill"]
            return (os.killpg if group else os.kill)(pid, kind)
        if "left" in request:
            return left()
        if "repeat" in request:
            return repeated(request["repeat"])
        backend = next(item.load() for item in BACKENDS if item.name == request["look"])
        state = backend.decode(backend.observe())
        return [state.ruleset.render(), state.kept.render(), *tables(), *files()]

    def start(self, arguments: dict[str, Any], options: dict[str, Any]) -> int:
        """Start a run as a session of its own; returns its process id."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.write(writing, b"\n")
            os.write(writing, run(arguments, options).encode())
            os._exit(0)
        os.close(writing)
        os.read(reading, 1)  # it has its session, to which signals are sent
        self.outputs[pid] = reading
        return pid


if __name__ == "__main__":
    if sys.argv[1:2] == ["undo"]:
        watch(Runner(), sys.argv[2])
        print("{}")
        sys.exit()
    if len(sys.argv) > 1:
        print(run(*map(json.loads, sys.argv[1:])))
        sys.exit()
    send()
    server = Server()
    for line in sys.stdin:
        print(json.dumps(server.answer(json.loads(line))), flush=True)
