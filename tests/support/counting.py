# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much work something is, counted and not timed, so that no machine is too slow or too busy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

MORE = 1.03
"""Three percent more than twice is not linear any more; sorting runs in C and is not counted."""


def steps(work: Callable[[], object]) -> int:
    """Return how many lines of Python run meanwhile; each turn of a loop counts, also within one line."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def assert_linear(counts: Iterable[int]) -> None:
    """Every count is of twice as much work as the one before."""
    small, middle, large = counts
    assert large - middle <= 2 * MORE * (middle - small), (small, middle, large)
