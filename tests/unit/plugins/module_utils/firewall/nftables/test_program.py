# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of nft: the elements of sets that rules ask, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import LATE, Output
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.foreign import judge_foreign
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.listing import read_listing
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.nftables.program import Nft

from firewall_cases import ruleset

IDENTITY = {"family": "inet", "table": "theirs"}
SMALL = {**IDENTITY, "name": "office", "type": "ipv4_addr"}
HUGE = {**IDENTITY, "name": "world", "type": "ipv4_addr"}
UNUSED = {**IDENTITY, "name": "spare", "type": "ipv4_addr"}
OWN = {"family": "inet", "table": "dbports", "name": "peers1_v4", "type": "ipv4_addr"}
_SOURCE = {"payload": {"protocol": "ip", "field": "saddr"}}


def _rule(name: str) -> dict[str, Any]:
    match = {"match": {"op": "==", "left": _SOURCE, "right": f"@{name}"}}
    return {"rule": {**IDENTITY, "chain": "in", "expr": [match, {"drop": None}]}}


class Host:
    """An nft that needs too long for one of the sets that its rules ask."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.objects: list[dict[str, Any]] = [
            {"table": {"family": "inet", "name": "theirs"}},
            *({"set": dict(body)} for body in (SMALL, HUGE, UNUSED)),
            {"chain": {**IDENTITY, "name": "in", "type": "filter", "hook": "input", "prio": 0}},
            *map(_rule, ("office", "world")),
        ]

    def run(self, argv: Sequence[str], _text: str) -> Output:
        said = " ".join(argv[1:])
        self.asked.append(said)
        if said.endswith("world"):
            return Output(LATE, "", "")
        objects = {
            "-j -t list ruleset": self.objects,
            "-j list set inet theirs office": [{"set": {**SMALL, "elem": ["192.0.2.1"]}}],
            "-j list table inet dbports": [{"metainfo": {}}, {"set": {**OWN, "elem": ["192.0.2.7"]}}],
        }[said]
        return Output(0, json.dumps({"nftables": objects}), "")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Return a host that no process has looked at before."""
    monkeypatch.setattr(Nft, "_late", set())
    yield Host()


def test_only_what_a_rule_asks_is_read_and_only_in_time(host: Host) -> None:
    nft = Nft("nft", host.run)
    sets = {body["name"]: body for kind, body in read_listing(nft.listing()) if kind == "set"}
    assert (sets["office"].get("elem"), sets["office"].get("unread")) == (["192.0.2.1"], None)
    assert [(sets[name].get("elem"), sets[name].get("unread")) for name in ("world", "spare")] == [(None, True)] * 2
    assert host.asked == ["-j -t list ruleset", "-j list set inet theirs office", "-j list set inet theirs world"]
    nft.listing()
    assert host.asked[3:] == ["-j -t list ruleset", "-j list set inet theirs office"]


def test_the_own_table_is_read_as_a_whole(host: Host) -> None:
    host.objects = [{"set": dict(OWN)}, {"set": dict(UNUSED)}]
    read = read_listing(Nft("nft", host.run).listing())
    assert [body.get("elem") for _kind, body in read] == [None, ["192.0.2.7"]]
    assert host.asked == ["-j -t list ruleset", "-j list table inet dbports"]


def test_without_named_sets_one_question_is_enough(host: Host) -> None:
    host.objects = [_rule("gone"), {"rule": {"expr": [{"set": ["192.0.2.1"]}]}}]
    assert json.loads(Nft("nft", host.run).listing())["nftables"] == host.objects
    assert host.asked == ["-j -t list ruleset"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("table inet dbports {\n}\n", True),
        ("table inet theirs {\n\tchain dbports_inbound {\n\t}\n}\n", True),
        ("table inet dbports2 {\n\tchain inbound {\n\t}\n}\n", False),
    ],
)
def test_what_is_ours_is_found_without_reading_sets(text: str, found: bool) -> None:
    """``nft list tables`` reads each set of the host: 5 s and 260 MB with one of 400,000 elements."""
    asked: list[Sequence[str]] = []

    def run(argv: Sequence[str], _text: str) -> Output:
        asked.append(argv)
        return Output(0, text, "")

    assert Nft("nft", run).has_own() is found
    assert asked == [["nft", "list", "chains", "inet"]]


@pytest.mark.parametrize(("peer", "verdict"), [("192.0.2.1", "drops"), ("192.0.2.9", "unknown")])
def test_what_was_not_read_decides_nothing(host: Host, peer: str, verdict: str) -> None:
    wanted = ruleset([{"direction": "in", "protocol": "tcp", "ports": ["1433"], "peers": [peer]}])
    found = judge_foreign(read_listing(Nft("nft", host.run).listing()), wanted)
    assert [item.verdict for item in found] == [verdict]


def test_another_failure_is_an_error(host: Host) -> None:
    with pytest.raises(DbportsError) as caught:
        Nft("nft", lambda _argv, _text: Output(1, "", "Operation not permitted")).listing()
    assert caught.value.code == "not_permitted"
