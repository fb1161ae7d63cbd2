# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of variables that no host of the inventory reads, because no host or group has their name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ansible_collections.dbports.firewall.plugins.plugin_utils._inventory.near import near_name

_READ = ("", ".yml", ".yaml", ".json")
"""What Ansible's plugin host_group_vars takes the name of a file to end in."""

_OURS = re.compile(r"^[\"']?(dbports_\w+)", re.MULTILINE)
_SIZE = 1_000_000
"""How many characters of a file are looked at."""


def unread_files(bases: Iterable[Path], hosts: Collection[str], groups: Collection[str]) -> Iterator[str]:
    """Yield a sentence for every file below group_vars and host_vars that sets variables of this collection in vain.

    :param bases: the directories in which Ansible looks for these two folders.
    :param hosts: the names of the inventory's hosts, and ``groups`` those of its groups.
    """
    for base in sorted(bases):
        for folder, noun, known in (("group_vars", "group", groups), ("host_vars", "host", hosts)):
            for path in _nameless(base / folder, known):
                found = _variable(path)
                near = near_name(path.name if path.is_dir() else path.stem, known) if found else None
                hint = f"; did you mean {near}?" if near else ""
                if found:
                    yield f"{path} sets {found}, and nothing reads it: no {noun} of the inventory has this name{hint}"


def _nameless(folder: Path, known: Collection[str]) -> list[Path]:
    """Return the files and directories of a folder that Ansible would read for a name that nothing has."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []  # it is not there, or Ansible cannot read it either
    unknown = [path for path in paths if path.name not in known and path.stem not in known and path.name[0] != "."]
    return [path for path in unknown if path.is_dir() or path.suffix in _READ]


def _variable(path: Path) -> str:
    """Return the first variable of this collection that a file, or one in a directory, sets; empty if there is none."""
    for one in sorted(path.rglob("*")) if path.is_dir() else [path]:
        try:
            found = _OURS.search(one.read_text(encoding="utf-8", errors="replace")[:_SIZE]) if one.is_file() else None
        except OSError:
            continue  # Ansible does not read it either
        if found:
            return found.group(1)
    return ""
