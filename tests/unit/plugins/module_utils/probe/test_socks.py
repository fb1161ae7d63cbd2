# SPDX-License-Identifier: GPL-3.0-or-later
"""SOCKS 4 as a 602SQL client speaks it; real Dante is in tests/packet/test_socks.py."""

from __future__ import annotations

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import Answer, Outcome, Target
from ansible_collections.dbports.firewall.plugins.module_utils._probe.socks import parse_answer, question, request

SERVER = "198.51.100.10:5002"
TARGET = Target("192.0.2.1", PortRange(1080, 1080), SERVER)


def test_a_request_has_nine_bytes_and_no_user() -> None:
    assert request(SERVER) == bytes.fromhex("0401138ac633640a00")


@pytest.mark.parametrize("server", ["", "198.51.100.10", "198.51.100.10:0", "198.51.100.0/24:1", "[2001:db8::1]:5002"])
def test_what_is_no_server_is_refused(server: str) -> None:
    with pytest.raises(DbportsError):
        request(server)


def test_ipv6_cannot_be_asked_for() -> None:
    with pytest.raises(DbportsError) as caught:
        request("2001:db8::1:5002")
    assert "only IPv4" in str(caught.value)


def judged(*data: bytes) -> Outcome:
    found = question(TARGET).judge(Answer(True, data))
    assert isinstance(found, Outcome)
    return found


def test_granted_refused_and_neither() -> None:
    """What follows a grant is the server's; a refusal does not tell who refused."""
    assert judged(bytes([0, 0x5A, 0, 0]), bytes(4) + b"\x0a\0\0\0") == Outcome(
        "answers", f"the SOCKS host connected to {SERVER}", 1080, reached=True
    )
    refused = judged(bytes([0, 0x5B]) + bytes(6))
    assert refused.verdict == "refused"
    assert "does not tell" in refused.detail
    assert judged(bytes([5, 0xFF]) + bytes(6)).verdict == "unknown"  # SOCKS 5 only, such as microsocks
    assert judged(b"\x05\xff").verdict == "unknown"
    hung_up = judged()
    assert hung_up.verdict == "silent"
    assert "none of its clients" in hung_up.detail


def test_an_answer_is_of_version_zero() -> None:
    assert parse_answer(bytes([0, 0x5A]) + bytes(6)) == 0x5A
    for data in (bytes([4, 0x5A]) + bytes(6), bytes([0, 0x59]) + bytes(6), bytes(7)):
        with pytest.raises(DbportsError):
            parse_answer(data)
