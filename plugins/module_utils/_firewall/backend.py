# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a firewall has to offer, and which one governs a host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.backend import Nftables
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Observed, Script, State


class Backend(Protocol):
    """One firewall.

    ``decode`` and ``encode`` are pure: for a host that can only observe and commit they run on the controller. The
    others run on the host, and decide nothing.
    """

    name: str

    def governs(self) -> bool:
        """Tell whether this host's rules belong into this firewall."""

    def observe(self) -> Observed:
        """Read what the host carries, with all that :meth:`restore` needs."""

    def decode(self, observed: Observed) -> State:
        """Read the own rules; what :meth:`encode` would not have written is unexpected."""

    def encode(self, wanted: Ruleset, observed: Observed, *, persist: bool) -> Script:
        """Write what brings the host to ``wanted``; without ``persist`` nothing is kept for the next boot."""

    def check(self, script: Script) -> None:
        """Make the firewall's own dry run.

        :raises DbportsError: with the firewall's words when it would not load the rules.
        """

    def commit(self, script: Script) -> None:
        """Bring the host to the script in one transaction, and keep it for the next boot.

        :raises DbportsError: when it fails; part of it may be done.
        """

    def restore(self, observed: Observed) -> None:
        """Bring back what was observed.

        :raises DbportsError: when that fails.
        """


BACKENDS: tuple[Backend, ...] = (Nftables(),)
"""In the order in which they are asked. Only modules imported statically reach a target."""


def governing_backend(backends: Sequence[Backend] = BACKENDS) -> Backend:
    """Return the first backend that governs this host."""
    for backend in backends:
        if backend.governs():
            return backend
    raise DbportsError("no firewall on this host is supported", code="program_missing")
