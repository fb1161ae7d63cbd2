# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has changed on a host since its last apply, told from what was kept of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.codes import verdict_of
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Data, Finding, facts


class Baseline(NamedTuple):
    """What is kept of a host between its applies.

    :param plan_id: the plan that was applied; another plan is no drift.
    :param ruleset: the digest of the rules that were applied.
    :param verified: whether the host was verified since.
    :param seen: what makes the problems of the first verification since then the same, as digests.
    :param ports: by endpoint, the ports on which its programs were then seen, such as ``49712,50001``.
    """

    plan_id: str
    ruleset: str
    verified: bool = False
    seen: tuple[str, ...] = ()
    ports: Data = ()


def after_apply(earlier: Baseline | None, plan_id: str, ruleset: str, *, changed: bool) -> Baseline:
    """Return what to keep after an apply; one that changed nothing is no new beginning."""
    if earlier and not changed and earlier.ruleset == ruleset:
        return earlier._replace(plan_id=plan_id)
    return Baseline(plan_id, ruleset)


def after_verify(
    baseline: Baseline, plan_id: str, findings: Iterable[Finding], ports: Mapping[str, Sequence[int]]
) -> Baseline:
    """Return what to keep after a verification: the first one since the apply counts."""
    if baseline.verified or baseline.plan_id != plan_id:
        return baseline
    shown = facts(**{endpoint: ",".join(map(str, found)) for endpoint, found in ports.items() if found})
    return baseline._replace(verified=True, seen=tuple(sorted(set(_problems(findings)))), ports=shown)


def with_drift(
    findings: Iterable[Finding], baseline: Baseline, plan_id: str, ports: Mapping[str, Sequence[int]], host: str
) -> Iterator[Finding]:
    """Yield findings, those marked that are new since the first verification after the last apply, and moved ports."""
    comparable = baseline.verified and baseline.plan_id == plan_id
    seen = set(baseline.seen)
    for finding in findings:
        new = comparable and finding.verdict != "ok" and any(map(seen.isdisjoint, _marks(finding)))
        yield finding._replace(drift=finding.drift or new)
    for endpoint, before in baseline.ports if comparable else ():
        known, now = set(before.split(",")), {str(port) for port in ports.get(endpoint, ())}
        if known - now and now - known:
            data = facts(before=_listed(known - now), now=_listed(now - known))
            yield Finding("port_moved", verdict_of("port_moved"), host, host, endpoint, data=data, drift=True)


def with_since(findings: Iterable[Finding], earlier: Iterable[Finding], now: str) -> Iterator[Finding]:
    """Yield findings with the time when they were first seen in a row of verifications.

    :param now: the time of this verification, UTC, ISO 8601.
    """
    known = {mark: finding.since for finding in earlier for mark, _whole in _marks(finding)}
    for finding in findings:
        times = [known.get(mark) or known.get(whole) or now for mark, whole in _marks(finding)]
        yield finding._replace(since=max(times))


def _problems(findings: Iterable[Finding]) -> Iterator[str]:
    return (mark for finding in findings if finding.verdict != "ok" for mark, _whole in _marks(finding))


def _marks(finding: Finding) -> list[tuple[str, str]]:
    """Return what makes findings of two times the same, for each peer, as these may become fewer, and for all."""
    whole = _mark(finding._replace(peers=()))
    return [(_mark(finding._replace(peers=(peer,))), whole) for peer in finding.peers] or [(whole, whole)]


def _mark(finding: Finding) -> str:
    text = "\x00".join(finding.key)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _listed(ports: Iterable[str]) -> str:
    return ",".join(sorted(ports, key=int))
