# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any ruleset goes through the real nft, in a network namespace of its own, and comes back the same."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.losses import losses
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import Ruleset
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.decode import decode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.encode import encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import read_listing
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.names import FAMILY, TABLE
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.placed import (
    as_own_table,
    back_text,
    found_places,
    misplaced,
    placed_text,
    read_place,
    script,
    standing_text,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft, load_command
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.steps import RunCommand
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from drawn_rules import FORWARD, POLICY, PUBLISHED, RULE, RULES, namespace
from firewall_cases import ruleset

THEIRS: list[dict[str, Any]] = [
    {"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.21", "198.51.100.0/24"]}
]


@pytest.fixture(scope="module")
def nft() -> Iterator[Nft]:
    """Return the real nft inside a network namespace that ends with the tests."""
    path = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert path, "nft is missing: apt-get install nftables"
    with namespace() as run:
        yield Nft(path, run)


def load(nft: Nft, text: str) -> None:
    """Load a text in one transaction, as the step of the backend does."""
    step = load_command(nft.path, text)
    done = nft._run(step.argv, step.text)
    assert done.status == 0, done.stderr


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=RULES, policy=POLICY, outbound=st.booleans())
def test_what_is_loaded_is_what_is_read(nft: Nft, rules: list[dict[str, Any]], policy: str, outbound: bool) -> None:
    """The dry run takes it, the load takes it over the one before, and the listing is the same ruleset."""
    wanted = ruleset(rules, policy=policy, outbound=outbound)
    nft.check(load_command(nft.path, encode(wanted)))
    assert_comes_back(nft, wanted)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(forward=st.lists(st.one_of(FORWARD, FORWARD, PUBLISHED), min_size=1, max_size=5), others=RULES, policy=POLICY)
def test_what_a_router_forwards_is_read_as_it_is_loaded(
    nft: Nft, forward: list[dict[str, Any]], others: list[dict[str, Any]], policy: str
) -> None:
    """Also beside rules of the host itself, and from the text that a failed transaction goes back to."""
    assert_comes_back(nft, ruleset([*forward, *others], policy=policy))


def assert_comes_back(nft: Nft, wanted: Ruleset) -> None:
    """Load a ruleset: the same is read, also from the text that a failed transaction goes back to."""
    load(nft, encode(wanted))
    assert decode(read_listing(nft.listing())) == wanted
    if wanted:
        text = nft.own_text(nft.listing())
        load(nft, encode(Ruleset()))
        load(nft, text)
        assert decode(read_listing(nft.listing())) == wanted


OWNERS = """\
table inet filter {
  chain input { type filter hook input priority filter; policy drop; tcp dport 22 accept; }
  chain output { type filter hook output priority filter; }
  chain forward { type filter hook forward priority 5; policy drop; }
}
"""
CHAINS = [f"inet filter {hook}" for hook in ("input", "output", "forward")]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(forward=st.lists(st.one_of(FORWARD, PUBLISHED), max_size=3), others=RULES, policy=POLICY, outbound=st.booleans())
def test_rules_in_a_table_of_the_owner_are_read_as_they_are_loaded(
    nft: Nft, forward: list[dict[str, Any]], others: list[dict[str, Any]], policy: str, outbound: bool
) -> None:
    """By the script over those before, from the text that undoes, and from a file that the owner's ruleset includes."""
    load(nft, f"flush ruleset\n{OWNERS}")
    place = read_place(read_listing(nft.listing()), CHAINS)
    assert place is not None
    before = ruleset(THEIRS, policy="guard")
    wanted = ruleset([*forward, *others], policy=policy, outbound=outbound)
    written = placed_text(wanted, place)
    step = RunCommand(("sh", "-s"), script(["filter"], written))
    nft.check(step)
    for text in (script(["filter"], placed_text(before, place)), step.text):
        done = nft._run(step.argv, text)
        assert done.status == 0, done.stderr
    assert read_placed(nft) == wanted
    undo = back_text(nft, read_listing(nft.listing()), place._replace(chains=chains_of(wanted, place.chains)))
    load(nft, f"flush ruleset\n{OWNERS}{undo}")
    assert read_placed(nft) == wanted
    load(nft, f"flush ruleset\n{OWNERS}{standing_text(place, written)}")
    assert read_placed(nft) == wanted
    load(nft, encode(Ruleset()))


def chains_of(wanted: Ruleset, chains: Any) -> Any:
    """Return the chains that a ruleset needs, which are those that a host with it has."""
    return {
        direction: name for direction, name in chains.items() if direction in {one.direction for one in wanted.parts}
    }


def read_placed(nft: Nft) -> Ruleset:
    """Read the rules that are called by the owner's chains; none of them is in a wrong place."""
    listing = read_listing(nft.listing())
    places = found_places(listing)
    if not places:
        return Ruleset()
    assert list(misplaced(listing, places[0])) == []
    return decode(as_own_table(listing, places[0]))


WRITTEN = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=120).filter(
    lambda text: 0 < len(text.encode()) < 120
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(comment=WRITTEN, prefix=WRITTEN)
@example(comment='for "SALES"; drop', prefix="$x ")
@example(comment='" accept comment "', prefix="a\\")
@example(comment="two\nlines", prefix='"')
def test_whatever_an_administrator_writes_into_the_table_comes_back(nft: Nft, comment: str, prefix: str) -> None:
    """Comments of rules and elements and log prefixes that nft lists but would not read again."""
    load(nft, encode(ruleset(THEIRS, policy="guard")))
    place = {"family": FAMILY, "table": TABLE}
    element = {"elem": {"val": "203.0.113.7", "comment": comment}}
    edits: list[dict[str, Any]] = [
        {"element": {**place, "name": "peers1_v4", "elem": [element]}},
        {"rule": {**place, "chain": "inbound", "expr": [{"counter": None}], "comment": comment}},
        {"rule": {**place, "chain": "inbound", "expr": [{"log": {"prefix": prefix}}]}},
    ]
    load(nft, json.dumps({"nftables": [{"add": edit} for edit in edits]}))
    before = nft.listing()
    text = nft.own_text(before)
    load(nft, encode(Ruleset()))
    load(nft, text)
    assert without_handles(nft.listing()) == without_handles(before)


def without_handles(listing: str) -> list[Any]:
    """Return the objects of a listing without the numbers that the kernel gives them."""
    return [{**body, "handle": 0} for _kind, body in read_listing(listing)]


@given(rules=RULES, more=RULE)
def test_more_rules_lose_nothing(rules: list[dict[str, Any]], more: dict[str, Any]) -> None:
    """A ruleset loses nothing against itself or itself and a rule more, and all its ports against none."""
    old = ruleset(rules, policy="guard", outbound=True)
    assert losses(old, old) == []
    assert losses(old, ruleset([*rules, more], policy="guard", outbound=True)) == []
    assert len(losses(old, Ruleset())) == len(old.guards)
