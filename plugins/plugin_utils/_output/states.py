# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of each flow and host, in one word: the colour, the sign and the text of every picture and table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple, get_args

from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.finding import Finding, Verdict
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.flows import Flow

State = Literal["fail", "unknown", "warn", "planned", "ok", "set", "forbidden", "refused"]
"""The one that needs attention most comes first."""
STATES: tuple[State, ...] = get_args(State)
URGENT: tuple[State, ...] = ("fail", "unknown", "warn")
"""What a reader has to look at."""

BARRED: tuple[State, ...] = ("forbidden", "refused")
"""Flows that end before their target."""


class Sign(NamedTuple):
    """How a state is shown without colour, and what it means."""

    sign: str
    name: str
    text: str


SIGNS: dict[State, Sign] = {
    "fail": Sign("✕", "failed", "a declared client is not served, or someone else gets in"),
    "unknown": Sign("?", "unknown", "could not be told, see the finding"),
    "warn": Sign("!", "warning", "works, but not as planned"),
    "planned": Sign("○", "not verified", "planned, and not verified yet"),
    "ok": Sign("✓", "reached", "the client's probe was answered"),
    "forbidden": Sign("⊖", "to be refused", "must be kept out, and was not tried yet"),
    "set": Sign("◐", "configured", "the rules are in force, and no probe tries this flow"),
    "refused": Sign("⊘", "refused", "tried, and kept out as planned"),
}

_FROM_VERDICT: dict[Verdict, State] = {"fail": "fail", "unknown": "unknown", "warn": "warn", "ok": "ok"}
_SEVERITY = {state: number for number, state in enumerate(STATES)}


def state_of(finding: Finding) -> State:
    """Return the state that a finding tells of."""
    state = _FROM_VERDICT[finding.verdict]
    return "refused" if state == "ok" and finding.intended == "refuse" else state


def worst(states: Iterable[State]) -> State:
    """Return the state that needs attention most; ``planned`` where there is none."""
    return min(states, key=_SEVERITY.__getitem__, default="planned")


class States:
    """The states of flows and hosts by the findings that are there.

    :param verified: the hosts that were verified.
    :param gateways: the hosts that gateways are, by the names of these.
    """

    def __init__(
        self, findings: Iterable[Finding], verified: Collection[str], gateways: Mapping[str, str] | None = None
    ) -> None:
        self._verified = verified
        self._gateways = gateways or {}
        self._flows: dict[tuple[str, str, str, str, bool], list[State]] = {}
        self._servers: dict[tuple[str, str, str], list[tuple[tuple[str, ...], State]]] = {}
        self._hosts: dict[str, list[State]] = {}
        for finding in findings:
            self._take(finding)

    def _take(self, finding: Finding) -> None:
        state, place = state_of(finding), (finding.server, finding.endpoint, finding.port)
        if finding.reached:
            self._flows.setdefault((finding.host, *place, finding.intended == "accept"), []).append(state)
        elif finding.intended == "accept":
            self._servers.setdefault(place, []).append((finding.peers, state))
        if finding.verdict != "ok":
            for name in (finding.host, finding.server):
                self._hosts.setdefault(name, []).append(state)

    def of_flow(self, flow: Flow) -> State:
        """Return the state of a flow: what its probe met, else what its target shows of it."""
        probed = self._flows.get((*flow.key, flow.allowed))
        if probed:
            return worst(probed)
        if not flow.allowed:
            return "forbidden"
        shown = self._servers.get((flow.target.name, flow.endpoint, flow.shown), ())
        here = worst(state for peers, state in shown if not peers or flow.source.name in peers)
        tried = flow.source.kind != "host" or flow.source.name in self._verified
        return here if here != "ok" else "set" if tried else "planned"

    def of_host(self, name: str) -> State:
        """Return the state of a host, or of the one that a gateway is: the worst of what was found there or of it."""
        name = self._gateways.get(name, name)
        return worst(self._hosts.get(name, ["ok" if name in self._verified else "planned"]))
