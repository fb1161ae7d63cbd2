# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes from a simulated Windows host: the same answers have the same verdicts as from a host with Python."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._probe import run, ssrp
from ansible_collections.dbports.firewall.plugins.module_utils._probe.base import Outcome, ProbeKind, Question
from ansible_collections.dbports.firewall.plugins.module_utils._probe.registry import KINDS
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.host import WindowsHost
from ansible_collections.dbports.firewall.plugins.plugin_utils._windows.probes import REFUSED_AFTER, request, run_probes

from simulated_windows import SimulatedWindows

ROOT = Path(__file__).resolve().parents[5]
PRELOGIN = struct.pack(">BHHB", 0, 6, 6, 0xFF) + bytes([16, 0, 4, 226, 0, 0])
TDS = struct.pack(">BBHHBB", 4, 1, 8 + len(PRELOGIN), 0, 1, 0) + PRELOGIN
TUNNEL = b"HTTP/1.1 200 OK\r\n\r\n\xfe" + bytes(11)
ACCEPTED, FILTERED = (struct.pack("<IIBB", 10, 1, 0xF7, result) for result in (0, 0x2D))


def browser(port: int) -> bytes:
    """Return what SQL Server Browser says of an instance."""
    text = f"ServerName;DB;InstanceName;SALES;IsClustered;No;Version;16.0;tcp;{port};;".encode("ascii")
    return b"\x05" + struct.pack("<H", len(text)) + text


@contextlib.contextmanager
def serving(answer: bytes | None) -> Iterator[int]:
    """Serve on a TCP port that says the same to everyone, then ends; None never says anything."""
    open_ones: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer = server.accept()[0]
                    open_ones.append(peer)
                    if answer is not None:
                        peer.sendall(answer)
                        peer.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for peer in open_ones:
                peer.close()


@contextlib.contextmanager
def telling(answer: bytes) -> Iterator[int]:
    """Serve on a UDP port that says the same to everyone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                data, peer = server.recvfrom(4096)
                if data == b"end":
                    return
                server.sendto(answer, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", server.getsockname())
            thread.join()


def from_windows(probe: dict[str, Any], timeout: float = 30) -> dict[str, Any]:
    """Run a probe from the simulated host."""
    (found,) = run_probes(WindowsHost(SimulatedWindows().call), [{"id": "a", **probe}], timeout)
    return found


def said(result: dict[str, Any]) -> tuple[str, str]:
    """Return verdict and detail."""
    return result["verdict"], result["detail"]


def verdicts(probe: dict[str, Any], timeout: float = 30) -> tuple[str, str]:
    """Run a probe from a simulated Windows host and from here; returns verdict and detail, which are the same."""
    (here,) = run.run_probes([{"id": "a", **probe}], timeout)
    there = from_windows(probe, timeout)
    assert {**there, "milliseconds": 0} == {**here, "milliseconds": 0}
    return said(there)


@pytest.mark.parametrize(
    ("kind", "answer", "verdict", "says"),
    [
        ("tcp", b"", "answers", "accepted"),
        ("tds", TDS, "answers", "16.0.1250"),
        ("tds", TDS[:12], "unknown", "ended after 12 bytes"),
        ("tds", b"SSH-2.0-x\r\n", "unknown", "not a TDS packet"),
        ("tds", b"", "silent", "closed"),
        ("sql602_connect", ACCEPTED, "answers", "accepted"),
        ("sql602_connect", FILTERED, "refused", "IP filter"),
        ("sql602_connect", b"", "silent", "closed"),
        ("http_tunnel", TUNNEL, "answers", "tunnel answered"),
        ("http_tunnel", b"", "silent", "only the web interface listens"),
    ],
)
def test_a_connection_has_the_same_verdict(kind: str, answer: bytes, verdict: str, says: str) -> None:
    with serving(answer) as port:
        found, detail = verdicts({"kind": kind, "address": "127.0.0.1", "ports": str(port)})
    assert found == verdict
    assert says in detail


def test_a_mute_server_is_silent() -> None:
    with serving(None) as port:
        probe = {"kind": "tds", "address": "127.0.0.1", "ports": str(port)}
        assert verdicts(probe, 1) == ("silent", "connected, but the server sent nothing in time")


def test_a_port_without_a_listener_is_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = str(unused.getsockname()[1])
        assert verdicts({"kind": "tcp", "address": "127.0.0.1", "ports": port})[0] == "refused"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = str(gone.getsockname()[1])
    assert verdicts({"kind": "ssrp", "address": "127.0.0.1", "ports": port, "instance": "SALES"})[0] == "refused"


def test_a_patient_probe_waits_for_a_server() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        probe = {"kind": "tcp", "address": "127.0.0.1", "ports": str(server.getsockname()[1])}
        assert from_windows({**probe, "patient": True}, 0.3)["verdict"] == "refused"
        timer = threading.Timer(0.1, server.listen)
        timer.start()
        assert from_windows({**probe, "patient": True})["verdict"] == "answers"
        timer.join()


def test_all_ports_of_a_probe_have_to_answer() -> None:
    with serving(b"") as port, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]
        for ports in (f"{port},{closed}", f"{closed},{port}"):
            found = from_windows({"kind": "tcp", "address": "127.0.0.1", "ports": ports})
            assert (found["verdict"], found["port"]) == ("refused", closed)


@pytest.mark.parametrize(
    ("kind", "answer", "instance", "verdict", "says"),
    [
        ("ssrp", browser(14330), "SALES", "answers", "tcp port 14330"),
        ("ssrp", browser(14330), None, "answers", "instance SALES"),
        ("ssrp", browser(14330), "OTHER", "unknown", "another instance"),
        ("ssrp", b"\x05", "SALES", "unknown", "not an SSRP answer"),
        ("ssrp_dac", b"\x05\x06\x00\x01" + struct.pack("<H", 1434), "SALES", "answers", "tcp port 1434"),
    ],
)
def test_a_browser_has_the_same_verdict(
    kind: str, answer: bytes, instance: str | None, verdict: str, says: str
) -> None:
    with telling(answer) as port:
        probe = {"kind": kind, "address": "127.0.0.1", "ports": str(port), "instance": instance}
        # From here an answer that is not the right one is waited on for the whole time.
        found, detail = verdicts(probe) if verdict == "answers" else said(from_windows(probe))
    assert found == verdict
    assert says in detail


def test_a_dynamic_instance_is_asked_for_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(TDS) as port, telling(browser(port)) as udp:
        monkeypatch.setattr(ssrp, "PORT", udp)
        windows = SimulatedWindows()
        probe = {"id": "a", "kind": "tds", "address": "127.0.0.1", "ports": "1024-65535", "instance": "SALES"}
        (found,) = run_probes(WindowsHost(windows.call), [probe], 30)
        assert (found["verdict"], found["port"]) == ("answers", port)
        assert "reported by SQL Server Browser" in found["detail"]
        assert windows.calls == ["probe", "probe"]
        assert "planned range" in from_windows({**probe, "ports": "1-2"})["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "tcp", "ports": "49152-65535"},
        {"kind": "tds", "ports": "49152-65535"},
        {"kind": "ssrp", "ports": "1434", "instance": "Účty"},
        {"kind": "ssrp_dac", "ports": "1434"},
        {"kind": "sql602_search", "address": "::1", "ports": "5001"},
    ],
)
def test_what_cannot_be_asked_is_not_sent(change: dict[str, Any]) -> None:
    windows = SimulatedWindows()
    (found,) = run_probes(WindowsHost(windows.call), [{"id": "a", "address": "127.0.0.1", **change}], 1)
    assert found["verdict"] == "unknown"
    assert found["detail"]
    assert windows.calls == []


def answering(*answers: dict[str, Any]) -> WindowsHost:
    """Return a host whose script answers so."""
    shown = [{"reached": False, "data": [], "error": 0, "milliseconds": 7, **item} for item in answers]
    return WindowsHost(lambda _module, _arguments: {"result": json.dumps({"answers": shown})})


@pytest.mark.parametrize(
    ("kind", "answer", "verdict", "says"),
    [
        ("tcp", {"error": 10060}, "filtered", "no answer in time"),
        ("tcp", {"error": 10013}, "filtered", "this host's own firewall"),
        ("tcp", {"error": 10065}, "filtered", "unreachable"),
        ("tcp", {"error": -1}, "unknown", "error -1"),
        ("ssrp", {"error": 10054, "reached": True}, "refused", "port unreachable"),
        ("ssrp", {"error": 10060, "reached": True}, "silent", "a firewall drops the packets"),
        ("icmp_echo", {"reached": True}, "answers", "echo reply"),
        ("icmp_echo", {"error": 11010}, "silent", "no answer in time"),
        ("icmp_echo", {"error": 11003}, "filtered", "unreachable"),
        ("sql602_search", {"error": 10060, "reached": True}, "silent", "no announcement"),
        ("sql602_search", {"error": 10048}, "unknown", "UDP 5002 is taken"),
    ],
)
def test_what_windows_says_has_a_verdict(kind: str, answer: dict[str, Any], verdict: str, says: str) -> None:
    probe = {"id": "a", "kind": kind, "address": "192.0.2.1", "ports": "1433", "instance": "SALES"}
    (found,) = run_probes(answering(answer), [probe], 1)
    assert found["verdict"] == verdict
    assert says in found["detail"]


def test_silence_is_not_called_blocked() -> None:
    """A Windows host whose firewall is on is as silent where nothing listens as where it drops."""
    probe = {"id": "a", "kind": "tcp", "address": "192.0.2.1", "ports": "1433"}
    (found,) = run_probes(answering({"error": 10060}), [probe], 1)
    assert found["detail"] == "no answer in time"


def test_an_announcement_counts_for_the_server_that_was_asked() -> None:
    data = [base64.b64encode(text).decode() for text in (b"junk", b"\x12OTHER\x015100\0", b"\x12BASE\0")]
    probe = {"id": "a", "kind": "sql602_search", "address": "192.0.2.1", "ports": "5001"}
    (found,) = run_probes(answering({"data": data, "error": 10060, "reached": True}), [probe], 1)
    assert (found["verdict"], found["detail"]) == ("answers", "602SQL server BASE announced itself")
    (other,) = run_probes(answering({"data": data[:2], "error": 10060, "reached": True}), [probe], 1)
    assert other["verdict"] == "silent"


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"answers": []}', '{"answers": [{"reached": true, "data": ["?"], "error": 0}]}', "x"]
)
def test_an_answer_that_cannot_be_read_is_refused(text: str) -> None:
    host = WindowsHost(lambda _module, _arguments: {"result": text})
    with pytest.raises(DbportsError) as caught:
        run_probes(host, [{"id": "a", "kind": "tcp", "address": "192.0.2.1", "ports": "1433"}], 1)
    assert caught.value.code == "malformed_answer"


def test_a_kind_that_needs_python_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "odd", ProbeKind("odd", ("tcp",), max_ports=1))
    assert "needs Python" in from_windows({"kind": "odd", "address": "127.0.0.1", "ports": "1"})["detail"]


def test_every_kind_can_be_carried() -> None:
    assert [kind.name for kind in KINDS.values() if kind.question is None] == []


@pytest.mark.parametrize(("protocol", "timeout", "waits"), [("tcp", 2, 3000), ("tcp", 5, 5000), ("udp", 2, 2000)])
def test_a_refusal_has_the_time_that_windows_takes_for_it(protocol: Any, timeout: float, waits: int) -> None:
    """Windows asks a port that refuses four times again, half a second apart, before it says so."""
    question = Question(protocol, "192.0.2.10", 1433, b"", lambda _answer: Outcome("unknown", "never asked"))
    assert request([question], timeout)["timeout"] == waits


@pytest.mark.parametrize(("role", "variable"), [("verify", "dbports_probe_timeout"), ("guard", "guard_probe_timeout")])
def test_users_of_a_shorter_timeout_are_told(role: str, variable: str) -> None:
    """Where they set it."""
    spec = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    description = " ".join(str(spec["argument_specs"]["main"]["options"][variable]["description"]).split())
    assert f"TCP probes from a Windows host take at least {REFUSED_AFTER:g} seconds" in description
