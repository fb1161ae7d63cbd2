# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings the own table back after a reboot: files and, where systemd runs, a unit.

Where systemd runs the collection has a unit of its own, tied to nftables.service, whose restart
and reload flush every table (Debian's and Red Hat's unit files: ExecReload=nft -f, the shipped
configuration begins with ``flush ruleset``). Elsewhere the distribution's own configuration is
used when it includes a directory, as Alpine's /etc/nftables.nft does.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Run, run
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.keeping import DIRECTORY, Host, OwnFiles
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Kept, KeptFile

UNIT = "dbports-firewall.service"
RULESET_FILE = f"{DIRECTORY}/ruleset.nft"
CONFIGURATIONS = ("/etc/nftables.conf", "/etc/nftables.nft", "/etc/sysconfig/nftables.conf")
INCLUDED_NAME = "dbports.nft"
NFT = "/usr/sbin/nft"

HEADER = "# Written by the Ansible collection dbports.firewall; changes are lost.\n"

_UNIT_TEXT = """\
# Written by the Ansible collection dbports.firewall; changes are lost.
[Unit]
Description=Guarded ports of dbports.firewall
Documentation=man:nft(8)
DefaultDependencies=no
RequiresMountsFor=/etc/dbports
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
After=nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={nft} -f /etc/dbports/ruleset.nft
ExecReload={nft} -f /etc/dbports/ruleset.nft

[Install]
WantedBy=sysinit.target nftables.service
"""

_INCLUDE = re.compile(r"""^\s*include\s+["']([^"']+)/\*\.nft["']""", re.MULTILINE)


class BootPlace(NamedTuple):
    """What loads rules on a host at boot.

    :ivar nft: the path of nft there.
    :ivar systemd: whether systemd runs there.
    :ivar included: the own file in each directory that the distribution's configuration includes.
    """

    nft: str
    systemd: bool
    included: tuple[str, ...]
    masked: bool = False

    def to_text(self) -> str:
        """Write it as JSON, for an observation."""
        return json.dumps(self)

    @classmethod
    def from_text(cls, text: str) -> BootPlace:
        """Read what :meth:`to_text` wrote."""
        nft, systemd, included, masked = json.loads(text)
        return cls(nft, systemd, tuple(included), masked)

    @property
    def reason(self) -> Optional[str]:
        """Why nothing can be kept on this host; None when it can."""
        if self.systemd and self.masked:
            return self.own.mask
        if self.systemd or self.included:
            return None
        return (
            "systemd does not run here and none of "
            + ", ".join(CONFIGURATIONS)
            + ' has an include "<directory>/*.nft": the ruleset is loaded but will not come back after a reboot'
        )

    def wanted(self, text: Optional[str]) -> Kept:
        """Return what keeps ``text``, what nft is to load at boot; None: nothing is kept.

        Where nothing would load it that is nothing: see :attr:`reason`.
        """
        if text is None or self.reason:
            return Kept()
        content = HEADER + text
        if not self.systemd:
            return Kept((KeptFile(self.included[0], 0o600, content),))
        return self.own.unit_kept(_UNIT_TEXT.format(nft=self.nft), KeptFile(RULESET_FILE, 0o600, content))

    @property
    def own(self) -> OwnFiles:
        """What may be kept here."""
        return OwnFiles(UNIT, (RULESET_FILE, *self.included), self.systemd, self.masked)


class Persistence:
    """Reads the own files of a host.

    :param root: the root of the file system, for tests.
    :param runner: what runs systemctl.
    """

    def __init__(self, root: str = "/", runner: Run = run) -> None:
        self._host = Host(root, runner)

    def place(self, nft: Optional[str] = None) -> BootPlace:
        """Find out what loads rules at boot.

        :param nft: the path of nft; None takes the usual one.
        """
        included = tuple(self._include_files())
        return BootPlace(nft or NFT, self._host.has_systemd(), included, self._host.is_masked(UNIT))

    def current(self) -> Kept:
        """Read what is kept on the host."""
        return self._host.current(self.place().own)

    def _include_files(self) -> Iterator[str]:
        for configuration in CONFIGURATIONS:
            try:
                text = self._host.at(configuration).read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            for directory in _INCLUDE.findall(text):
                # nft looks for a relative path in its default include directory, /etc.
                path = os.path.normpath(f"/etc/{directory}" if not directory.startswith("/") else directory)
                if self._host.at(path).is_dir():
                    yield f"{path}/{INCLUDED_NAME}"
