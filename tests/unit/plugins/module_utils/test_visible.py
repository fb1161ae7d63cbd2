# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for people: everything in it is seen, nothing is dropped, and ordinary text stays as it is."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._visible import (
    counted,
    visible,
    visible_data,
    visible_lines,
)

UNSEEN = [
    *map(chr, (*range(32), *range(0x7F, 0xA0))),  # C0, DEL and C1
    *"\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029",
    *"\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\u2800\u3000\u3164\ufe0f\ufeff\uffa0",
    *"\ufff9\ufffa\ufffb\ufffe\uffff\ud800\udfff\ue000\U000e0001\U000e0041\U000e0100\U0010ffff",
]


@pytest.mark.parametrize("char", UNSEEN, ids=lambda char: f"{ord(char):04X}")
def test_what_is_not_seen_is_its_code_point(char: str) -> None:
    assert visible(f"a{char}b") == f"a<U+{ord(char):04X}>b"


def test_no_control_format_separator_or_unassigned_character_is_left() -> None:
    whole = "".join(map(chr, range(sys.maxunicode + 1)))
    left = {unicodedata.category(char) for char in visible(whole)}
    assert not left & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize("text", ["", "db-1 tcp 1433: 'x'", "Müller žluťoučký 東京 Ω עברית", "50 % <b>"])
def test_ordinary_text_stays(text: str) -> None:
    assert visible(text) is text


def test_lines_and_data_keep_their_form() -> None:
    assert visible_lines("a\tb\n\n\u202ec\r\n") == "a\tb\n\n<U+202E>c<U+000D>\n"
    data = {"a\x1b": ["b\u2066", ("c", 1, None, True)], "diff": "x\ny"}
    assert visible_data(data) == {"a<U+001B>": ["b<U+2066>", ["c", 1, None, True]], "diff": "x\ny"}


@pytest.mark.parametrize(("number", "text"), [(0, "0 hosts"), (1, "1 host"), (2, "2 hosts"), (3000, "3,000 hosts")])
def test_a_number_says_what_it_counts(number: int, text: str) -> None:
    assert counted(number, "host") == text
