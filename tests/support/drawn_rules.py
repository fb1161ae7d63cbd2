# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as users may write them, drawn at random, and a network namespace to load them into."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import BITS, AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Output, Run
from hypothesis import strategies as st

from hostile import COMMENTS


def ranges(family: int) -> st.SearchStrategy[str]:
    """Addresses, networks and odd ranges, often at the ends of the address space."""
    top = 2 ** BITS[family] - 1
    number = st.one_of(st.integers(0, 300), st.integers(top - 300, top), st.integers(0, top))
    return st.tuples(number, number).map(lambda pair: str(AddressRange(family, min(pair), max(pair))))


PEERS = st.lists(st.one_of(ranges(4), ranges(6), st.sampled_from(["0.0.0.0/0", "::/0", "192.0.2.0/24"])), max_size=6)
PORTS = st.lists(
    st.tuples(st.integers(1, 65535), st.integers(0, 300)).map(lambda pair: f"{pair[0]}-{min(sum(pair), 65535)}"),
    min_size=1,
    max_size=4,
)


def rule_of(ports: st.SearchStrategy[list[str]], purpose: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Rules of a host for drawn ports and purposes."""
    return st.fixed_dictionaries(
        {
            "direction": st.sampled_from(["in", "out"]),
            "protocol": st.sampled_from(["tcp", "udp"]),
            "ports": ports,
            "peers": PEERS,
            "purpose": purpose,
        }
    )


RULE = rule_of(PORTS, COMMENTS)
PING = st.fixed_dictionaries(
    {"direction": st.sampled_from(["in", "out"]), "protocol": st.just("icmp"), "peers": PEERS, "purpose": COMMENTS}
)
FORWARD = st.fixed_dictionaries(
    {
        "direction": st.just("forward"),
        "protocol": st.sampled_from(["tcp", "udp"]),
        "ports": PORTS,
        "peers": PEERS,
        "targets": PEERS.filter(bool),
        "source_ports": st.one_of(st.just([]), st.just(["32768-60999"]), PORTS),
        "stateful": st.booleans(),
        "answered": st.booleans(),
        "guarded": st.booleans(),
        "purpose": COMMENTS,
    }
)
"""A rule of a router."""

PUBLISHED = st.fixed_dictionaries(
    {
        "direction": st.just("forward"),
        "protocol": st.sampled_from(["tcp", "udp"]),
        "ports": PORTS,
        "peers": PEERS,
        "published": st.just(True),
        "purpose": COMMENTS,
    }
)
RULES = st.lists(st.one_of(RULE, RULE, PING), max_size=5)
POLICY = st.sampled_from(["guard", "open"])


@contextmanager
def namespace(*prepare: str) -> Iterator[Run]:
    """Hold a network namespace with mounts of its own, and give what runs commands in it.

    :param prepare: shell commands that make it ready.
    """
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    holder = subprocess.Popen(
        ["unshare", *user, "--net", "--mount", "--", "sh", "-c", " && ".join([*prepare, "echo ready", "exec cat"])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    own = ["-U", "--preserve-credentials"] if user else []
    enter = ["nsenter", "-t", str(holder.pid), *own, "-n", "-m", "--"]

    def run(argv: Sequence[str], text: str) -> Output:
        done = subprocess.run([*enter, *argv], input=text, capture_output=True, text=True, check=False, timeout=300)
        return Output(done.returncode, done.stdout, done.stderr)

    try:
        yield run
    finally:
        holder.communicate(timeout=120)
