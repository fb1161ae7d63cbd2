# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scheduled task that brings the old rules back when nobody confirms the new ones.

It counts from its registration, so it needs no clock, and it also runs at boot. Its command is in the task itself: a
script on disk could be exchanged by others before SYSTEM runs it. What it has to undo is in a registry key that only
administrators may write.
"""

from __future__ import annotations

import base64
from xml.etree import ElementTree

from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import script_text

TASK = "dbports-rollback"
_NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_SYSTEM = "S-1-5-18"
"""The account SYSTEM, whose name differs from language to language."""

_BEFORE = """\
$ErrorActionPreference = 'Stop'
$Ansible = @{ Changed = $false; Result = $null }
$Json = (Get-Item -LiteralPath 'Registry::HKEY_LOCAL_MACHINE\\SOFTWARE\\dbports').GetValue('rollback')
& {
"""
_AFTER = "\n} -Json $Json\n"


def rollback_command() -> str:
    """Return the arguments of powershell.exe that run ``apply.ps1`` with what is in the registry."""
    text = _BEFORE + script_text("apply.ps1") + _AFTER
    encoded = base64.b64encode(text.encode("utf-16-le")).decode("ascii")
    return f"-NoProfile -NonInteractive -EncodedCommand {encoded}"


def task_xml(seconds: float) -> str:
    """Return the definition of the task, Task Scheduler Schema 1.2.

    :param seconds: after which it runs, unless it was removed.
    """
    ElementTree.register_namespace("", _NAMESPACE)
    task = ElementTree.Element(f"{{{_NAMESPACE}}}Task", version="1.2")
    _add(task, "RegistrationInfo", {"Description": "Brings back the rules that dbports.firewall replaced"})
    triggers = _child(task, "Triggers")
    _add(triggers, "RegistrationTrigger", {"Enabled": "true", "Delay": f"PT{max(1, round(seconds))}S"})
    _add(triggers, "BootTrigger", {"Enabled": "true"})
    principals = _child(task, "Principals")
    _add(principals, "Principal", {"UserId": _SYSTEM, "RunLevel": "HighestAvailable"}).set("id", "Author")
    settings = {
        "MultipleInstancesPolicy": "IgnoreNew",
        "DisallowStartIfOnBatteries": "false",
        "StopIfGoingOnBatteries": "false",
        "StartWhenAvailable": "true",
        "ExecutionTimeLimit": "PT10M",
    }
    _add(task, "Settings", settings)
    actions = _child(task, "Actions")
    actions.set("Context", "Author")
    _add(actions, "Exec", {"Command": "powershell.exe", "Arguments": rollback_command()})
    return ElementTree.tostring(task, encoding="unicode")


def _child(parent: ElementTree.Element, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, f"{{{_NAMESPACE}}}{name}")


def _add(parent: ElementTree.Element, name: str, texts: dict[str, str]) -> ElementTree.Element:
    item = _child(parent, name)
    for key, text in texts.items():
        _child(item, key).text = text
    return item
