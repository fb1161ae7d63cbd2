# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host as the actions see it: it shows raw texts and carries out what was decided on the controller."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError, ErrorCode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.state import Observed
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.windows.backend import (
    LOCAL,
    POLICY,
    PROFILES,
    SWITCHES,
)

WIN_POWERSHELL = "ansible.windows.win_powershell"
"""The module that runs a script; 3.0.0 or newer."""

Call = Callable[[str, dict[str, Any]], Mapping[str, Any]]
"""Calls a module with its arguments and returns its result."""

_HERE = Path(__file__).parent
_HINTS: tuple[tuple[str, ErrorCode, str], ...] = (
    ("0x80070005", "not_permitted", "Connect as a member of Administrators"),
    ("UnauthorizedAccess", "not_permitted", "Connect as a member of Administrators"),
    ("Access is denied", "not_permitted", "Connect as a member of Administrators"),
    ("0x800706d9", "command_failed", "Start the service MpsSvc, Windows Defender Firewall: it answers nothing"),
    (
        "language mode",
        "not_permitted",
        "App Control (WDAC, AppLocker) runs scripts in Constrained Language Mode: sign them or exempt the account",
    ),
)
"""What Windows says, and what the user can do. HRESULTs are the same in every language."""


class WindowsHost:
    """One host.

    :param call: what calls a module on it.
    """

    def __init__(self, call: Call) -> None:
        self._call = call

    def collect(self, *, sockets: bool = False, ports: bool = False) -> Mapping[str, Any]:
        """Return what the host shows, see ``collect.ps1``.

        :param sockets: also netstat's text, processes and services.
        :param ports: also dynamic and excluded port ranges, and the ports of instances of SQL Server.
        :raises DbportsError: when the script fails.
        """
        return self._run("collect.ps1", json.dumps({"sockets": sockets, "ports": ports}))

    def change(self, text: str) -> Mapping[str, Any]:
        """Carry out a change, see ``apply.ps1``, and return the local rules as they are then, under ``local``.

        :raises DbportsError: when the script fails; it has undone what it did.
        """
        return self._run("apply.ps1", text)

    def probe(self, want: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send questions to servers, see ``probe.ps1``, and return what came back, under ``answers``.

        :raises DbportsError: when the script fails.
        """
        return self._run("probe.ps1", json.dumps(want))

    def _run(self, script: str, text: str) -> Mapping[str, Any]:
        arguments = {"script": script_text(script), "error_action": "stop", "parameters": {"Json": text}}
        result = self._call(WIN_POWERSHELL, arguments)
        if result.get("failed"):
            raise _failure(script, result)
        try:
            answer = json.loads(result["result"])
            if not isinstance(answer, dict):
                raise ValueError("expected an object")
        except (KeyError, TypeError, ValueError):
            raise DbportsError(
                f"the answer of {script} cannot be read", code="malformed_answer", value=result.get("result")
            ) from None
        return answer


def script_text(name: str) -> str:
    """Return the text of a script of this folder."""
    return (_HERE / name).read_text(encoding="utf-8")


def _failure(script: str, result: Mapping[str, Any]) -> DbportsError:
    """Return what went wrong: win_powershell says only in ``error`` what the script raised."""
    errors = result.get("error") or [{}]
    exception = errors[0].get("exception") if isinstance(errors[0], Mapping) else None
    said = str((exception or {}).get("message") or result.get("msg") or "no reason was given")
    for mark, code, fix in _HINTS:
        if mark.lower() in said.lower():
            return DbportsError(f"{script} failed: {said}", code=code, fix=fix)
    return DbportsError(f"{script} failed: {said}", code="command_failed")


def observed_of(shown: Mapping[str, Any]) -> Observed:
    """Return the firewall's part of what a host shows, as its backend reads it.

    :raises DbportsError: when something is missing.
    """
    try:
        switches = {
            store: {
                name: {key: int(value) for key, value in values.items() if value.isdecimal()}
                for name, values in profiles.items()
            }
            for store, profiles in shown["switches"].items()
        }
        return {
            LOCAL: json.dumps(shown["local"]),
            POLICY: json.dumps(shown["policy"]),
            SWITCHES: json.dumps({"local": switches["local"], "policy": switches["policy"]}),
            PROFILES: str(int(shown["profiles"])),
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DbportsError(
            "the answer of collect.ps1 cannot be read", code="malformed_answer", value=sorted(shown)
        ) from None
