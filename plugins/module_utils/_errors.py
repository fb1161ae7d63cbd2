# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error that the core raises and the edges catch."""

from __future__ import annotations

from typing import Any


class DbportsError(ValueError):
    """Something a user can put right: where it is, what was found there and what to do.

    :param reason: what is wrong, a sentence without a full stop.
    :param host: the inventory host it was found on, or None.
    :param path: the variable's path, such as ``dbports_servers[0].clients[1]``, or None.
    :param value: the bad value; shown with ``repr`` and cut at 120 characters.
    :param fix: what the user can do, a sentence without a full stop, or None.
    """

    def __init__(
        self,
        reason: str,
        *,
        host: str | None = None,
        path: str | None = None,
        value: Any = ...,
        fix: str | None = None,
    ) -> None:
        self.reason = reason
        self.host = host
        self.path = path
        self.value = value
        self.fix = fix
        super().__init__(reason)

    def at(self, *, host: str | None = None, path: str | None = None) -> DbportsError:
        """Return the same error with the host and path filled in where it had none."""
        return DbportsError(
            self.reason,
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
        return f"{text}. {self.fix}." if self.fix else f"{text}."
