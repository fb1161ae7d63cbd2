# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PRELOGIN exchange of TDS."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import tds

EXAMPLE = bytes.fromhex(
    # Laid out as [MS-TDS] 2.2.6.5 says: VERSION, ENCRYPTION, INSTOPT, THREADID (empty in an answer) and MARS.
    "00001a0006 0100200001 0200210001 0300220000 0400220001 ff 0c001000b500 00 00 01".replace(" ", "")
)


def test_a_response_is_read() -> None:
    assert tds.parse_prelogin_response(EXAMPLE) == tds.PreloginResponse("12.0.4096", False)


def test_a_request_reads_back_and_names_the_instance() -> None:
    packet = tds.encode_prelogin("SALES")
    kind, status, length = struct.unpack(">BBH", packet[:4])
    assert (kind, status, length) == (0x12, 1, len(packet))
    body = packet[8:]
    token, offset, size = struct.unpack_from(">BHH", body, 10)
    assert token == tds.INSTANCE
    assert body[offset : offset + size] == b"SALES\0"
    assert body[15] == tds.TERMINATOR


@pytest.mark.parametrize("instance", ["Účty", "A\0B"])
def test_an_instance_that_cannot_be_named_is_refused(instance: str) -> None:
    with pytest.raises(DbportsError):
        tds.encode_prelogin(instance)


def test_another_instance_is_told() -> None:
    other = EXAMPLE[:33] + b"\x01" + EXAMPLE[34:]
    assert tds.parse_prelogin_response(other).other_instance is True


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        EXAMPLE[:4],
        EXAMPLE[:25],
        EXAMPLE[:30],
        b"\x01\x00\x06\x00\x01\xff\x00",
        b"\x00\x00\x06\x00\x05\xff12345",
        b"\x00\xff\xff\xff\xff\xff",
    ],
)
def test_a_malformed_response_is_refused(body: bytes) -> None:
    with pytest.raises(DbportsError):
        tds.parse_prelogin_response(body)


def test_a_header_gives_the_length_of_its_body() -> None:
    assert tds.parse_header(bytes.fromhex("0401002b00000100")) == 0x2B - 8


@pytest.mark.parametrize(
    "text", ["", "0401002b", "1201002b00000100", "0400002b00000100", "0401000800000100", "0401ffff00000100"]
)
def test_what_is_no_header_is_refused(text: str) -> None:
    with pytest.raises(DbportsError):
        tds.parse_header(bytes.fromhex(text))
