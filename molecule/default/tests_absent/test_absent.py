# SPDX-License-Identifier: GPL-3.0-or-later
"""After state: absent the server is as it was before anything was applied."""

from __future__ import annotations

from testinfra.host import Host


def test_the_ruleset_is_as_before(server: Host) -> None:
    """Every rule is as it was, to the byte."""
    before = server.file("/root/before.nft").content_string
    assert server.check_output("nft list ruleset") == before.strip()


def test_no_file_is_left(server: Host) -> None:
    """No file or link that was not there before."""
    before = set(server.file("/root/before.files").content_string.split())
    after = set(server.check_output("find /etc -type f -o -type l").split())
    assert after - before == set()
    assert not server.file("/etc/dbports").exists


def test_everybody_gets_in_again(intruder: Host) -> None:
    """The intruder reaches the port again, which shows that the firewall was what kept it out."""
    assert intruder.run("python3 -c 'import socket; socket.create_connection((\"198.51.100.10\", 1433), 2)'").rc == 0
