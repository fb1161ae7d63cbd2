# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings the own chains back after a reboot: the script, and where systemd runs a unit that runs it.

``netfilter-persistent`` of Debian and the services of Red Hat restore files of the host's owner, which takes every
other rule away, whenever they are started or reloaded, and those of Red Hat take all away when they are stopped. So a
drop-in runs the script after each of their commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.iptables.names import PROGRAMS
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.keeping import (
    DIRECTORY,
    Host,
    OwnFiles,
    boot_unit,
    drop_in,
    drop_in_text,
    is_early,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Kept, KeptFile

UNIT = "dbports-iptables.service"
SCRIPT_FILE = f"{DIRECTORY}/iptables.sh"

COPIES = (
    *(f"/etc/iptables/rules.v{family}" for family in PROGRAMS),
    *(f"/etc/sysconfig/{n}" for n in PROGRAMS.values()),
)
"""Where Debian's and Red Hat's services save the rules of the host, and restore them at boot."""

_DEBIAN = "netfilter-persistent.service"
_FOLLOWED = (_DEBIAN, "iptables.service", "ip6tables.service")
_NOT_KEPT = "systemd does not run here: the rules are loaded but will not come back after a reboot"


Followed = Sequence[tuple[str, bool, bool]]
"""The units on a host that take our rules away, whether each can be reloaded, and whether it starts before ordinary
services."""


def own_files(systemd: bool, masked: bool = False) -> OwnFiles:
    """Return what may be kept on a host."""
    return OwnFiles(UNIT, (SCRIPT_FILE, *map(drop_in, _FOLLOWED)), systemd, masked)


def followed(host: Host) -> Followed:
    """Look for foreign units that take our rules away."""
    texts = [(unit, host.unit_text(unit)) for unit in _FOLLOWED]
    return [(unit, "\nExecReload=" in text, is_early(text)) for unit, text in texts if text is not None]


def not_kept(own: OwnFiles) -> Optional[str]:
    """Return why nothing can be kept on a host; None when it can."""
    if own.systemd:
        return own.mask if own.masked else None
    return _NOT_KEPT


def wanted(own: OwnFiles, script: Optional[str], others: Followed) -> Kept:
    """Return what keeps a script, which is to run at boot; None, or no systemd: nothing is kept."""
    if script is None or not_kept(own):
        return Kept()
    drop_ins = [KeptFile(drop_in(unit), 0o644, _drop_in(reloads)) for unit, reloads, _early in others]
    early = {_DEBIAN: True, **{unit: early for unit, _reloads, early in others}}
    # Behind one that starts later, such as those of Red Hat, only the drop-in brings ours back.
    after = tuple(unit for unit in _FOLLOWED if early.get(unit))
    unit = boot_unit("iptables(8)", f"/bin/sh {SCRIPT_FILE}", before="sysinit.target", after=after)
    return own.unit_kept(unit, KeptFile(SCRIPT_FILE, 0o600, script), *drop_ins)


def _drop_in(reloads: bool) -> str:
    """Write what runs the script after each command of a unit; one that cannot be reloaded is not made to be."""
    moments = ["ExecStartPost", *(["ExecReload"] if reloads else []), "ExecStopPost"]
    lines = [f"{moment}=-/bin/sh {SCRIPT_FILE}" for moment in moments]
    return drop_in_text(lines)
