# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection through which this process was started, as this host sees it, and whether rules would cut it.

What an inventory says of it may be far from that: ports come from ssh's arguments and ssh_config, addresses are
translated, and a jump host comes with its own. The host itself knows the peer and the port that packets arrive at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import find_rows
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.owners import find_owners
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Row, State
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange

_VARIABLE = re.compile(rb"(?:^|\0)SSH_CONNECTION=([^\0]*)")
_SERVERS = ("sshd", "dropbear")
_GENERATIONS = 64
"""So many ancestors of this process are looked at; there are seldom ten between it and sshd."""

_EVERY_PORT = PortRange(1, 65535)
_OPEN: tuple[State, ...] = ("ESTABLISHED",)


class WayIn(NamedTuple):
    """Who is connected, and to which TCP port of this host."""

    peer: AddressRange
    port: int


def find_way_in(environ: Optional[Mapping[str, str]] = None, proc: str = "/proc") -> Optional[WayIn]:
    """Find the SSH connection through which this process was started; None when it was not, or it cannot be told.

    sshd says it to the shell that it starts (SSH_CONNECTION, ssh(1)). become takes that away from this process, and
    not from those that started it. Where none of them has it, sshd's own socket is looked for.
    """
    ancestors = list(_ancestors(proc))
    texts = [
        (os.environ if environ is None else environ).get("SSH_CONNECTION", ""),
        *(_variable(pid, proc) for pid in ancestors),
    ]
    text = next(filter(None, texts), "")
    try:
        return _from_text(text, proc) if text else _from_sockets(ancestors, proc)
    except DbportsError:
        return None


def _ancestors(proc: str) -> Iterator[int]:
    """Yield the process ids of this process's parent, its parent and so on."""
    pid = os.getpid()
    for _generation in range(_GENERATIONS):
        try:
            stat = Path(proc, str(pid), "stat").read_text(encoding="utf-8", errors="replace")
            pid = int(stat.rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
        if pid < 1:
            return
        yield pid


def _variable(pid: int, proc: str) -> str:
    try:
        found = _VARIABLE.search(Path(proc, str(pid), "environ").read_bytes())
    except OSError:
        return ""
    return found.group(1).decode("utf-8", "replace") if found else ""


def _from_text(text: str, proc: str) -> Optional[WayIn]:
    """Read the variable: the peer's address and port, and those of this host.

    The variable may have come from elsewhere, such as into a container that was entered on a machine with ssh; so
    the connection has to be one of this network namespace, where its sockets can be listed.

    :raises DbportsError: when it is not what sshd writes, as for a connection without addresses.
    """
    words = text.split()
    if len(words) != 4:
        return None
    peer, local = (AddressRange.parse(word.partition("%")[0]) for word in (words[0], words[2]))
    ports = [PortRange.parse(word).first for word in (words[1], words[3])]
    try:
        rows = find_rows([PortRange(ports[1], ports[1])], _OPEN, proc_path=proc)
    except DbportsError:
        return WayIn(peer, ports[1])
    for row in rows:
        if (row.local[1], row.remote[1]) == (ports[1], ports[0]) and _address(row) == peer:
            return _unless_local(peer, local, ports[1])
    return None


def _from_sockets(ancestors: list[int], proc: str) -> Optional[WayIn]:
    """Look for the connection of the sshd that is an ancestor of this process."""
    rows = {row.inode: row for row in find_rows([_EVERY_PORT], _OPEN, proc_path=proc) if row.inode}
    owners = find_owners(set(rows), proc) if _has_server(ancestors, proc) else {}
    for inode, found in owners.items():
        if any(pid in ancestors and (name or "").startswith(_SERVERS) for pid, name in found):
            row = rows[inode]
            if row.protocol == "tcp" and row.local[0] and row.local[1]:
                return _unless_local(_address(row), AddressRange.parse(str(row.local[0])), row.local[1])
    return None


def _has_server(ancestors: list[int], proc: str) -> bool:
    for pid in ancestors:
        try:
            if Path(proc, str(pid), "comm").read_text(encoding="utf-8", errors="replace").startswith(_SERVERS):
                return True
        except OSError:
            continue
    return False


def _address(row: Row) -> AddressRange:
    return AddressRange.parse(str(row.remote[0]).partition("%")[0])


def _unless_local(peer: AddressRange, local: AddressRange, port: int) -> Optional[WayIn]:
    """Return the way in, or nothing for a connection of the host with itself, which no rule of ours drops."""
    return None if peer == local or str(peer).startswith("127.") or str(peer) == "::1" else WayIn(peer, port)


def refuse_lock_out(ruleset: Ruleset, way_in: Optional[WayIn]) -> None:
    """Refuse rules that would drop what comes through the connection with which this host is managed.

    :raises DbportsError: naming the port, the peer and the flow whose guarded ports hold it.
    """
    if way_in is None or ruleset.admits("in", "tcp", way_in.port, way_in.peer):
        return
    flows = [
        item.comment
        for item in ruleset.accepts
        if (item.direction, item.protocol) == ("in", "tcp") and any(way_in.port in ports for ports in item.ports)
    ]
    server = f"the server of '{flows[0]}'" if flows else "the server whose port it is"
    raise DbportsError(
        f"the guarded ports hold tcp {way_in.port}, through which this task reaches the host from {way_in.peer}: "
        "applying them would lock it out",
        code="would_lock_out",
        value=way_in.port,
        fix=f"Give {server} another port, a fixed one instead of a range, move sshd to a port that is not guarded, or "
        f"declare {way_in.peer} as a client of it",
    )
