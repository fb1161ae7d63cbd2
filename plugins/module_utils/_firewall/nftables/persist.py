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
from pathlib import Path
from typing import NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Run, find, run, run_checked
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Kept, KeptFile, Service
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import (
    RemoveFile,
    RunCommand,
    Step,
    WriteFile,
)

UNIT = "dbports-firewall.service"
RULESET_FILE = "/etc/dbports/ruleset.nft"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
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


def kept_to_text(kept: Kept) -> str:
    """Write what is kept as JSON, for an observation."""
    return json.dumps([kept.files, kept.services])


def kept_from_text(text: str) -> Kept:
    """Read what :func:`kept_to_text` wrote."""
    files, services = json.loads(text)
    return Kept(tuple(KeptFile(*item) for item in files), tuple(Service(*item) for item in services))


class BootPlace(NamedTuple):
    """What loads rules on a host at boot.

    :ivar nft: the path of nft there.
    :ivar systemd: whether systemd runs there.
    :ivar included: the own file in each directory that the distribution's configuration includes.
    """

    nft: str
    systemd: bool
    included: tuple[str, ...]

    def to_text(self) -> str:
        """Write it as JSON, for an observation."""
        return json.dumps(self)

    @classmethod
    def from_text(cls, text: str) -> BootPlace:
        """Read what :meth:`to_text` wrote."""
        nft, systemd, included = json.loads(text)
        return cls(nft, systemd, tuple(included))

    @property
    def reason(self) -> Optional[str]:
        """Why nothing can be kept on this host; None when it can."""
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
        unit = KeptFile(UNIT_FILE, 0o644, _UNIT_TEXT.format(nft=self.nft))
        return Kept((KeptFile(RULESET_FILE, 0o600, content), unit), (Service(UNIT, enabled=True, active=True),))


def keep_steps(before: Kept, wanted: Kept) -> tuple[Step, ...]:
    """Return what brings a host from what it keeps to what it is to keep; what is right already stays untouched."""
    old, new = _unit(before), _unit(wanted)
    steps: list[Step] = []
    if old.enabled and not new.enabled:
        steps.append(_systemctl("disable", UNIT))
    if old.active and not new.active:
        steps.append(_systemctl("stop", UNIT))
    steps += [WriteFile(*item) for item in wanted.files if item not in before.files]
    steps += [_remove(path) for path in sorted(set(before.paths) - set(wanted.paths))]
    if _unit_file(before) != _unit_file(wanted):
        steps.append(_systemctl("daemon-reload"))
    if new.enabled and not old.enabled:
        steps.append(_systemctl("enable", UNIT))
    if new.active and not old.active:
        steps.append(_systemctl("start", UNIT))
    return tuple(steps)


def undo_steps(old: Kept, place: BootPlace) -> tuple[Step, ...]:
    """Return what brings a host to what it kept, from wherever it is."""
    unit = _unit(old)
    steps: list[Step] = []
    if place.systemd and not unit.enabled:
        steps.append(_systemctl("disable", UNIT, may_fail=True))
    if place.systemd and not unit.active:
        steps.append(_systemctl("stop", UNIT, may_fail=True))
    there = {item.path: item for item in old.files}
    for path in (RULESET_FILE, UNIT_FILE, *place.included):
        steps.append(WriteFile(*there[path]) if path in there else _remove(path))
    if place.systemd:
        steps.append(_systemctl("daemon-reload"))
        steps += [_systemctl("enable", UNIT)] if unit.enabled else []
        steps += [_systemctl("start", UNIT)] if unit.active else []
    return tuple(steps)


def _remove(path: str) -> Step:
    return RemoveFile(path, parent=path == RULESET_FILE)


def _systemctl(*arguments: str, may_fail: bool = False) -> Step:
    return RunCommand(("systemctl", *arguments), may_fail=may_fail)


class Persistence:
    """Reads the own files of a host.

    :param root: the root of the file system, for tests.
    :param runner: what runs systemctl.
    """

    def __init__(self, root: str = "/", runner: Run = run) -> None:
        self._root = Path(root)
        self._run = runner

    def place(self, nft: Optional[str] = None) -> BootPlace:
        """Find out what loads rules at boot.

        :param nft: the path of nft; None takes the usual one.
        """
        return BootPlace(nft or NFT, self._has_systemd(), tuple(self._include_files()))

    def current(self) -> Kept:
        """Read what is kept on the host."""
        paths = sorted({RULESET_FILE, UNIT_FILE, *self._include_files()})
        files = tuple(stored for stored in map(self._read, paths) if stored)
        if not self._has_systemd() or UNIT_FILE not in [item.path for item in files]:
            return Kept(files)
        command = ["systemctl", "show", "--property=UnitFileState,ActiveState", UNIT]
        shown = run_checked(command, runner=self._run).split()
        unit = Service(UNIT, "UnitFileState=enabled" in shown, "ActiveState=active" in shown)
        return Kept(files, (unit,))

    def _has_systemd(self) -> bool:
        return self._at("/run/systemd/system").is_dir() and find("systemctl") is not None

    def _include_files(self) -> Iterator[str]:
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

    def _read(self, path: str) -> Optional[KeptFile]:
        place = self._at(path)
        try:
            content = place.read_bytes().decode("utf-8", "surrogateescape")
            return KeptFile(path, place.stat().st_mode & 0o7777, content)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DbportsError(f"cannot read {place}: {error}", code="unreadable") from None


def _unit(kept: Kept) -> Service:
    return kept.services[0] if kept.services else Service(UNIT, enabled=False, active=False)


def _unit_file(kept: Kept) -> list[KeptFile]:
    return [item for item in kept.files if item.path == UNIT_FILE]
