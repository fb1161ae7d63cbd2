# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What devices and clouds take: counted before anything is returned, so that no half of a list is ever sent."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

_FIX = "Name a gateway for a part of the flows, or aggregate the networks that are declared as clients"


class Limits(NamedTuple):
    """What a platform takes.

    :param name: so many characters has the name of a list, group or rule.
    :param remark: so many characters has a remark or description.
    :param entries: so many entries has a list; 0 where only the device's memory limits it.
    :param source: who says so.
    :param names: which names are taken, as a regular expression, and how that is said.
    """

    name: int
    remark: int
    entries: int
    source: str
    names: tuple[str, str] = (
        r"[A-Za-z][A-Za-z0-9_.-]*",
        "letters, digits, hyphens, dots and underscores, a letter first",
    )


def check_name(limits: Limits, value: Any, path: str) -> str:
    """Return a name that the platform takes as it is.

    :raises DbportsError: for one that it does not take, and for one that is too long, with its length.
    """
    pattern, words = limits.names
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
        raise DbportsError(
            "not a name that the device takes", code="not_a_name", path=path, value=value, fix=f"Use {words}"
        )
    check_count(limits.name, len(value), "characters", path, "Choose a shorter name")
    return str(value)


def check_count(limit: int, count: int, what: str, path: str, fix: str = _FIX) -> None:
    """Compare a number with its limit.

    :param limit: 0 for none.
    :raises DbportsError: with both numbers, when there are more.
    """
    if limit and count > limit:
        raise DbportsError(
            f"{count} {what}, and the platform takes {limit}", code="over_limit", path=path, value=count, fix=fix
        )


def check_choice(value: Any, path: str, choices: tuple[str, ...]) -> None:
    """Refuse what is not one of the choices.

    :raises DbportsError: with all of them.
    """
    if value not in choices:
        fix = f"Write {' or '.join(choices)}"
        raise DbportsError("not one of the choices", code="not_a_choice", path=path, value=value, fix=fix)
