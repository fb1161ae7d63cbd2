# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of iptables on a host: the variant that governs, and the other one."""

from __future__ import annotations

import re
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import (
    Run,
    find,
    require_root,
    run,
    run_checked,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import PROGRAMS, Layout
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.saved import has_legacy_tables

_OTHER = {"nf_tables": "legacy", "legacy": "nft"}
"""What the programs of the other variant have in their names, by what ``iptables --version`` says of the one."""


class Iptables:
    """The programs ``iptables``, ``iptables-save`` and ``iptables-restore``, and those of IPv6.

    :param runner: what runs them.
    """

    def __init__(self, runner: Run = run) -> None:
        self._run = runner

    @classmethod
    def locate(cls) -> Optional[Iptables]:
        """Find the programs; None when the host does not have them all.

        :raises DbportsError: when this process may not use them.
        """
        if not all(find(f"{name}{part}") for name in PROGRAMS.values() for part in ("", "-save", "-restore")):
            return None
        require_root()
        return cls()

    def variant(self) -> str:
        """Return ``nf_tables`` or ``legacy``; before 1.8 there was no other."""
        said = run_checked([PROGRAMS[4], "--version"], runner=self._run)
        found = re.search(r"\((nf_tables|legacy)\)", said)
        return found.group(1) if found else "legacy"

    def saved(self, family: int) -> str:
        """Return the rules of one family, of all tables that the kernel has."""
        return run_checked([f"{PROGRAMS[family]}-save"], runner=self._run, hint=_hint)

    def saved_other(self, family: int, variant: str) -> str:
        """Return the rules of one family in the other variant; empty when it has none or its program is missing.

        :param variant: the one that governs.
        """
        other = f"{other_program(variant, family)}-save"
        if not find(other) or (_OTHER[variant] == "legacy" and not has_legacy_tables(family)):
            return ""
        return run_checked([other], runner=self._run)

    def check(self, script: str) -> None:
        """Let iptables-restore parse a script of ours and change nothing."""
        run_checked(["sh", "-s", "--", "--test"], script, runner=self._run, hint=_hint)


def other_program(variant: str, family: int) -> str:
    """Return the program of a family in the variant that does not govern."""
    return f"{PROGRAMS[family]}-{_OTHER.get(variant, 'legacy')}"


def refuse_left_behind(layout: Layout, saved: str, program: str) -> None:
    """Refuse to go on where own chains are in force in the variant that does not govern any more.

    :param saved: what ``iptables-save`` of that variant printed.
    :param program: its program.
    :raises DbportsError: when there are such chains: nothing that is done now would change them.
    """
    if layout.carries(saved):
        raise DbportsError(
            f"rules of this collection are still in force in {program}, which is not what iptables is on this host now",
            code="wrong_backend",
            fix=f"Let update-alternatives choose {program} again and run apply with dbports_state=absent; then switch",
        )


def _hint(said: str) -> Optional[str]:
    if "Permission denied" in said or "Operation not permitted" in said:
        return "The task needs root with CAP_NET_ADMIN in the host's network namespace"
    if "xtables lock" in said:
        return "Another program is changing rules: end it (fuser -v /run/xtables.lock names it), then run again"
    if "Address family not supported" in said:
        return (
            "IPv6 is off in the kernel of the host, and the legacy variant needs it: let update-alternatives choose "
            "iptables-nft for iptables and ip6tables-nft for ip6tables"
        )
    if "Extension" in said or "No such file or directory" in said:
        return "The kernel of the host needs the matches comment, conntrack, iprange and multiport of x_tables"
    return None
