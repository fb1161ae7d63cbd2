# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The own block in ufw's files ``before.rules`` and ``before6.rules``; every other line stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import KeptFile
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw.names import LAYOUT

BEGIN = "# BEGIN dbports.firewall: written by this Ansible collection; changes are lost"
END = "# END dbports.firewall"

_BLOCK = re.compile(
    r"^# BEGIN dbports\.firewall\b.*\n(?:(?!# BEGIN dbports\.firewall\b).*\n)*?# END dbports\.firewall\r?\n", re.M
)
_MARK = re.compile(r"^# (?:BEGIN|END) dbports\.firewall\b", re.M)


def file_to_text(file: Optional[KeptFile]) -> str:
    """Write a file, or that there is none, as JSON, for an observation."""
    return json.dumps(file)


def file_from_text(text: str) -> Optional[KeptFile]:
    """Read what :func:`file_to_text` wrote."""
    fields = json.loads(text)
    return KeptFile(*fields) if fields else None


def block_of(content: str) -> str:
    """Return the own lines of a file; empty when there are none."""
    return "".join(_BLOCK.findall(content))


def without_block(file: KeptFile) -> KeptFile:
    """Return the file as it is without the own block.

    :raises DbportsError: when one of the lines around the block is missing: what is ours cannot be told then.
    """
    content = _BLOCK.sub("", file.content)
    if _MARK.search(content):
        raise DbportsError(
            f"{file.path} has a part of this collection's block",
            code="unreadable",
            fix=f'Remove what is left between "{BEGIN}" and "{END}" in it, and both lines',
        )
    return file._replace(content=content)


def with_block(file: KeptFile, lines: Sequence[str], family: int) -> KeptFile:
    """Return a file that has no block with one, at the end of the table in which ufw's own chains are.

    There its jumps come before whatever the rest of the file says, because they are inserted last.

    :raises DbportsError: when the file is not one that ufw can load.
    """
    chain = LAYOUT.hooks[family, "in"]
    parts = file.content.splitlines(keepends=True)
    inside = False
    for number, line in enumerate(parts):
        inside = inside or line.startswith(f":{chain} ")
        if inside and line.strip() == "COMMIT":
            block = "".join(f"{text}\n" for text in [BEGIN, *lines, END])
            return file._replace(content="".join([*parts[:number], block, *parts[number:]]))
    raise DbportsError(
        f"{file.path} has no table with the chain {chain}, which ufw needs",
        code="unreadable",
        fix="Restore the file: ufw's package has it as /usr/share/ufw/iptables/before.rules and before6.rules",
    )
