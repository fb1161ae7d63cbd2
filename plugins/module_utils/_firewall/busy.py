# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says who keeps a run waiting; only a run that has waited too long imports it."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import HUNG, Lock, now

_STATES = {"T": "it is stopped", "t": "a debugger has stopped it", "D": "the kernel keeps it waiting"}
"""Why a process does not go on, by its state in proc(5)."""


def held(seconds: float) -> DbportsError:
    """Return the error of a run that got no lock for so many seconds: who holds it, since when, and what to do."""
    pids = sorted(set(Lock.holders()))
    if not pids:
        return DbportsError(
            "another run on this host holds its firewall, and its processes cannot be seen from here",
            code="busy",
            fix="Wait for it; it may run in another container or on the machine below",
        )
    return DbportsError(
        f"another run on this host has held its firewall for more than {seconds:.0f} s: "
        + "; ".join(map(_described, pids)),
        code="busy",
        fix="Wait for it. If it hangs, end it on the host, and what it began is undone: kill -9 "
        f"{' '.join(map(str, pids))}. A change that it keeps from being undone ends it {HUNG} s after its time-out",
    )


def _described(pid: int) -> str:
    """Return what a process is and how long it has run."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return f"process {pid}"
    age = now() - int(fields[19]) / os.sysconf("SC_CLK_TCK")  # starttime, field 22 of proc(5)
    words = [f"process {pid} ({command[:100]})", f"started {age:.0f} s ago", _STATES.get(fields[0], "")]
    return ", ".join(filter(None, words))
