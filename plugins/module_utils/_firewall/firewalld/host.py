# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The permanent configuration of firewalld on a host: the own files in it, and firewalld's own check of them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Run, run, run_checked
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.encode import CONFIGURATION
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.firewalld.names import (
    OWN,
    PREFIX,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.keeping import Host
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import KeptFile
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import RemoveFiles, Step, WriteFile

FOLDERS = ("ipsets", "policies")
_FILES = rf"(?:{OWN})\.xml(?:\.old)?"
"""What firewalld has for own objects: a file for each, and its copy of the last one."""


STOCK = "/usr/lib/firewalld"
"""What firewalld brings along; a file of :data:`CONFIGURATION` takes the place of one here."""

_MINIMUM = {
    "firewalld.conf": "DefaultZone=drop\n",
    "stock/icmptypes/echo-request.xml": "<icmptype/>",
    "stock/services/ssh.xml": "<service/>",
    **{f"stock/zones/{zone}.xml": "<zone/>" for zone in ("block", "drop", "trusted")},
}
"""What the check asks for beside the own files. It would read all that firewalld brings along twice, hundreds of files,
and the own ones refer to nothing else of it."""


class OwnConfiguration:
    """Reads and checks the own files.

    :param root: the root of the file system, for tests.
    :param runner: what runs firewall-offline-cmd.
    """

    def __init__(self, root: str = "/", runner: Run = run) -> None:
        self._host = Host(root)
        self._run = runner

    def files(self) -> tuple[KeptFile, ...]:
        """Read the own files, by path; firewalld's copies of them, which end in ``.old``, are among them.

        :raises DbportsError: when one cannot be read.
        """
        found = []
        for folder in FOLDERS:
            paths = self._host.at(f"{CONFIGURATION}/{folder}").glob(f"{PREFIX}*")
            for path in sorted(path for path in paths if re.fullmatch(_FILES, path.name)):
                stored = self._host.read(f"{CONFIGURATION}/{folder}/{path.name}")
                found += [stored] if stored else []
        return tuple(sorted(found))

    def check(self, written: Sequence[WriteFile]) -> None:
        """Let firewalld read files that are to be written, in a copy of nothing but them.

        :raises DbportsError: with firewalld's words when it would not load them.
        """
        if not written:
            return
        with tempfile.TemporaryDirectory(prefix="dbports-") as folder:
            own = {path[len(CONFIGURATION) + 1 :]: content for path, _mode, content in written}
            for name, content in {**_MINIMUM, **own}.items():
                place = Path(folder, name)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(content, encoding="utf-8")
            places = ("--system-config", folder, "--default-config", f"{folder}/stock")
            run_checked(["firewall-offline-cmd", *places, "--check-config"], runner=self._run)

    def zone_file(self, name: str) -> str:
        """Return the file from which a reload makes a zone; nothing where it is not one file that can be read."""
        if self._host.at(f"{CONFIGURATION}/zones/{name}").exists():  # a folder of files that make one zone
            return ""
        for folder in (CONFIGURATION, STOCK):
            try:
                return self._host.at(f"{folder}/zones/{name}.xml").read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
            except (OSError, ValueError):
                return ""
        return ""

    def routed(self) -> list[str]:
        """Return the interfaces that the host has routes through, but for loopback and what is on a link only."""
        found: set[str] = set()
        for path, column, passed in (("/proc/net/route", 0, ("Iface",)), ("/proc/net/ipv6_route", 9, ("fe", "ff"))):
            try:
                lines = self._host.at(path).read_text(encoding="ascii", errors="replace").splitlines()
            except OSError:  # a kernel without this family
                continue
            found.update(line.split()[column] for line in lines if not line.startswith(passed))
        return sorted(found - {"lo"})

    def clear_steps(self) -> tuple[Step, ...]:
        """Return what removes every own file, also those that were not there when it was written."""
        return tuple(RemoveFiles(f"{CONFIGURATION}/{folder}", _FILES) for folder in FOLDERS)
