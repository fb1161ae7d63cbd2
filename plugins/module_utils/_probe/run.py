# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run probes: many at once, each within its time, every one with a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.module_utils._probe import icmp, search, sql602, ssrp, tcp, tds
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    ANSWERS,
    UNKNOWN,
    Deadline,
    Outcome,
    of_error,
)

KINDS = ("tcp", "tds", "sql602_connect", "icmp_echo", "ssrp", "sql602_search", "http_tunnel")
MANY_PORTS = ("tcp", "tds", "sql602_connect", "http_tunnel")
"""Kinds that may be given several ports; the verdict is that of the first port that does not answer."""

MAX_PORTS = 32
THREADS = 32
SEARCHED_AT_ONCE = 200
"""Servers a 602SQL search asks at once: each takes a descriptor, and 1024 is a common limit."""

MIN_TIMEOUT, MAX_TIMEOUT = 0.05, 60.0


@dataclass(frozen=True)
class Probe:
    """One thing to try: see the documentation of the module ``dbports.firewall.probe``.

    ``ports`` keeps its parts apart, because ``1433,1434`` is two ports to try and ``1433-1434`` a range in which
    a dynamic instance has one.
    """

    id: str
    kind: str
    address: str
    ports: tuple[PortRange, ...]
    instance: Optional[str] = None

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Probe:
        """Read a probe as the module gets it.

        :raises DbportsError: when a part is missing or wrong.
        """
        kind = str(value.get("kind"))
        if kind not in KINDS:
            raise DbportsError("not a kind of probe", path="kind", value=kind, fix=f"Use one of {', '.join(KINDS)}")
        try:
            where = AddressRange.parse(value.get("address"))
        except DbportsError as error:
            raise error.at(path="address") from None
        if where.first != where.last:
            raise DbportsError("a probe needs one address", path="address", value=value.get("address"))
        try:
            parts = [part for part in str(value.get("ports") or "").split(",") if part.strip()]
            ports = tuple(PortRange.parse(part) for part in parts)
        except DbportsError as error:
            raise error.at(path="ports") from None
        if kind != "icmp_echo" and not ports:
            raise DbportsError("a probe of this kind needs ports", path="ports", value=value.get("ports"))
        limit = MAX_PORTS if kind in MANY_PORTS else 1
        if len(ports) > limit:
            raise DbportsError(f"at most {limit} ports for {kind}", path="ports", value=value.get("ports"))
        return cls(str(value.get("id")), kind, str(where), ports, value.get("instance") or None)


def run_probes(values: Iterable[Mapping[str, Any]], timeout: float) -> list[dict[str, Any]]:
    """Run probes and return a result for each, in their order.

    :param values: probes as the module gets them.
    :param timeout: seconds that each probe may take.
    :returns: dicts with id, kind, address, port (None where there is none), verdict, detail and milliseconds.
    :raises DbportsError: when a probe or the timeout makes no sense; then nothing was sent.
    """
    if not MIN_TIMEOUT <= timeout <= MAX_TIMEOUT:
        raise DbportsError(f"seconds from {MIN_TIMEOUT} to {MAX_TIMEOUT}", path="timeout", value=timeout)
    probes = []
    for number, value in enumerate(values):
        try:
            probes.append(Probe.parse(value))
        except DbportsError as error:
            where = f"probes[{number}].{error.path}"
            raise DbportsError(error.reason, path=where, value=error.value, fix=error.fix) from None
    if not probes:
        return []
    # The searches share one socket and so one thread; with them beside the others, none waits for the rest.
    searches = [probe for probe in probes if probe.kind == "sql602_search"]
    with ThreadPoolExecutor(max_workers=min(THREADS, len(probes))) as pool:
        searched = pool.submit(_search_all, searches, timeout)
        jobs = [None if probe.kind == "sql602_search" else pool.submit(_timed, probe, timeout) for probe in probes]
        found = [job.result() if job else searched.result()[probe] for job, probe in zip(jobs, probes)]
    return [_result(probe, outcome, seconds) for probe, (outcome, seconds) in zip(probes, found)]


def _result(probe: Probe, outcome: Outcome, seconds: float) -> dict[str, Any]:
    return {
        "id": probe.id,
        "kind": probe.kind,
        "address": probe.address,
        "port": outcome.port,
        "verdict": outcome.verdict,
        "detail": outcome.detail,
        "milliseconds": round(seconds * 1000),
    }


def _timed(probe: Probe, timeout: float) -> tuple[Outcome, float]:
    began = time.monotonic()
    try:
        outcome = _run(probe, Deadline(timeout))
    except DbportsError as error:
        outcome = Outcome(UNKNOWN, error.reason)
    except OSError as error:  # such as no descriptor left, or IPv6 switched off
        outcome = of_error(error, no_answer=UNKNOWN)
    return outcome, time.monotonic() - began


def _run(probe: Probe, deadline: Deadline) -> Outcome:
    if probe.kind == "icmp_echo":
        return icmp.probe(probe.address, deadline)
    if probe.kind == "ssrp":
        return ssrp.probe(probe.address, _one(probe.ports[0]), deadline, probe.instance)
    if probe.kind == "tds" and len(probe.ports) == 1 and probe.ports[0].first != probe.ports[0].last:
        return _dynamic(probe, probe.ports[0], deadline)
    outcome = Outcome(UNKNOWN, "no port to try")
    for item in probe.ports:
        outcome = _CONNECTING[probe.kind](probe, _one(item), deadline)
        if outcome.verdict != ANSWERS:
            break
    return outcome


_CONNECTING: dict[str, Callable[[Probe, int, Deadline], Outcome]] = {
    "tcp": lambda probe, port, deadline: tcp.probe(probe.address, port, deadline),
    "tds": lambda probe, port, deadline: tds.probe(probe.address, port, deadline, probe.instance),
    "sql602_connect": lambda probe, port, deadline: sql602.probe_connect(probe.address, port, deadline),
    "http_tunnel": lambda probe, port, deadline: sql602.probe_tunnel(probe.address, port, deadline),
}


def _one(ports: PortRange) -> int:
    if ports.first != ports.last:
        raise DbportsError(f"the range {ports} does not say which port to try")
    return ports.first


def _dynamic(probe: Probe, ports: PortRange, deadline: Deadline) -> Outcome:
    """Probe an instance with a dynamic port: ask the Browser for the port, as the client does, then go there."""
    if not probe.instance:
        return Outcome(UNKNOWN, f"the range {ports} does not say which port to try, and no instance is named")
    try:
        # Half of the time at most, so that the connection has some left.
        found = ssrp.find_instance(probe.address, ssrp.PORT, probe.instance, Deadline(deadline.left() / 2))
    except OSError as error:
        what = of_error(error, no_answer="silent").detail
        return Outcome(UNKNOWN, f"the port is dynamic and the SQL Server Browser on UDP 1434 did not tell it: {what}")
    if found.tcp_port is None:
        return Outcome(UNKNOWN, f"the SQL Server Browser told no TCP port for {probe.instance}")
    if found.tcp_port not in ports:
        detail = f"the SQL Server Browser told port {found.tcp_port}, which is not in the planned {ports}"
        return Outcome(UNKNOWN, detail, found.tcp_port)
    outcome = tds.probe(probe.address, found.tcp_port, deadline, probe.instance)
    return Outcome(outcome.verdict, f"{outcome.detail} (port told by the SQL Server Browser)", outcome.port)


def _search_all(probes: list[Probe], timeout: float) -> dict[Probe, tuple[Outcome, float]]:
    """Search for 602SQL servers, IPv4 alone: the product has no IPv6."""
    found: dict[Probe, tuple[Outcome, float]] = {}
    targets: dict[Probe, search.Target] = {}
    for probe in probes:
        port = probe.ports[0]
        if ":" in probe.address or port.first != port.last:
            found[probe] = Outcome(UNKNOWN, "a 602SQL search goes to one port of an IPv4 address"), 0.0
        else:
            targets[probe] = (probe.address, port.first)
    wanted = sorted(set(targets.values()))
    outcomes: dict[search.Target, tuple[Outcome, float]] = {}
    for start in range(0, len(wanted), SEARCHED_AT_ONCE):
        part = wanted[start : start + SEARCHED_AT_ONCE]
        try:
            outcomes.update(search.Search(part).run(timeout))
        except OSError as error:
            outcomes.update({target: (of_error(error, target[1], no_answer=UNKNOWN), 0.0) for target in part})
    return {**found, **{probe: outcomes[target] for probe, target in targets.items()}}
