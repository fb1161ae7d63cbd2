# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write every task result of a run as a line of JSON, and the statistics at its end, for tests to read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record
type: aggregate
short_description: Write task results where the tests read them
description: Writes to the file that the environment variable DBPORTS_RECORD names.
"""


class CallbackModule(CallbackBase):
    """A line for each result: status, host, task and result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def _write(self, **line: Any) -> None:
        with Path(os.environ["DBPORTS_RECORD"]).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, cls=AnsibleJSONEncoder) + "\n")

    def _result(self, status: str, result: Any) -> None:
        self._write(
            status=status,
            host=result._host.get_name(),
            task=result._task.get_name(),
            result={key: value for key, value in result._result.items() if not key.startswith("_ansible")},
        )

    def v2_runner_on_ok(self, result: Any) -> None:
        """Record a task that did its work."""
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Record a task that failed, also where that is ignored."""
        self._result("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Record a task that was skipped."""
        self._result("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Record a host that was not reached."""
        self._result("unreachable", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Record the numbers of the recap."""
        self._write(stats={host: stats.summarize(host) for host in sorted(stats.processed)})
