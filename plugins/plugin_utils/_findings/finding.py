# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The finding: one verdict on one endpoint."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Verdict = Literal["ok", "warn", "fail", "unknown"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

Stage = Literal["configured", "listening", "connected", "reachable", "forbidden"]
"""configured: the ruleset; listening: the server's socket; connected: who is connected; reachable: a declared client
gets an answer; forbidden: another host gets none."""
STAGES: tuple[Stage, ...] = get_args(Stage)

Judgement = tuple[Verdict, str]
"""A verdict and its reason."""


class Finding(NamedTuple):
    """One verdict on one endpoint, as it is written down.

    :param host: the host that was inspected, or that sent the probe.
    :param server: the host of the endpoint.
    :param endpoint: the endpoint's id.
    :param port: protocol and ports, such as ``tcp 1433``.
    :param reason: why, one sentence without a full stop.
    :param declared: the declaration that it follows from, or an empty string.
    """

    stage: Stage
    verdict: Verdict
    host: str
    server: str
    endpoint: str
    port: str
    reason: str
    declared: str = ""
