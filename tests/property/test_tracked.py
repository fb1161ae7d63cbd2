# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's text of tracked connections: every connection is read as it is, and no text is misread."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._firewall.live.tracked import read_tracked
from hypothesis import given
from hypothesis import strategies as st

ADDRESSES = st.ip_addresses(v=4) | st.ip_addresses(v=6).filter(lambda item: item.ipv4_mapped is None)
PORTS = st.integers(0, 65535)
LINE = "ipv4 2 tcp 6 9 {} src={} dst=192.0.2.1 sport={} dport={} packets=1 src={} dst=192.0.2.2 sport={} dport=7 use=2"


@given(ADDRESSES, PORTS, PORTS, ADDRESSES, PORTS)
def test_every_connection_is_read(peer: object, peer_port: int, asked: int, local: object, local_port: int) -> None:
    """With the peer as who opened it, and the server as it answers."""
    found = read_tracked(LINE.format("ESTABLISHED", peer, peer_port, asked, local, local_port))
    assert found
    assert (str(found.peer), found.peer_port, found.through) == (str(peer), peer_port, asked)
    assert (str(found.local), found.local_port) == (str(local), local_port)


@given(st.text() | st.lists(st.sampled_from([*LINE.split(), "ESTABLISHED", "sport=99999", "src=x"])).map(" ".join))
def test_whatever_the_text(text: str) -> None:
    """What is read has an address and a port at each end."""
    found = read_tracked(text)
    if found:
        assert all(one.first == one.last for one in (found.local, found.peer))
        assert all(0 <= port < 65536 for port in (found.local_port, found.peer_port, found.through or 0))
