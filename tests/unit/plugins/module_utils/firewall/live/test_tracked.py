# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections that a host forwards: from netlink, from the kernel's text, or unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live import sessions
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.tracked import read_tracked
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.model import build_ruleset, read_rules
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.sockets import Socket

FOUR = (
    "ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.66 dst=198.51.100.10 sport=42001 dport=1433 "
    "src=198.51.100.10 dst=192.0.2.66 sport=1433 dport=42001 [ASSURED] mark=0 zone=0 use=2"
)
SIX = (
    "ipv6     10 tcp      6 431999 ESTABLISHED src=2001:0db8:0000:0000:0000:0000:0000:0066 "
    "dst=2001:0db8:0000:0000:0000:0000:0000:0010 sport=42001 dport=1433 packets=4 bytes=216 "
    "src=2001:0db8:0000:0000:0000:0000:0000:0010 dst=2001:0db8:0000:0000:0000:0000:0000:0066 sport=1433 dport=42001 "
    "packets=3 bytes=164 [ASSURED] mark=0 use=2"
)
TRANSLATED = FOUR.replace("dst=198.51.100.10 sport=42001 dport=1433", "dst=192.0.2.1 sport=42001 dport=21433")
FORWARD: dict[str, Any] = {"direction": "forward", "protocol": "tcp", "ports": ["1433"], "peers": ["192.0.2.21"]}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (FOUR, "tcp 1433 from 192.0.2.66 port 42001 through this host to 198.51.100.10"),
        (SIX, "tcp 1433 from 2001:db8::66 port 42001 through this host to 2001:db8::10"),
        (TRANSLATED, "tcp 1433 from 192.0.2.66 port 42001 through this host to 198.51.100.10"),
        (FOUR.replace("ESTABLISHED", "TIME_WAIT"), "None"),
        (FOUR.replace(" tcp ", " dccp "), "None"),
        (FOUR.replace("sport=1433", "sport=65536"), "None"),
        (FOUR.replace("sport=1433", "sport=\u0661\u0664\u0663\u0663"), "None"),
        (FOUR.replace("src=192.0.2.66", "src=192.0.2.0/24"), "None"),
        (FOUR[:120], "None"),
        ("", "None"),
    ],
)
def test_a_line_of_the_kernel(line: str, said: str) -> None:
    """Ends are those that packets name behind this host."""
    found = read_tracked(line)
    assert str(found) == said
    told = (21433, True) if line == TRANSLATED else (1433, False)
    assert found is None or (found.through, found.translated) == told


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have a kernel without netlink for its tracking; the text that it lists is to be written."""

    class Refusing:
        def __init__(self, _protocol: int) -> None:
            raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(sessions, "_Netlink", Refusing)
    monkeypatch.setattr(sessions, "_TRACKED", tmp_path / "nf_conntrack")
    monkeypatch.setattr(sessions, "collect", lambda ports: ("", []))
    return tmp_path / "nf_conntrack"


@pytest.mark.parametrize(
    ("text", "ports", "unknown"),
    [
        (f"{FOUR}\n{TRANSLATED}\nnonsense\n", [1433, 21433], ""),
        ("", [], "connection tracking knows none, so that those through this host are unseen"),
        (None, [], "the kernel does not list those that it forwards ([Errno 93] Protocol not supported)"),
    ],
)
def test_without_netlink_the_text_counts(kernel: Path, text: str | None, ports: list[int], unknown: str) -> None:
    """What nobody can see is said, and is not taken for nothing."""
    if text is not None:
        kernel.write_text(text, encoding="ascii")
    routed = build_ruleset(read_rules([{**FORWARD, "targets": ["198.51.100.10"]}]), policy="guard", outbound=False)
    live = sessions.Sessions().look(routed)
    assert ([one.through for one in live.connections], live.unknown) == (ports, unknown)


def test_connections_of_the_host_itself_are_not_forwarded(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tracking knows them as well."""
    kernel.write_text(f"{FOUR}\n{SIX}\n", encoding="ascii")
    own = Socket("ipv4", "tcp", "ESTABLISHED", "192.0.2.66", 42001, "198.51.100.10", 1433)
    monkeypatch.setattr(sessions, "collect", lambda ports: ("", [own]))
    routed = build_ruleset(read_rules([{**FORWARD, "targets": ["198.51.100.10"]}]), policy="guard", outbound=False)
    found = [str(one.peer) for one in sessions.Sessions().look(routed).connections if one.through is not None]
    assert found == ["2001:db8::66"]


def test_published_ports_are_always_tracked(kernel: Path) -> None:
    """So a list without any of them is a list of none."""
    kernel.write_text("", encoding="ascii")
    rules = build_ruleset(read_rules([{**FORWARD, "published": True}]), policy="guard", outbound=False)
    assert sessions.Sessions().look(rules).unknown == ""
