# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SQL Server Browser and a 602SQL server tell: honest, repeated, contradicting and hostile answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import browser_info, ssrp
from ansible_collections.dbports.firewall.plugins.module_utils._probe.browser_info import ask_browser
from ansible_collections.dbports.firewall.plugins.module_utils._probe.sql602_info import ask_server

LOOPBACK = "127.0.0.1"
PATIENT = 60
"""Seconds for what has to come."""
BRIEF = 0.1
"""Seconds for what never comes."""
DAC = bytes.fromhex("050600010438")


def told(*instances: str) -> bytes:
    """Return an answer about instances, each as ``NAME;tcp;PORT``."""
    text = "".join(f"ServerName;HOST1;InstanceName;{one};;" for one in instances).encode("latin-1")
    return b"\x05" + len(text).to_bytes(2, "little") + text


@contextlib.contextmanager
def browser(answers: Sequence[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Answer the first request with these datagrams, and the others with none; yields the port and the requests."""
    asked: list[bytes] = []

    def serve(sock: socket.socket) -> None:
        while True:
            data, peer = sock.recvfrom(99)
            if data == b"end":
                return
            asked.append(data)
            for answer in answers if len(asked) == 1 else ():
                sock.sendto(answer, peer)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        thread = threading.Thread(target=serve, args=(sock,))
        thread.start()
        try:
            yield sock.getsockname()[1], asked
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", sock.getsockname())
            thread.join()


def ask(answers: Sequence[bytes], instance: str | None = None, dac: bool = False, timeout: float = PATIENT) -> Any:
    """Ask a Browser that answers so."""
    with browser(answers) as (port, asked):
        found = ask_browser(LOOPBACK, port, instance, dac, timeout)
        assert (found["address"], found["port"]) == (LOOPBACK, port)
    return {**found, "asked": asked}


def test_all_instances() -> None:
    found = ask([told("SALES;tcp;14330;np;x", "HR")])
    assert found["asked"] == [b"\x03"]
    assert (found["verdict"], found["detail"], found["consistent"]) == ("answers", "2 instances", True)
    assert [(one["name"], one["server"], one["tcp_port"]) for one in found["instances"]] == [
        ("SALES", "HOST1", 14330),
        ("HR", "HOST1", None),
    ]
    assert found["instances"][0]["protocols"] == {"tcp": "14330", "np": "x"}


def test_one_instance_and_its_administrator_connection() -> None:
    found = ask([told("HR;tcp;1500", "SALES;tcp;14330")], "sales")
    assert [one["tcp_port"] for one in found["instances"]] == [14330]
    found = ask([DAC], "SALES", dac=True)
    assert (found["dac_port"], found["instances"], found["asked"]) == (14340, [], [b"\x0f\x01SALES\0"])


@pytest.mark.parametrize(
    ("answers", "most", "consistent", "detail"),
    [
        ([told("SALES;tcp;14330")] * 3, None, True, "1 instance"),
        ([told("SALES;tcp;14330"), told("SALES;tcp;4444")], 2, False, "2 different answers"),
        ([told("SALES;tcp;14330", "sales;tcp;4444")], None, False, "named twice"),
        ([b"\x05\xff\xffgarbage", told("SALES;tcp;14330"), b""], None, True, "1 instance"),
        ([told(f"SALES;tcp;{port}") for port in range(1, 99)], 16, False, "16 different answers"),
    ],
)
def test_repeated_and_contradicting_answers(
    answers: list[bytes], most: int | None, consistent: bool, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one that can be read counts, and what contradicts it is told."""
    if most:  # then so many come, and may take their time
        monkeypatch.setattr(browser_info, "QUIET", PATIENT)
        monkeypatch.setattr(browser_info, "MAX_ANSWERS", most)
    found = ask(answers)
    assert (found["verdict"], found["consistent"]) == ("answers", consistent)
    assert detail in found["detail"]
    assert found["instances"][0]["name"] == "SALES"


def test_a_hostile_answer_reaches_no_terminal() -> None:
    found = ask([told("A\x1b[31mB\u00e9;tcp;1;\x07k;v\x00")])
    assert found["instances"][0]["name"] == "A?[31mB?"
    assert found["instances"][0]["protocols"]["?k"] == "v?"


def test_no_answer() -> None:
    found = ask([], timeout=BRIEF)
    assert (found["verdict"], found["instances"], found["dac_port"]) == ("silent", [], None)
    assert "a firewall drops the packets" in found["detail"]
    assert len(found["asked"]) == 2


@pytest.mark.parametrize(
    ("answer", "instance", "dac", "detail"),
    [
        (b"nonsense", None, False, "not an SSRP answer"),
        (told("HR;tcp;1500"), "SALES", False, "another instance"),
        (told("SALES;tcp;0"), None, False, "invalid port"),
        (told("SALES;tcp;1"), "SALES", True, "administrator connection"),
    ],
)
def test_no_good_answer(
    answer: bytes, instance: str | None, dac: bool, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(_address: str, _port: int, _request: bytes, read: Any, *_times: object) -> Iterator[Any]:
        yield read(answer)

    monkeypatch.setattr(ssrp, "answers", answers)
    found = ask_browser(LOOPBACK, 1434, instance, dac, BRIEF)
    assert (found["verdict"], found["instances"], found["dac_port"]) == ("unknown", [], None)
    assert detail in found["detail"]


def test_an_answer_from_another_port_is_none() -> None:
    """Whoever sees no request cannot answer it: the kernel drops what does not come from the Browser's port."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as real,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger,
    ):
        real.bind((LOOPBACK, 0))

        def serve() -> None:
            _data, peer = real.recvfrom(99)
            forger.sendto(told("FORGED;tcp;4444"), peer)
            real.sendto(told("SALES;tcp;14330"), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        found = ask_browser(LOOPBACK, real.getsockname()[1], None, False, PATIENT)
        thread.join()
    assert [one["name"] for one in found["instances"]] == ["SALES"]
    assert found["consistent"]


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("192.0.2.0/24", 1434, None, False, 1), None),
        (("db01", 1434, None, False, 1), None),
        ((LOOPBACK, 0, None, False, 1), None),
        ((LOOPBACK, 1434, "A;B", False, 1), None),
        ((LOOPBACK, 1434, None, True, 1), "instance"),
        ((LOOPBACK, 1434, None, False, 0), "timeout"),
        ((LOOPBACK, 1434, None, False, float("nan")), "timeout"),
    ],
)
def test_a_question_that_makes_no_sense_is_not_sent(arguments: Any, path: str | None) -> None:
    with pytest.raises(DbportsError) as caught:
        ask_browser(*arguments)
    assert caught.value.path == path


@contextlib.contextmanager
def sql602(answers: Sequence[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Announce a server at the port that a search names, from a new port; yields PORTBASE and the searches."""
    asked: list[bytes] = []

    def serve(sock: socket.socket, listener: socket.socket) -> None:
        data, peer = sock.recvfrom(99)
        asked.append(data)
        port = int(data[1:-1]) if data[1:-1].isdigit() else 5002
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for answer in answers:
                sender.sendto(answer.replace(b"PORT", b"%d" % sock.getsockname()[1]), (peer[0], port))
        client, _peer = listener.accept()
        with client:
            client.sendall(bytes.fromhex("0a00000001000000f700"))
            client.recv(1)

    with contextlib.ExitStack() as stack:
        sock, listener = _neighbours(stack)
        thread = threading.Thread(target=serve, args=(sock, listener))
        thread.start()
        yield sock.getsockname()[1], asked
        thread.join()


def _neighbours(stack: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
    """Return a UDP socket and a TCP listener on the next port."""
    for _attempt in range(1000):
        sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.bind((LOOPBACK, 0))
        with contextlib.suppress(OSError, OverflowError):
            return sock, stack.enter_context(socket.create_server((LOOPBACK, sock.getsockname()[1] + 1)))
    raise AssertionError("no two free ports beside each other")


@pytest.mark.parametrize(
    "answers",
    [
        [b"\x12ERP\x01PORT\0"],
        [b"\x12ERP\x01PORT\0"] * 3,
        [b"junk", b"\x12FORGED\x014444\0", b"\x12ERP\x01PORT\0", b"\x12SECOND\x01PORT\0"],
    ],
)
def test_a_602sql_server_tells_its_name(answers: list[bytes]) -> None:
    """The first announcement of the PORTBASE that was asked counts, and others are ignored."""
    with sql602(answers) as (base, asked):
        found = ask_server(LOOPBACK, base, 0, None, PATIENT)
    assert asked[0] == b"\x01%d\0" % found["answer_port"]
    assert (found["name"], found["search"]["verdict"], found["connect"]["verdict"]) == ("ERP", "answers", "answers")
    assert (found["search"]["port"], found["connect"]["port"]) == (base, base + 1)
    assert "tunnel" not in found


def test_a_hostile_name() -> None:
    with sql602([b"\x12\x1b[2J\x01PORT\0"]) as (base, _asked):
        assert ask_server(LOOPBACK, base, 0, None, PATIENT)["name"] == "?[2J"


def test_an_answer_port_that_is_taken() -> None:
    with sql602([b"\x12ERP\x01PORT\0"]) as (base, _asked), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", 0))
        taken = other.getsockname()[1]
        found = ask_server(LOOPBACK, base, taken, None, PATIENT)
    assert found["answer_port"] != taken
    assert f"UDP {taken} is taken on this host" in found["search"]["detail"]


def test_nobody_is_there() -> None:
    with contextlib.ExitStack() as stack:
        sock, listener = _neighbours(stack)
        base = sock.getsockname()[1]
        for one in (sock, listener):
            one.close()
        found = ask_server(LOOPBACK, base, 0, base + 1, PATIENT)
    assert {found[key]["verdict"] for key in ("search", "connect", "tunnel")} == {"refused"}
    assert found["name"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("2001:db8::10", 5001, 0, None, 1),
        ("db01", 5001, 0, None, 1),
        (LOOPBACK, 65535, 0, None, 1),
        (LOOPBACK, 0, 0, None, 1),
        (LOOPBACK, 5001, 65536, None, 1),
        (LOOPBACK, 5001, -1, None, 1),
        (LOOPBACK, 5001, 0, 0, 1),
        (LOOPBACK, 5001, 0, None, 61),
    ],
)
def test_a_602sql_server_that_cannot_be_is_not_asked(arguments: Any) -> None:
    with pytest.raises(DbportsError):
        ask_server(*arguments)
