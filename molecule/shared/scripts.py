# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the scripts of this folder on a scenario's hosts."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from testinfra.host import Host


def run_script(host: Host, name: str, *arguments: str) -> Any:
    """Run a script of this folder on a host and return the JSON that it prints, if any."""
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    out = host.check_output(" ".join(map(shlex.quote, ["python3", "-c", text, *arguments])))
    return json.loads(out) if out else None
