# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the sockets of a Linux host come from: netlink, /proc, netstat or ss; one structure from all four."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Collection, Iterable
from itertools import chain
from typing import Literal, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._netstat import netlink, proc
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.owners import with_owners
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Row, Socket, State
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange

Source = Literal["auto", "netlink", "netstat", "ss", "proc"]
SOURCES: tuple[Source, ...] = ("auto", "netlink", "netstat", "ss", "proc")
TIMEOUT = 30.0
"""Seconds that netstat or ss may take; both need less than one for ten thousand sockets."""

Runner = Callable[[list[str]], Optional[str]]
"""Runs a command: its output, or None when it is not installed; raises DbportsError when it fails."""


def collect(
    source: Source = "auto",
    ports: Collection[PortRange] | None = None,
    processes: Collection[str] = (),
    *,
    run: Runner | None = None,
    proc_path: str = "/proc",
) -> tuple[Source, list[Socket]]:
    """List the TCP, UDP and raw sockets of this host, or rather of this network namespace.

    Whatever the source, owners are found by the inodes of the sockets: netstat and ss print names that a process
    chooses, and with a line end or a bracket in its name one could hide, or make up a row.

    :param source: one of ``SOURCES``; ``auto`` is netlink, or /proc where the kernel does not answer.
    :param ports: when given, only sockets whose local or remote port is one of them.
    :param processes: when given, the listeners of these programs, see :meth:`Socket.is_of`, beside those of ``ports``.
    :param run: what runs netstat and ss, for tests.
    :param proc_path: where /proc is, for tests.
    :returns: the source that was used, and the sockets in the order of :meth:`Socket.order`.
    :raises DbportsError: when the source is missing, fails, or writes what cannot be read.
    """
    if source not in SOURCES:
        fix = f"Use one of {', '.join(SOURCES)}"
        raise DbportsError("not a source of sockets", code="not_a_choice", value=source, fix=fix)
    if ports is None and processes:
        ports = ()
    if source in ("netstat", "ss"):
        found = _ask(source, run or run_tool, proc_path)
        rows: Iterable[Row] = (row for row in found if row.is_wanted(ports, bool(processes)))
        used: Source = source
    else:
        used, rows = _from_kernel(source, ports, bool(processes), proc_path)
    sockets = with_owners(rows, proc_path)
    if ports is not None:
        sockets = (one for one in sockets if one.touches(ports) or (one.is_listener and one.is_of(processes)))
    return used, sorted(sockets, key=Socket.order)


def find_rows(ports: Collection[PortRange], states: Collection[State], *, proc_path: str = "/proc") -> list[Row]:
    """Return the TCP and UDP sockets in some states whose local or remote port is one of ``ports``, without owners.

    This asks the kernel and looks at no process: it takes milliseconds where :func:`collect` takes tens of them.

    :raises DbportsError: when neither netlink nor /proc can be read.
    """
    return list(_from_kernel("auto", ports, False, proc_path, states)[1])


def _from_kernel(
    source: Source,
    ports: Collection[PortRange] | None,
    listeners: bool,
    proc_path: str,
    states: Collection[State] = proc.STATES,
) -> tuple[Source, list[Row]]:
    """Read netlink or /proc; ``auto`` takes /proc where the kernel has no netlink, such as in some sandboxes."""
    if source != "proc":
        try:
            return "netlink", list(netlink.read(ports, listeners=listeners, states=states, proc_path=proc_path))
        except DbportsError:
            if source == "netlink":
                raise
    return "proc", list(proc.read(ports, listeners=listeners, states=states, proc_path=proc_path))


def _ask(tool: Literal["netstat", "ss"], run: Runner, proc_path: str) -> Iterable[Row]:
    from ansible_collections.dbports.firewall.plugins.module_utils._netstat import net_tools, ss

    reader = net_tools if tool == "netstat" else ss
    output = run([tool, *reader.ARGUMENTS])
    if output is None:
        fix = "Install it, or set source to auto"
        raise DbportsError(f"{tool} is not installed", code="program_missing", fix=fix)
    rows = reader.parse_rows(output)
    # ss prints no inode for a raw socket.
    return rows if tool == "netstat" else chain(rows, proc.read_tables(proc_path, proc.RAW))


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
