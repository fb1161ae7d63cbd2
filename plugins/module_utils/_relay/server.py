# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program that relays for clients has to offer, so that one transaction changes any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import collect
from ansible_collections.dbports.firewall.plugins.module_utils._relay.model import Permits, RelayRules


@dataclass(frozen=True)
class Server:
    """One program that relays.

    :param platform: what plans call it.
    :param path: the one file that is written.
    :param mark: how that file begins; without it, it is a foreign one.
    :param program: the name of its processes.
    :param service: the name of its service.
    :param starts: it is started where it does not run, and stopped where nothing is left to serve; False for a program
        that others need, which is only told to read its files anew.
    :param encode: writes the file.
    :param decode: reads back who may ask for what.
    :param serves: whether a foreign file serves any client.
    :param check: the program's own dry run; raises DbportsError.
    :param listens: whether it shows that it runs with these rules, beside having a process.
    :param prove: raises DbportsError where its configuration as a whole says something else than these rules.
    """

    platform: str
    path: str
    mark: str
    program: str
    service: str
    starts: bool
    encode: Callable[[RelayRules], str]
    decode: Callable[[str], Permits]
    serves: Callable[[str], bool]
    check: Callable[[str, Optional[RelayRules]], None]
    listens: Callable[[RelayRules], bool]
    prove: Callable[[RelayRules], None]


def main_processes(program: str) -> list[int]:
    """Return the processes of a program that listen and that none of its own processes started.

    Others serve a session: a SIGHUP would end that of sshd, and those of a Dante that was stopped go on without it.
    """
    sockets = collect(ports=(), processes=(program,))[1]
    pids = {one.pid for one in sockets if one.pid and one.protocol == "tcp" and one.is_listener}
    return sorted(pid for pid in pids if _parent_name(pid) != program)


def _parent_name(pid: int) -> str:
    """Return the name of a process's parent, an empty one where either has ended."""
    try:
        parent = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[1]
        return _read(f"/proc/{parent}/comm").strip()
    except OSError:
        return ""


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace")
