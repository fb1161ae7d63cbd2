# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All rules of iptables in one text: the cheapest look for chains of ours that there is."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import find, run
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import PROGRAMS

SavedRules = Callable[[], str]
"""Returns what iptables-save and ip6tables-save print."""


def saved_rules() -> str:
    """Return the rules of both families; nothing where the programs are missing or say why they cannot."""
    programs = [f"{name}-save" for name in PROGRAMS.values()]
    return "".join(run([program]).stdout for program in programs if find(program))
