# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program nft of a host."""

from __future__ import annotations

import os
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Run, find, run, run_checked
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import DELETE, FAMILY, TABLE


class Nft:
    """The program, with the words that this collection says to it.

    :param path: where it is; :meth:`locate` finds it.
    :param runner: what runs it.
    """

    def __init__(self, path: str, runner: Run = run) -> None:
        self.path = path
        self._run = runner

    @classmethod
    def locate(cls) -> Optional[Nft]:
        """Find nft; None when the host has none.

        :raises DbportsError: when this process may not use it.
        """
        path = find("nft")
        if not path:
            return None
        if os.geteuid() != 0:
            raise DbportsError(
                "only root may read or change the firewall", code="not_permitted", fix="Set become: true"
            )
        return cls(path)

    def listing(self) -> str:
        """Return the host's whole ruleset as JSON."""
        return self._checked("-j", "list", "ruleset")

    def has_own_table(self) -> bool:
        """Tell whether the own table is there, without reading what any table holds."""
        return f"table {FAMILY} {TABLE}" in self._checked("list", "tables", FAMILY).splitlines()

    def own_text(self) -> str:
        """Return the text that brings the own table, which must exist, back as it is now, counters at zero."""
        return DELETE + self._checked("-s", "list", "table", FAMILY, TABLE)

    def check(self, text: str) -> None:
        """Let nft and the kernel check a text without changing anything."""
        self._checked("-c", "-f", "-", text=text)

    def _checked(self, *arguments: str, text: str = "") -> str:
        return run_checked([self.path, *arguments], text, runner=self._run, hint=_hint)


def _hint(said: str) -> Optional[str]:
    if "Operation not permitted" in said:
        return "The task needs root with CAP_NET_ADMIN in the host's network namespace"
    if "JSON support" in said:
        return "Install an nftables that is built with JSON support"
    return None
