# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect what one host shows: its sockets, its ruleset and what its probes meet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import (
    format_addresses,
    merge_addresses,
    of_family,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import Change, DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Ruleset, read_rules
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import State
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import inspect
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import collect
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, format_ports, parse_ports
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import Deadline
from ansible_collections.dbports.firewall.plugins.module_utils._probe.run import run_probes

FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
"""What lets the kernel forward, by family (ip-sysctl.rst of the kernel)."""

SETTINGS = Path("/proc/sys")


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
        found["ruleset"] = ruleset_state(ruleset)
    if ports:
        watched = parse_ports(list(ports))
        awaited = read_listeners(listeners)
        sockets = look_until(awaited, lambda: collect(ports=watched, processes=processes)[1], deadline.pause)
        found["sockets"] = [one._asdict() for one in sockets]
    return found


def read_listeners(values: Iterable[Mapping[str, Any]]) -> list[Listener]:
    """Read what must listen, see :func:`observe`."""
    return [Listener(item["protocol"], parse_ports(item["ports"]), tuple(item["processes"])) for item in values]


def look_until(awaited: Sequence[Listener], look: Callable[[], list[Socket]], wait: Callable[[], bool]) -> list[Socket]:
    """Look at the sockets until everything awaited is there, and return what was seen last.

    :param wait: waits a little, or returns False because the time is up.
    """
    sockets = look()
    while not all(one.is_there(sockets) for one in awaited) and wait():
        sockets = look()
    return sockets


def ruleset_state(arguments: Mapping[str, Any], look: Callable[[DesiredState], Change] = inspect) -> dict[str, Any]:
    """Compare the rules in force with the wanted ones, and return them where they differ.

    :param arguments: the ruleset module's; ``sent`` may hold rules of what the host sends without filtering it, for
        which only foreign rules are looked at.
    :param look: returns what would have to be done with the host.
    """
    try:
        change = look(DesiredState.from_arguments({"persist": False, **arguments}))
        foreign = _foreign(change.before, arguments)
    except DbportsError as error:
        return {"error": str(error), "permitted": error.code != "not_permitted"}
    shown: dict[str, Any] = {"in_sync": change.in_sync, "foreign": foreign}
    off = not_forwarding(change.wish.ruleset)
    if off:
        shown["not_forwarding"] = off
    return shown if change.in_sync else {**shown, "carried": _carried(change.before.ruleset)}


def not_forwarding(ruleset: Ruleset) -> list[str]:
    """Return the kernel's settings that are off and without which nothing comes through a router with these rules.

    What is published for a container needs none of them everywhere: a program of the host may carry it.
    """
    targets = [target for item in ruleset.parts if item.forward for target in item.forward.targets]
    return [name for number, name in FORWARDING.items() if any(of_family(targets, number)) and _is_off(name)]


def _is_off(name: str) -> bool:
    """Tell whether a setting is 0; forwarding of IPv4 may be on for single interfaces all the same."""
    one = SETTINGS / name.replace(".", "/")
    several = SETTINGS.glob("net/ipv4/conf/*/forwarding") if name == FORWARDING[4] else ()
    own = [path for path in several if path.parent.name not in ("all", "default", "lo")]
    with contextlib.suppress(OSError):
        return all(path.read_text(encoding="ascii").strip() == "0" for path in [one, *own])
    return False


def _foreign(state: State, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what foreign rules do with the packets of every peer, once for all peers with which they do the same."""
    rules = [*(arguments.get("rules") or ()), *(arguments.get("sent") or ())]
    apart = [{**rule, "peers": [peer]} for rule in rules for peer in rule.get("peers") or ()]
    single = [
        Accept(rule.direction, rule.protocol, rule.ports, rule.peers, rule.purpose, rule.required, rule.forward)
        for one in read_rules(apart)
        for rule in one.parts
        if rule.peers
    ]
    groups: dict[Any, list[Accept]] = {}
    for item in state.foreign(Ruleset(tuple(single))):
        place = tuple(sorted(item.place.items()))
        same = (item.accept.direction, item.accept.protocol, item.accept.ports, item.accept.forward)
        groups.setdefault((place, same, item.verdict), []).append(item.accept)
    together = [
        replace(accepts[0], peers=merge_addresses(peer for one in accepts for peer in one.peers))
        for accepts in groups.values()
    ]
    found = state.foreign(Ruleset(tuple(together)))
    return [{**item.as_dict(), "peers": format_addresses(item.accept.peers)} for item in found]


def _carried(ruleset: Ruleset) -> dict[str, Any]:
    """Return rules as data."""
    rules: list[dict[str, Any]] = []
    for item in ruleset.parts:
        row: dict[str, Any] = {
            "direction": item.direction,
            "protocol": item.protocol,
            "ports": format_ports(item.ports),
        }
        if item.forward:
            row["forward"] = {
                **item.forward._asdict(),
                "targets": format_addresses(item.forward.targets),
                "source_ports": format_ports(item.forward.source_ports),
            }
        if isinstance(item, Accept):
            rules.append({"accept": True, **row, "peers": format_addresses(item.peers), "comment": item.comment})
        else:
            rules.append({"accept": False, **row})
    return {"rules": rules, "unexpected": list(ruleset.unexpected), "owner": ruleset.owner}
