# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a firewall has to offer, and which one governs a host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional, Protocol

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.backend import Nftables
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Observed, Script, State
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import Step


class Backend(Protocol):
    """One firewall.

    ``decode``, ``encode`` and ``undo`` are pure: for a host that can only observe and run steps they work on the
    controller. The others work on the host, and change nothing there: what changes a host is steps, so that they can
    be written down first and undone after a crash.
    """

    name: str

    def governs(self) -> Optional[str]:
        """Return why this host's rules belong into this firewall, such as "firewalld is running"; None: they do not."""

    def observe(self) -> Observed:
        """Read what the host carries, with all that :meth:`undo` needs."""

    def decode(self, observed: Observed) -> State:
        """Read the own rules; what :meth:`encode` would not have written is unexpected."""

    def encode(self, wanted: Ruleset, observed: Observed, *, persist: bool) -> Script:
        """Write what brings the host that was observed to ``wanted``.

        :param persist: whether it is kept for the next boot; else nothing of ours is.
        """

    def check(self, script: Script) -> None:
        """Make the firewall's own dry run of what the script loads.

        :raises DbportsError: with the firewall's words when it would not load the rules, or when it is missing.
        """

    def undo(self, observed: Observed) -> tuple[Step, ...]:
        """Write what brings back exactly what was observed, what is in force and every file.

        All of it is run, however far a script came and whichever step fails; each step may be run twice.
        """


BACKENDS: tuple[Backend, ...] = (Nftables(),)
"""In the order in which they are asked. Only modules imported statically reach a target."""


def governing_backend(backends: Sequence[Backend] = BACKENDS) -> Backend:
    """Return the first backend that governs this host."""
    for backend in backends:
        if backend.governs() is not None:
            return backend
    raise DbportsError("no firewall on this host is supported", code="program_missing")
