# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether ufw matters to a host, without what reads and writes its rules."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.saved import SavedRules
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.ufw.names import FILES, LAYOUT

CONFIGURATION = "/etc/ufw/ufw.conf"

_ENABLED = re.compile(r"""^\s*ENABLED=["']?(\w*)""", re.MULTILINE)


def is_enabled(configuration: str) -> bool:
    """Tell whether the text of :data:`CONFIGURATION` enables it: its last word counts."""
    return [word.lower() for word in _ENABLED.findall(configuration)][-1:] == ["yes"]


def is_idle(saved: SavedRules) -> bool:
    """Tell that it is not enabled, and that nothing of ours is in its files or in force."""
    if is_enabled(_text(CONFIGURATION)) or any("dbports" in _text(path) for path in FILES.values()):
        return False
    return not LAYOUT.carries(saved())


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
