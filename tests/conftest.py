# SPDX-License-Identifier: GPL-3.0-or-later
"""Make this checkout importable as the collection ``ansible_collections.dbports.firewall``, without Ansible."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent


def _mount_collection() -> None:
    """Put a folder on the path in which the collection's name leads to this checkout."""
    base = Path(tempfile.mkdtemp(prefix="dbports-src-"))
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    (base / "ansible_collections" / "dbports").mkdir(parents=True)
    (base / "ansible_collections" / "dbports" / "firewall").symlink_to(ROOT)
    sys.path.insert(0, str(base))


_mount_collection()
# No test measures time: a busy machine is slower, and nothing is wrong then. The same commit draws the same examples,
# so that it passes or fails alike everywhere; `make explore` draws others each time.
settings.register_profile(
    "dbports", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, database=None
)
settings.register_profile("explore", settings.get_profile("dbports"), derandomize=False, max_examples=300)
settings.load_profile(os.environ.get("DBPORTS_EXAMPLES", "dbports"))
