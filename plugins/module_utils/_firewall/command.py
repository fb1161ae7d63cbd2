# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that the firewall core runs on a host: found, without a shell, with one kind of error."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.codec import DELETE, FAMILY, TABLE

TIMEOUT = 60
"""Seconds after which a command is given up; nft loads a thousand networks in a fraction of one."""


class Output(NamedTuple):
    """How a command ended: exit status and what it said."""

    status: int
    stdout: str
    stderr: str


Run = Callable[[Sequence[str], str], Output]
"""Runs a command with a text on its standard input."""


def find(name: str) -> Optional[str]:
    """Return the path of a program, also from the directories that a user's PATH may lack."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))


def run(argv: Sequence[str], text: str = "") -> Output:
    """Run a command.

    :raises DbportsError: when it cannot be started or takes longer than :data:`TIMEOUT` seconds.
    """
    try:
        done = subprocess.run(
            list(argv),
            input=text.encode("utf-8"),
            capture_output=True,
            check=False,
            timeout=TIMEOUT,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DbportsError(f"cannot run {argv[0]}: {error}") from None
    return Output(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


class Nft:
    """The nft program of this host.

    :param path: where it is; :meth:`locate` finds it.
    :param runner: what runs it.
    """

    def __init__(self, path: str, runner: Run = run) -> None:
        self.path = path
        self._run = runner

    @classmethod
    def locate(cls) -> Nft:
        """Find nft and make sure that it may be used.

        :raises DbportsError: when it is missing or this process is not root.
        """
        path = find("nft")
        if not path:
            raise DbportsError("the program nft is missing", fix="Install the package nftables on the host")
        if os.geteuid() != 0:
            raise DbportsError("only root may change the firewall", fix="Set become: true")
        return cls(path)

    def objects(self) -> list[dict[str, Any]]:
        """Return every object of the host's whole ruleset, as ``nft -j list ruleset`` has them."""
        return self._json("list", "ruleset")

    def own_objects(self) -> list[dict[str, Any]]:
        """Return the objects of the own table, which must exist."""
        return self._json("list", "table", FAMILY, TABLE)

    def own_text(self) -> str:
        """Return the text that brings the own table back as it is now, counters at zero."""
        done = self._run_checked(["-s", "list", "table", FAMILY, TABLE], "")
        return DELETE + done

    def check(self, text: str) -> None:
        """Let nft and the kernel check a text without changing anything."""
        self._run_checked(["-c", "-f", "-"], text)

    def load(self, text: str) -> None:
        """Load a text in one transaction: all of it or nothing."""
        self._run_checked(["-f", "-"], text)

    def _json(self, *arguments: str) -> list[dict[str, Any]]:
        text = self._run_checked(["-j", *arguments], "")
        try:
            objects = json.loads(text)["nftables"] if text.strip() else []
        except (ValueError, KeyError, TypeError):
            raise DbportsError("nft -j printed no JSON", value=text) from None
        return [item for item in objects if isinstance(item, dict)]

    def _run_checked(self, arguments: list[str], text: str) -> str:
        status, stdout, stderr = self._run([self.path, *arguments], text)
        if status == 0:
            return stdout
        said = " ".join((stderr or stdout).split())
        fix = None
        if "Operation not permitted" in said:
            fix = "The task needs root with CAP_NET_ADMIN in the host's network namespace"
        elif "JSON support" in said:
            fix = "Install an nftables that is built with JSON support"
        raise DbportsError(f"nft {' '.join(arguments)} failed: {said[:600]}", fix=fix)
