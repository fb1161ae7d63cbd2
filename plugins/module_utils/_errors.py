# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error that the core raises and the edges catch."""

from __future__ import annotations

from typing import Any, Literal

ErrorCode = Literal[
    # what somebody wrote
    "wrong_type",
    "missing",
    "unknown_key",
    "unknown_name",
    "not_a_choice",
    "not_a_name",
    "not_a_number",
    "not_a_port",
    "not_an_address",
    "unreachable_address",
    "no_address",
    "out_of_range",
    "duplicate",
    "empty",
    "empty_group",
    "no_clients",
    "source_port",
    "contradiction",
    "incomplete_inventory",
    "template",
    # what stands between
    "cannot_pass",
    "not_published",
    "ambiguous_route",
    # the plan on disk
    "no_plan",
    "other_plan",
    "stale_plan",
    "changed_plan",
    "not_in_plan",
    "unreadable_plan",
    "not_written",
    # the host
    "program_missing",
    "not_permitted",
    "command_failed",
    "unreadable",
    "not_loaded",
    "cannot_encode",
    "would_lose",
    "would_lock_out",
    "malformed_answer",
]
"""What kind of mistake an error is about: programs and tests ask for this, people read the reason."""


class DbportsError(ValueError):
    """Something a user can put right: where it is, what was found there and what to do.

    :param reason: what is wrong, a sentence without a full stop.
    :param code: which kind of mistake it is.
    :param host: the inventory host it was found on, or None.
    :param path: the variable's path, such as ``dbports_servers[0].clients[1]``, or None.
    :param value: the bad value; shown with ``repr`` and cut at 120 characters.
    :param fix: what the user can do, a sentence without a full stop, or None.
    """

    def __init__(
        self,
        reason: str,
        *,
        code: ErrorCode = "wrong_type",
        host: str | None = None,
        path: str | None = None,
        value: Any = ...,
        fix: str | None = None,
    ) -> None:
        self.reason = reason
        self.code = code
        self.host = host
        self.path = path
        self.value = value
        self.fix = fix
        super().__init__(reason)

    def at(self, *, host: str | None = None, path: str | None = None) -> DbportsError:
        """Return the same error with the host and path filled in where it had none."""
        return DbportsError(
            self.reason,
            code=self.code,
            host=self.host or host,
            path=self.path or path,
            value=self.value,
            fix=self.fix,
        )

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.host, self.path) if part)
        text = f"{where}: {self.reason}" if where else self.reason
        if self.value is not ...:
            shown = repr(self.value)
            text += f" (got {shown if len(shown) <= 120 else shown[:117] + '...'})"
        if self.fix:
            text += f". {self.fix}"
        return text if text.endswith("?") else f"{text}."
