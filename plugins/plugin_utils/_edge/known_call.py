# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this controller has asked a host for before, so that the host can be asked to repeat it by one command.

Calling a module sends its code, which the host compiles. The host keeps that of its last call (:mod:`repeat`). It is
asked only where this controller has made that call: on any other host the question costs a round trip and is in vain.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.vars.clean import remove_internal_keys
from ansible_collections.dbports.firewall.plugins.module_utils._firewall import repeat
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import canonical, digest
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import write_text
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.confirmation import LONGEST, limit
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.run_plan import locked, note, noted

PLACE = "dbports-firewall"
"""A directory below ANSIBLE_HOME, with a file for each owner of rules: the digest of what was asked for last."""

AskHost = Callable[[list[str]], str]
"""Returns what a command prints on the host; nothing if it fails."""


class KnownCall:
    """A call of the ruleset module.

    :ivar asked: the argument with which the host keeps it; none where the host is to have no rules.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._file = Path(constants.ANSIBLE_HOME) / PLACE / digest(str(arguments["owner"]))
        self._id = digest(canonical([_code(), dict(arguments)])) if arguments.get("rules") else ""
        self.asked = {"call_id": self._id} if self._id else {}

    def repeated(self, ask: AskHost) -> dict[str, Any] | None:
        """Return the host's answer if it was asked for this before and has nothing to change; else None."""
        if not self._id or self._remembered() != self._id:
            return None
        with limit(LONGEST):
            printed = ask(repeat.repeat_command(self._id))
        for line in reversed(printed.splitlines()):
            with contextlib.suppress(ValueError, RecursionError):
                found = json.loads(line)
                answer = found.get(self._id) if isinstance(found, dict) else None
                if isinstance(answer, dict) and answer.get("changed") is False:
                    return _as_of_module(answer)
        return None

    def _remembered(self) -> str:
        try:
            return self._file.read_text(encoding="ascii")
        except (OSError, ValueError):
            return ""

    def remember(self) -> None:
        """Note that the host was asked for this; a controller that cannot write only calls the module again."""
        if self._remembered() == self._id:
            return
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_text(self._file, self._id)


def _as_of_module(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what a host says as Ansible returns it of a module, where nothing waits to be confirmed."""
    remove_internal_keys(answer)
    return {key: value for key, value in answer.items() if key not in ("confirm", "confirm_command")}


def _code() -> str:
    """Return the digest of the code that a host gets, computed once in a run."""
    known = noted("code")
    if known:
        return str(known["digest"])
    plugins = Path(repeat.__file__).parents[2]
    files = [plugins / "modules" / "ruleset.py", *sorted((plugins / "module_utils").rglob("*.py"))]
    texts = [[str(path.relative_to(plugins)), path.read_text(encoding="utf-8")] for path in files]
    found = digest(canonical(texts))
    with locked():  # other forks have computed it meanwhile
        if not noted("code"):
            note("code", {"digest": found})
    return found
