# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any ruleset goes through the real nft, in a network namespace of its own, and comes back the same."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.losses import losses
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    MAX_COMMENT,
    Ruleset,
    plain_comment,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.decode import decode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.encode import encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import read_listing
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from drawn_rules import FORWARD, POLICY, PUBLISHED, RULE, RULES, namespace
from firewall_cases import ruleset


@pytest.fixture(scope="module")
def nft() -> Iterator[Nft]:
    """Return the real nft inside a network namespace that ends with the tests."""
    path = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert path, "nft is missing: apt-get install nftables"
    with namespace() as run:
        yield Nft(path, run)


def load(nft: Nft, text: str) -> None:
    """Load a text in one transaction, as the step of the backend does."""
    assert nft._run([nft.path, "-f", "-"], text).status == 0


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=RULES, policy=POLICY, outbound=st.booleans())
def test_what_is_loaded_is_what_is_read(nft: Nft, rules: list[dict[str, Any]], policy: str, outbound: bool) -> None:
    """The dry run takes it, the load takes it over the one before, and the listing is the same ruleset."""
    wanted = ruleset(rules, policy=policy, outbound=outbound)
    nft.check(encode(wanted))
    load(nft, encode(wanted))
    assert decode(read_listing(nft.listing())) == wanted
    if wanted:
        # The text that a failed transaction goes back to brings the same ruleset.
        text = nft.own_text()
        load(nft, encode(Ruleset()))
        load(nft, text)
        assert decode(read_listing(nft.listing())) == wanted


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(forward=st.lists(st.one_of(FORWARD, FORWARD, PUBLISHED), min_size=1, max_size=5), others=RULES, policy=POLICY)
def test_what_a_router_forwards_is_read_as_it_is_loaded(
    nft: Nft, forward: list[dict[str, Any]], others: list[dict[str, Any]], policy: str
) -> None:
    """Also beside rules of the host itself, and from the text that a failed transaction goes back to."""
    wanted = ruleset([*forward, *others], policy=policy)
    load(nft, encode(wanted))
    assert decode(read_listing(nft.listing())) == wanted
    if wanted:
        text = nft.own_text()
        load(nft, encode(Ruleset()))
        load(nft, text)
        assert decode(read_listing(nft.listing())) == wanted


@given(st.text())
def test_any_text_becomes_a_comment(text: str) -> None:
    """It is short, plain, and the same when it comes again."""
    plain = plain_comment(text)
    assert len(plain.encode()) <= MAX_COMMENT
    assert plain == plain_comment(plain)
    assert not set(plain) & set('"\\\n\r\0')


@given(rules=RULES, more=RULE)
def test_more_rules_lose_nothing(rules: list[dict[str, Any]], more: dict[str, Any]) -> None:
    """A ruleset loses nothing against itself or itself and a rule more, and all its ports against none."""
    old = ruleset(rules, policy="guard", outbound=True)
    assert losses(old, old) == []
    assert losses(old, ruleset([*rules, more], policy="guard", outbound=True)) == []
    assert len(losses(old, Ruleset())) == len(old.guards)
