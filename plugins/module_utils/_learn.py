# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host shows of database servers that nobody has declared: their sockets, and a few values they were given.

Of a configuration file only the values that were asked for leave the host: such files hold passwords.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import collect
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange

_SIZE = 1 << 20
"""Bytes of a configuration file that are read."""

_FILES = 64
_SECTION = re.compile(r"\s*\[([^\]]*)\]")
_TEXT = r"""(?:"([^"]*)"|'([^']*)'|([^#;\s]*))"""
_VALUES = (
    re.compile(rf"\s*([A-Za-z][\w .-]*?)\s*=\s*{_TEXT}"),
    re.compile(rf"\s*([A-Za-z][\w.-]*)\s+{_TEXT}"),  # PostgreSQL needs no equals sign
)


def look(processes: Sequence[str], settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sockets of some programs, and values of their configuration files.

    :param processes: patterns of the programs' names.
    :param settings: dictionaries with ``files`` (patterns), ``key``, and ``sections``, empty for any.
    :returns: ``sockets``: listeners of the programs, and one connection for each remote address and port of theirs;
        ``values``: dictionaries with ``file``, ``section``, ``key`` and ``value``.
    :raises DbportsError: when sockets cannot be listed.
    """
    listeners = collect(ports=(), processes=processes)[1]
    ports = sorted({one.local_port for one in listeners if one.is_listener and one.local_port})
    connected = collect(ports=[PortRange(port, port) for port in ports])[1] if ports else []
    return {
        "sockets": [one._asdict() for one in served([*listeners, *connected], processes)],
        "values": [value for setting in settings for value in _values(setting)],
    }


def served(sockets: Iterable[Socket], processes: Sequence[str]) -> list[Socket]:
    """Return the listeners of some programs, and one connection for each remote address and port of theirs."""
    seen = list(dict.fromkeys(sockets))
    listeners = [one for one in seen if one.is_listener and one.is_of(processes)]
    ports = {one.local_port for one in listeners if one.local_port}
    peers = {
        (one.local_port, one.remote_address): one
        for one in seen
        if one.state == "ESTABLISHED" and one.local_port in ports
    }
    return [*listeners, *peers.values()]


def _values(setting: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the values of one key; a file that cannot be read has none."""
    paths = sorted({path for pattern in setting["files"] for path in _paths(pattern)})
    for path in paths[:_FILES]:
        try:
            with Path(path).open(encoding="utf-8", errors="replace") as stream:
                text = stream.read(_SIZE)
        except OSError:
            continue
        for section, key, value in read_values(text):
            if key == _plain(setting["key"]) and (not setting["sections"] or section in setting["sections"]):
                yield {"file": path, "section": section, "key": setting["key"], "value": value}


def _paths(pattern: str) -> Iterator[str]:
    """Yield the files that an absolute pattern matches."""
    with contextlib.suppress(OSError):
        yield from map(str, Path("/").glob(pattern.lstrip("/")))


def read_values(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and value of each line of an ini file, or of ``key = value``, in lower case and with ``_``."""
    section = ""
    for line in text.splitlines():
        header = _SECTION.match(line)
        if header:
            section = header[1].strip().lower()
        match = None if header else next(filter(None, (pattern.match(line) for pattern in _VALUES)), None)
        if match:
            yield section, _plain(match[1]), next((part for part in match.groups()[1:] if part is not None), "")


def _plain(key: str) -> str:
    return key.strip().lower().replace("-", "_")
