# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a host, as data: written down before it is done, run by one engine, and undone by the same one.

A step says how something is to be, not what changes, so that it can be repeated: after a crash nobody knows how far
a run came. :mod:`runner` runs them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Union


class WriteFile(NamedTuple):
    """A file is there with these bytes and this mode, the old one or the new one at any moment.

    Missing directories above it are made: 0700 above a file that only its owner may read, else 0755. A symbolic link
    in its place is replaced. Bytes of ``content`` that are not UTF-8 are surrogates.
    """

    path: str
    mode: int
    content: str


class EditFile(NamedTuple):
    """A file of others is there with these bytes and this mode, as :class:`WriteFile` says.

    The one that it replaces leaves it its owner, its group and its extended attributes, such as access lists and
    labels.
    """

    path: str
    mode: int
    content: str


class RemoveFile(NamedTuple):
    """A file is not there; with ``parent`` its directory is not there either, unless something else is in it."""

    path: str
    parent: bool = False


class RemoveFiles(NamedTuple):
    """No file of a directory has a name that matches a regular expression, also none that was about to get one."""

    directory: str
    names: str


class RunCommand(NamedTuple):
    """A program has run, found on root's PATH, without a shell, with ``text`` on its standard input.

    It fails with any exit status but 0, unless it ``may_fail``: so that a step can be repeated that says "it does not
    exist" the second time.
    """

    argv: tuple[str, ...]
    text: str = ""
    may_fail: bool = False


Step = Union[WriteFile, EditFile, RemoveFile, RemoveFiles, RunCommand]


def to_json(steps: Iterable[Step]) -> list[list[Any]]:
    """Return steps as JSON can hold them and :mod:`runner` reads them: the name of each and then its fields."""
    return [[type(step).__name__, *step] for step in steps]
