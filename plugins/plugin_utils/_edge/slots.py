# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many hosts of a run are changed at once: only so many as their controller can come back to in time.

With a hundred forks on two processors the time between a host's change and its confirmation grows with the number of
hosts that are changed at once, until hosts that are fine restore their old rules.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible import constants

PER_PROCESSOR = 4
"""Hosts that are changed at once for each processor of the controller: most of the time it waits for them."""

PAUSE = 0.2
"""Seconds until a fork looks again for a free slot."""


@contextmanager
def slot() -> Iterator[Callable[[], None]]:
    """Wait for one of the run's slots and hold it; yields a function that gives it back earlier.

    A slot is a byte of a file that this process has locked, so that it is free again however the process ends.
    """
    with (Path(constants.DEFAULT_LOCAL_TMP) / "dbports.slots").open("ab") as stream:
        taken = _take(stream.fileno())

        def leave() -> None:
            fcntl.lockf(stream, fcntl.LOCK_UN, 1, taken)

        yield leave


def _take(file: int) -> int:
    """Lock a byte and return its number."""
    number = PER_PROCESSOR * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else PER_PROCESSOR
    while True:
        for byte in range(number):
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
            except (BlockingIOError, PermissionError):  # EAGAIN, or on some systems EACCES
                continue
            return byte
        time.sleep(PAUSE)
