# SPDX-License-Identifier: GPL-3.0-or-later
"""Knock at ports of the server with plain sockets, apart from the collection's own probes.

Sent to a host as text and run there; prints ``{"tcp/ADDRESS/PORT": "answers" | "refused" | "no answer"}``.
"""

from __future__ import annotations

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

SECONDS = 1.5


def tcp(address: str, port: int) -> str:
    """Tell what a connection attempt meets."""
    try:
        socket.create_connection((address, port), SECONDS).close()
    except (TimeoutError, socket.timeout):
        return "no answer"
    except OSError:
        return "refused"
    return "answers"


def ssrp(address: str, port: int) -> str:
    """Ask SQL Server Browser for its instances ([MC-SQLR] CLNT_UCAST_EX) and tell what comes back."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(SECONDS)
        try:
            sock.connect((address, port))
            sock.send(b"\x03")
            return "answers" if sock.recv(4096)[:1] == b"\x05" else "nonsense"
        except (TimeoutError, socket.timeout):
            return "no answer"
        except OSError:
            return "refused"


def search(address: str, port: int) -> str:
    """Search for a 602SQL server; the answer comes to the port that the request names."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asks,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hears,
    ):
        hears.bind(("", 5002))
        hears.settimeout(SECONDS)
        asks.sendto(b"\x01QueryForServer\0", (address, port))
        try:
            return "answers" if hears.recv(4096)[:1] == b"\x12" else "nonsense"
        except (TimeoutError, socket.timeout):
            return "no answer"


KINDS = {"tcp": tcp, "ssrp": ssrp, "search": search}


def knock(target: str) -> str:
    """Tell what one target meets."""
    kind, address, port = target.split("/")
    return KINDS[kind](address, int(port))


if __name__ == "__main__":
    with ThreadPoolExecutor(max_workers=len(sys.argv)) as pool:
        print(json.dumps(dict(zip(sys.argv[1:], pool.map(knock, sys.argv[1:])))))
