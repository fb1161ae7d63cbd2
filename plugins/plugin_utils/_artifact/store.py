# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan's directory: what writing would change, and writing it."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import (
    APPLIED,
    FINDINGS,
    GATEWAYS,
    HOSTS,
    INDEX,
    INDEX_SCHEMA,
    LIMIT,
    digest,
    gateway_file,
    host_file,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.read import Source, read_index
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.text_store import TextStore
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.write import Artifact

PAGE = "plan.md"
"""The plan for readers, which the index says nothing of."""

_OWN = (INDEX, LIMIT, PAGE)
_PLACES = ("", *_OWN, HOSTS, GATEWAYS, FINDINGS, APPLIED)
_DIFF_LINES, _DIFF_NAMES = 1000, 100
_NO_LINKS = "Replace it by a real file or directory, or name another directory in plan_dir (dbports_plan_dir)"
_OWN_DIRECTORY = "Name a new or empty directory in plan_dir (dbports_plan_dir); nothing was written"


class _Change(NamedTuple):
    """A file of the plan that has to change; ``before`` is None where there is none, ``after`` where none may stay."""

    name: str
    before: str | None
    after: str | None


def diff_artifact(artifact: Artifact, directory: Path) -> list[dict[str, str]]:
    """Return what writing would change, as Ansible's diffs: one for each file, nothing for equal ones.

    :raises DbportsError: when the directory, or a file in it, was not written by this collection.
    """
    return [
        {"before": before or "", "after": after or "", "before_header": name, "after_header": name}
        for name, before, after in _changes(artifact, directory)
    ]


def shortened(diff: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return Ansible's diffs of the first files, up to some thousand lines, and the names of the rest.

    Of a plan where there was none before, only the page for readers, which says all that the other files say.
    """
    pages = [item for item in diff if item["after_header"] == PAGE]
    if pages and not any(item["before"] for item in diff):
        return [_beginning(item) for item in pages]
    lines = 0
    for position, item in enumerate(diff):
        lines += item["before"].count("\n") + item["after"].count("\n")
        if position and lines > _DIFF_LINES:
            names = "".join(f"{one['after_header']}\n" for one in diff[position:][:_DIFF_NAMES])
            title = f"the names of the first {_DIFF_NAMES} of {len(diff) - position} more files that change"
            return [*diff[:position], {"before": "", "after": names, "before_header": title, "after_header": title}]
    return diff


def _beginning(page: dict[str, str]) -> dict[str, str]:
    """Return the diff of a new page with its first lines, and how many more there are."""
    lines = page["after"].splitlines(keepends=True)
    more = [f"and {len(lines) - _DIFF_LINES} more lines\n"] if len(lines) > _DIFF_LINES else []
    return {**page, "after": "".join([*lines[:_DIFF_LINES], *more])}


def own_files(directory: Path) -> frozenset[str]:
    """Return the files of the plan in a directory, by its index; none in a directory that is empty or missing.

    :raises DbportsError: when the directory holds anything else than a plan, or symbolic links in a plan's places.
    """
    refuse_links(directory)
    try:
        names = sorted(path.name for path in directory.iterdir())
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise _not_written(directory, error) from error
    found = _indexed(directory / INDEX) if names else frozenset()
    if found is None:
        raise DbportsError(
            f"this directory holds {names[0]} and no {INDEX} of a plan, so it is not this collection's to write",
            code="not_ours",
            path="plan_dir",
            value=str(directory),
            fix=_OWN_DIRECTORY,
        )
    return found


def refuse_links(directory: Path) -> None:
    """Refuse symbolic links where a plan has files and folders: they lead out of the directory.

    :raises DbportsError: for the first of them.
    """
    for name in _PLACES:
        _refuse_link(directory / name)


def holds_plan(directory: Path, plan_id: str) -> bool:
    """Tell whether a directory holds the plan with this plan_id."""
    try:
        return digest((directory / INDEX).read_text(encoding="utf-8")) == plan_id
    except (OSError, UnicodeDecodeError):
        return False


def writable_by_others(directory: Path) -> bool:
    """Tell whether others than its owner can replace files of a directory."""
    mode = directory.stat().st_mode
    return bool(mode & (stat.S_IWGRP | stat.S_IWOTH)) and not mode & stat.S_ISVTX


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise DbportsError(
            "a symbolic link is not followed", code="not_ours", path="plan_dir", value=str(path), fix=_NO_LINKS
        )


def _indexed(path: Path) -> frozenset[str] | None:
    """Return the files that an index of ours names, whatever release wrote it; None for anything else.

    The names are computed and not read, so that none of them leads out of the directory.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if str(data["schema"]).rpartition("/")[0] != INDEX_SCHEMA.rpartition("/")[0]:
            return None
        hosts = (host_file(item["host"]) for item in data["hosts"])
        return frozenset((*_OWN, *hosts, *(gateway_file(item["gateway"]) for item in data.get("gateways", ()))))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _changes(artifact: Artifact, directory: Path) -> list[_Change]:
    """Compare a directory with what is to be in it; only files that the index there names may change or go."""
    own = own_files(directory)
    found = []
    for name in sorted({*artifact.files, *own}):
        before, after = _text_at(directory / name), artifact.files.get(name)
        if before == after:
            continue
        if before is not None and name not in own:
            raise DbportsError(
                "this file is in the way, and no plan wrote it",
                code="not_ours",
                path="plan_dir",
                value=str(directory / name),
                fix="Move it away, or name another directory in plan_dir (dbports_plan_dir); nothing was written",
            )
        found.append(_Change(name, before, after))
    return found


def _text_at(path: Path) -> str | None:
    """Return what a file holds now, None where there is none; what is no UTF-8 is shown as ``\\xff``."""
    _refuse_link(path)
    try:
        return path.read_text(encoding="utf-8", errors="backslashreplace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _not_written(path, error) from error


def write_artifact(artifact: Artifact, directory: Path) -> None:
    """Write the plan's files and remove those of hosts that are no longer in it, or leave all as it was.

    The index comes last and every file is renamed into place: a reader sees the old plan, or the new one, or an
    index whose digests tell that something is missing.

    :raises DbportsError: when the directory cannot be written, or was not written by this collection.
    """
    changes = _changes(artifact, directory)
    made: list[Path] = []
    staged: list[tuple[Path, Path]] = []
    try:
        for folder in ("", *sorted({HOSTS, *(name.partition("/")[0] for name in artifact.files if "/" in name)})):
            _make_folder(directory / folder, made)
        for name, before, after in sorted(changes, key=lambda change: change.name == INDEX):
            if after is not None:
                _stage(directory / name, after, before is None and name != INDEX, made, staged)
        for temporary, place in staged:
            temporary.replace(place)
    except OSError as error:
        _discard([*made, *(temporary for temporary, _place in staged)])
        raise _not_written(directory, error) from error
    for name, _before, after in changes:
        if after is None:
            (directory / name).unlink(missing_ok=True)  # another host of the play may write the same plan


def _make_folder(path: Path, made: list[Path]) -> None:
    """Make a folder that only its owner can write, whatever the umask is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_dir():
        path.mkdir(mode=0o755)
        made.append(path)


def _stage(place: Path, text: str, new: bool, made: list[Path], staged: list[tuple[Path, Path]]) -> None:
    """Write a file beside its place; a new one needs no rename, as no index names it yet."""
    if new:
        with place.open("x", encoding="utf-8", newline="\n") as stream:
            made.append(place)
            stream.write(text)
    else:
        staged.append((_write_beside(place, text), place))


def _discard(paths: Iterable[Path]) -> None:
    """Remove what was made, the last first; what is not empty stays."""
    for path in reversed(list(paths)):
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()


def _not_written(path: Path, error: OSError) -> DbportsError:
    return DbportsError(
        f"the plan cannot be written: {error.strerror}", code="not_written", path="plan_dir", value=str(path)
    )


def write_text(path: Path, text: str) -> None:
    """Write a file beside its place and rename it: nobody ever reads half of it."""
    temporary = _write_beside(path, text)
    try:
        temporary.replace(path)
    except OSError:
        _discard([temporary])
        raise


def _write_beside(path: Path, text: str) -> Path:
    """Write a temporary file in the folder of ``path`` and return it; on an error there is none."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".dbports-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        Path(name).chmod(0o644)
    except BaseException:
        _discard([Path(name)])
        raise
    return Path(name)


def load_artifact(source: Source) -> Artifact:
    """Read a plan's files back, as text.

    :raises DbportsError: when there is no plan.
    """
    index = read_index(source, None)
    if isinstance(source, TextStore):
        files = source.read_all()
    else:
        found = ((name, _text_at(source / name)) for name in own_files(source))
        files = {name: text for name, text in found if text is not None}
    return Artifact(files, index.plan_id, index.inputs_id, index.counts)
