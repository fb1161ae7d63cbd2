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

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Run, find, run

UNIT = "dbports-firewall.service"
RULESET_FILE = "/etc/dbports/ruleset.nft"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
CONFIGURATIONS = ("/etc/nftables.conf", "/etc/nftables.nft", "/etc/sysconfig/nftables.conf")
INCLUDED_NAME = "dbports.nft"

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


@dataclass(frozen=True)
class Stored:
    """One file: its path, permissions and content."""

    path: str
    mode: int
    content: bytes


@dataclass(frozen=True)
class State:
    """The own files, by path, and whether the unit is enabled and has run; equal states are the same on disk."""

    files: tuple[Stored, ...] = ()
    unit_enabled: bool = False
    unit_active: bool = False

    @property
    def paths(self) -> list[str]:
        """The paths of the files."""
        return [item.path for item in self.files]

    def render(self) -> str:
        """Print the state for a diff: a line a file with mode and digest, and one for the unit."""
        lines = [
            f"{item.path} {item.mode:04o} sha256 {hashlib.sha256(item.content).hexdigest()}" for item in self.files
        ]
        words = [word for word, true in (("enabled", self.unit_enabled), ("active", self.unit_active)) if true]
        if words:
            lines.append(f"{UNIT} {' '.join(words)}")
        return "".join(f"{line}\n" for line in lines)


class Persistence:
    """Finds, reads and writes the own files of a host.

    :param root: the root of the file system, for tests.
    :param nft: the path of nft on the host, for the unit.
    :param runner: what runs systemctl.
    """

    def __init__(self, root: str = "/", nft: str = "/usr/sbin/nft", runner: Run = run) -> None:
        self._root = Path(root)
        self._nft = nft
        self._run = runner
        self.systemd = self._at("/run/systemd/system").is_dir() and find("systemctl") is not None
        self._included = list(self._include_files())

    def wanted(self, text: Optional[str]) -> State:
        """Return the state that keeps ``text``, what nft is to load at boot; None: nothing is kept.

        Where nothing would load it the state is empty: see :attr:`reason`.
        """
        if text is None or self.reason:
            return State()
        content = (HEADER + text).encode()
        if not self.systemd:
            return State((Stored(self._included[0], 0o600, content),))
        unit = Stored(UNIT_FILE, 0o644, _UNIT_TEXT.format(nft=self._nft).encode())
        return State((Stored(RULESET_FILE, 0o600, content), unit), unit_enabled=True, unit_active=True)

    @property
    def reason(self) -> Optional[str]:
        """Why nothing can be kept on this host; None when it can."""
        if self.systemd or self._included:
            return None
        return (
            "systemd does not run here and none of "
            + ", ".join(CONFIGURATIONS)
            + ' has an include "<directory>/*.nft": the ruleset is loaded but will not come back after a reboot'
        )

    def current(self) -> State:
        """Read the state of the host."""
        files = tuple(stored for stored in map(self._read, self._own_paths()) if stored)
        enabled = active = False
        if self.systemd and UNIT_FILE in [item.path for item in files]:
            shown = self._systemctl("show", "--property=UnitFileState,ActiveState", UNIT).split()
            enabled, active = "UnitFileState=enabled" in shown, "ActiveState=active" in shown
        return State(files, enabled, active)

    def write(self, state: State) -> None:
        """Bring the host to ``state``; what is right already stays untouched.

        :raises DbportsError: when a file or the unit cannot be brought there; part of it may be done.
        """
        before = self.current()
        if before == state:
            return
        try:
            if before.unit_enabled and not state.unit_enabled:
                self._systemctl("disable", UNIT)
            if before.unit_active and not state.unit_active:
                self._systemctl("stop", UNIT)
            for stored in state.files:
                if stored not in before.files:
                    self._store(stored)
            for path in set(before.paths) - set(state.paths):
                self._at(path).unlink()
            self._remove_empty()
        except OSError as error:
            raise DbportsError(f"cannot keep the ruleset for the next boot: {error}") from None
        if _unit_of(before) != _unit_of(state):
            self._systemctl("daemon-reload")
        if state.unit_enabled and not before.unit_enabled:
            self._systemctl("enable", UNIT)
        if state.unit_active and not before.unit_active:
            self._systemctl("start", UNIT)

    def _own_paths(self) -> list[str]:
        return sorted({RULESET_FILE, UNIT_FILE, *self._included})

    def _include_files(self) -> Iterator[str]:
        """Yield the own file in each directory that a configuration of the distribution includes."""
        for configuration in CONFIGURATIONS:
            try:
                text = self._at(configuration).read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            for directory in _INCLUDE.findall(text):
                # nft looks for a relative path in its default include directory, /etc.
                path = os.path.normpath(f"/etc/{directory}" if not directory.startswith("/") else directory)
                if self._at(path).is_dir():
                    yield f"{path}/{INCLUDED_NAME}"

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _read(self, path: str) -> Optional[Stored]:
        place = self._at(path)
        try:
            return Stored(path, place.stat().st_mode & 0o7777, place.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DbportsError(f"cannot read {place}: {error}") from None

    def _store(self, stored: Stored) -> None:
        """Write one file so that a crash leaves the old or the new one, never a part."""
        place = self._at(stored.path)
        place.parent.mkdir(mode=0o700 if stored.path == RULESET_FILE else 0o755, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".dbports-", dir=place.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(stored.content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(stored.mode)
            Path(temporary).replace(place)
        except OSError:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise

    def _remove_empty(self) -> None:
        """Remove the own directory when nothing is left in it."""
        with contextlib.suppress(OSError):
            self._at(RULESET_FILE).parent.rmdir()

    def _systemctl(self, *arguments: str) -> str:
        status, stdout, stderr = self._run(["systemctl", *arguments], "")
        if status:
            raise DbportsError(f"systemctl {' '.join(arguments)} failed: {' '.join((stderr or stdout).split())}")
        return stdout


def _unit_of(state: State) -> list[Stored]:
    return [item for item in state.files if item.path == UNIT_FILE]
