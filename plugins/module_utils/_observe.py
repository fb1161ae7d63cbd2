# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect what one host shows: its sockets, its ruleset and what its probes meet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import apply
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import collect
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, parse_ports
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import Deadline
from ansible_collections.dbports.firewall.plugins.module_utils._probe.run import run_probes


class Listener(NamedTuple):
    """A listener that a host must have."""

    protocol: str
    ports: tuple[PortRange, ...]
    processes: tuple[str, ...]

    def is_there(self, sockets: Iterable[Socket]) -> bool:
        """Tell whether one of the sockets may be it: on a fixed port any, as another process will not go away."""
        in_range = any(ports.first != ports.last for ports in self.ports)
        return any(
            one.is_listener
            and one.protocol == self.protocol
            and any(one.local_port in ports for ports in self.ports)
            and (not in_range or one.process is None or one.is_of(self.processes))
            for one in sockets
        )


def observe(
    ports: Sequence[str],
    processes: Sequence[str],
    listeners: Sequence[Mapping[str, Any]],
    ruleset: Mapping[str, Any] | None,
    probes: Sequence[Mapping[str, Any]],
    timeout: float,
) -> dict[str, Any]:
    """Return what was asked for: ``sockets``, ``ruleset`` and ``probes``, each only when it was.

    :param ports: ports and ranges whose sockets matter.
    :param processes: patterns of programs whose listeners matter, whatever their ports.
    :param listeners: protocol, ports and processes of what must listen; a server that was just started gets time.
    :param ruleset: the ruleset module's arguments that the host should follow.
    :param probes: see the module dbports.firewall.probe.
    :param timeout: seconds for each probe, and from the beginning for the listeners.
    :raises DbportsError: when sockets cannot be listed or a probe is malformed; an unreadable ruleset is a result.
    """
    deadline = Deadline(timeout)
    found: dict[str, Any] = {}
    results = run_probes(probes, timeout)
    if probes:
        found["probes"] = results
    if ruleset is not None:
        found["ruleset"] = _ruleset_state(ruleset)
    if ports:
        watched = parse_ports(list(ports))
        awaited = [
            Listener(item["protocol"], parse_ports(item["ports"]), tuple(item["processes"])) for item in listeners
        ]
        sockets = look_until(awaited, lambda: collect(ports=watched, processes=processes)[1], deadline.pause)
        found["sockets"] = [one._asdict() for one in sockets]
    return found


def look_until(awaited: Sequence[Listener], look: Callable[[], list[Socket]], wait: Callable[[], bool]) -> list[Socket]:
    """Look at the sockets until everything awaited is there, and return what was seen last.

    :param wait: waits a little, or returns False because the time is up.
    """
    sockets = look()
    while not all(one.is_there(sockets) for one in awaited) and wait():
        sockets = look()
    return sockets


def _ruleset_state(ruleset: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the transaction in check mode whether the host carries the wanted ruleset."""
    try:
        result = apply(DesiredState.from_arguments({"persist": False, **ruleset, "allow_shrink": True}), check=True)
    except DbportsError as error:
        return {"error": str(error), "permitted": error.code != "not_permitted"}
    return {"in_sync": result["in_sync"], "foreign": result["foreign"]}
