# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The finding: one verdict on an endpoint and its peers, from what is intended, configured, listening and reached."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Verdict = Literal["ok", "warn", "fail", "unknown"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

Intended = Literal["accept", "refuse", ""]
"""What the plan wants for the peers; empty where it is about no flow, such as a table that was edited."""
INTENDED: tuple[Intended, ...] = get_args(Intended)

Configured = Literal["accepts", "open", "refuses", "blocked", "maybe", "held", "unknown", ""]
"""What the rules in force do with the first packet of such a flow: ``accepts`` it, and refuse everyone else; ``open``:
no rule guards the port; ``refuses``: the own rules keep it out; ``blocked``: a foreign rule on the server drops it;
``maybe``: a foreign rule may; ``held``: the peer's own rules do not let it out; ``unknown``: the rules could not be
read. Empty where they were not looked at."""
CONFIGURED: tuple[Configured, ...] = get_args(Configured)

Listening = Literal["listens", "nothing", "moved", "local", "other", "hidden", ""]
"""``moved``: the server's program listens on other ports instead; ``local``: it listens where no client comes;
``other``: another program has the port; ``hidden``: a process listens whose name cannot be seen. Empty where it is not
known."""
LISTENING: tuple[Listening, ...] = get_args(Listening)

Reached = Literal["answers", "partly", "refused", "filtered", "silent", "unknown", "no_family", "taken", "not_sent", ""]
"""What the peer's probes met; of a forbidden peer ``answers`` means that it got in. ``partly``: only some addresses
answer; ``no_family``: both have no address family in common; ``taken``: a program of the peer holds the port at which
it would hear the answer; ``not_sent``: the probe is missing. Empty where the finding is not about a probe."""
REACHED: tuple[Reached, ...] = get_args(Reached)

Code = Literal[
    "reachable",
    "partly_reachable",
    "reachable_unguarded",
    "reachable_against_rules",
    "answered_by_another",
    "dropped_between",
    "rejected_between",
    "blocked",
    "maybe_blocked",
    "closed",
    "outbound_closed",
    "stopped",
    "moved",
    "local_only",
    "other_program",
    "closed_and_not_listening",
    "unreachable_unseen",
    "unreachable_unread",
    "probe_unclear",
    "no_common_family",
    "answer_port_taken",
    "not_probed",
    "ready",
    "configured",
    "listening",
    "unguarded",
    "rules_unknown",
    "listener_hidden",
    "refused",
    "refused_elsewhere",
    "refused_no_family",
    "refusal_unproven",
    "refusal_unclear",
    "admitted",
    "admitted_by_rule",
    "admitted_unguarded",
    "admitted_against_rules",
    "accepts_too_many",
    "stranger",
    "dead_session",
    "outside",
    "outside_guarded",
    "port_moved",
    "configured_otherwise",
    "rules_missing",
    "rules_edited",
    "rules_outdated",
    "rules_differ",
    "rules_of_another",
    "rules_unread",
    "rules_not_permitted",
    "rules_not_in_force",
    "not_forwarding",
]
"""What a finding says; docs/findings.md explains each."""
CODES: tuple[Code, ...] = get_args(Code)

Data = tuple[tuple[str, str], ...]
"""What a sentence names, as sorted pairs of a word and a text, such as ``("program", "sqlservr")``."""


def facts(**words: str) -> Data:
    """Return data from words and texts."""
    return tuple(sorted(words.items()))


class Finding(NamedTuple):
    """One verdict, as it is written down; its sentence is written where it is printed (``_output/verdicts.py``).

    :param host: the host that was inspected, or that sent the probe.
    :param server: the host of the endpoint.
    :param endpoint: the endpoint's id; of what passes a router its gateway and targets, or ``published`` for a
        container; empty where all rules of a host are meant.
    :param port: protocol and ports, such as ``tcp 1433``.
    :param peers: whom it is about, inventory names or addresses; empty for all peers of the endpoint.
    :param declared: the declaration that it follows from, or an empty string.
    :param optional: what does not work is only a warning.
    :param since: when this was first seen, in a row of verifications; UTC, ISO 8601, or an empty string.
    :param drift: it was not so when the host was first verified after its last apply.
    """

    code: Code
    verdict: Verdict
    host: str
    server: str
    endpoint: str = ""
    port: str = ""
    peers: tuple[str, ...] = ()
    intended: Intended = ""
    configured: Configured = ""
    listening: Listening = ""
    reached: Reached = ""
    data: Data = ()
    declared: str = ""
    optional: bool = False
    since: str = ""
    drift: bool = False

    def named(self, word: str) -> str:
        """Return what the data has under a word, or an empty string."""
        return dict(self.data).get(word, "")

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two findings of different times the same."""
        return (self.code, self.host, self.server, self.endpoint, self.port, *self.peers)
