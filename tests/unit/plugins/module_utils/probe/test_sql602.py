# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""602SQL messages as seen on a real server, and such as no server sends."""

from __future__ import annotations

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import http_tunnel, sql602_connect, sql602_search


def test_a_search_names_the_port_for_the_answer_only_when_it_is_not_5002() -> None:
    assert sql602_search.encode_search() == b"\x01QueryForServer\x00"
    assert sql602_search.encode_search(47184) == b"\x0147184\x00"


@pytest.mark.parametrize(
    ("data", "name", "base"),
    [
        (b"\x12TESTSRV\x00", "TESTSRV", 5001),
        (b"\x11OLD\x00", "OLD", 5001),
        (b"\x12TESTSRV\x016001\x00", "TESTSRV", 6001),
        (b"\x12" + b"N" * 31 + b"\x0165534\x00", "N" * 31, 65534),
    ],
)
def test_an_announcement_is_read(data: bytes, name: str, base: int) -> None:
    assert sql602_search.parse_announcement(data) == sql602_search.Announcement(name, base)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x12",
        b"\x12\x00",
        b"\x12TESTSRV",
        b"\x13TESTSRV\x00",
        b"\x12TEST\x00SRV\x00",
        b"\x12" + b"N" * 32 + b"\x00",
        b"\x12TESTSRV\x01\x00",
        b"\x12TESTSRV\x0165535\x00",
        b"\x12TESTSRV\x010\x00",
        b"\x12TESTSRV\x01+5\x00",
        b"\x12TESTSRV\x015001\x016001\x00",
    ],
)
def test_a_malformed_announcement_is_refused(data: bytes) -> None:
    with pytest.raises(DbportsError):
        sql602_search.parse_announcement(data)


def test_the_connect_result_of_a_real_server() -> None:
    assert sql602_connect.parse_connect_result(bytes.fromhex("0a000000 01000000 f700")) == sql602_connect.ACCEPTED
    assert (
        sql602_connect.parse_connect_result(bytes.fromhex("0a000000 01000000 f72d"))
        == sql602_connect.FILTERED_BY_SERVER
    )


@pytest.mark.parametrize(
    "text", ["", "0a00000001000000f7", "0b00000001000000f700", "0a00000002000000f700", "0a00000001000000f600"]
)
def test_another_first_message_is_no_connect_result(text: str) -> None:
    with pytest.raises(DbportsError):
        sql602_connect.parse_connect_result(bytes.fromhex(text))


def test_the_tunnel_opens_with_the_version_message() -> None:
    head, body = http_tunnel.encode_tunnel_hello("192.0.2.10").split(b"\r\n\r\n")
    assert head.startswith(b"POST / HTTP/1.1\r\n")
    assert b"\r\nContent-Length: 5" in head
    assert body == bytes.fromhex("f100000b00")


def test_a_status_line_gives_its_code() -> None:
    assert http_tunnel.parse_status_line(b"HTTP/1.1 200 OK") == 200
    assert http_tunnel.parse_status_line(b"HTTP/1.0 404") == 404


@pytest.mark.parametrize("line", [b"", b"HTTP/1.1", b"HTTP/1.1 20 OK", b"HTTP/2 200", b"HTTP/1.1 2OO OK"])
def test_what_is_no_status_line_is_refused(line: bytes) -> None:
    with pytest.raises(DbportsError):
        http_tunnel.parse_status_line(line)
