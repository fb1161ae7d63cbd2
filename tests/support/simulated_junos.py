# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated firewall filters of Junos: terms in their order, changed by set, delete and insert commands."""

from __future__ import annotations

import shlex


class SimulatedJunos:
    """A device; of a path, what stands below it, in order. A commit is all of its commands or none."""

    def __init__(self) -> None:
        self.filters: dict[str, dict[str, list[str]]] = {}
        self.other: list[str] = []

    def commit(self, commands: list[str]) -> None:
        """Do what commands say; what is not there cannot be deleted or moved."""
        for command in commands:
            verb, *words = shlex.split(command)
            path, rest = " ".join(words[:5]), words[5:]
            if words[:2] != ["firewall", "family"]:
                self.other.append(command)
            elif verb == "set":
                lines = self.filters.setdefault(path, {}).setdefault(rest[1], [])
                if " ".join(rest[2:]) not in lines:
                    lines.append(" ".join(rest[2:]))
            elif verb == "delete" and rest:
                del self.filters[path][rest[1]]
            elif verb == "delete":
                del self.filters[path]
            else:
                self._insert(path, rest)

    def _insert(self, path: str, rest: list[str]) -> None:
        word, term, before, other_word, mark = rest
        assert (word, before, other_word) == ("term", "before", "term")
        terms = self.filters[path]
        moved = terms.pop(term)
        assert mark in terms
        self.filters[path] = {}
        for name, lines in terms.items():
            if name == mark:
                self.filters[path][term] = moved
            self.filters[path][name] = lines

    def terms(self, path: str) -> list[str]:
        """Return the names of a filter's terms."""
        return list(self.filters.get(path, {}))

    def show(self) -> str:
        """Return what ``show configuration | display set`` shows."""
        found = list(self.other)
        for path, terms in self.filters.items():
            for term, lines in terms.items():
                name = f'"{term}"' if " " in term else term
                found += [f"set {path} term {name} {line}" for line in lines]
        return "\n".join(found)
