# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan's directory: what writing would change, and writing it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import GATEWAYS, HOSTS, INDEX, LIMIT
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import Source, read_index
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.text_store import TextStore
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import Artifact

PAGE = "plan.md"
"""The plan for readers, which the index says nothing of."""

_FOLDERS = (HOSTS, GATEWAYS)


def diff_artifact(artifact: Artifact, directory: Path) -> list[dict[str, str]]:
    """Return what writing would change, as Ansible's diffs: one for each file, nothing for equal ones."""
    names = sorted(set(artifact.files) | set(_present(directory)))
    diffs = []
    for name in names:
        before = _text_at(directory / name)
        after = artifact.files.get(name, "")
        if before != after:
            diffs.append({"before": before, "after": after, "before_header": name, "after_header": name})
    return diffs


def _text_at(path: Path) -> str:
    """Return what a file holds now, empty where there is none; what is no UTF-8 is shown as ``\\xff``."""
    return path.read_text(encoding="utf-8", errors="backslashreplace") if path.is_file() else ""


def _present(directory: Path) -> Iterator[str]:
    """Yield the plan's files that are there now; findings and reports are not the plan's."""
    for name in (INDEX, LIMIT, PAGE):
        if (directory / name).is_file():
            yield name
    for folder in _FOLDERS:
        yield from (f"{folder}/{path.name}" for path in (directory / folder).glob("*.json"))


def write_artifact(artifact: Artifact, directory: Path) -> None:
    """Write the plan's files and remove those of hosts that are no longer in it.

    The index comes last and every file is renamed into place: a reader sees the old plan, or the new one, or an
    index whose digests tell that something is missing.

    :raises DbportsError: when the directory cannot be written.
    """
    try:
        for folder in {HOSTS, *(name.partition("/")[0] for name in artifact.files if "/" in name)}:
            (directory / folder).mkdir(parents=True, exist_ok=True)
        present = set(_present(directory))
        for name, text in artifact.files.items():
            if name != INDEX:
                _write_changed(directory, name, text, name in present)
        _write_changed(directory, INDEX, artifact.files[INDEX], True)
        for name in present - set(artifact.files):
            (directory / name).unlink(missing_ok=True)  # another host of the play may write the same plan
    except OSError as error:
        raise DbportsError(
            f"the plan cannot be written: {error.strerror}", code="not_written", path="plan_dir", value=str(directory)
        ) from error


def _write_changed(directory: Path, name: str, text: str, present: bool) -> None:
    """Write one file of a plan unless it is there already; a new one needs no rename, as no index names it yet."""
    place = directory / name
    if not present:
        with place.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    elif not place.is_file() or _text_at(place) != text:
        write_text(place, text)


def write_text(path: Path, text: str) -> None:
    """Write a file beside its place and rename it: nobody ever reads half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".dbports-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def load_artifact(source: Source) -> Artifact:
    """Read a plan's files back, as text.

    :raises DbportsError: when there is no plan.
    """
    index = read_index(source, None)
    if isinstance(source, TextStore):
        files = source.read_all()
    else:
        files = {name: _text_at(source / name) for name in _present(source)}
    return Artifact(files, index.plan_id, index.inputs_id, index.counts)
