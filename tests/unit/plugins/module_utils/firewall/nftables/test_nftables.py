# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table's text, and nft's own listing of it read back."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Accept, Ruleset, build_ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.codec import DELETE, decode, encode

sys.path.insert(0, str(Path(__file__).resolve().parents[5] / "support"))

from firewall_cases import CASES, GOLDEN, listing


@pytest.mark.parametrize("name", CASES)
def test_text(name: str) -> None:
    """The text is the one that was loaded and packet-tested; a wanted change replaces the golden file by .actual."""
    rules, settings = CASES[name]
    text = encode(build_ruleset(rules, **settings))
    golden = GOLDEN / f"{name}.nft"
    if text != golden.read_text(encoding="utf-8"):
        golden.with_suffix(".actual").write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_listing_is_the_ruleset(name: str) -> None:
    """What nft lists after loading the text is the ruleset it was made of."""
    rules, settings = CASES[name]
    assert decode(listing(name)) == build_ruleset(rules, **settings)


def test_nothing_is_no_table() -> None:
    """An empty ruleset removes the table."""
    assert encode(Ruleset()) == DELETE


@pytest.mark.parametrize("comment", ['x" drop', "x\ny", "", "x" * 129, "back\\slash"])
def test_the_encoder_pastes_nothing(comment: str) -> None:
    """A comment that did not go through build_ruleset is refused, not written."""
    accept = build_ruleset(CASES["mssql"][0], policy="guard", outbound=False).accepts[0]
    with pytest.raises(DbportsError, match="printable line"):
        encode(Ruleset((Accept(accept.direction, accept.protocol, accept.ports, accept.peers, comment),)))


def _rules(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item["rule"] for item in objects if "rule" in item]


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
    found = decode(objects)
    rules, settings = CASES[name]
    assert found != build_ruleset(rules, **settings)
    assert "unexpected" in found.render()


def test_other_tables_are_passed_over() -> None:
    """Neither another table nor one of the same name in another family is ours."""
    objects = listing("sql602")
    theirs = [
        {kind: {**body, "family": "ip"} if kind != "metainfo" else body for kind, body in item.items()}
        for item in objects
    ]
    assert decode(theirs + objects) == decode(objects)
    assert decode(theirs) == Ruleset()
