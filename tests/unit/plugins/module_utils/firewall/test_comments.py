# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users say of a rule arrives as it is, in each firewall's language, or is refused where it is read.

The real programs read the same texts in tests/property and tests/packet.
"""

from __future__ import annotations

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.comments import (
    MAX_COMMENT,
    comment_of,
    digested,
    fitting,
    is_comment,
    owner_text,
    quoted,
    size,
    unquoted,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.decide import DesiredState
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Rule

from hostile import INTACT, REFUSED

RULE = {"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.21"]}


@pytest.mark.parametrize("text", INTACT)
def test_a_purpose_is_taken_as_it_is(text: str) -> None:
    rule = Rule.from_arguments({**RULE, "purpose": f" {text}\n"})
    assert rule.purpose == text
    assert comment_of([rule.purpose]) == text


@pytest.mark.parametrize("text", REFUSED)
def test_a_purpose_is_refused_as_a_whole(text: str) -> None:
    with pytest.raises(DbportsError) as caught:
        DesiredState.from_arguments({"rules": [{**RULE, "purpose": text}]})
    error = caught.value
    assert (error.code, error.path, error.value) == ("not_a_name", "rules[0]", text.strip())
    assert error.fix


def test_nothing_is_said_where_nothing_is() -> None:
    assert [Rule.from_arguments({**RULE, "purpose": text}).purpose for text in ("", " ", None)] == ["", "", ""]
    assert comment_of(["", ""]) == "dbports"


def test_a_letter_that_this_python_does_not_know_yet_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller's Unicode may be newer than that of the host: what has no category yet is no control character."""
    unknown = "\U0003fffd"
    assert not unknown.isprintable()
    assert is_comment(f"new {unknown}")
    assert not is_comment("\U0003fffe")


@pytest.mark.parametrize("text", INTACT)
@pytest.mark.parametrize("marks", [('"', "'"), ("|", "/")])
def test_what_stands_in_quotes_is_read_back(text: str, marks: tuple[str, str]) -> None:
    written = quoted(text, *marks)
    assert marks[0] not in written
    assert unquoted(written, *marks) == text


def test_most_of_what_people_write_stays_readable() -> None:
    assert quoted("C:\\SQL, Bob's") == "C:\\SQL, Bob's"
    assert quoted('Bob\'s "main" DB') == "Bob's \\'main\\' DB"
    assert quoted("a | b", "|", "/") == "a \\/ b"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("žena " * 50, ("žena " * 20).strip()),
        ("x" * 60 + " " + "y" * 59 + " z", "x" * 60 + " " + "y" * 59),
        ("x" * 60 + " " + "y" * 60, "x" * 60),
        ("x" * 60 + "; " + "y" * 60, "x" * 60),
        ("x " + "y" * 300, "x"),
        ("y" * 300, ""),
        ("a\nb", ""),
        (" ", ""),
    ],
)
def test_what_is_put_together_is_cut_between_words(text: str, left: str) -> None:
    assert fitting(text) == left == fitting(left)


def test_purposes_of_one_rule_share_its_comment() -> None:
    assert comment_of(["search", "SQL", "search"]) == "SQL; search"
    many = [f"purpose number {number}" for number in range(20)]
    assert size(comment_of(many)) <= MAX_COMMENT
    assert set(comment_of(many).split("; ")[:-1]) <= set(many)


@pytest.mark.parametrize("text", [text for text in INTACT if size(text) <= 80])
def test_an_inventory_name_is_taken_as_it_is(text: str) -> None:
    """Also where a former release wrote it with its digest, for which it needs no former_name."""
    assert owner_text(text) == text
    wish = DesiredState.from_arguments({"owner": text})
    assert (wish.owner, wish.former_owner) == (text, digested(text))


def test_how_a_former_release_wrote_a_name() -> None:
    assert digested('db "1"') == "db '1' sha256 786cb79a681c52f2"
