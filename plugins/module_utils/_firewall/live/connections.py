# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ruleset means for connections that exist already: pure, from sockets and rules.

A connection goes on unless the rules exclude its peer, whoever opened it and whoever speaks next. What a client opened
is decided at the guarded port; what the host opened is decided at the guarded port of the other side, and on its way
back it passes a wide guarded range (see writing.py). The kernel's connection tracking does not know who opened a
connection that is older than itself: :mod:`sessions` tells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, AddressSet
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.forwarding import Views
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Direction, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.writing import answered_guards, wide_ports
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.module_utils._visible import counted

Opener = Literal["here", "peer"]

_OPEN = ("ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT", "LAST_ACK", "CLOSING")
"""States in which at least one side may still send data, if only what it had to send when it closed."""

NAMED = 8
"""Connections that a sentence names."""


class Connection(NamedTuple):
    """A connection of this host with another one, or one that it forwards.

    :ivar local: this host's address; of what it forwards that of the server, as packets name it behind this host.
    :ivar opener: who opened it.
    :ivar established: whether both sides may send.
    :ivar services: those of the process, where a host has them (Windows).
    :ivar through: the port that a client of what is forwarded connected to, before any translation; else None.
    :ivar translated: whether it then came to another address or port.
    :ivar since: when it was established, in UTC, such as ``2026-01-31T23:59:59Z``, where the kernel tells.
    """

    protocol: Literal["tcp", "udp"]
    local: AddressRange
    local_port: int
    peer: AddressRange
    peer_port: int
    opener: Opener
    established: bool = True
    pid: Optional[int] = None
    process: Optional[str] = None
    services: tuple[str, ...] = ()
    through: Optional[int] = None
    since: Optional[str] = None
    translated: bool = False

    def __str__(self) -> str:
        """Say it: ``tcp 1433 from 192.0.2.66 port 51000 (sqlservr, pid 71)``."""
        pid = f"pid {self.pid}" if self.pid is not None else ""
        since = f"since {self.since}" if self.since else ""
        owner = ", ".join(text for text in (self.process or "", *self.services, pid, since) if text)
        if self.through is not None:
            ends = f"{self.peer} port {self.peer_port} through this host to {self.local}"
            said = f"{self.protocol} {self.local_port} from {ends}"
        elif self.opener == "peer":
            said = f"{self.protocol} {self.local_port} from {self.peer} port {self.peer_port}"
        else:
            said = f"{self.protocol} {self.peer_port} to {self.peer} from port {self.local_port}"
        return f"{said} ({owner})" if owner else said

    def as_dict(self) -> dict[str, Any]:
        """Return it as the module ruleset does."""
        return {
            "protocol": self.protocol,
            "local_address": str(self.local),
            "local_port": self.local_port,
            "peer": str(self.peer),
            "peer_port": self.peer_port,
            "opened_by": "this host" if self.opener == "here" else "the peer",
            "process": self.process,
            "pid": self.pid,
            "since": self.since,
            **({"through": True} if self.through is not None else {}),
            **({"services": list(self.services)} if self.services else {}),
        }

    @property
    def command(self) -> str:
        """The command that ends it on this host, or lets the tracking forget it."""
        if self.through is not None:
            return f"conntrack -D -p {self.protocol} -s {self.peer} --sport {self.peer_port} --dport {self.through}"
        peer = f"'[{self.peer}]'" if self.peer.family == 6 else self.peer
        return f"ss --kill --tcp dst {peer} dport = {self.peer_port} sport = {self.local_port}"


def connections(sockets: Sequence[Socket]) -> list[Connection]:
    """Return the connections with other hosts among a host's sockets, in their order, each of them once.

    A local port on which a program listens is one that a peer connected to; any other one is the source port of a
    connection that the host itself opened. The kernel tells no more than that.
    """
    waiting = {(one.protocol, one.local_port) for one in sockets if one.is_listener}
    ends = {(one.local_address, one.local_port) for one in sockets}
    found: dict[tuple[object, ...], Connection] = {}
    for one in sockets:
        if one.protocol not in ("tcp", "udp") or one.state not in _OPEN or one.remote_address is None:
            continue
        if not one.local_port or not one.remote_port or (one.remote_address, one.remote_port) in ends:
            continue
        connection = Connection(
            "tcp" if one.protocol == "tcp" else "udp",
            AddressRange.of_socket(one.local_address),
            one.local_port,
            AddressRange.of_socket(one.remote_address),
            one.remote_port,
            "peer" if (one.protocol, one.local_port) in waiting else "here",
            one.state == "ESTABLISHED",
            one.pid,
            one.process,
        )
        found.setdefault(connection[:5], connection)
    return list(found.values())


class Live(NamedTuple):
    """What a host shows of its connections.

    :ivar tracking: whether the kernel's connection tracking can be told who opened them.
    :ivar unknown: why they are not known, or an empty string.
    :ivar cut: those that the new rules end, where the firewall tells that by itself; None where the rulesets tell it.
    :ivar how: how this firewall ends them, to follow their names in a sentence.
    """

    connections: tuple[Connection, ...] = ()
    tracking: bool = True
    unknown: str = ""
    cut: Optional[tuple[Connection, ...]] = None
    how: str = ""


class Verdicts:
    """What a ruleset does to connections; asked for thousands of them."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset
        self._wide = answered_guards(ruleset.guards)
        self._views = Views(ruleset)
        self._peers: dict[tuple[Direction, Protocol, int], Optional[AddressSet]] = {}

    def cuts(self, connection: Connection) -> bool:
        """Tell whether a connection ends with the rules in force."""
        if connection.through is not None:
            return self._stops(connection, connection.through)
        inbound = self._refuses("in", connection.protocol, connection.local_port, connection.peer)
        if connection.opener == "peer":
            return inbound
        # Without a wide range there is no rule that lets answers pass: see writing.py.
        answered = any(
            item.protocol == connection.protocol and _is_in(connection.local_port, item.ports) for item in self._wide
        )
        return (inbound and not answered) or self._refuses(
            "out", connection.protocol, connection.peer_port, connection.peer
        )

    def _stops(self, one: Connection, asked: int) -> bool:
        """Tell whether a connection that is forwarded ends.

        Tracking may take the wrong side of an old one for its opener, so either side may be the guarded one.
        """
        server, client = (one.local, one.local_port), (one.peer, one.peer_port)
        published = [((one.local, asked), client, ())] if one.translated else []
        sides = [(server, client, (one.local,)), (client, server, (one.peer,)), *published]
        return any(
            _closed(view.rulesets[0], one.protocol, port, source)
            for (_address, port), source, targets in sides
            for view in self._views.at(targets)
        )

    def _refuses(self, direction: Direction, protocol: Protocol, port: int, peer: AddressRange) -> bool:
        key = (direction, protocol, port)
        if key not in self._peers:
            self._peers[key] = self._admitted(*key)
        admitted = self._peers[key]
        return admitted is not None and not admitted.overlaps(peer)

    def _admitted(self, direction: Direction, protocol: Protocol, port: int) -> Optional[AddressSet]:
        """Return who may use a port; None when it is not guarded."""
        if not _is_in(port, self._ruleset.guarded(direction, protocol)):
            return None
        return AddressSet(
            peer
            for item in self._ruleset.accepts
            if (item.direction, item.protocol) == (direction, protocol) and _is_in(port, item.ports)
            for peer in item.peers
        )


def _closed(ruleset: Ruleset, protocol: Protocol, port: int, source: tuple[AddressRange, int]) -> bool:
    """Tell whether the rules for one target stop what comes from an address and port; a wide range lets it pass."""
    guards = [item for item in ruleset.guards if item.protocol == protocol and _is_in(port, item.ports)]
    if all(_is_in(port, wide_ports(item)) for item in guards):
        return False
    address, source_port = source
    return not any(
        item.protocol == protocol
        and _is_in(port, item.ports)
        and any(peer.overlaps(address) for peer in item.peers)
        and (not item.forward or not item.forward.source_ports or _is_in(source_port, item.forward.source_ports))
        for item in ruleset.accepts
    )


def _is_in(port: int, ranges: Iterable[PortRange]) -> bool:
    return any(port in item for item in ranges)


def newly_cut(live: Iterable[Connection], before: Ruleset, after: Ruleset) -> list[Connection]:
    """Return the established connections that go on with the old rules and end with the new ones."""
    old, new = Verdicts(before), Verdicts(after)
    return [one for one in live if one.established and new.cuts(one) and not old.cuts(one)]


def told_by_direction(live: Iterable[Connection], ruleset: Ruleset) -> list[Connection]:
    """Return the connections that the rules treat by who opened them, as the kernel's connection tracking says."""
    wide = answered_guards(ruleset.guards)
    return [
        one
        for one in live
        if one.through is None
        and (
            any(item.protocol == one.protocol and _is_in(one.local_port, item.ports) for item in wide)
            or _is_in(one.peer_port, ruleset.guarded("out", one.protocol))
        )
    ]


def sentence(cut: Sequence[Connection]) -> str:
    """Name connections, the first ones of many."""
    more = f" and {len(cut) - NAMED} more" if len(cut) > NAMED else ""
    return f"{counted(len(cut), 'established connection')}: {'; '.join(map(str, cut[:NAMED]))}{more}"
