# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comments of rules: which texts every firewall can hold, and how one stands where its language escapes nothing.

A text from a user is refused where it is read unless it fits; what is put together from several is cut between words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

MAX_COMMENT = 120
"""Bytes of a comment, as :func:`quoted` writes it, that every firewall here can hold; one of them takes 128."""

_MAX_OWNER = 80
"""Bytes of it that are left for the name of an inventory host."""

RULE = f"one line of printable characters, at most {MAX_COMMENT} bytes in UTF-8"


def is_comment(text: str) -> bool:
    """Tell whether a text can be a comment: printable, in one line, not empty or too long, no space at its ends."""
    return bool(text) and text == text.strip() and _is_line(text) and size(text) <= MAX_COMMENT


def _is_line(text: str) -> bool:
    return text.isprintable() or all(map(_is_held, text))


def _is_held(char: str) -> bool:
    """Tell whether a character is held: one that this Python's Unicode does not know may be a newer letter or emoji."""
    import unicodedata

    known = char.isprintable() or unicodedata.category(char) == "Cn"
    return known and ord(char) & 0xFFFE != 0xFFFE and not 0xFDD0 <= ord(char) <= 0xFDEF


def size(text: str) -> int:
    """Return how many bytes a text takes."""
    return len(quoted(text).encode("utf-8", "replace"))


def read_purpose(value: object) -> str:
    """Read what a user says that a rule is for; nothing is allowed, blanks around it say nothing.

    :raises DbportsError: when it could not be a comment.
    """
    text = str(value or "").strip()
    if text and not is_comment(text):
        raise DbportsError(f"a purpose is {RULE}", code="not_a_name", value=text, fix="Shorten it, or leave it out")
    return text


def comment_of(purposes: Iterable[str]) -> str:
    """Return the comment of a rule with these purposes: of what is too long the words that fit."""
    return fitting("; ".join(sorted({fitting(text) for text in purposes} - {""}))) or "dbports"


@lru_cache(maxsize=1024)
def fitting(text: str) -> str:
    """Return the words of a text that fit into a comment; nothing when the first one does not."""
    text = text.strip()
    if not text or is_comment(text):
        return text
    words = text.split(" ")
    count = len(words)
    while count and not is_comment(" ".join(words[:count]).rstrip(" ,;")):
        count -= 1
    return " ".join(words[:count]).rstrip(" ,;")


def quoted(text: str, mark: str = '"', stand_in: str = "'") -> str:
    r"""Return a text as it stands where one character cannot be, such as a double quote between double quotes.

    ``"`` is ``\'``. Of backslashes only those before one of the two characters are doubled, so ``C:\SQL`` stays.
    """
    if mark not in text and "\\" not in text:
        return text
    return re.sub(
        rf"(\\*)([{mark}{stand_in}])", lambda found: found[1] * 2 + ("\\" if found[2] == mark else "") + stand_in, text
    )


def unquoted(text: str, mark: str = '"', stand_in: str = "'") -> str:
    """Read what :func:`quoted` wrote."""
    if "\\" not in text:
        return text

    def read(found: re.Match[str]) -> str:
        number = len(found[1])
        return "\\" * (number // 2) + (mark if number % 2 else stand_in)

    return re.sub(rf"(\\*){stand_in}", read, text)


def shown(text: str) -> str:
    """Return any text in one line of printable characters, for people."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def owner_text(name: str) -> str:
    """Return an inventory name as it fits into a comment; a digest stands for what does not."""
    return name if is_comment(name) and size(name) <= _MAX_OWNER else digested(name)


def digested(name: str) -> str:
    """Return an inventory name with its digest, for one that does not fit into a comment."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    # Without the characters that no comment had once: the digest tells whose the rules are, also after an upgrade.
    plain = shown(name.replace('"', "'").replace("\\", "/").replace("|", "/"))
    return f"{plain.encode('utf-8', 'replace')[: _MAX_OWNER - 24].decode('utf-8', 'ignore')} sha256 {digest}".strip()
