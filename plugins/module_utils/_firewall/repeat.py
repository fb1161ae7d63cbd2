# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last call of a host that carries our rules, kept there until the next boot to be repeated by one command.

Ansible sends a module's code with every call, and the host compiles it: several times what a run with nothing to change
does. The kept call and code are those of that run, so that repeating it says what calling the module would say. Where
it would do anything but say that nothing has to be changed, the command fails, and the module is called.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.runner import KEPT
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.transaction import nothing_to_do
from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible

CALL, SENT, SCRIPT = "call.json", "sent.zip", "repeat"
_START = f"""
import os, sys
place, call_id = sys.argv[1:]
code = place + "/code"
if not os.path.isdir(code):
    import contextlib, tempfile, zipfile
    with tempfile.TemporaryDirectory(dir=place) as new, zipfile.ZipFile(place + "/{SENT}") as sent:
        sent.extractall(new + "/code", [name for name in sent.namelist() if name.startswith("ansible_collections/")])
        with contextlib.suppress(OSError):
            os.rename(new + "/code", code)
sys.path.insert(0, code)
from {__name__} import repeated
answer = repeated(call_id, place)
sys.stdout.write(answer)
sys.exit(not answer)
"""
"""Unpacks the code the first time, since not every call is repeated. Python then keeps the byte code beside it.

Several may do so at once: each has a directory of its own, which goes also when the disk is full, and the first one's
counts.
"""

_ASK = f'test -L "$0" && exit 1; test -O "$0" && exec sh "$0/{SCRIPT}" "$1"'
"""Runs only what this user has written: a container may have a ``/run`` to which everyone may write."""


def repeat_command(call_id: str) -> list[str]:
    """Return the command that repeats a call on its host, as root.

    It prints a line of JSON, with what the module would return by the id of the call. It fails where the host knows no
    such call, and where the module would do or say anything else than that nothing has to be changed.
    """
    return ["sh", "-c", _ASK, KEPT, call_id]


def keep(call_id: str, arguments: Mapping[str, Any], place: str = KEPT, archive: Optional[str] = None) -> None:
    """Keep a call with the code of this collection; where that cannot be, nothing is kept.

    It is written anew also where the host keeps this call already: had that been of use, the module would most likely
    not have been called. The interpreter may be gone, or something of it.

    :param arguments: of the ruleset module, validated.
    :param archive: the zip file with the code; None takes the one that Ansible has sent.
    """
    archive = archive or getattr(getattr(__spec__, "loader", None), "archive", None)
    if archive is None or not sys.executable:
        return
    with contextlib.suppress(OSError):
        forget(place)
        new = _temporary(place)
        try:
            _write(Path(new), place, archive, {"id": call_id, "arguments": dict(arguments)})
            Path(new).rename(place)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def _write(new: Path, place: str, archive: str, call: Mapping[str, Any]) -> None:
    shutil.copyfile(archive, new / SENT)
    (new / CALL).write_text(json.dumps(call), encoding="ascii")
    # Isolated and without site-packages: only the standard library and the kept code.
    python = shlex.join([sys.executable, "-IS", "-c", _START, place])
    (new / SCRIPT).write_text(f'exec {python} "$1"\n', encoding="utf-8", errors="surrogateescape")


def forget(place: str = KEPT) -> None:
    """Take away what is kept, also what a killed run has left of it."""
    with contextlib.suppress(OSError):
        Path(place).rename(_temporary(place))  # at once, because a part would be taken for the whole
    for path in (Path(place), *Path(place).parent.glob(f"{Path(place).name}-*")):  # a full disk may refuse the former
        shutil.rmtree(path, ignore_errors=True)


def _temporary(place: str) -> str:
    """Make a directory that is removed if it stays."""
    return tempfile.mkdtemp(prefix=f"{Path(place).name}-", dir=str(Path(place).parent))


def repeated(call_id: str, place: str = KEPT) -> str:
    """Return what the kept call returns, as :func:`repeat_command` prints it; empty if anything has to be changed."""
    call = json.loads((Path(place) / CALL).read_text(encoding="ascii"))
    found = nothing_to_do(DesiredState.from_arguments(call["arguments"])) if call["id"] == call_id else None
    if found is None:
        return ""
    found["warnings"] = [visible(text) for text in found["warnings"]]
    return json.dumps({call_id: found})
