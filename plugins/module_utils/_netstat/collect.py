# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the sockets of a Linux host come from: netstat, ss or /proc, one structure from all three."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Collection
from typing import Literal, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat import net_tools, proc, ss
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange

Tool = Literal["netstat", "ss"]
Source = Literal["auto", "netstat", "ss", "proc"]
SOURCES: tuple[Source, ...] = ("auto", "netstat", "ss", "proc")
TIMEOUT = 30.0
"""Seconds that netstat or ss may take; both need less than one for ten thousand sockets."""

Runner = Callable[[list[str]], Optional[str]]
"""Runs a command: its output, or None when it is not installed; raises DbportsError when it fails."""

_TOOLS = {"netstat": net_tools, "ss": ss}


def collect(
    source: Source = "auto",
    ports: Collection[PortRange] | None = None,
    processes: Collection[str] = (),
    *,
    run: Runner | None = None,
    proc_path: str = "/proc",
) -> tuple[Source, list[Socket]]:
    """List the TCP, UDP and raw sockets of this host, or rather of this network namespace.

    :param source: one of ``SOURCES``; ``auto`` takes the first of netstat, ss and /proc that is there and works.
    :param ports: when given, only sockets whose local or remote port is one of them.
    :param processes: beside those of ``ports``, the listeners of these programs, see :meth:`Socket.is_of`.
    :param run: what runs netstat and ss, for tests.
    :param proc_path: where /proc is, for tests.
    :returns: the source that was used, and the sockets in the order of :meth:`Socket.order`.
    :raises DbportsError: when the source is missing, fails, or writes what cannot be read.
    """
    if source not in SOURCES:
        fix = f"Use one of {', '.join(SOURCES)}"
        raise DbportsError("not a source of sockets", code="not_a_choice", value=source, fix=fix)
    tools: tuple[Tool, ...] = ("netstat", "ss") if source == "auto" else () if source == "proc" else (source,)
    for tool in tools:
        try:
            sockets = _ask(tool, run or run_tool, proc_path)
        except DbportsError:
            # Such as the netstat of BusyBox, which has no -A: the next source has the same rows.
            if source != "auto":
                raise
            continue
        if sockets is not None:
            return tool, _select(sockets, ports, processes)
        if source != "auto":
            fix = "Install it, or set source to auto or proc"
            raise DbportsError(f"{tool} is not installed", code="program_missing", fix=fix)
    return "proc", _select(proc.read(ports, proc_path, listeners=bool(processes)), ports, processes)


def _ask(tool: Tool, run: Runner, proc_path: str) -> list[Socket] | None:
    """Run netstat or ss; None when it is not installed.

    netstat shows the name that a process gave itself, cut, and ss the kernel's: both are replaced
    by the kernel's name, which cannot hold another row or another owner.
    """
    output = run([tool, *_TOOLS[tool].ARGUMENTS])
    if output is None:
        return None
    sockets = _TOOLS[tool].parse(output)
    names = {pid: proc.process_name(pid, proc_path) for pid in {one.pid for one in sockets} if pid is not None}
    return [
        one._replace(process=names[one.pid]) if one.pid is not None and names[one.pid] is not None else one
        for one in sockets
    ]


def _select(sockets: list[Socket], ports: Collection[PortRange] | None, processes: Collection[str]) -> list[Socket]:
    def wanted(one: Socket) -> bool:
        return ports is None or one.touches(ports) or (one.is_listener and one.is_of(processes))

    return sorted(filter(wanted, sockets), key=Socket.order)


def run_tool(argv: list[str]) -> str | None:
    """Run netstat or ss in the C locale and without a shell; see ``Runner``."""
    # The path of an ordinary user's session, and of some automation, has no sbin.
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            env={**os.environ, "LC_ALL": "C", "PATH": path},
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        raise _failed(f"{argv[0]} did not end within {TIMEOUT:g} seconds", argv) from None
    except OSError as error:
        raise _failed(f"cannot run {argv[0]}: {error.strerror}", argv) from None
    if done.returncode != 0:
        reason = done.stderr.decode("utf-8", "replace").strip() or "it printed no error message"
        raise _failed(f"{argv[0]} failed with status {done.returncode}: {reason}", argv)
    return done.stdout.decode("utf-8", "replace")


def _failed(reason: str, argv: list[str]) -> DbportsError:
    return DbportsError(reason, code="command_failed", value=" ".join(argv))
