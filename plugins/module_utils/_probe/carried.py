# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes from a host on which this program does not run: another one carries bytes, and the verdicts are made here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Union

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    Answer,
    Outcome,
    ProbeKind,
    Question,
    Target,
    Timed,
)
from ansible_collections.dbports.firewall.plugins.module_utils._probe.run import check_timeout, read_probes, result_of


class Carried(NamedTuple):
    """An answer, and the seconds that it took."""

    answer: Answer
    seconds: float


Carry = Callable[[Sequence[Question]], Sequence[Carried]]
"""Puts all questions at once and returns an answer for each, in their order."""


def run_carried(values: Iterable[Mapping[str, Any]], timeout: float, carry: Carry) -> list[dict[str, Any]]:
    """Run probes and return a result for each, in their order; see :func:`run_probes`.

    All targets of a probe are tried at once. What was asked is asked on until every target has an outcome: the port of
    a dynamic instance is asked for first.

    :raises DbportsError: when a probe or the timeout makes no sense, and what ``carry`` raises.
    """
    check_timeout(timeout)
    probes = read_probes(values)
    ways = {
        (number, target): _question(one.kind, target) for number, one in enumerate(probes) for target in one.targets
    }
    found: dict[tuple[int, Target], Timed] = {}
    seconds = dict.fromkeys(ways, 0.0)
    while ways:
        found.update({way: (now, seconds[way]) for way, now in ways.items() if isinstance(now, Outcome)})
        asked = {
            way: now._replace(patient=probes[way[0]].patient) for way, now in ways.items() if isinstance(now, Question)
        }
        answers = carry(list(asked.values())) if asked else ()
        ways = {}
        for (way, question), carried in zip(asked.items(), answers):
            seconds[way] += carried.seconds
            ways[way] = _judged(question, carried.answer)
    return [
        result_of(probe, *_whole([found[number, target] for target in probe.targets]))
        for number, probe in enumerate(probes)
    ]


def _question(kind: ProbeKind, target: Target) -> Union[Question, Outcome]:
    if kind.question is None:
        return Outcome("unknown", f"a probe of kind {kind.name} needs Python on the host that sends it")
    try:
        return kind.question(target)
    except DbportsError as error:
        return Outcome("unknown", error.reason)


def _judged(question: Question, answer: Answer) -> Union[Question, Outcome]:
    try:
        return question.judge(answer)
    except DbportsError as error:
        return Outcome("unknown", error.reason, question.port)


def _whole(targets: Sequence[Timed]) -> Timed:
    """Return the outcome of a probe: that of its first target that does not answer, else of its last one."""
    outcome = next((one for one, _seconds in targets if one.verdict != "answers"), targets[-1][0])
    return outcome, max(seconds for _one, seconds in targets)
