# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error that the core raises and the edges catch, alone or several at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Literal, TypeVar

from ansible_collections.dbports.firewall.plugins.module_utils._visible import counted, visible

T = TypeVar("T")
SHOWN = 120
"""So many characters of a bad value are shown."""

SHORT = 60
"""So many characters of a reason are shown again."""

HOSTS = 3
"""So many hosts that have the same error are named."""

ErrorCode = Literal[
    # what users write
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
    "not_in_inventory",
    "delegated",
    "run_once",
    # what stands between
    "cannot_pass",
    "not_published",
    "ambiguous_route",
    "over_limit",
    # the plan on disk
    "no_plan",
    "not_planned",
    "other_plan",
    "stale_plan",
    "changed_plan",
    "not_in_plan",
    "unreadable_plan",
    "not_written",
    "not_ours",
    "not_a_plan_id",
    "empty_plan",
    "conflicts",
    # the host
    "program_missing",
    "not_permitted",
    "command_failed",
    "unreadable",
    "no_memory",
    "not_loaded",
    "cannot_encode",
    "would_lose",
    "would_lock_out",
    "not_enforced",
    "would_cut",
    "other_owner",
    "wrong_backend",
    "busy",
    "not_confirmed",
    "malformed_answer",
]
"""What kind of mistake an error is about: programs and tests ask for this, people read the reason."""


class _Hidden:
    """A value that must not be printed."""

    def __repr__(self) -> str:
        return "a vault value"


HIDDEN = _Hidden()


class DbportsError(ValueError):
    """Something a user can put right: where it is, what was found there and what to do.

    :param reason: what is wrong, a sentence without a full stop.
    :param code: which kind of mistake it is.
    :param host: the inventory host it was found on, ``all`` for a variable of the whole inventory, or None.
    :param path: the variable's path, such as ``dbports_servers[0].clients[1]``, or None.
    :param value: the bad value; shown with ``repr`` and cut at 120 characters.
    :param fix: what the user can do, a sentence without a full stop, or None.
    :param file: the file that sets the variable, where that is known.
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
        file: str = "",
    ) -> None:
        self.reason = reason
        self.code = code
        self.host = host
        self.path = path
        self.value = value
        self.fix = fix
        self.file = file
        super().__init__(reason)

    def at(
        self, *, host: str | None = None, path: str | None = None, fix: str | None = None, file: str = ""
    ) -> DbportsError:
        """Return the same error with host, path, fix and file filled in where it had none."""
        return DbportsError(
            self.reason,
            code=self.code,
            host=self.host or host,
            path=self.path or path,
            value=self.value,
            fix=self.fix or fix,
            file=self.file or file,
        )

    def hiding(self, secrets: Collection[str]) -> DbportsError:
        """Return the same error without any of these texts."""

        def hide(text: str | None) -> str | None:
            for secret in secrets:
                text = text and text.replace(secret, f"({HIDDEN})")
            return text

        value = HIDDEN if any(secret in str(self.value) for secret in secrets) else self.value
        return DbportsError(
            hide(self.reason) or "",
            code=self.code,
            host=self.host,
            path=hide(self.path),
            value=value,
            fix=hide(self.fix),
            file=self.file,
        )

    def text(self, host: str | None) -> str:
        """Return the error as it is printed, found on this host or these hosts."""
        found = f"{host} ({self.file})" if host and self.file else host
        where = ": ".join(part for part in (found, self.path) if part)
        text = f"{where}: {self.reason}" if where else self.reason
        if self.value is HIDDEN:
            text += f" ({HIDDEN})"
        elif self.value is not ...:
            shown = repr(self.value)
            text += f" (got {shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + '...'})"
        if self.fix:
            text += f". {self.fix}"
        line = visible(text)
        return line if line.endswith("?") else f"{line}."

    def without(self, host: str | None) -> str:
        """Return the error as it is printed where it is clear that it was found on this host."""
        return "\n".join(dict.fromkeys(item.text(None if item.host == host else item.host) for item in each_of(self)))

    def short(self) -> str:
        """Return what stands for the error where it was printed before."""
        first, *more = each_of(self)
        if more:
            return f"see the {1 + len(more)} errors printed above, once for all hosts"
        where = f"{first.path}: " if first.path else ""
        reason = first.reason if len(first.reason) <= SHORT else f"{first.reason[: SHORT - 3]}..."
        return visible(f"{where}{reason} (see the error printed above, once for all hosts)")

    def __str__(self) -> str:
        return self.text(self.host)


class CombinedError(DbportsError):
    """Several mistakes at once, one ``DbportsError`` each."""

    def __init__(self, errors: Iterable[DbportsError]) -> None:
        self.errors = tuple(item for error in errors for item in each_of(error))
        super().__init__(f"{len(self.errors)} errors", code=self.errors[0].code)

    def at(
        self, *, host: str | None = None, path: str | None = None, fix: str | None = None, file: str = ""
    ) -> DbportsError:
        """Return the same errors, each filled in; see :meth:`DbportsError.at`."""
        return type(self)(error.at(host=host, path=path, fix=fix, file=file) for error in self.errors)

    def hiding(self, secrets: Collection[str]) -> DbportsError:
        """Return the same errors without any of these texts."""
        return type(self)(error.hiding(secrets) for error in self.errors)

    def __str__(self) -> str:
        """Return a line an error; one that several hosts have is printed once, with the first of them."""
        hosts: dict[str, list[str]] = {}
        first: dict[str, DbportsError] = {}
        for error in self.errors:
            key = error.text(None)
            hosts.setdefault(key, []).extend([error.host] if error.host else [])
            first.setdefault(key, error)
        return "\n".join(error.text(_some(hosts[key])) for key, error in first.items())


def _some(hosts: list[str]) -> str:
    left = len(hosts) - HOSTS
    more = f" and {counted(left, 'more host')}" if left > 0 else ""
    return ", ".join(hosts[:HOSTS]) + more


def each_of(error: DbportsError) -> tuple[DbportsError, ...]:
    """Return the errors of a combined one, and one that is none as it is."""
    return error.errors if isinstance(error, CombinedError) else (error,)


class ErrorList:
    """Collects errors, so that users see all of them at once, each of them once."""

    def __init__(self) -> None:
        self._errors: dict[str, DbportsError] = {}

    def keep(self, error: DbportsError) -> None:
        """Keep an error; the same one is met once for every server that it matters to."""
        for item in each_of(error):
            self._errors.setdefault(str(item), item)

    def collecting_errors(self, host: str | None, call: Callable[..., T], *args: Any) -> T | None:
        """Run one step; its errors are kept, located on the host where one is given, and None returned."""
        try:
            return call(*args)
        except DbportsError as error:
            self.keep(error.at(host=host))
            return None

    def all(self) -> tuple[DbportsError, ...]:
        """Return the errors in the order in which they were met."""
        return tuple(self._errors.values())

    def raise_all(self) -> None:
        """Raise what was kept: nothing, the one error, or a :class:`CombinedError`."""
        found = self.all()
        if found:
            raise found[0] if len(found) == 1 else CombinedError(found)


def malformed(reason: str, value: Any = ...) -> DbportsError:
    """Return the error of an answer that is not what its protocol or program says."""
    return DbportsError(reason, code="malformed_answer", value=value)


def reported(error: DbportsError | MemoryError) -> DbportsError:
    """Return the error that a module ends with, also where its host ran out of memory."""
    if isinstance(error, DbportsError):
        return error
    error.__traceback__ = None  # it holds all that was collected, and telling needs some memory too
    return DbportsError(
        "the host has not enough memory for this task",
        code="no_memory",
        fix="Free memory there, or raise the limit of its container or of the user's sessions, and run again",
    )
