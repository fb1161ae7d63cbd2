# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Learned declarations as files to review: written, and merged with what an earlier run has learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._visible import visible
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.files import host_file
from ansible_collections.dbports.firewall.plugins.plugin_utils._artifact.store import write_text
from ansible_collections.dbports.firewall.plugins.plugin_utils._learn.names import INSTANCES, joined, named
from ansible_collections.dbports.firewall.plugins.plugin_utils._learn.servers import Learned, identity

HEADER = "# Learned by dbports.firewall.learn. Review it, then move it to host_vars.\n"
_VARIABLE = "dbports_servers"


def learned_file(host: str) -> str:
    """Return the name of a host's file."""
    return Path(host_file(host)).with_suffix(".yml").name


def render(host: str, servers: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> str:
    """Return a host's declaration as YAML, with what there is to look at as comments."""
    lines = [HEADER, f"# Host: {visible(host)}\n", *(f"# - {visible(note)}\n" for note in notes), "---\n"]
    return "".join(lines) + yaml.safe_dump({_VARIABLE: [dict(item) for item in servers]}, sort_keys=False)


def read_earlier(path: Path) -> list[dict[str, Any]]:
    """Return what an earlier run has learned; nothing where there is no file.

    :raises DbportsError: for a file that is not ours, or that cannot be read.
    """
    if path.is_symlink():
        raise _not_ours(path, "is a symbolic link")
    try:
        text = path.read_text(encoding="utf-8")
        servers = yaml.safe_load(text)[_VARIABLE]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):
        raise _not_ours(path, "cannot be read") from None
    if not text.startswith(HEADER) or not isinstance(servers, list) or not all(isinstance(x, dict) for x in servers):
        raise _not_ours(path, "was not written by learn")
    return servers


def merge(
    earlier: Sequence[Mapping[str, Any]], found: Sequence[Learned], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return what was learned before and now: none is forgotten, and what a reviewer wrote stays.

    A server is the same when its clients connect to the same ports: it has the peers of both, and options that were
    not known before.

    :param names: see :func:`names_by_address`.
    """
    merged = [named(item, names) for item in earlier]
    for server in (named(learned.values, names) for learned in found):
        same = next((item for item in merged if identity(item) == identity(server)), None)
        if same is None:
            merged.append(server)
            continue
        for key, value in server.items():
            is_peers = isinstance(value, list) and key != INSTANCES
            same[key] = joined(as_list(same.get(key)), value) if is_peers else same.get(key, value)
    return merged


def as_list(value: Any) -> list[Any]:
    """Return peers as a list: a reviewer may write only one, or none."""
    return value if isinstance(value, list) else [] if value is None else [value]


def write(path: Path, text: str) -> bool:
    """Write a file where it differs, and tell whether it did.

    :raises DbportsError: when it cannot be written.
    """
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        reason = f"what was learned cannot be written: {error.strerror}"
        raise DbportsError(reason, code="not_written", path="learn_dir", value=str(path)) from None
    return True


def _not_ours(path: Path, reason: str) -> DbportsError:
    return DbportsError(
        f"this file {reason}",
        code="not_ours",
        path="learn_dir",
        value=str(path),
        fix="Move it away, or name another directory (dbports_learn_dir)",
    )
