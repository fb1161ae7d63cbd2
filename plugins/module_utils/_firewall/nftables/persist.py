# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings the own table back after a reboot, and whenever the host's own ruleset is loaded anew.

Where systemd runs the collection has a unit of its own, which loads the table before any network, socket or ordinary
service. nftables.service flushes every table when it is started, reloaded or stopped (Debian's and Red Hat's unit files
and configurations), so a drop-in makes each of its commands load the own table in the same transaction. A configuration
that includes a directory gets a file there, and does the same also when it is loaded by hand.

Rules in a foreign table need that table. So each command that loads the host's own ruleset loads them in the same
transaction; where nft refuses that, it loads the ruleset without them. A configuration that flushes and then includes a
directory gets a file there as well.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Run, run
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.keeping import (
    DIRECTORY,
    HEADER,
    Host,
    OwnFiles,
    boot_unit,
    drop_in,
    drop_in_text,
    is_early,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import FAMILY, TABLE
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Kept, KeptFile

UNIT = "dbports-firewall.service"
RULESET_FILE = f"{DIRECTORY}/ruleset.nft"
SCRIPT_FILE = f"{DIRECTORY}/ruleset.sh"
"""What loads rules into a foreign table: a script, because it has to look up what is there."""

ASIDE_FILE = f"{DIRECTORY}/refused.nft"
"""Where the included file is kept while the host's own ruleset is loaded without it."""

CONFIGURATIONS = ("/etc/nftables.conf", "/etc/nftables.nft", "/etc/sysconfig/nftables.conf")
INCLUDED_NAME = "dbports.nft"
_USUAL = (f"/etc/nftables.d/{INCLUDED_NAME}", f"/etc/nftables/{INCLUDED_NAME}")
"""Own files in the directories that distributions have for it, which a configuration may no longer include."""

NFT = "/usr/sbin/nft"

_OTHERS_UNIT = "nftables.service"
DROP_IN_FILE = drop_in(_OTHERS_UNIT)

_COMMANDS = ("ExecStart", "ExecReload", "ExecStop")
_COMMAND = re.compile(
    r"""(?P<nft>/\S*/nft)\s+(?:-f\s+(?P<file>/[\w./-]+)|'(?P<text>[^'%$\\]*)'|(?P<flush>flush\s+ruleset))"""
)
"""The commands of nftables.service: ``nft -f FILE``, ``nft 'TEXT'`` and ``nft flush ruleset``."""

_INCLUDE = re.compile(r"""^\s*include\s+["']([^"']+)/\*\.nft["']""", re.MULTILINE)
_TABLE = re.compile(rf"^\s*(?:add\s+)?table\s+{FAMILY}\s+([\w./]+)", re.MULTILINE)
_FLUSH = "flush ruleset"
_QUOTED = r"""("[^"\n]*"|'[^'\n]*')"""
_COMMENT = re.compile(rf"{_QUOTED}|#[^\n]*")


_NOT_LOADED = (
    f'systemd does not run here and none of {", ".join(CONFIGURATIONS)} has a top-level include "<directory>/*.nft"'
)
_LOST = "the ruleset is loaded but will not come back after a reboot"


class BootPlace(NamedTuple):
    """What loads rules on a host at boot.

    :ivar nft: the path of nft there.
    :ivar systemd: whether systemd runs there.
    :ivar included: the own file in each directory that the distribution's configuration includes.
    :ivar masked: whether an administrator has masked the own unit.
    :ivar commands: what nftables.service runs to start, reload and stop, each None where it runs nothing or what is not
        understood; empty where there is no such unit.
    :ivar flushed: those of ``included`` that are loaded after a flush, each with the tables that are there by then.
    :ivar left: own files in directories that are no longer included.
    :ivar early: whether nftables.service starts before ordinary services.
    """

    nft: str
    systemd: bool
    included: tuple[str, ...]
    masked: bool = False
    commands: tuple[Optional[str], ...] = ()
    flushed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    left: tuple[str, ...] = ()
    early: bool = False

    def to_text(self) -> str:
        """Write it as JSON, for an observation."""
        return json.dumps(self)

    @classmethod
    def from_text(cls, text: str) -> BootPlace:
        """Read what :meth:`to_text` wrote."""
        nft, systemd, included, masked, commands, flushed, left, early = json.loads(text)
        return cls(
            nft,
            systemd,
            tuple(included),
            masked,
            tuple(commands),
            tuple((path, tuple(there)) for path, there in flushed),
            tuple(left),
            early,
        )

    @property
    def reason(self) -> Optional[str]:
        """Why nothing can be kept on this host; None when it can."""
        if self.systemd and self.masked:
            return self.own.mask
        if self.systemd or self.included:
            return None
        return f"{_NOT_LOADED}: {_LOST}"

    def wanted(self, text: Optional[str]) -> Kept:
        """Return what makes nft load ``text`` at boot; nothing for None, and where :attr:`reason` says why not."""
        if text is None or self.reason:
            return Kept()
        content = HEADER + text
        if not self.systemd:
            return Kept((KeptFile(self.included[0], 0o600, content),))
        files = [KeptFile(RULESET_FILE, 0o600, content)]
        files += [KeptFile(path, 0o600, f'{HEADER}include "{RULESET_FILE}"\n') for path in self.included[:1]]
        files += [KeptFile(DROP_IN_FILE, 0o644, self._drop_in())] if self.commands else []
        return self.own.unit_kept(boot_unit("nft(8)", f"{self.nft} -f {RULESET_FILE}", before="sysinit.target"), *files)

    def together(self, table: str) -> str:
        """Return the own file that the host's ruleset includes and that can hold rules in this table; else nothing.

        Such a file is loaded after a flush, which leaves nothing of ours, and after the table with its owner's rules.
        """
        return next((path for path, there in self.flushed if table in there), "")

    def placed_reason(self, table: str) -> Optional[str]:
        """Say why rules in this foreign table cannot be kept on this host; None when they can."""
        if self.systemd:
            return self.reason
        return None if self.together(table) else f"{_NOT_LOADED} after a flush and table {FAMILY} {table}: {_LOST}"

    def placed(self, table: str, script: str, text: str) -> Kept:
        """Return what keeps rules in a foreign table; nothing where :meth:`placed_reason` says why not.

        :param script: puts the rules there, whatever state they are in; given a text of the host's owner, with that.
        :param text: the rules for the file that the host's ruleset includes.
        """
        if self.placed_reason(table):
            return Kept()
        included = self.together(table)
        files = [KeptFile(included, 0o600, HEADER + text)] if included else []
        if not self.systemd:
            return Kept(tuple(files))
        files.append(KeptFile(SCRIPT_FILE, 0o600, script))
        files += [KeptFile(DROP_IN_FILE, 0o644, self._placed_drop_in())] if self.commands else []
        before = "sysinit.target" if self.early else ""
        unit = boot_unit("nft(8)", f"/bin/sh {SCRIPT_FILE}", before=before, after=(_OTHERS_UNIT,))
        return self.own.unit_kept(unit, *files)

    def _placed_drop_in(self) -> str:
        """Write what makes nftables.service start and reload by the script, which loads its text as well."""
        if None in self.commands:
            return self._follow(f"-/bin/sh {SCRIPT_FILE}")
        lines = []
        for name, command in zip(("ExecStart", "ExecReload"), self.commands):
            lines += [f"{name}=", f"{name}=/bin/sh {SCRIPT_FILE} '{command}'"]
        return drop_in_text(lines)

    @staticmethod
    def _follow(command: str) -> str:
        """Write what runs a command after each command of nftables.service."""
        lines = [f"{moment}={command}" for moment in ("ExecStartPost", "ExecReload", "ExecStopPost")]
        return drop_in_text(lines)

    def _drop_in(self) -> str:
        """Write what makes every command of nftables.service load the own table too, in the same transaction.

        Where a command is not understood, the own table is loaded after it.
        """
        if None in self.commands:
            return self._follow(f"-{self.nft} -f {RULESET_FILE}")
        lines = []
        for name, command in zip(_COMMANDS, self.commands):
            # What is loaded from the configuration includes the own file already.
            if not self.included or "include" not in (command or ""):
                lines += [f"{name}=", f"{name}={self.nft} '{command}; include \"{RULESET_FILE}\"'"]
        return drop_in_text(lines)

    @property
    def own(self) -> OwnFiles:
        """What may be kept here."""
        paths = (RULESET_FILE, SCRIPT_FILE, ASIDE_FILE, DROP_IN_FILE, *self.included, *self.left)
        return OwnFiles(UNIT, paths, self.systemd, self.masked)


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
        systemd = self._host.has_systemd()
        commands = self._commands() if systemd else ()
        found = list(self._include_files(commands))
        included = tuple(path for path, _there in found)
        return BootPlace(
            nft or NFT,
            systemd,
            included,
            systemd and self._host.is_masked(UNIT),
            commands,
            tuple((path, tuple(there)) for path, there in found if there),
            tuple(path for path in _USUAL if path not in included and self._is_own(path)),
            systemd and is_early(self._host.unit_text(_OTHERS_UNIT) or ""),
        )

    def current(self) -> Kept:
        """Read what is kept on the host."""
        return self._host.current(self.place().own)

    def copies(self) -> tuple[str, ...]:
        """Return the configurations in which the own table was saved with the rest of the ruleset."""
        return self._host.holding(CONFIGURATIONS, lambda text: TABLE in _TABLE.findall(_COMMENT.sub("", text)))

    def _is_own(self, path: str) -> bool:
        there = self._host.read(path)
        return there is not None and there.content.startswith(HEADER)

    def _commands(self) -> tuple[Optional[str], ...]:
        """Read what nftables.service runs, as texts for nft."""
        text = self._host.unit_text(_OTHERS_UNIT)
        if text is None:
            return ()
        own = self._host.at(DROP_IN_FILE)
        others = [path for path in own.parent.glob("*.conf") if path != own]
        if any("Exec" in path.read_text(encoding="utf-8", errors="replace") for path in others):
            return (None,)
        return tuple(_text_of(re.findall(rf"^{name}=(.+)$", text, re.MULTILINE)) for name in _COMMANDS)

    def _include_files(self, commands: Sequence[Optional[str]]) -> Iterator[tuple[str, list[str]]]:
        """Yield the own file in each directory that is included, and the tables that are there then, after a flush.

        Inside a table, where fragments are included, our file would keep the whole configuration from loading; before
        a flush, or in a configuration that nftables.service does not load, it would be of no use.

        :param commands: see :class:`BootPlace`.
        """
        known = bool(commands) and None not in commands
        for configuration in CONFIGURATIONS:
            if known and not any(f'"{configuration}"' in (command or "") for command in commands):
                continue
            try:
                text = self._host.at(configuration).read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            text = _COMMENT.sub(lambda found: found[1] or "", text)
            for found in _INCLUDE.finditer(text):
                # nft looks for a relative path in its default include directory, /etc.
                path = os.path.normpath(f"/etc/{found[1]}" if not found[1].startswith("/") else found[1])
                before, after = text[: found.start()], text[found.end() :]
                if self._host.at(path).is_dir() and not _is_inside(before) and _FLUSH not in after:
                    _before, flush, there = before.rpartition(_FLUSH)
                    yield f"{path}/{INCLUDED_NAME}", self._tables(there, path) if flush else []

    def _tables(self, text: str, directory: str) -> list[str]:
        """Return the tables in a text and in the foreign files that are loaded before the own one."""
        files = [path for path in self._host.at(directory).glob("*.nft") if path.name < INCLUDED_NAME]
        texts = [text, *(path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file())]
        return sorted({name for one in texts for name in _TABLE.findall(one)})


def _is_inside(before: str) -> bool:
    """Tell whether a text without comments ends inside a block."""
    plain = re.sub(_QUOTED, "", before)
    return plain.count("{") != plain.count("}")


def _text_of(commands: list[str]) -> Optional[str]:
    """Return what one command makes nft do, as a text in nft's language; None for anything else."""
    match = _COMMAND.fullmatch(commands[0].strip()) if len(commands) == 1 else None
    if match is None:
        return None
    if match["file"]:
        return f'include "{match["file"]}"'
    return "flush ruleset" if match["flush"] else match["text"].strip().rstrip(";")
