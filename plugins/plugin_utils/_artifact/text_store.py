# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small texts in one file: what a run keeps of its plan, where ten thousand files would take seconds."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path


class TextStore:
    """Texts by name, written once and then read by all forks of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Tell whether it has been written."""
        return self.path.is_file()

    def write(self, texts: Mapping[str, str]) -> None:
        """Write all texts; a reader sees all of them or none."""
        temporary = self.path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        with closing(sqlite3.connect(temporary)) as database:
            database.execute("PRAGMA synchronous = OFF")  # it lives as long as the run
            database.execute("CREATE TABLE texts (name TEXT PRIMARY KEY, text BLOB) WITHOUT ROWID")
            rows = ((name, text.encode("utf-8")) for name, text in sorted(texts.items()))
            database.executemany("INSERT INTO texts VALUES (?, ?)", rows)
            database.commit()
        temporary.replace(self.path)

    def read(self, name: str) -> str:
        """Return one text.

        :raises FileNotFoundError: when there is none of that name.
        """
        with closing(sqlite3.connect(self.path)) as database:
            row = database.execute("SELECT text FROM texts WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise FileNotFoundError(name)
        return bytes(row[0]).decode("utf-8")

    def read_all(self) -> dict[str, str]:
        """Return all texts by name."""
        with closing(sqlite3.connect(self.path)) as database:
            return {name: bytes(text).decode("utf-8") for name, text in database.execute("SELECT * FROM texts")}
