# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small texts in one file: what a run keeps of its plan, where ten thousand files would take seconds."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any


class TextStore:
    """Texts by name, written once and then read by all forks of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Tell whether it has been written."""
        return self.path.is_file()

    def __str__(self) -> str:
        return str(self.path)

    def write(self, texts: Mapping[str, str]) -> None:
        """Write all texts; a reader sees all of them or none."""
        temporary = self.path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        with closing(sqlite3.connect(temporary)) as database:
            database.execute("PRAGMA synchronous = OFF")  # it lives as long as the run
            database.execute("CREATE TABLE texts (name TEXT PRIMARY KEY, text BLOB)")
            rows = ((name, text.encode("utf-8")) for name, text in sorted(texts.items()))
            database.executemany("INSERT INTO texts VALUES (?, ?)", rows)
            database.commit()
        temporary.replace(self.path)

    def read(self, name: str) -> str:
        """Return one text.

        :raises OSError: when there is none of that name, or nothing has been written.
        """
        rows = self._select("SELECT text FROM texts WHERE name = ?", name)
        if not rows:
            raise FileNotFoundError(name)
        return bytes(rows[0][0]).decode("utf-8")

    def read_all(self) -> dict[str, str]:
        """Return all texts by name.

        :raises OSError: when nothing has been written.
        """
        return {name: bytes(text).decode("utf-8") for name, text in self._select("SELECT * FROM texts")}

    def _select(self, query: str, *values: str) -> list[Any]:
        """Return the rows of a query; reading never makes the file, which would then seem to be written."""
        try:
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as database:
                return database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise OSError(f"{self.path}: {error}") from error
