# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table's text, and nft's own listing of it read back."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.decode import decode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.encode import encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import (
    listing_of,
    read_listing,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import DELETE

from firewall_cases import CASES, FORWARDED, GOLDEN, case, listing


@pytest.mark.parametrize("name", [*CASES, *FORWARDED])
def test_text(name: str) -> None:
    """The text is the one that was loaded and packet-tested; a wanted change replaces the golden file by .actual."""
    text = encode(case(name))
    golden = GOLDEN / f"{name}.nft"
    if text != golden.read_text(encoding="utf-8"):
        golden.with_suffix(".actual").write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*CASES, *FORWARDED])
def test_listing_is_the_ruleset(name: str) -> None:
    """What nft lists after loading the text is the ruleset it was made of."""
    assert decode(listing_of(listing(name))) == case(name)


def test_nothing_is_no_table() -> None:
    """An empty ruleset removes the table."""
    assert encode(Ruleset()) == DELETE


@pytest.mark.parametrize("comment", ["x\ny", "", "x" * 129, " x", "\u202ex"])
def test_the_encoder_pastes_nothing(comment: str) -> None:
    """A comment that did not go through build_ruleset is refused, not written."""
    accept = case("mssql").accepts[0]
    with pytest.raises(DbportsError, match="printable"):
        encode(Ruleset((Accept(accept.direction, accept.protocol, accept.ports, accept.peers, comment),)))


def _rules(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item["rule"] for item in objects if "rule" in item]


def _right(objects: list[dict[str, Any]], **changes: Any) -> None:
    """Change the match of the last rule, a refusal."""
    _rules(objects)[-1]["expr"][0]["match"].update(changes)


def _swap_rules(objects: list[dict[str, Any]]) -> None:
    first, last = _rules(objects)[1], _rules(objects)[-1]
    first["expr"], last["expr"] = last["expr"], first["expr"]


def _edit(**changes: Any) -> Any:
    """Return a function that changes the first object of each named kind."""

    def edit(objects: list[dict[str, Any]]) -> None:
        for kind, values in changes.items():
            next(item[kind] for item in objects if kind in item).update(values)

    return edit


def _own(kind: str, **body: Any) -> Any:
    """Return a function that adds an object to the own table."""
    return lambda objects: objects.append({kind: {"family": "inet", "table": "dbports", **body}})


MEDDLINGS = {
    "a dormant table": _edit(table={"flags": ["dormant"]}),
    "another policy": _edit(chain={"policy": "drop"}),
    "another priority": _edit(chain={"prio": 0}),
    "a set that times out": _edit(set={"timeout": 60}),
    "a set of another type": _edit(set={"type": "ipv6_addr"}),
    "a set made with typeof": _edit(set={"type": {"typeof": {"payload": {"protocol": "ip", "field": "saddr"}}}}),
    "a set of a concatenation": _edit(set={"type": ["ipv4_addr", "inet_service"]}),
    "a prefix without an address": _edit(set={"elem": [{"prefix": {"len": 8}}]}),
    "a prefix of nothing": _edit(set={"elem": [{"prefix": None}]}),
    "a range of nothing": _edit(set={"elem": [{"range": None}]}),
    "a number of elements": _edit(set={"elem": 5}),
    "a rule of nothing": _edit(rule={"expr": None}),
    "a match of nothing": lambda objects: _rules(objects)[-1]["expr"].__setitem__(0, {"match": None}),
    "a left side of nothing": lambda objects: _right(objects, left={"payload": None}),
    "a set of no ports": lambda objects: _right(objects, right={"set": None}),
    "a port range of nothing": lambda objects: _right(objects, right={"range": None}),
    "a port range of lists": lambda objects: _right(objects, right={"range": [[], {}]}),
    "a named counter": lambda objects: _rules(objects)[-1]["expr"].__setitem__(-2, {"counter": "theirs"}),
    "a condition on nothing": lambda objects: _rules(objects)[2]["expr"].insert(
        0, {"match": {"op": "==", "left": {"payload": {"protocol": "icmp", "field": "type"}}, "right": None}}
    ),
    "a set element that is no address": _edit(set={"elem": [{"elem": {"val": "192.0.2.1", "expires": 3}}]}),
    "an empty set": _edit(set={"elem": []}),
    "a set that nobody uses": _own("set", name="x", type="ipv4_addr", flags=["interval"], elem=["192.0.2.1"]),
    "a map": _own("map", name="x", type="ipv4_addr", map="verdict"),
    "one more chain": _own("chain", name="x"),
    "a rule in one more chain": _own("rule", chain="x", expr=[{"drop": None}]),
    "a rule without a counter": lambda objects: _rules(objects)[2]["expr"].pop(-2),
    "a rule twice": lambda objects: objects.insert(-3, objects[-4]),
    "another comment on the refusal": lambda objects: _rules(objects)[-1].update(comment="x"),
    "another verdict": lambda objects: _rules(objects)[2]["expr"].append({"log": None}),
    "a refusal before an accept": _swap_rules,
    "no rules": lambda objects: objects.__delitem__(slice(-len(_rules(objects)), None)),
    "no loopback": lambda objects: objects.remove({"rule": _rules(objects)[0]}),
    "a condition more": lambda objects: _rules(objects)[2]["expr"].insert(
        0, {"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 1}}
    ),
    "another operator": lambda objects: _rules(objects)[2]["expr"][0]["match"].update(op="!="),
    "an expression that nft cannot say": lambda objects: _rules(objects)[2]["expr"].insert(0, None),
}


@pytest.mark.parametrize("meddling", MEDDLINGS)
@pytest.mark.parametrize("name", ["sql602", "mssql"])
def test_whatever_is_not_ours_makes_a_difference(name: str, meddling: str) -> None:
    """What somebody else changed in the table is never taken for the wanted ruleset, and is named in the diff."""
    objects = copy.deepcopy(listing(name))
    MEDDLINGS[meddling](objects)
    found = decode(listing_of(objects))
    assert found != case(name)
    assert "unexpected" in found.render()


@pytest.mark.parametrize("name", ["sql602", "mssql"])
@pytest.mark.parametrize("before", [0, 1])
def test_a_rule_that_somebody_put_first_is_the_only_one_that_is_named(name: str, before: int) -> None:
    """Also before what our chains begin with, which says whose rules they are."""
    objects = copy.deepcopy(listing(name))
    first = objects.index({"rule": _rules(objects)[before]})
    theirs = {**_rules(objects)[before], "expr": [{"accept": None}], "comment": "mine"}
    objects.insert(first, {"rule": theirs})
    found = decode(listing_of(objects))
    assert found.unexpected == (f'rule in chain {theirs["chain"]}: accept comment "mine"',)
    assert replace(found, unexpected=()) == case(name)


@pytest.mark.parametrize("name", ["sql602", "mssql"])
def test_a_single_flag_without_a_list(name: str) -> None:
    """nft 1.1.4 and later print ``"flags": "interval"``; earlier ones a list."""
    objects = copy.deepcopy(listing(name))
    for item in objects:
        if "set" in item:
            item["set"]["flags"] = "interval"
    assert decode(listing_of(objects)) == case(name)


@pytest.mark.parametrize("text", ['{"nftables": 5}', '{"nftables": null}', "5", "null", "[]", "{}", "table inet x {}"])
def test_no_listing_at_all(text: str) -> None:
    """An error with what nft printed, and no traceback."""
    with pytest.raises(DbportsError, match="printed no JSON") as caught:
        read_listing(text)
    assert caught.value.code == "malformed_answer"


def test_objects_of_no_shape() -> None:
    """What is not even an object says nothing of our table."""
    assert read_listing("") == []
    assert decode(read_listing('{"nftables": [5, null, [], {"set": null}, {"rule": 5}, {"table": []}]}')) == Ruleset()


def test_other_tables_are_passed_over() -> None:
    """Neither another table nor one of the same name in another family is ours."""
    objects = listing("sql602")
    theirs = [
        {kind: {**body, "family": "ip"} if kind != "metainfo" else body for kind, body in item.items()}
        for item in objects
    ]
    assert decode(listing_of(theirs + objects)) == decode(listing_of(objects))
    assert decode(listing_of(theirs)) == Ruleset()
