# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes are checked before anything is sent, and every error of a socket has one verdict."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import base, icmp_echo
from ansible_collections.dbports.firewall.plugins.module_utils._probe.registry import KINDS
from ansible_collections.dbports.firewall.plugins.module_utils._probe.run import run_probes

GOOD: dict[str, Any] = {"id": "a", "kind": "tcp", "address": "127.0.0.1", "ports": "1433", "instance": None}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"kind": "telnet"}, "probes[1].kind"),
        ({"address": "db.example.com"}, "probes[1].address"),
        ({"address": "192.0.2.0/24"}, "probes[1].address"),
        ({"address": None}, "probes[1].address"),
        ({"ports": ""}, "probes[1].ports"),
        ({"ports": "0"}, "probes[1].ports"),
        ({"ports": "1433-"}, "probes[1].ports"),
        ({"ports": ",".join(map(str, range(1, 40)))}, "probes[1].ports"),
        ({"kind": "ssrp", "ports": "1434,1435"}, "probes[1].ports"),
    ],
)
def test_a_wrong_probe_is_named_and_nothing_is_sent(change: dict[str, Any], path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        first = {**GOOD, "ports": str(server.getsockname()[1])}
        with pytest.raises(DbportsError) as caught:
            run_probes([first, {**GOOD, **change}], 1)
        assert caught.value.path == path
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("timeout", [0, -1, 61, float("nan")])
def test_a_timeout_out_of_bounds_is_refused(timeout: float) -> None:
    with pytest.raises(DbportsError):
        run_probes([GOOD], timeout)


def test_no_probes_are_no_results() -> None:
    assert run_probes([], 1) == []


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_results_keep_the_order_of_the_probes(listener: socket.socket) -> None:
    port = str(listener.getsockname()[1])
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody else gets it, and it refuses
        closed = str(unused.getsockname()[1])
        order = [port, closed, port, closed, f"{port},{closed}"]
        found = run_probes([{**GOOD, "id": str(i), "ports": item} for i, item in enumerate(order)], 60)
    assert [item["id"] for item in found] == ["0", "1", "2", "3", "4"]
    assert [item["verdict"] for item in found] == ["answers", "refused", "answers", "refused", "refused"]
    assert found[4]["port"] == int(closed)


@pytest.mark.parametrize(
    ("patient", "met", "verdict", "tries"),
    [
        (True, ["refused", "refused", "answers"], "answers", 3),
        (True, ["refused", "filtered", "answers"], "answers", 3),
        (True, ["filtered", "answers"], "filtered", 1),
        (False, ["refused", "answers"], "refused", 1),
    ],
)
def test_only_a_patient_probe_tries_again_where_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, patient: bool, met: list[base.Verdict], verdict: str, tries: int
) -> None:
    monkeypatch.setattr(base, "PAUSE", 0)
    tried = []

    def meet(target: base.Target, _deadline: base.Deadline) -> base.Outcome:
        tried.append(target)
        return base.Outcome(met[len(tried) - 1], "so")

    kind = base.ProbeKind("tcp", ("tcp",), max_ports=1, run=meet)
    monkeypatch.setitem(KINDS, "tcp", kind)
    (found,) = run_probes([{**GOOD, "patient": patient}], 60)
    assert (found["verdict"], len(tried)) == (verdict, tries)


def test_a_patient_probe_that_never_gets_in_stays_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody else gets it, and it refuses
        (found,) = run_probes([{**GOOD, "ports": str(unused.getsockname()[1]), "patient": True}], 0.05)
    assert (found["verdict"], found["reached"]) == ("refused", False)


def test_a_peer_that_closes_without_a_word_is_silent(listener: socket.socket) -> None:
    def hang_up() -> None:
        listener.accept()[0].close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    (found,) = run_probes([{**GOOD, "kind": "sql602_connect", "ports": str(listener.getsockname()[1])}], 60)
    thread.join()
    assert (found["verdict"], found["reached"]) == ("silent", True)
    assert "closed" in found["detail"]


@pytest.mark.parametrize("number", [errno.ECONNRESET, errno.EPIPE])
@pytest.mark.parametrize(("kind", "verdict"), [("tcp", "answers"), ("sql602_connect", "silent")])
def test_a_connection_that_is_reset_before_we_look_stood(
    monkeypatch: pytest.MonkeyPatch, number: int, kind: str, verdict: str
) -> None:
    def connect(_sock: socket.socket, _address: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "connect", connect)
    (found,) = run_probes([{**GOOD, "kind": kind}], 1)
    assert (found["verdict"], found["reached"]) == (verdict, True)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "tcp", "ports": "49152-65535"},
        {"kind": "tds", "ports": "49152-65535"},
        {"kind": "ssrp", "ports": "1434", "instance": "Účty"},
        {"kind": "ssrp_dac", "ports": "1434"},
        {"kind": "ssrp_dac", "ports": "1434", "instance": "Účty"},
        {"kind": "tds", "ports": "49152-65535", "instance": "Účty"},
        {"kind": "sql602_search", "address": "::1", "ports": "5001"},
        {"kind": "sql602_search", "ports": "5001-5003"},
    ],
)
def test_what_cannot_be_tried_is_unknown_with_a_reason(change: dict[str, Any]) -> None:
    (found,) = run_probes([{**GOOD, **change}], 60)
    assert found["verdict"] == "unknown"
    assert found["detail"]


@pytest.mark.parametrize(
    ("number", "verdict"),
    [
        (errno.ECONNREFUSED, "refused"),
        (errno.EHOSTUNREACH, "filtered"),
        (errno.ENETUNREACH, "filtered"),
        (errno.EACCES, "filtered"),
        (errno.EPERM, "filtered"),
        (errno.ENOPROTOOPT, "filtered"),
        (errno.EHOSTDOWN, "filtered"),
        (errno.ETIMEDOUT, "silent"),
        (errno.EMFILE, "unknown"),
    ],
)
def test_an_error_has_one_meaning(number: int, verdict: str) -> None:
    assert base.of_error(OSError(number, "x"), 1433, no_answer="silent").verdict == verdict


def test_text_from_the_network_is_made_harmless() -> None:
    assert base.printable("A\x1b[31m\nB\u202e") == "A?[31m?B?"
    assert len(base.printable("x" * 500)) == 80


def test_an_icmp_checksum_makes_the_packet_sum_to_zero() -> None:
    packet = icmp_echo.encode_echo(socket.AF_INET, 7, 1, b"odd")
    assert icmp_echo.checksum(packet) == 0


def test_only_the_reply_to_this_very_request_counts() -> None:
    reply = icmp_echo.HEADER.pack(0, 0, 0, 7, 1)
    raw = b"\x45" + bytes(19)
    assert icmp_echo.is_reply(socket.AF_INET, reply + b"mine", 1, b"mine", raw=False)
    assert icmp_echo.is_reply(socket.AF_INET, raw + reply + b"mine", 1, b"mine", raw=True)
    assert not icmp_echo.is_reply(socket.AF_INET, reply + b"other", 1, b"mine", raw=False)
    assert not icmp_echo.is_reply(socket.AF_INET, reply + b"mine", 2, b"mine", raw=False)
    assert not icmp_echo.is_reply(
        socket.AF_INET, icmp_echo.encode_echo(socket.AF_INET, 7, 1, b"mine"), 1, b"mine", raw=False
    )
    for cut in range(8):
        assert not icmp_echo.is_reply(socket.AF_INET, reply[:cut], 1, b"", raw=False)
        assert not icmp_echo.is_reply(socket.AF_INET, raw[:cut], 1, b"", raw=True)
