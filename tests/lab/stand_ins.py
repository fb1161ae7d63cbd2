# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for database servers. THESE ARE NOT THE REAL PRODUCTS and store nothing.

They hold the real ports, speak the real first bytes and bear the real process names (in netstat, ss and /proc), so
that firewalls, netstat and probes can be tried without the products::

    stand_ins.py sql602  --port-base 5001 [--server-name ERP] [--http-tunnel-port 8090] [--deny 192.0.2.66]
    stand_ins.py mssql   --port 1433 [--port 1500] [--instance SALES] [--dac local|remote]
    stand_ins.py browser --instance MSSQLSERVER:1433 --instance SALES:14330 [--hidden SECRET:14331] [--dac SALES:14340]

``ready`` on stdout says that every socket is bound; each datagram and connection then gives one line of JSON.

What they say was seen on a 602SQL 11.0.1 server, and read in [MS-TDS] 2.2.6.5 and [MC-SQLR] 2.2. No product code is
in here.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = {"sql602": "602sql11", "mssql": "sqlservr", "browser": "sqlbrowser"}
"""Process names of the products: 602SQL 11 on Linux; SQL Server on Linux; SQL Server Browser (Windows only)."""

NAMED = "DBPORTS_STAND_IN"
ANY4, ANY6 = str(ipaddress.IPv4Address(0)), str(ipaddress.IPv6Address(0))

CONNECTED, DENIED = 0x00, 0x2D
TUNNEL_HELLO, TUNNEL_QUERY = bytes.fromhex("f100000b00"), bytes.fromhex("ff1e040000000a35")
TUNNEL_ANSWER = b"\xfe" + bytes(11)
DEFAULT_INSTANCE = "MSSQLSERVER"


def log(event: str, **details: Any) -> None:
    """Print one event as a line of JSON."""
    print(json.dumps({"event": event, **details}, sort_keys=True), flush=True)


def bear_name(name: str) -> None:
    """Make netstat (argv[0] in /proc/PID/cmdline) and ss (/proc/PID/comm) show ``name`` for this process.

    argv[0] can only be chosen by an exec, so the program starts itself again the first time.
    """
    if os.environ.get(NAMED) != name:
        # Python looks for its library by argv[0] first, which now leads nowhere.
        os.environ.update({NAMED: name, "PYTHONHOME": f"{sys.base_prefix}:{sys.base_exec_prefix}"})
        os.execv(sys.executable, [name, *sys.argv])
    Path("/proc/self/comm").write_text(name, encoding="ascii")


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket: calls ``answer(data, peer)`` and sends back what it returns, if anything."""

    def __init__(self, answer: Callable[[bytes, tuple[Any, ...]], bytes | None]) -> None:
        self.answer = answer
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Remember the way to answer."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Answer one datagram."""
        reply = self.answer(data, addr)
        if reply is not None:
            self.transport.sendto(reply, addr)


async def udp(answer: Callable[[bytes, tuple[Any, ...]], bytes | None], address: str, port: int) -> None:
    """Bind a UDP socket; IPv6 sockets take IPv6 alone, as separate sockets show better in netstat."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    if ":" in address:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((address, port))
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: Datagrams(answer), sock=sock)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


async def tcp(talk: Talk, addresses: list[str], port: int) -> None:
    """Listen on TCP; ``talk`` has the connection, which is closed when it returns."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        log("connect", peer=writer.get_extra_info("peername")[0], port=port)
        try:
            await talk(reader, writer)
        except (OSError, EOFError):
            pass  # the peer is gone, or said too little
        finally:
            writer.close()

    await asyncio.start_server(serve, addresses, port)


class Sql602:
    """A 602SQL server: IPv4 only, as the product."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.base: int = options.port_base
        self.name: str = options.server_name
        self.denied: list[str] = options.deny
        self.tunnel: int | None = options.http_tunnel_port
        self.web: int | None = options.web_port

    async def start(self) -> None:
        """Bind every socket of the server."""
        await udp(self.on_datagram, ANY4, self.base)
        await tcp(self.on_client, [ANY4], self.base + 1)
        for port in sorted({port for port in (self.tunnel, self.web) if port}):
            await tcp(self.on_http, [ANY4], port)

    def on_datagram(self, data: bytes, peer: tuple[Any, ...]) -> None:
        """Handle a search (01), a break (02) or a keep-alive (08); answers go out another way."""
        kind, text = data[:1], data[1:].split(b"\0")[0].decode("latin-1")
        if kind == b"\x01":
            port = 5002 if text == "QueryForServer" else int(text) if text.isdecimal() else 0
            log("search", peer=peer[0], answer_port=port)
            if 0 < port < 65536:
                self.announce(peer[0], port)
        elif kind == b"\x02" and text.isdecimal():
            # The product breaks the client named in the text, whoever sent it.
            victim = socket.inet_ntoa(struct.pack("<I", int(text) & 0xFFFFFFFF))
            log("break", peer=peer[0], client=victim)

    def announce(self, address: str, port: int) -> None:
        """Send the announcement, from a new source port as the product does."""
        other_base = b"" if self.base == 5001 else b"\x01%d" % self.base
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"\x12" + self.name.encode() + other_base + b"\0", (address, port))

    async def on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say the connect result first, then keep the connection until the client ends it."""
        peer = writer.get_extra_info("peername")[0]
        result = DENIED if peer in self.denied else CONNECTED
        writer.write(struct.pack("<IIBB", 10, 1, 0xF7, result))
        await writer.drain()
        if result == CONNECTED:
            await reader.read()

    async def on_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer GET with a page. The tunnel answers a query and is silent otherwise, the web interface hangs up."""
        tunnel = writer.get_extra_info("sockname")[1] == self.tunnel
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
            body = await reader.readexactly(min(length, 1024))
            if head.startswith("get "):
                writer.write(http_ok(b"stand-in\n"))
            elif not tunnel:
                return
            elif body.removeprefix(TUNNEL_HELLO) == TUNNEL_QUERY:
                writer.write(http_ok(TUNNEL_ANSWER))
            await writer.drain()


def http_ok(body: bytes) -> bytes:
    """Return an HTTP answer."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


class Mssql:
    """One SQL Server instance: answers a PRELOGIN message, and refuses every login."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.ports: list[int] = options.port or [1433]
        self.instance: str = options.instance
        self.dac: str = options.dac
        self.dac_port: int = options.dac_port

    async def start(self) -> None:
        """Listen on both families; the dedicated administrator connection on loopback unless remote."""
        for port in self.ports:
            await tcp(self.on_client, [ANY4, ANY6], port)
        if self.dac != "off":
            where = [ANY4, ANY6] if self.dac == "remote" else ["127.0.0.1", "::1"]
            await tcp(self.on_client, where, self.dac_port)

    async def on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer PRELOGIN (packet type 0x12) with a tabular result (0x04) that holds the server's options."""
        kind, _status, length = struct.unpack(">BBH", (await reader.readexactly(8))[:4])
        body = await reader.readexactly(max(0, min(length, 4096) - 8))
        if kind != 0x12:
            return
        asked = prelogin_options(body).get(0x02, b"\0").rstrip(b"\0").decode("latin-1")
        other = asked and asked.upper() != self.instance.upper()
        options = [(0x00, bytes([16, 0, 0x10, 0x36, 0, 0])), (0x01, b"\x02"), (0x02, b"\1" if other else b"\0")]
        offset, heads, data = 5 * len(options) + 1, b"", b""
        for token, value in options:
            heads += struct.pack(">BHH", token, offset + len(data), len(value))
            data += value
        writer.write(tds_reply(heads + b"\xff" + data))
        await writer.drain()
        if await reader.read(1):
            writer.write(tds_reply(LOGIN_FAILED))
            await writer.drain()


def tds_reply(body: bytes) -> bytes:
    """Return a tabular result of one packet."""
    return struct.pack(">BBHHBB", 0x04, 0x01, 8 + len(body), 0, 1, 0) + body


def login_failed(text: str = "Login failed for user: this is a stand-in.") -> bytes:
    """Return the tokens ERROR (0xAA) with number 18456, state 1 and class 14, and DONE (0xFD) with its error bit."""
    message = struct.pack("<iBBH", 18456, 1, 14, len(text)) + text.encode("utf-16-le") + struct.pack("<BBi", 0, 0, 1)
    return struct.pack("<BH", 0xAA, len(message)) + message + struct.pack("<BHHQ", 0xFD, 2, 0, 0)


LOGIN_FAILED = login_failed()


def prelogin_options(body: bytes) -> dict[int, bytes]:
    """Return the options of a PRELOGIN message by token."""
    options: dict[int, bytes] = {}
    at = 0
    while at + 5 <= len(body) and body[at] != 0xFF:
        token, offset, length = struct.unpack_from(">BHH", body, at)
        options[token] = body[offset : offset + length]
        at += 5
    return options


class Browser:
    """SQL Server Browser: answers SSRP on UDP 1434, silent about what it does not know or should not tell."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.host = socket.gethostname().split(".")[0].upper()
        self.instances: dict[str, int] = dict(options.instance)
        self.hidden: dict[str, int] = dict(options.hidden)
        self.dac: dict[str, int] = {name.upper(): port for name, port in options.dac}

    async def start(self) -> None:
        """Bind UDP 1434 of both families."""
        for address in (ANY4, ANY6):
            await udp(self.on_datagram, address, 1434)

    def entry(self, name: str) -> str:
        """Return an instance's text; the default instance's port is not told (Microsoft's Browser page)."""
        port = "" if name.upper() == DEFAULT_INSTANCE else f";tcp;{self.instances[name]}"
        return f"ServerName;{self.host};InstanceName;{name};IsClustered;No;Version;16.0.4150.0{port};;"

    def on_datagram(self, data: bytes, peer: tuple[Any, ...]) -> bytes | None:
        """Answer CLNT_BCAST_EX, CLNT_UCAST_EX, CLNT_UCAST_INST and CLNT_UCAST_DAC."""
        log("ssrp", peer=peer[0], request=data[:64].hex())
        if data in (b"\x02", b"\x03"):
            return svr_resp("".join(map(self.entry, self.instances)))
        name = data[2 if data[:2] == b"\x0f\x01" else 1 :].split(b"\0")[0].decode("latin-1").upper()
        if data[:2] == b"\x0f\x01" and name in self.dac:
            # Here the size counts the whole packet, unlike in the other answers.
            return struct.pack("<BHBH", 0x05, 6, 1, self.dac[name])
        known = [item for item in self.instances if item.upper() == name]
        return svr_resp(self.entry(known[0])) if data[:1] == b"\x04" and known else None


def svr_resp(text: str) -> bytes | None:
    """Return SVR_RESP, or None when there is nothing to say."""
    return struct.pack("<BH", 0x05, len(text)) + text.encode() if text else None


def instance_port(text: str) -> tuple[str, int]:
    """Read ``SALES:14330``."""
    name, _colon, port = text.rpartition(":")
    return name, int(port)


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    top = argparse.ArgumentParser(description="Stand-ins for database servers; not the real products.")
    kinds = top.add_subparsers(dest="kind", required=True)
    sql602 = kinds.add_parser("sql602")
    sql602.add_argument("--port-base", type=int, default=5001)
    sql602.add_argument("--server-name", default="TESTSRV")
    sql602.add_argument("--http-tunnel-port", type=int)
    sql602.add_argument("--web-port", type=int)
    sql602.add_argument("--deny", action="append", default=[], help="a client address the server's own filter denies")
    mssql = kinds.add_parser("mssql")
    mssql.add_argument("--port", type=int, action="append")
    mssql.add_argument("--instance", default=DEFAULT_INSTANCE)
    mssql.add_argument("--dac", choices=["off", "local", "remote"], default="off")
    mssql.add_argument("--dac-port", type=int, default=1434)
    browser = kinds.add_parser("browser")
    for option in ("--instance", "--hidden", "--dac"):
        browser.add_argument(option, type=instance_port, action="append", default=[], metavar="NAME:PORT")
    for kind in (sql602, mssql, browser):
        kind.add_argument("--name", help="the process name to bear; by default the product's")
    return top


async def serve(server: Sql602 | Mssql | Browser) -> None:
    """Start a stand-in and keep it until it is killed."""
    await server.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Read the command line, take the name and serve."""
    options = parser().parse_args()
    bear_name(options.name or NAMES[options.kind])
    kinds: dict[str, Any] = {"sql602": Sql602, "mssql": Mssql, "browser": Browser}
    try:
        asyncio.run(serve(kinds[options.kind](options)))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
