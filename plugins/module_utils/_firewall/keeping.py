# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How rules come back after a reboot on any firewall: own files and, where systemd runs, an own unit.

:class:`OwnFiles` says which; reading them is the only thing here that touches the host.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import (
    Run,
    find,
    run,
    run_checked,
    unreadable,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Kept, KeptFile, Service
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import (
    RemoveFile,
    RunCommand,
    Step,
    WriteFile,
)

DIRECTORY = "/etc/dbports"
"""Where own files are that have no other place; it goes with the last of them."""

HEADER = "# Written by the Ansible collection dbports.firewall; changes are lost.\n"
"""The first line of every own file that is not in a firewall's own language."""

UNITS = "/etc/systemd/system/"
"""Where administrators have units and drop-ins; systemd reads them when it is told to."""

_UNIT_PLACES = (
    UNITS,
    "/run/systemd/system/",
    "/usr/local/lib/systemd/system/",
    "/usr/lib/systemd/system/",
    "/lib/systemd/system/",
)
"""Where systemd looks for a unit, systemd.unit(5), the first one wins."""


def boot_unit(manual: str, command: str, before: str = "", after: Sequence[str] = ()) -> str:
    """Return the text of a unit that loads rules at boot, before any network.

    :param manual: the manual page that it refers to.
    :param command: what loads the rules, at start and at reload.
    :param before: a target that has to wait for it, beside those of the network and of the shutdown.
    :param after: the units that it follows.
    """
    lines = (
        f"{HEADER}[Unit]",
        "Description=Guarded ports of dbports.firewall",
        f"Documentation=man:{manual}",
        "DefaultDependencies=no",
        f"RequiresMountsFor={DIRECTORY}",
        f"Before={' '.join(filter(None, ('network-pre.target', before, 'shutdown.target')))}",
        "Wants=network-pre.target",
        "Conflicts=shutdown.target",
        *([f"After={' '.join(after)}"] if after else []),
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        f"ExecStart={command}",
        f"ExecReload={command}",
        "",
        "[Install]",
        "WantedBy=sysinit.target",
        "",
    )
    return "\n".join(lines)


def is_early(unit: str) -> bool:
    """Tell from the text of a unit whether sysinit.target, and with it ordinary services and sockets, may wait for it.

    What has the default dependencies comes after that target itself, systemd.service(5).
    """
    return "\nDefaultDependencies=no" in unit


def drop_in_text(lines: Iterable[str]) -> str:
    """Return the text of a drop-in that adds lines to a foreign service."""
    return "\n".join([f"{HEADER}[Unit]", f"RequiresMountsFor={DIRECTORY}", "", "[Service]", *lines, ""])


def kept_to_text(kept: Kept) -> str:
    """Write what is kept as JSON, for an observation."""
    return json.dumps([kept.files, kept.services])


def kept_from_text(text: str) -> Kept:
    """Read what :func:`kept_to_text` wrote."""
    files, services = json.loads(text)
    return Kept(tuple(KeptFile(*item) for item in files), tuple(Service(*item) for item in services))


class OwnFiles(NamedTuple):
    """What one firewall keeps on a host.

    :ivar unit: the name of the own unit.
    :ivar paths: the paths of all files that may be kept here, without that of the unit.
    :ivar systemd: whether systemd runs on the host.
    :ivar masked: whether the host's owner has masked the unit; then nothing is kept, and the mask is left alone.
    """

    unit: str
    paths: tuple[str, ...]
    systemd: bool
    masked: bool = False

    @property
    def mask(self) -> str:
        """The sentence part that says so."""
        return f"{self.unit} is masked on this host (systemctl unmask {self.unit} allows it)"

    @property
    def unit_file(self) -> str:
        """The path of the file of the unit."""
        return f"{UNITS}{self.unit}"

    def unit_kept(self, text: str, *files: KeptFile) -> Kept:
        """Return files and the unit that loads them, enabled and active."""
        unit = KeptFile(self.unit_file, 0o644, text)
        return Kept(tuple(sorted((*files, unit))), (Service(self.unit, enabled=True, active=True),))

    def keep_steps(self, before: Kept, wanted: Kept) -> tuple[Step, ...]:
        """Return what brings a host from what it keeps to what it is to keep; what is right already stays untouched."""
        old, new = self._service(before), self._service(wanted)
        steps: list[Step] = []
        if old.enabled and not new.enabled:
            steps.append(_systemctl("disable", self.unit))
        if old.active and not new.active:
            steps.append(_systemctl("stop", self.unit))
        steps += [WriteFile(*item) for item in wanted.files if item not in before.files]
        steps += [_remove(path) for path in sorted(set(before.paths) - set(wanted.paths))]
        if _of_systemd(before) != _of_systemd(wanted):
            steps.append(_systemctl("daemon-reload"))
        if before.services and not wanted.services:
            steps.append(self._forget())
        if new.enabled and not old.enabled:
            steps.append(_systemctl("enable", self.unit))
        if new.active and not old.active:
            steps.append(_systemctl("start", self.unit))
        return tuple(steps)

    def undo_steps(self, old: Kept, load: Sequence[Step] = ()) -> tuple[Step, ...]:
        """Return what brings a host to what it kept, from wherever it is.

        :param load: what brings back the rules that were in force, which is done first.
        """
        unit = self._service(old)
        steps: list[Step] = [*load]
        systemd = self.systemd and not self.masked
        if systemd and not unit.enabled:
            steps.append(_systemctl("disable", self.unit, may_fail=True))
        if systemd and not unit.active:
            # A killed run may have told systemd to start it, and that goes on until it is stopped.
            steps += [_systemctl("stop", self.unit, may_fail=True), *load, self._forget()]
        there = {item.path: item for item in old.files}
        for path in self.files():
            steps.append(WriteFile(*there[path]) if path in there else _remove(path))
        if systemd:
            steps.append(_systemctl("daemon-reload"))
            steps += [_systemctl("enable", self.unit)] if unit.enabled else []
            steps += [_systemctl("start", self.unit)] if unit.active else []
        return tuple(steps)

    def files(self) -> tuple[str, ...]:
        """Return the paths of all files that may be kept."""
        return self.paths if self.masked else (*self.paths, self.unit_file)

    def _forget(self) -> Step:
        """Return what takes a unit that failed from systemd's list, where it stays although its file is gone."""
        return _systemctl("reset-failed", self.unit, may_fail=True)

    def _service(self, kept: Kept) -> Service:
        return kept.services[0] if kept.services else Service(self.unit, enabled=False, active=False)


def drop_in(unit: str) -> str:
    """Return the path of the own drop-in of a foreign unit."""
    return f"{UNITS}{unit}.d/dbports.conf"


def _remove(path: str) -> Step:
    parent = str(Path(path).parent)
    return RemoveFile(path, parent=parent == DIRECTORY or _is_drop_ins(parent))


def _is_drop_ins(path: str) -> bool:
    return path.startswith(UNITS) and path.endswith(".service.d")


def _of_systemd(kept: Kept) -> list[KeptFile]:
    return [item for item in kept.files if item.path.startswith(UNITS)]


def _systemctl(*arguments: str, may_fail: bool = False) -> Step:
    return RunCommand(("systemctl", *arguments), may_fail=may_fail)


class Host:
    """Reads what a host keeps.

    :param root: the root of the file system, for tests.
    :param runner: what runs systemctl.
    """

    def __init__(self, root: str = "/", runner: Run = run) -> None:
        self._root = Path(root)
        self._run = runner

    def has_systemd(self) -> bool:
        """Tell whether systemd runs."""
        return self.at("/run/systemd/system").is_dir() and find("systemctl") is not None

    def is_masked(self, unit: str) -> bool:
        """Tell whether the host's owner has masked a unit, for good or until the next boot: a link to nowhere."""
        places = [self.at(f"{place}{unit}") for place in (UNITS, "/run/systemd/system/")]
        return any(place.is_symlink() and place.readlink() == Path(os.devnull) for place in places)

    def unit_text(self, unit: str) -> Optional[str]:
        """Return the text of a foreign unit; None where there is none, or a masked one."""
        place = next((place for place in _UNIT_PLACES if self.at(f"{place}{unit}").exists()), None)
        if place is None or self.is_masked(unit):
            return None
        return self.at(f"{place}{unit}").read_text(encoding="utf-8", errors="replace")

    def current(self, own: OwnFiles) -> Kept:
        """Read what is kept.

        :raises DbportsError: when a file cannot be read.
        """
        files = tuple(stored for stored in map(self.read, sorted(set(own.files()))) if stored)
        if not own.systemd or own.unit_file not in [item.path for item in files]:
            return Kept(files)
        command = ["systemctl", "show", "--property=UnitFileState,ActiveState", own.unit]
        shown = run_checked(command, runner=self._run).split()
        unit = Service(own.unit, "UnitFileState=enabled" in shown, "ActiveState=active" in shown)
        return Kept(files, (unit,))

    def read(self, path: str) -> Optional[KeptFile]:
        """Read a file; None when there is none.

        :raises DbportsError: when it cannot be read.
        """
        place = self.at(path)
        try:
            there = place.stat()
            if not stat.S_ISREG(there.st_mode):  # a pipe would be waited for, and a device may have no end
                raise OSError(None, "it is no regular file")
            return KeptFile(path, there.st_mode & 0o7777, place.read_bytes().decode("utf-8", "surrogateescape"))
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise unreadable(error) from None
        except OSError as error:
            raise DbportsError(
                f"cannot read {place}: {error.strerror}",
                code="unreadable",
                fix=f"Look at what made it, and remove it on the host: rm -r {place}",
            ) from None

    def holding(self, paths: Iterable[str], is_ours: Callable[[str], object]) -> tuple[str, ...]:
        """Return those files of the host's owner that hold something of ours."""
        files = [file for path in paths if (file := self.read(path))]
        return tuple(file.path for file in files if is_ours(file.content))

    def at(self, path: str) -> Path:
        """Return a path below the root."""
        return self._root / path.lstrip("/")
