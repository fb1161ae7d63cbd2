# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every source file says under which licence it is, so that a part that is copied elsewhere still does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("meta", "molecule", "playbooks", "plugins", "roles", "tests")
SUFFIXES = {".py", ".sh", ".toml", ".yaml", ".yml"}
IDENTIFIER = "SPDX-License-Identifier: GPL-3.0-or-later"


def sources() -> Iterator[Path]:
    """Yield the files of the checkout that can hold a comment."""
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.suffix in SUFFIXES)
    for folder in FOLDERS:
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix in SUFFIXES)


def test_every_source_file_names_its_licence() -> None:
    found = list(sources())
    assert len(found) > 200
    assert [str(path) for path in found if IDENTIFIER not in path.read_text(encoding="utf-8")[:400]] == []
