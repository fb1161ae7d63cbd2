# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether iptables matters to a host, without what reads and writes its rules."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import find
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import LAYOUT
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.persist import own_files
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.saved import SavedRules


def is_idle(saved: SavedRules) -> bool:
    """Tell that nftables comes before it, and that nothing of ours is in its files or in force."""
    own = own_files(True)
    if find("nft") is None or any(Path(path).exists() for path in (own.unit_file, *own.paths)):
        return False
    return not LAYOUT.carries(saved())
