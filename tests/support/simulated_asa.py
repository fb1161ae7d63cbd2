# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated access list of Cisco ASA: lines are places, nothing is there twice, some ports are shown as names."""

from __future__ import annotations

import re

NAMES = {"www": "80", "https": "443", "sqlnet": "1521", "nfs": "2049", "ssh": "22", "domain": "53"}
_COMMAND = re.compile(r"(no )?access-list (\S+) line (\d+) (remark|extended) (.+)")
_PORTS = re.compile(rf"(eq|range) ({'|'.join(NAMES.values())})\b")


class SimulatedAsa:
    """One list.

    :param lines: what stands behind ``line N`` of each.
    """

    def __init__(self, name: str, lines: list[str] | None = None) -> None:
        self.name = name
        self.lines = lines or []

    def run(self, command: str) -> None:
        """Do what a command says, as ``access-list extended`` of the command reference describes it."""
        found = _COMMAND.fullmatch(command)
        assert found, command
        gone, name, number, kind, words = found.groups()
        if kind == "extended":
            words = " ".join(NAMES.get(word, word) for word in words.split())
        assert name == self.name
        entry, at = f"{kind} {words}", int(number) - 1
        if gone:
            assert self.lines[at] == entry, f"line {number} is {self.lines[at]}, not {entry}"
            del self.lines[at]
        elif kind == "remark" or entry not in self.lines:
            assert at <= len(self.lines), "a line behind the end"
            self.lines.insert(at, entry)

    def show(self) -> str:
        """Return what ``show access-list`` shows, with names and counters."""
        found = [f"access-list {self.name}; {len(self.lines)} elements; name hash: 0x1a2b3c"]
        for number, line in enumerate(self.lines, 1):
            words = line if line.startswith("remark") else f"{_PORTS.sub(_named, line)} (hitcnt=0) 0x4d5e6f"
            found.append(f"access-list {self.name} line {number} {words}")
            if "object-group" in words:
                found.append(f"  access-list {self.name} line {number} extended permit tcp any4 any4 (hitcnt=0) 0x1")
        return "\n".join(found)

    def get(self, command: str) -> str:
        """Return what a connection plugin returns for a command."""
        assert command == "sh access-list"
        return self.show()


def _named(found: re.Match[str]) -> str:
    """Return a port as a name; ranges stay numbers, which is all that asa_acls can read."""
    if found[1] == "range":
        return found[0]
    return f"{found[1]} {next(name for name, number in NAMES.items() if number == found[2])}"
