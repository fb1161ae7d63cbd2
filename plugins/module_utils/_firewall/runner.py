# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs steps on this host.

This file needs nothing but the standard library, no other file of this collection: its source is also stored on the
host and run there when nothing else of the collection is left.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

TIMEOUT = 60
"""Seconds after which a command is given up; a firewall loads a thousand networks in a fraction of one."""

PATH = os.pathsep.join(("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"))

TEMPORARY = ".dbports-"
"""How the names of files begin that are about to replace others."""

Call = Callable[[Sequence[str], str], tuple[int, str, str]]
"""Runs a command with a text on its standard input; returns exit status, standard output and standard error."""


class StepError(Exception):
    """A step that did not work, with the words of who refused it."""


def call(argv: Sequence[str], text: str = "") -> tuple[int, str, str]:
    """Run a command with a text on its standard input, in the locale C.UTF-8.

    :returns: exit status, standard output and standard error.
    :raises StepError: when it cannot be started or takes longer than :data:`TIMEOUT` seconds.
    """
    path = os.pathsep.join(filter(None, (os.environ.get("PATH", ""), PATH)))
    try:
        done = subprocess.run(
            list(argv),
            input=text.encode("utf-8", "surrogateescape"),
            capture_output=True,
            check=False,
            timeout=TIMEOUT,
            env={**os.environ, "LC_ALL": "C.UTF-8", "PATH": path},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StepError(f"cannot run {argv[0]}: {error}") from None
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def failure(argv: Sequence[str], stdout: str, stderr: str) -> str:
    """Return the sentence for a command that failed: its line and what it said."""
    said = " ".join((stderr or stdout).split())
    return f"{' '.join([Path(argv[0]).name, *argv[1:]])} failed: {said[:600]}"


class Runner:
    """Runs steps, as :func:`steps.to_json` writes them.

    :param root: the root of the file system, for tests.
    :param run: what runs commands, for tests.
    """

    def __init__(self, root: str = "/", run: Call = call) -> None:
        self._root = Path(root)
        self._run = run

    def do(self, steps: Iterable[Sequence[Any]]) -> None:
        """Run steps in their order.

        :raises StepError: at the first one that fails; those after it are not run.
        """
        kinds: dict[str, Callable[..., None]] = {
            "WriteFile": self._write,
            "RemoveFile": self._remove,
            "RunCommand": self._command,
        }
        for name, *fields in steps:
            try:
                kinds[name](*fields)
            except OSError as error:
                raise StepError(str(error)) from None

    def undo(self, steps: Iterable[Sequence[Any]]) -> list[str]:
        """Run steps in their order, all of them, whatever fails; return what failed."""
        failed = []
        for step in steps:
            try:
                self.do([step])
            except StepError as error:
                failed.append(str(error))
        return failed

    def _write(self, path: str, mode: int, content: str) -> None:
        place = self._at(path)
        data = content.encode("utf-8", "surrogateescape")
        place.parent.mkdir(mode=0o755 if mode & 0o044 else 0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=place.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                os.fchmod(stream.fileno(), mode)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(place)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
        sync_directory(place.parent)

    def _remove(self, path: str, parent: bool) -> None:
        place = self._at(path)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            place.unlink()
            sync_directory(place.parent)
        if parent:
            with contextlib.suppress(OSError):
                place.parent.rmdir()

    def _command(self, argv: Sequence[str], text: str, may_fail: bool) -> None:
        status, stdout, stderr = self._run(argv, text)
        if status and not may_fail:
            raise StepError(failure(argv, stdout, stderr))

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")


def sync_directory(directory: Path) -> None:
    """Bring the names in a directory to the disk, so that they are there after a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
