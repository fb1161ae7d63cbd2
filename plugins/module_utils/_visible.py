# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for people: on a terminal and on a page every character is seen, and none of them does anything.

Names come from inventories and from hosts. What ends a line, commands a terminal, turns text around or cannot be seen
is written as its code point, ``<U+202E>``; nothing is dropped.
"""

from __future__ import annotations

import re
from typing import Any

_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U000e0100-\U000e01ef]"
)
"""Printable as Python sees it (a letter, mark or symbol), and nothing to be seen: fillers and variation selectors."""

_UNSEEN_LINE = re.compile("[^\n\t]+")


def is_seen(char: str) -> bool:
    """Tell whether a character is seen, stays in its line and does nothing.

    ``str.isprintable`` says so of no control, format, surrogate, private or unassigned character, and of no separator
    but the space (Unicode's general categories C and Z).
    """
    return char.isprintable() and not _BLANK.match(char)


def counted(number: int, noun: str) -> str:
    """Return a number with what it counts, such as ``1 host`` and ``3,000 hosts``; the plural ends in s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def visible(text: str) -> str:
    """Return text in which every character that :func:`is_seen` does not vouch for is its code point."""
    if text.isprintable() and (text.isascii() or not _BLANK.search(text)):
        return text
    return "".join(char if is_seen(char) else f"<U+{ord(char):04X}>" for char in text)


def visible_lines(text: str) -> str:
    """Return text of several lines, whose line ends and tabulators stay."""
    return _UNSEEN_LINE.sub(lambda found: visible(found.group()), text)


def visible_data(value: Any) -> Any:
    """Return plain data in which all text, keys included, is as :func:`visible_lines` shows it."""
    if isinstance(value, str):
        shown = visible_lines(value)
        return value if shown == value else shown
    if isinstance(value, dict):
        return {visible_data(key): visible_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [visible_data(item) for item in value]
    return value
