# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that takes a part's place in a listing of nft crashes a reader, whatever its type.

``make fuzz`` runs it with DBPORTS_FUZZ inputs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, Union

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.decode import decode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.foreign import judge_foreign
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import read_listing
from hypothesis import given, settings
from hypothesis import strategies as st

from firewall_cases import listing, ruleset

INPUTS = int(os.environ.get("DBPORTS_FUZZ", "400"))
READERS = 2
"""Tests that share the inputs."""

Path_ = tuple[Union[str, int], ...]


def paths(node: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every part of a document."""
    yield path
    keys: Any = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield from paths(node[key], (*path, key))


def part(node: Any, path: Path_) -> Any:
    """Return the part of a document at a path."""
    for key in path:
        node = node[key]
    return node


def replaced(node: Any, path: Path_, new: Any) -> Any:
    """Return the document with another part at a path; the rest is shared. A path that is gone changes nothing."""
    if not path:
        return new
    key, rest = path[0], path[1:]
    if isinstance(node, dict) and key in node:
        return {**node, key: replaced(node[key], rest, new)}
    if isinstance(node, list) and isinstance(key, int) and key < len(node):
        return [*node[:key], replaced(node[key], rest, new), *node[key + 1 :]]
    return node


OWN = {"nftables": listing("sql602_outbound") + listing("mssql")[2:]}
FOREIGN = {"nftables": listing("foreign")}
FLOWS = ruleset(
    [
        {"direction": "in", "protocol": "tcp", "ports": ["1433", "5002"], "peers": ["192.0.2.21", "2001:db8::21"]},
        {"direction": "in", "protocol": "udp", "ports": ["1434"], "peers": ["198.51.100.0/24", "2001:db8::/64"]},
        {"direction": "in", "protocol": "icmp", "peers": ["192.0.2.21", "2001:db8::21"]},
        {"direction": "out", "protocol": "tcp", "ports": ["5002"], "peers": ["192.0.2.21"]},
    ],
    outbound=True,
)

PARTS = [part(document, path) for document in (OWN, FOREIGN) for path in paths(document)]
SMALL = [
    None, True, False, 0, 1, -1, 2**70, 1.5, "", "lo", "@office", "@missing", "1433", "::/0", "accept", "drop",
    [], {}, [None], [[]], [{}], [0, 1, 2], {"": None},
]  # fmt: skip
KEYS = {key for item in PARTS if isinstance(item, dict) for key in item}
KINDS = sorted(KEYS | {"typeof", "concat", "|", "^", "elem"})
LEAF = st.one_of(st.sampled_from(SMALL), st.sampled_from(PARTS), st.text(max_size=3), st.integers())
NODE = st.one_of(LEAF, LEAF, st.tuples(st.sampled_from(KINDS), LEAF).map(lambda pair: {pair[0]: pair[1]}))


def mutated(document: Any) -> st.SearchStrategy[str]:
    """Return the texts of documents of which one to three parts are others."""
    places = [path for path in paths(document) if len(path) > 2] * 3 + list(paths(document))
    change = st.tuples(st.sampled_from(places), NODE)

    def change_all(changes: list[tuple[Path_, Any]]) -> str:
        found = document
        for path, new in changes:
            found = replaced(found, path, new)
        return json.dumps(found)

    return st.lists(change, min_size=1, max_size=3).map(change_all)


fuzz = settings(max_examples=INPUTS // READERS, database=None)


@fuzz
@given(text=mutated(OWN))
def test_the_own_table(text: str) -> None:
    """It is read as a ruleset that can be printed and compared, or the text is refused as no listing."""
    try:
        found = decode(read_listing(text))
    except DbportsError as error:
        assert error.code == "malformed_answer"
        return
    assert isinstance(found.render(), str)
    assert judge_foreign(read_listing(text), FLOWS) is not None


@fuzz
@given(text=mutated(FOREIGN))
def test_foreign_tables(text: str) -> None:
    """Every finding is a drop or unknown, and can be returned as JSON; nothing of it is taken for our table."""
    try:
        objects = read_listing(text)
    except DbportsError as error:
        assert error.code == "malformed_answer"
        return
    found = [item.as_dict() for item in judge_foreign(objects, FLOWS)]
    assert {item["verdict"] for item in found} <= {"drops", "unknown"}
    assert json.dumps(found)
    assert isinstance(decode(objects), Ruleset)


@pytest.mark.parametrize("document", [OWN, FOREIGN])
def test_what_was_not_changed_is_read(document: Any) -> None:
    """The documents themselves say something."""
    objects = read_listing(json.dumps(document))
    assert decode(objects) or judge_foreign(objects, FLOWS)
