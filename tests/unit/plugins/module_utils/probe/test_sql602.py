# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""602SQL messages as seen on a real server, and such as no server sends."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import http_tunnel, sql602_connect, sql602_search
from ansible_collections.dbports.firewall.plugins.module_utils._probe.run import run_probes


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


def test_the_tunnel_is_asked_what_it_answers_at_once() -> None:
    head, body = http_tunnel.encode_tunnel_query("192.0.2.10").split(b"\r\n\r\n")
    assert head.startswith(b"POST / HTTP/1.1\r\n")
    assert b"\r\nContent-Length: 8" in head
    assert body == bytes.fromhex("ff1e040000000a35")


def test_a_status_line_gives_its_code() -> None:
    assert http_tunnel.parse_status_line(b"HTTP/1.1 200 OK") == 200
    assert http_tunnel.parse_status_line(b"HTTP/1.0 404") == 404


@pytest.mark.parametrize("line", [b"", b"HTTP/1.1", b"HTTP/1.1 20 OK", b"HTTP/2 200", b"HTTP/1.1 2OO OK"])
def test_what_is_no_status_line_is_refused(line: bytes) -> None:
    with pytest.raises(DbportsError):
        http_tunnel.parse_status_line(line)


HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
TUNNEL = HEAD + b"\xfe" + bytes(11)


def test_an_answer_is_waited_for_until_its_body_begins() -> None:
    for end in range(len(HEAD) + 1):
        assert http_tunnel.judge_answer(TUNNEL[:end]) is None
    found = http_tunnel.judge_answer(TUNNEL)
    assert found is not None
    assert found.verdict == "answers"


def asked(answer: bytes, *, leave: bool) -> tuple[str, str]:
    """Probe a server that answers a request so, and then leaves, or says nothing more; return verdict and detail."""
    done = threading.Event()

    def serve(server: socket.socket) -> None:
        peer = server.accept()[0]
        with peer, contextlib.suppress(OSError):
            request = peer.recv(4096)
            while not request.endswith(http_tunnel.TUNNEL_QUERY):
                request += peer.recv(4096)
            peer.sendall(answer)
            if not leave:
                done.wait()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        probe = {"id": "a", "kind": "http_tunnel", "address": "127.0.0.1", "ports": str(server.getsockname()[1])}
        # What has to come may take its time; silence is waited for in full.
        (found,) = run_probes([probe], 60 if leave or len(answer) > len(HEAD) else 0.2)
        done.set()
        thread.join()
    return found["verdict"], found["detail"]


@pytest.mark.parametrize(
    ("answer", "leave", "verdict", "says"),
    [
        (TUNNEL, False, "answers", "tunnel answered"),
        (TUNNEL, True, "answers", "tunnel answered"),
        (b"", True, "silent", "only the web interface listens"),
        (b"", False, "silent", "sent nothing in time"),
        (HEAD, True, "unknown", "ended after 19 bytes"),
        (HEAD, False, "unknown", "ended after 19 bytes"),
        (HEAD + b"<html>", False, "unknown", "not that of a 602SQL HTTP tunnel"),
        (b"HTTP/1.1 404 Not Found\r\n", False, "unknown", "status 404"),
        (b"SSH-2.0-x\r\n" * 2, False, "unknown", "not HTTP"),
        (b"HTTP/1.1 200 " + b"a" * 99999, False, "unknown", "not that of a 602SQL HTTP tunnel"),
        (b"a" * 99999, False, "unknown", "not HTTP"),
    ],
)
def test_a_tunnel_is_told_from_the_web_interface_and_from_strangers(
    answer: bytes, leave: bool, verdict: str, says: str
) -> None:
    found, detail = asked(answer, leave=leave)
    assert found == verdict
    assert says in detail
