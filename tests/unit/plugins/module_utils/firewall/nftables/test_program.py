# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of nft on a host with sets that take too long to list."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import LATE, Output
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.foreign import judge_foreign
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import read_listing
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft

sys.path.insert(0, str(Path(__file__).resolve().parents[5] / "support"))

from firewall_cases import ruleset

IDENTITY = {"family": "inet", "table": "theirs"}
SMALL = {**IDENTITY, "name": "office", "type": "ipv4_addr"}
HUGE = {**IDENTITY, "name": "world", "type": "ipv4_addr"}


class Host:
    """An nft that needs too long for a whole listing and for one of two sets."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, argv: Sequence[str], _text: str) -> Output:
        said = " ".join(argv[1:])
        self.asked.append(said)
        if said == "-j list ruleset" or said.endswith("world"):
            return Output(LATE, "", "")
        objects: list[dict[str, Any]] = [{"set": {**SMALL, "elem": ["192.0.2.1"]}}]
        if "-t" in argv:
            objects = [{"table": {"family": "inet", "name": "theirs"}}, {"set": dict(SMALL)}, {"set": dict(HUGE)}]
            objects += [{"chain": {**IDENTITY, "name": "in", "type": "filter", "hook": "input", "prio": 0}}]
            for name in ("office", "world"):
                match = {"match": {"op": "==", "left": _SOURCE, "right": f"@{name}"}}
                objects.append({"rule": {**IDENTITY, "chain": "in", "expr": [match, {"drop": None}]}})
        return Output(0, json.dumps({"nftables": objects}), "")


_SOURCE = {"payload": {"protocol": "ip", "field": "saddr"}}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Return a host that no process has looked at before."""
    monkeypatch.setattr(Nft, "_slow", False)
    monkeypatch.setattr(Nft, "_late", set())
    yield Host()


def test_a_set_that_takes_too_long_is_left_unread(host: Host) -> None:
    nft = Nft("nft", host.run)
    sets = {body["name"]: body for kind, body in read_listing(nft.listing()) if kind == "set"}
    assert (sets["office"].get("elem"), sets["office"].get("unread")) == (["192.0.2.1"], None)
    assert (sets["world"].get("elem"), sets["world"].get("unread")) == (None, True)
    assert host.asked == [
        "-j list ruleset",
        "-j -t list ruleset",
        "-j list set inet theirs office",
        "-j list set inet theirs world",
    ]
    nft.listing()
    assert host.asked[4:] == ["-j -t list ruleset", "-j list set inet theirs office"]


@pytest.mark.parametrize(("peer", "verdict"), [("192.0.2.1", "drops"), ("192.0.2.9", "unknown")])
def test_what_was_not_read_decides_nothing(host: Host, peer: str, verdict: str) -> None:
    wanted = ruleset([{"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": [peer]}])
    found = judge_foreign(read_listing(Nft("nft", host.run).listing()), wanted)
    assert [item.verdict for item in found] == [verdict]


def test_another_failure_is_an_error(host: Host) -> None:
    with pytest.raises(DbportsError) as caught:
        Nft("nft", lambda _argv, _text: Output(1, "", "Operation not permitted")).listing()
    assert caught.value.code == "not_permitted"
