# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a router of a server, and say what a client and its neighbour meet at a database host behind it.

    python3 router.py make | hold | met NAME

The three are network namespaces of the server, on two of its interfaces, which are in two zones of firewalld. ``hold``
keeps a session of each open; ``met`` prints what one of them meets as JSON: its held session (goes on, silence) and new
ones (answers, refused, silence).
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

HOSTS = {"client": ("lan", 1, 21), "neighbour": ("lan", 1, 66), "database": ("dmz", 2, 10)}
"""The bridge that each is on, its network and its number."""

NETWORKS = {1: ("192.0.2", "2001:db8:1:"), 2: ("203.0.113", "2001:db8:2:")}
SERVER, SERVER6 = "203.0.113.10", "2001:db8:2::10"
PORTS = ("tcp/22", "tcp/1433", "tcp/50123", "udp/1434")
"""What the database host listens on; the first is not guarded."""

PATIENCE, SILENCE = 30, 2
"""Seconds after which a session that should go on has failed, and for which one that is cut is silent."""


def make() -> None:
    """Make bridges, namespaces and a server, and let the host forward."""
    lines = []
    for bridge, number in (("lan", 1), ("dmz", 2)):
        four, six = NETWORKS[number]
        lines += [f"link add {bridge} type bridge", f"link set {bridge} up"]
        lines += [f"address add {four}.1/24 dev {bridge}", f"address add {six}:1/64 dev {bridge} nodad"]
    run("ip", "-batch", "-", text="\n".join(lines))
    for name, (bridge, number, host) in HOSTS.items():
        four, six = NETWORKS[number]
        run("ip", "netns", "add", name)
        run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", f"to-{name}", "master", bridge, "up")
        lines = ["link set lo up", "link set eth0 up"]
        lines += [f"address add {four}.{host}/24 dev eth0", f"address add {six}:{host}/64 dev eth0 nodad"]
        lines += [f"route add default via {four}.1", f"route add default via {six}:1"]
        run("ip", "-n", name, "-batch", "-", text="\n".join(lines))
    # In a container /proc/sys is read-only where it is mounted.
    run("mount", "-t", "proc", "proc", "/mnt")
    for path in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        Path("/mnt/sys/net", path).write_text("1", encoding="ascii")
    run("umount", "/mnt")
    start("database", "serve")


def run(*argv: str, text: str = "") -> None:
    """Run a command."""
    subprocess.run(argv, input=text, text=True, check=True)


def start(name: str, *arguments: str) -> None:
    """Start this file in a namespace, as a unit that is ready when it says so."""
    unit = ["systemd-run", "--quiet", "--service-type=notify", "--property=NotifyAccess=all"]
    run(*unit, "ip", "netns", "exec", name, sys.executable, __file__, *arguments)


def ready() -> None:
    """Tell systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))


def serve() -> None:
    """Echo what comes, on every port."""
    streams: list[socket.socket] = []
    for protocol, _slash, port in (item.partition("/") for item in PORTS):
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", int(port)))
        if protocol == "tcp":
            sock.listen()
        streams.append(sock)
    waiting = streams[:-1]
    ready()
    while True:
        for sock in select.select(streams, [], [])[0]:
            if sock in waiting:
                streams.append(sock.accept()[0])
                continue
            try:
                data, sender = sock.recvfrom(64)
                if data and sock.type == socket.SOCK_DGRAM:
                    sock.sendto(data, sender)
                elif data:
                    sock.sendall(data)
            except OSError:
                data = b""
            if not data and sock.type == socket.SOCK_STREAM:
                streams.remove(sock)
                sock.close()


def keep(name: str) -> None:
    """Hold a session open, and count its answers in a file."""
    with socket.create_connection((SERVER, 1433), timeout=PATIENCE) as sock:
        sock.settimeout(None)
        for count in range(1, sys.maxsize):
            sock.sendall(b"x")
            sock.recv(1)
            Path(f"/run/{name}.new").write_text(str(count), encoding="ascii")
            Path(f"/run/{name}.new").replace(f"/run/{name}.count")
            if count == 1:
                ready()
            time.sleep(0.1)


def goes_on(name: str) -> str:
    """Tell whether the session of a host still gets answers; two, for one may be older than this question."""
    count, began = Path(f"/run/{name}.count"), time.monotonic()
    first = int(count.read_text(encoding="ascii"))
    while int(count.read_text(encoding="ascii")) < first + 2:
        if time.monotonic() - began > (PATIENCE if name == "client" else SILENCE):
            return "silence"
        time.sleep(0.05)
    return "goes on"


def knock(address: str, protocol: str, port: str) -> str:
    """Ask a port once."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as sock:
        sock.settimeout(SILENCE)
        try:
            sock.connect((address, int(port)))
            sock.sendall(b"x")
            sock.recv(1)
        except TimeoutError:
            return "silence"
        except OSError:
            return "refused"
    return "answers"


def met(name: str) -> None:
    """Print what a host meets, in both families; run in its namespace."""
    found = {f"{item} {address}": knock(address, *item.split("/")) for address in (SERVER, SERVER6) for item in PORTS}
    print(json.dumps({"held": goes_on(name), **found}))


if __name__ == "__main__":
    what, *names = sys.argv[1:]
    if what == "hold":
        for one in ("client", "neighbour"):
            start(one, "keep", one)
    elif what == "met":
        run("ip", "netns", "exec", names[0], sys.executable, __file__, "meet", names[0])
    else:
        {"make": make, "serve": serve, "keep": keep, "meet": met}[what](*names)
