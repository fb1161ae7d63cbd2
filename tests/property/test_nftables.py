# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any ruleset goes through the real nft, in a network namespace of its own, and comes back the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._addresses import BITS, AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Output
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import (
    MAX_COMMENT,
    Ruleset,
    losses,
    plain_comment,
)
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.decode import decode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.encode import encode
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import read_listing
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from firewall_cases import ruleset


def ranges(family: int) -> st.SearchStrategy[str]:
    """Addresses, networks and odd ranges, often at the ends of the address space."""
    top = 2 ** BITS[family] - 1
    number = st.one_of(st.integers(0, 300), st.integers(top - 300, top), st.integers(0, top))
    return st.tuples(number, number).map(lambda pair: str(AddressRange(family, min(pair), max(pair))))


PEERS = st.lists(st.one_of(ranges(4), ranges(6), st.sampled_from(["0.0.0.0/0", "::/0", "192.0.2.0/24"])), max_size=6)
PORTS = st.lists(
    st.tuples(st.integers(1, 65535), st.integers(0, 300)).map(lambda pair: f"{pair[0]}-{min(sum(pair), 65535)}"),
    min_size=1,
    max_size=4,
)
RULE = st.fixed_dictionaries(
    {
        "direction": st.sampled_from(["in", "out"]),
        "protocol": st.sampled_from(["tcp", "udp"]),
        "ports": PORTS,
        "peers": PEERS,
        "purpose": st.text(max_size=150),
    }
)
PING = st.fixed_dictionaries(
    {"direction": st.sampled_from(["in", "out"]), "protocol": st.just("icmp"), "peers": PEERS, "purpose": st.text()}
)
RULES = st.lists(st.one_of(RULE, RULE, PING), max_size=5)
POLICY = st.sampled_from(["guard", "open"])


@pytest.fixture(scope="module")
def nft() -> Iterator[Nft]:
    """Return the real nft inside a network namespace that ends with the tests."""
    path = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert path, "nft is missing: apt-get install nftables"
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    holder = subprocess.Popen(
        ["unshare", *user, "--net", "--", "sh", "-c", "echo ready; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    enter = ["nsenter", "-t", str(holder.pid), *(["-U", "--preserve-credentials"] if user else []), "-n", "--"]

    def run(argv: Any, text: str) -> Output:
        done = subprocess.run([*enter, *argv], input=text, capture_output=True, text=True, check=False, timeout=300)
        return Output(done.returncode, done.stdout, done.stderr)

    yield Nft(path, run)
    holder.communicate(timeout=120)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=RULES, policy=POLICY, outbound=st.booleans())
def test_what_is_loaded_is_what_is_read(nft: Nft, rules: list[dict[str, Any]], policy: str, outbound: bool) -> None:
    """The dry run takes it, the load takes it over the one before, and the listing is the same ruleset."""
    wanted = ruleset(rules, policy=policy, outbound=outbound)
    nft.check(encode(wanted))
    nft.load(encode(wanted))
    assert decode(read_listing(nft.listing())) == wanted
    if wanted:
        # The text that a failed transaction goes back to brings the same ruleset.
        text = nft.own_text()
        nft.load(encode(Ruleset()))
        nft.load(text)
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
