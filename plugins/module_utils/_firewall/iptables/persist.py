# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings the own chains back after a reboot: the script, and where systemd runs a unit that runs it.

``netfilter-persistent`` and the services of Red Hat restore files of the host's owner, which takes every other rule
away; so the unit follows them.
"""

from __future__ import annotations

from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.keeping import DIRECTORY, OwnFiles
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Kept, KeptFile

UNIT = "dbports-iptables.service"
SCRIPT_FILE = f"{DIRECTORY}/iptables.sh"

_FOLLOWED = "netfilter-persistent.service iptables.service ip6tables.service"

_UNIT_TEXT = f"""\
# Written by the Ansible collection dbports.firewall; changes are lost.
[Unit]
Description=Guarded ports of dbports.firewall
Documentation=man:iptables(8)
DefaultDependencies=no
RequiresMountsFor={DIRECTORY}
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
After={_FOLLOWED}
PartOf={_FOLLOWED}
ReloadPropagatedFrom={_FOLLOWED}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh {SCRIPT_FILE}
ExecReload=/bin/sh {SCRIPT_FILE}

[Install]
WantedBy=sysinit.target {_FOLLOWED}
"""

_NOT_KEPT = "systemd does not run here: the rules are loaded but will not come back after a reboot"


def own_files(systemd: bool, masked: bool = False) -> OwnFiles:
    """Return what may be kept on a host."""
    return OwnFiles(UNIT, (SCRIPT_FILE,), systemd, masked)


def not_kept(own: OwnFiles) -> Optional[str]:
    """Return why nothing can be kept on a host; None when it can."""
    if own.systemd:
        return own.mask if own.masked else None
    return _NOT_KEPT


def wanted(own: OwnFiles, script: Optional[str]) -> Kept:
    """Return what keeps a script, which is to run at boot; None, or no systemd: nothing is kept."""
    if script is None or not_kept(own):
        return Kept()
    return own.unit_kept(_UNIT_TEXT, KeptFile(SCRIPT_FILE, 0o600, script))
