# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever comes from the network: a parser gives a sane value or a DbportsError, and nothing else."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import (
    base,
    http_tunnel,
    icmp_echo,
    sql602_connect,
    sql602_search,
    ssrp,
    ssrp_dac,
    tds,
)
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=";"), min_size=1, max_size=32)
PORTS = st.integers(1, 65535)


def framed(body: bytes) -> bytes:
    return b"\x05" + len(body).to_bytes(2, "little") + body


SSRP_LIKE = st.lists(
    st.sampled_from([b";", b";;", b"ServerName", b"InstanceName", b"tcp", b"1433", b"0", b"\xff", b"A", b"\0"])
).map(b"".join)


@given(st.one_of(st.binary(max_size=64), SSRP_LIKE.map(framed), st.binary(max_size=64).map(framed)))
def test_any_ssrp_answer_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(DbportsError):
        for found in ssrp.parse_response(data):
            assert found.name
            assert found.tcp_port is None or 1 <= found.tcp_port <= 65535
    with contextlib.suppress(DbportsError):
        assert 1 <= ssrp_dac.parse_dac_response(data) <= 65535


@given(st.lists(st.tuples(NAMES, st.none() | PORTS), min_size=1, max_size=20))
def test_every_list_of_instances_reads_back(instances: list[tuple[str, Any]]) -> None:
    text = "".join(
        f"ServerName;H;InstanceName;{name};IsClustered;No;Version;1.0{f';tcp;{port}' if port else ''};;"
        for name, port in instances
    )
    found = ssrp.parse_response(framed(text.encode()))
    assert [(item.name, item.tcp_port) for item in found] == instances


@given(st.text(max_size=40))
def test_a_request_is_short_or_refused(name: str) -> None:
    with contextlib.suppress(DbportsError):
        request = ssrp.encode_instance_request(name)
        assert len(request) <= 34
        assert request.index(b"\0") == len(request) - 1


@given(st.one_of(st.binary(max_size=64), st.binary(max_size=50).map(lambda body: b"\x12" + body + b"\0")))
def test_any_announcement_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(DbportsError):
        found = sql602_search.parse_announcement(data)
        assert 1 <= found.port_base <= 65534
        assert 1 <= len(found.name) <= 31


@given(st.binary(max_size=64))
def test_any_first_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(DbportsError):
        assert 0 <= sql602_connect.parse_connect_result(data) <= 255
    with contextlib.suppress(DbportsError):
        assert 0 <= http_tunnel.parse_status_line(data) <= 999
    with contextlib.suppress(DbportsError):
        found = http_tunnel.judge_answer(data)
        assert found is None or found.verdict in ("answers", "unknown")
    with contextlib.suppress(DbportsError):
        assert 0 < tds.parse_header(data) <= tds.MAX_PACKET


@given(st.one_of(st.binary(max_size=64), st.binary(max_size=40).map(lambda rest: b"\x00\x00\x06\x00\x06\xff" + rest)))
def test_any_prelogin_response_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(DbportsError):
        found = tds.parse_prelogin_response(data)
        assert len(found.version.split(".")) == 3


@given(st.binary(max_size=64), st.booleans(), st.sampled_from([socket.AF_INET, socket.AF_INET6]))
def test_no_packet_breaks_the_echo(data: bytes, raw: bool, family: int) -> None:
    assert icmp_echo.is_reply(family, data, 1, b"a payload that no one guesses", raw=raw) is False


@given(st.text())
def test_printable_text_is_one_short_line(text: str) -> None:
    clean = base.printable(text)
    assert len(clean) <= 80
    assert all(" " <= char <= "~" for char in clean)
