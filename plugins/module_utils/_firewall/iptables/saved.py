# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All rules of iptables in one text: the cheapest look for chains of ours that there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import find, run
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import PROGRAMS

SavedRules = Callable[[], str]
"""Returns what iptables-save and ip6tables-save print."""


_LEGACY_TABLES = {4: Path("/proc/net/ip_tables_names"), 6: Path("/proc/net/ip6_tables_names")}
"""The tables of the legacy variant that the kernel has; without any nothing needs to be asked."""


def has_legacy_tables(family: int) -> bool:
    """Tell whether the kernel has tables of the legacy variant."""
    try:
        return bool(_LEGACY_TABLES[family].read_text(encoding="ascii").strip())
    except OSError:
        return False


def saved_rules() -> str:
    """Return the rules of both families; nothing where the programs are missing or say why they cannot.

    Those of the legacy variant are in it also where another one governs now.
    """
    programs = [f"{name}-save" for name in PROGRAMS.values()]
    programs += [f"{name}-legacy-save" for family, name in PROGRAMS.items() if has_legacy_tables(family)]
    return "".join(run([program]).stdout for program in programs if find(program))
