# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which code a combination of intended, configured, listening and reached has, and which verdict a code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import (
    CODES,
    CONFIGURED,
    LISTENING,
    REACHED,
    Code,
    Configured,
    Data,
    Finding,
    Intended,
    Listening,
    Reached,
    Verdict,
    facts,
)

_NOT_LISTENING: tuple[Listening, ...] = ("nothing", "moved", "local", "other")
_KEPT_OUT: tuple[Configured, ...] = ("refuses", "blocked")
_GOT_IN: tuple[Reached, ...] = ("answers", "partly")
_NO_ANSWER: tuple[Reached, ...] = ("refused", "filtered", "silent")


class _Line(NamedTuple):
    """A line of the table; it stands for every combination of its values, and an empty field for any value."""

    code: Code
    configured: tuple[Configured, ...] = CONFIGURED
    listening: tuple[Listening, ...] = LISTENING
    reached: tuple[Reached, ...] = REACHED


_PROBE: tuple[_Line, ...] = (
    _Line("not_probed", reached=("not_sent",)),
    _Line("no_common_family", reached=("no_family",)),
    _Line("probe_unclear", reached=("unknown",)),
    _Line("answer_port_taken", reached=("taken",)),
)
_CAUSE: tuple[_Line, ...] = (
    _Line("outbound_closed", configured=("held",)),
    _Line("closed_and_not_listening", configured=_KEPT_OUT, listening=_NOT_LISTENING),
    _Line("stopped", listening=("nothing",)),
    _Line("moved", listening=("moved",)),
    _Line("local_only", listening=("local",)),
    _Line("other_program", listening=("other",)),
    _Line("blocked", configured=("blocked",)),
    _Line("closed", configured=("refuses",)),
)
"""What is wrong on the server itself, whether or not a client has tried."""

TABLE: dict[Intended, tuple[_Line, ...]] = {
    "accept": (
        *_PROBE,
        _Line("answered_by_another", listening=_NOT_LISTENING, reached=_GOT_IN),
        _Line("reachable_against_rules", configured=(*_KEPT_OUT, "held"), reached=_GOT_IN),
        _Line("partly_reachable", reached=("partly",)),
        _Line("reachable_unguarded", configured=("open",), reached=("answers",)),
        _Line("reachable", reached=("answers",)),
        *_CAUSE,
        _Line("unreachable_unseen", configured=("",), listening=("",), reached=_NO_ANSWER),
        _Line("unreachable_unread", configured=("", "unknown"), reached=_NO_ANSWER),
        _Line("maybe_blocked", configured=("maybe",), reached=_NO_ANSWER),
        _Line("rejected_between", reached=("refused",)),
        _Line("dropped_between", reached=_NO_ANSWER),
        _Line("unguarded", configured=("open",)),
        _Line("listener_hidden", listening=("hidden",)),
        _Line("rules_unknown", configured=("unknown",)),
        _Line("listening", configured=("",)),
        _Line("configured", listening=("",)),
        _Line("ready"),
    ),
    "refuse": (
        _Line("not_probed", reached=("not_sent",)),
        _Line("refused_no_family", reached=("no_family",)),
        _Line("refusal_unclear", reached=("unknown",)),
        _Line("refusal_unproven", reached=("taken",)),
        _Line("admitted_by_rule", configured=("accepts", "maybe"), reached=_GOT_IN),
        _Line("admitted_unguarded", configured=("open",), reached=_GOT_IN),
        _Line("admitted_against_rules", configured=(*_KEPT_OUT, "held"), reached=_GOT_IN),
        _Line("admitted", reached=_GOT_IN),
        _Line("refusal_unproven", listening=_NOT_LISTENING, reached=_NO_ANSWER),
        _Line("refused_elsewhere", configured=("accepts", "open"), reached=_NO_ANSWER),
        _Line("refusal_unproven", configured=("held",), reached=_NO_ANSWER),
        _Line("refused", reached=_NO_ANSWER),
        _Line("unguarded", configured=("open",)),
        _Line("accepts_too_many", configured=("accepts",)),
        _Line("not_probed"),
    ),
}

_VERDICTS: dict[Verdict, frozenset[Code]] = {
    "ok": frozenset({"reachable", "ready", "configured", "listening", "refused", "refused_no_family"}),
    "warn": frozenset(
        {
            "partly_reachable",
            "reachable_unguarded",
            "reachable_against_rules",
            "answered_by_another",
            "refused_elsewhere",
            "outside_guarded",
            "port_moved",
            "configured_otherwise",
            "dead_session",
        }
    ),
    "unknown": frozenset(
        {
            "probe_unclear",
            "no_common_family",
            "answer_port_taken",
            "not_probed",
            "rules_unknown",
            "listener_hidden",
            "refusal_unproven",
            "refusal_unclear",
            "rules_not_permitted",
        }
    ),
}
VERDICT_OF: dict[Code, Verdict] = {
    code: next((verdict for verdict, codes in _VERDICTS.items() if code in codes), "fail") for code in CODES
}
"""The verdict of each code; what is no other is a failure."""


def code_of(intended: Intended, configured: Configured, listening: Listening, reached: Reached) -> Code:
    """Return the one code of a combination; the first line that holds it counts.

    :param intended: ``accept`` or ``refuse``.
    """
    return next(
        line.code
        for line in TABLE[intended]
        if configured in line.configured and listening in line.listening and reached in line.reached
    )


def verdict_of(code: Code, *, required: bool = True) -> Verdict:
    """Return the verdict of a code; what is only optional warns instead of failing."""
    found = VERDICT_OF[code]
    return "warn" if found == "fail" and not required else found


def combined(
    place: Finding, configured: Configured = "", listening: Listening = "", reached: Reached = "", data: Data = ()
) -> Finding:
    """Return a finding with the code and verdict of its four ways; what is given is added to what it has."""
    known = place._replace(
        configured=configured or place.configured,
        listening=listening or place.listening,
        reached=reached or place.reached,
        data=facts(**{**dict(place.data), **dict(data)}),
    )
    code = code_of(known.intended, known.configured, known.listening, known.reached)
    return known._replace(code=code, verdict=verdict_of(code, required=not known.optional))


FAIL_ON = ("fail", "warn", "unknown", "never")
"""What a user may say that fails a run, beside codes: failures, or warnings or what is unknown as well, or nothing."""


def failing(findings: Iterable[Finding], fail_on: Sequence[str]) -> list[Finding]:
    """Return the findings that fail a run.

    :param fail_on: of :data:`FAIL_ON`, and codes, of which each fails whatever its verdict.
    :raises DbportsError: when there is something else in it.
    """
    unknown = [item for item in fail_on if item not in (*FAIL_ON, *CODES)]
    if unknown or not fail_on:
        raise DbportsError(
            "expected " + ", ".join(FAIL_ON) + " or codes of findings",
            code="not_a_choice",
            path="fail_on",
            value=unknown[0] if unknown else list(fail_on),
            fix="docs/findings.md lists the codes; dbports_fail_on: never lets no finding fail the run",
        )
    verdicts = {item for item in fail_on if item in ("warn", "unknown")}
    verdicts |= {"fail"} if verdicts or "fail" in fail_on else set()
    return [one for one in findings if one.verdict in verdicts or one.code in fail_on]
