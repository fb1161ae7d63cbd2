# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kind of probe as a newcomer adds one: a file. It is only here, and test_walks.py shows that this is enough."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import tcp
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import (
    Deadline,
    Outcome,
    ProbeKind,
    Question,
    Target,
)

PONG = b"+PONG\r\n"


def _talk(target: Target) -> tcp.Talk:
    def judge(data: bytes) -> Outcome | None:
        if not PONG.startswith(data[: len(PONG)]):
            raise DbportsError("the answer is not that of Redis", code="malformed_answer")
        return (
            Outcome("answers", f"Redis answered {target.instance or ''}".rstrip()) if len(data) >= len(PONG) else None
        )

    return tcp.Talk(b"PING\r\n", judge)


def probe(target: Target, deadline: Deadline) -> Outcome:
    """Send PING and wait for PONG."""
    return tcp.connect(target, deadline, _talk(target))


def question(target: Target) -> Question:
    """Return the same for another program to carry."""
    return tcp.question(target, _talk(target))


KIND = ProbeKind(
    "redis_ping",
    ("tcp",),
    max_ports=4,
    run=probe,
    question=question,
    names_instance=True,
    generic=True,
)
