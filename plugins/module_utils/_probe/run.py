# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run probes: many at once, each within its time, every one with a verdict."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    Deadline,
    Outcome,
    ProbeKind,
    Run,
    Target,
    Timed,
    of_error,
)
from ansible_collections.dbports.firewall.plugins.module_utils._probe.registry import kind_of

THREADS = 32
MIN_TIMEOUT, MAX_TIMEOUT = 0.05, 60.0


@dataclass(frozen=True)
class Probe:
    """One thing to try: see the documentation of the module ``dbports.firewall.probe``.

    There is a target for each part of ``ports``: ``1433,1434`` is two ports to try and ``1433-1434`` a range in which
    a dynamic instance has one.

    :param patient: a refused target is tried again, as its server may have been started just now.
    """

    id: str
    kind: ProbeKind
    address: str
    targets: tuple[Target, ...]
    patient: bool = False

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Probe:
        """Read a probe as the module gets it.

        :raises DbportsError: when a part is missing or wrong.
        """
        kind = kind_of(value.get("kind"))
        try:
            where = AddressRange.parse(value.get("address"))
        except DbportsError as error:
            raise error.at(path="address") from None
        if where.first != where.last:
            raise DbportsError(
                "a probe needs a single address", code="not_an_address", path="address", value=value.get("address")
            )
        address, instance = str(where), value.get("instance") or None
        if not kind.max_ports:
            return cls(str(value.get("id")), kind, address, (Target(address, None, instance),))
        ports = _read_ports(kind, value.get("ports"))
        targets = tuple(Target(address, item, instance) for item in ports)
        return cls(str(value.get("id")), kind, address, targets, value.get("patient") is True)


def _read_ports(kind: ProbeKind, value: Any) -> list[PortRange]:
    try:
        ports = [PortRange.parse(part) for part in str(value or "").split(",") if part.strip()]
    except DbportsError as error:
        raise error.at(path="ports") from None
    if not ports:
        raise DbportsError(f"a probe of kind {kind.name} needs ports", code="missing", path="ports", value=value)
    if len(ports) > kind.max_ports:
        most = "a single port" if kind.max_ports == 1 else f"at most {kind.max_ports} ports"
        raise DbportsError(f"a probe of kind {kind.name} takes {most}", code="out_of_range", path="ports", value=value)
    return ports


def check_timeout(timeout: float) -> None:
    """Refuse a time that is too short for any answer, or longer than anyone waits.

    :raises DbportsError: for such a one.
    """
    if not MIN_TIMEOUT <= timeout <= MAX_TIMEOUT:
        raise DbportsError(
            f"the timeout is not from {MIN_TIMEOUT} to {MAX_TIMEOUT} seconds",
            code="out_of_range",
            path="timeout",
            value=timeout,
        )


def run_probes(values: Iterable[Mapping[str, Any]], timeout: float) -> list[dict[str, Any]]:
    """Run probes and return a result for each, in their order.

    :param values: probes as the module gets them.
    :param timeout: seconds that each probe may take.
    :returns: dicts with id, kind, address, port (None where there is none), verdict, reached, detail and milliseconds.
    :raises DbportsError: when a probe or the timeout makes no sense; then nothing was sent.
    """
    check_timeout(timeout)
    probes = read_probes(values)
    if not probes:
        return []
    with ThreadPoolExecutor(max_workers=min(THREADS, len(probes))) as pool:
        # Probes that share a socket share one thread; begun first, so that they run beside the others.
        shared = {
            kind: pool.submit(kind.run_together, [one.targets[0] for one in probes if one.kind == kind], timeout)
            for kind in dict.fromkeys(probe.kind for probe in probes)
            if kind.run_together
        }
        jobs = [pool.submit(_timed, probe.kind.run, probe, timeout) if probe.kind.run else None for probe in probes]
        found = [
            job.result() if job else shared[probe.kind].result()[probe.targets[0]] for job, probe in zip(jobs, probes)
        ]
    return [result_of(probe, outcome, seconds) for probe, (outcome, seconds) in zip(probes, found)]


def read_probes(values: Iterable[Mapping[str, Any]]) -> list[Probe]:
    """Read probes as the module gets them.

    :raises DbportsError: when one of them makes no sense.
    """
    return [_parse(value, f"probes[{number}]") for number, value in enumerate(values)]


def _parse(value: Mapping[str, Any], path: str) -> Probe:
    try:
        return Probe.parse(value)
    except DbportsError as error:
        error.path = f"{path}.{error.path}"
        raise


def result_of(probe: Probe, outcome: Outcome, seconds: float) -> dict[str, Any]:
    """Return what a probe found as the module does, see :func:`run_probes`."""
    return {
        "id": probe.id,
        "kind": probe.kind.name,
        "address": probe.address,
        "port": outcome.port,
        "verdict": outcome.verdict,
        "reached": outcome.reached,
        "detail": outcome.detail,
        "milliseconds": round(seconds * 1000),
    }


def _timed(run: Run, probe: Probe, timeout: float) -> Timed:
    """Try a probe's targets in turn until one does not answer; the last outcome is the probe's."""
    began = time.monotonic()
    deadline = Deadline(timeout)
    outcome = Outcome("unknown", "no target")
    try:
        for target in probe.targets:
            outcome = run(target, deadline)
            while outcome.verdict == "refused" and probe.patient and deadline.pause():
                again = run(target, deadline)
                outcome = again if again.verdict == "answers" else outcome  # at the end no time is left for an answer
            if outcome.verdict != "answers":
                break
    except DbportsError as error:
        outcome = Outcome("unknown", error.reason)
    except OSError as error:  # such as no descriptor left, or IPv6 switched off
        outcome = of_error(error, no_answer="unknown")
    return outcome, time.monotonic() - began
