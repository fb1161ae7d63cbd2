# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a host between its applies, one file a host below the plan's directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import APPLIED, HOSTS, host_file
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import write_text
from ansible_collections.dbports.firewall.plugins.plugin_utils._findings.drift import Baseline
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.codec import codec
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.findings import bytes_of, not_written

BASELINE_SCHEMA = "dbports.applied/1"


def baseline_file(directory: Path, host: str) -> Path:
    """Return where it is kept, below the plan's directory."""
    return directory / host_file(host).replace(HOSTS, APPLIED, 1)


def write_baseline(directory: Path, host: str, baseline: Baseline) -> None:
    """Write what is kept of a host, unless it is there already.

    :raises DbportsError: when the directory cannot be written.
    """
    if read_baseline(directory, host) == baseline:
        return
    path = baseline_file(directory, host)
    data: dict[str, Any] = json.loads(codec(Baseline).write(baseline))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {"schema": BASELINE_SCHEMA, "host": host, **data}
        write_text(path, json.dumps(whole, indent=1, sort_keys=True) + "\n")
    except OSError as error:
        raise not_written("what was applied", directory, error) from error


def read_baseline(directory: Path, host: str) -> Baseline | None:
    """Return what is kept of a host; None where there is nothing, or nothing that can be read."""
    try:
        data = json.loads(bytes_of(baseline_file(directory, host)))
        found: Baseline = codec(Baseline).read(data)
        return found if (data["schema"], data["host"]) == (BASELINE_SCHEMA, host) else None
    except (DbportsError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
