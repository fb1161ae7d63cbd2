# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write how long each task of a run took as a line of JSON, for benchmarks."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: task_times
type: aggregate
short_description: Write the times of tasks where benchmarks read them
description:
  - Writes to the file that the environment variable DBPORTS_TIMES names.
  - With processor time where DBPORTS_CPU names files cpu.stat of control groups, separated by colons.
"""


class CallbackModule(CallbackBase):
    """A line for each task that worked, with all of its loop: its first tag, whether it changed anything, seconds.

    The processor time is that of all processes of the control groups, in milliseconds.
    """

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "task_times"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._start = 0.0
        self._used: list[float] = []
        self._groups = [Path(path) for path in os.environ.get("DBPORTS_CPU", "").split(":") if path]

    def _processor(self) -> list[float]:
        return [int(path.read_text(encoding="ascii").split()[1]) / 1000 for path in self._groups]

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Note when a task starts."""
        self._used = self._processor()
        self._start = time.perf_counter()

    def v2_runner_on_ok(self, result: Any) -> None:
        """Write how long it took."""
        seconds = time.perf_counter() - self._start
        line = {
            "tag": next(iter(result._task.tags), ""),
            "changed": bool(result._result.get("changed")),
            "seconds": seconds,
            "processor": [after - before for before, after in zip(self._used, self._processor())],
        }
        with Path(os.environ["DBPORTS_TIMES"]).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
