# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""602SQL: what its documentation says of ports, and what a running 11.0.1 server was seen to do."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    EngineWarning,
    FlowSpec,
    GatewayBehaviour,
    Option,
    Setting,
    Values,
    written,
)
from ansible_collections.dbports.firewall.plugins.module_utils._engines.resolve import os_family
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT, PortRange

_DOC = "602SQL documentation, Firewalls and Ports while Using the TCP/IP Protocol"
_SOURCE = "602SQL's published source"
_SEEN = "observed on 602SQL 11.0.1"
CLIENT_PORT = "5002"
"""The UDP port on which a client receives announcements, whatever PORTBASE is."""

_SEARCHED = PortRange(5001, 5001)
_ONE_SOCKS_HOST = (
    "only one SOCKS host can stand between a client and a server (602SQL documentation, A Client - Server Connection "
    "over a SOCKS Firewall)"
)
_NO_HTTP = (
    "602SQL's tunnel does not survive a proxy that understands HTTP: its requests have no Host header, one request may "
    "get several responses, and the session is the connection"
)
_SEARCH = GatewayBehaviour(answered=False, untranslated="the announcement that answers it reaches no client")
_ANNOUNCEMENT = GatewayBehaviour(
    answered=False, untranslated="it goes to the address that the server saw, where no client waits"
)

OPTIONS = (
    Option(
        "port_base",
        "port",
        "PORTBASE (IPPort). Opens TCP PORTBASE+1 to the clients, and UDP PORTBASE for search and interrupt.",
        5001,
        maximum=65534,
        why="clients connect to TCP PORTBASE+1, which must exist; 602SQL would use a random port instead",
    ),
    Option(
        "minimum",
        "bool",
        "Admit clients only to TCP PORTBASE+1, which is enough to connect and work. UDP PORTBASE, where the server "
        "listens all the same, is guarded.",
        False,
    ),
    Option(
        "search",
        "bool",
        "Clients look whether the server runs. Opens UDP PORTBASE to them, also for their broadcast if PORTBASE is "
        "5001. Set false if clients are to connect only.",
        True,
    ),
    Option(
        "interrupt",
        "bool",
        "Clients interrupt long operations. Opens UDP PORTBASE to them. Set false if they do not need to.",
        True,
    ),
    Option(
        "announcements",
        "bool",
        "The server answers searches. Opens UDP 5002 on the clients to the server. Set false together with search.",
        True,
    ),
    Option(
        "announced_elsewhere",
        "clients",
        "Clients, which may be inventory hosts, on which another program holds UDP 5002. They let the operating system "
        "choose the port for announcements: opens their dynamic range of UDP to the server, and not 5002. If omitted, "
        "there are none.",
    ),
    Option(
        "udp_5001",
        "bool",
        "The server was started with the switch -A (Linux): it listens on UDP 5001 whatever PORTBASE is. Clients then "
        "find it only by broadcast and cannot interrupt it. Opens UDP 5001 instead of PORTBASE.",
        False,
    ),
    Option(
        "ping", "bool", "Clients verify the connection on request. Accepts their ICMP echo requests explicitly.", False
    ),
    Option(
        "http_tunnel_port",
        "port",
        "HTTPTunnelPort. Opens it to the clients. If omitted, HTTP tunnelling is off, as in a new installation.",
    ),
    Option(
        "tunnel_only",
        "bool",
        "TCPIPCommunication is 0: the server listens neither on PORTBASE nor on PORTBASE+1, and clients can only use "
        "the HTTP tunnel.",
        False,
    ),
    Option(
        "web_port",
        "port",
        "WebPort. Opens it to the clients' browsers. If omitted, WebServerEmulation is off, as in a new installation.",
    ),
    Option(
        "server_ip_addr",
        "address",
        "ServerIPAddr, the only address on which TCP PORTBASE+1 listens; on Windows, the HTTP tunnel and the web "
        "interface as well. All else is bound to all addresses. If omitted, so is TCP PORTBASE+1.",
    ),
    Option(
        "replication_partners",
        "clients",
        "Servers with which this one replicates directly by IP. Opens replication_port to them, and theirs to this "
        "server. Inventory hosts that declare 602SQL use the port that they declare; an address can have its own, "
        "{name: 198.51.100.10, port: 5999}. If omitted, the server does not replicate in this way.",
        port_each=True,
    ),
    Option(
        "replication_port",
        "port",
        "The port in the server's own Direct IP address. If omitted, the address contains none, and it is PORTBASE+2.",
        needs="replication_partners",
        needs_reason="there is no partner to replicate with",
    ),
    Option(
        "smtp_servers",
        "clients",
        "Addresses, not inventory hosts, of the mail servers that the server sends to (TCP 25). If omitted, it sends "
        "no mail.",
    ),
    Option(
        "pop3_servers",
        "clients",
        "Addresses, not inventory hosts, of the mail servers that the server fetches from (TCP 110). If omitted, it "
        "fetches no mail.",
    ),
    Option(
        "dns_servers",
        "clients",
        "Addresses, not inventory hosts, of the name servers that the server asks for mail servers (port 53). If "
        "omitted, it asks none.",
    ),
)

FLOWS = (
    FlowSpec(
        "connect",
        "tcp",
        "port_base+1",
        "Clients connect to TCP PORTBASE+1 and work",
        _DOC,
        when=("!tunnel_only",),
        process=("602sql*",),
        probe="sql602_connect",
        address="server_ip_addr",
        through=GatewayBehaviour(socks=_ONE_SOCKS_HOST, counted_from="port_base"),
    ),
    FlowSpec(
        "search",
        "udp",
        "port_base",
        "Clients search for the server on UDP PORTBASE",
        _DOC,
        when=("search", "udp_at_base"),
        need="optional",
        process=("602sql*",),
        probe="sql602_search",
        through=_SEARCH,
    ),
    FlowSpec(
        "interrupt",
        "udp",
        "port_base",
        "Clients interrupt a running operation on UDP PORTBASE",
        _DOC,
        when=("interrupt", "udp_at_base"),
        need="optional",
        process=("602sql*",),
        through=GatewayBehaviour(
            answered=False,
            untranslated="a break names the client's own address, which the server knows under another one",
        ),
    ),
    FlowSpec(
        "search_broadcast",
        "udp",
        "5001",
        "Clients search by broadcast, always on UDP 5001",
        f"{_DOC}; always 5001 and never PORTBASE: {_SEEN}",
        when=("search", "udp_port=5001"),
        need="optional",
        process=("602sql*",),
        broadcast=True,
        through=_SEARCH,
    ),
    FlowSpec(
        "unused_udp",
        "udp",
        "udp_port",
        "The server listens here although no client searches or interrupts: closed, because anyone could interrupt",
        f"{_SEEN}: UDP PORTBASE is open unless TCPIPCommunication is 0, and a break trusts the address that it names",
        initiator="nobody",
        when=("udp_unused",),
        need="optional",
        process=("602sql*",),
        probe="sql602_search",
    ),
    FlowSpec(
        "announcement",
        "udp",
        CLIENT_PORT,
        "The server announces itself to the client's UDP 5002",
        f"{_DOC}; from a new source port each time, so connection tracking never recognizes it: {_SEEN}",
        initiator="server",
        responder="clients",
        except_for="announced_elsewhere",
        when=("announcements",),
        need="optional",
        unsolicited=True,
        listens=False,
        through=_ANNOUNCEMENT,
    ),
    FlowSpec(
        "announcement_elsewhere",
        "udp",
        "dynamic",
        "The server announces itself to a client whose UDP 5002 is taken, at the port that the client names",
        f"{_DOC}; the operating system chooses the port: {_SOURCE}",
        initiator="server",
        responder="announced_elsewhere",
        when=("announcements", "announced_elsewhere"),
        need="optional",
        unsolicited=True,
        listens=False,
        guard="never",
        through=_ANNOUNCEMENT,
    ),
    FlowSpec(
        "http_tunnel",
        "tcp",
        "http_tunnel_port",
        "Clients connect through the HTTP tunnel",
        _DOC,
        when=("http_tunnel_port",),
        process=("602sql*",),
        probe="http_tunnel",
        address="http_address",
        through=GatewayBehaviour(http=_NO_HTTP),
    ),
    FlowSpec(
        "web",
        "tcp",
        "web_port",
        "Browsers use the web interface",
        f"{_SEEN}: WebPort",
        when=("web_port",),
        process=("602sql*",),
        probe="tcp",
        address="http_address",
    ),
    FlowSpec(
        "replication",
        "tcp",
        "replication_at",
        "Servers replicate directly by IP",
        f"{_SEEN}: TCP PORTBASE+2 with direct-IP replication; a Direct IP address can contain another: {_SOURCE}",
        initiator="replication_partners",
        when=("replication_partners",),
        both_ways=True,
        process=("602sql*",),
        probe="tcp",
    ),
    FlowSpec(
        "smtp",
        "tcp",
        "25",
        "The server sends mail",
        _SOURCE,
        initiator="server",
        responder="smtp_servers",
        when=("smtp_servers",),
        foreign=True,
    ),
    FlowSpec(
        "pop3",
        "tcp",
        "110",
        "The server fetches mail",
        _SOURCE,
        initiator="server",
        responder="pop3_servers",
        when=("pop3_servers",),
        foreign=True,
    ),
    FlowSpec(
        "dns",
        "udp",
        "53",
        "The server looks up the addresses of mail servers",
        _SOURCE,
        initiator="server",
        responder="dns_servers",
        when=("dns_servers",),
        foreign=True,
    ),
    FlowSpec(
        "dns_tcp",
        "tcp",
        "53",
        "The server repeats a lookup over TCP if the answer was too long",
        "RFC 7766",
        initiator="server",
        responder="dns_servers",
        when=("dns_servers",),
        need="optional",
        foreign=True,
    ),
    FlowSpec(
        "ping",
        "icmp",
        "",
        "Clients verify the connection to the address with ICMP echo",
        _DOC,
        when=("ping",),
        probe="icmp_echo",
    ),
)


_BEYOND_MINIMUM = (
    "ping",
    "announced_elsewhere",
    "http_tunnel_port",
    "web_port",
    "tunnel_only",
    "replication_partners",
    "smtp_servers",
    "pop3_servers",
    "dns_servers",
)
_OFF = {"search": False, "interrupt": False, "announcements": False}


def normalize(server: Values, instances: list[Values]) -> list[EngineWarning]:
    """Apply ``minimum`` and ``tunnel_only``, refuse what contradicts them and itself; see :class:`Engine`."""
    _check(server)
    if server["minimum"]:
        server.update(_OFF)
    if server["tunnel_only"]:
        server.update(_OFF)
    base = server["port_base"]
    server["udp_port"] = _SEARCHED if server["udp_5001"] else base
    server["udp_at_base"] = server["udp_port"] == base
    used = server["search"] or (server["interrupt"] and server["udp_at_base"])
    server["udp_unused"] = not (used or server["tunnel_only"])
    server["http_address"] = server["server_ip_addr"] if _on_windows(server) else None
    server["replication_at"] = server["replication_port"]
    if server["replication_partners"] is not None and server["replication_port"] is None:
        server["replication_at"] = _plus_two(base)
    _check_ports(server)
    return _warnings(server)


def _on_windows(server: Values) -> bool:
    """Tell whether the HTTP tunnel and the web interface are bound to ServerIPAddr (602SQL's published source)."""
    return os_family(server["host_os"]) == "windows"


def _warnings(server: Values) -> list[EngineWarning]:
    """Return what clients miss although it is planned."""
    warnings = []
    base = server["port_base"]
    if server["search"] != server["announcements"]:
        warnings.append(
            EngineWarning(
                "search_without_announcements",
                "search and announcements only work together: without both, a client does not list the server",
                "search",
            )
        )
    if server["search"] and server["udp_port"] != _SEARCHED:
        warnings.append(
            EngineWarning(
                "search_beyond_broadcast",
                f"a broadcast search goes to UDP 5001, never to PORTBASE {base}: "
                "clients find this server only if it is registered by address",
                "port_base",
            )
        )
    if not server["udp_at_base"] and (server["search"] or server["interrupt"]):
        warnings.append(
            EngineWarning(
                "search_only_by_broadcast",
                f"clients that have registered this server search and interrupt at UDP {base}, where it does not "
                "listen: they find it only by broadcast, and cannot interrupt it",
                "udp_5001",
            )
        )
    if server["announcements"] and server["announced_elsewhere"]:
        warnings.append(
            EngineWarning(
                "announced_anywhere",
                "the port for announcements changes with every search: the whole dynamic range of UDP is open to the "
                "server on these clients; to avoid it, free their UDP 5002, or set search and announcements to false",
                "announced_elsewhere",
            )
        )
    return warnings


def _plus_two(base: PortRange) -> PortRange:
    """Return TCP PORTBASE+2; raises DbportsError where there is none."""
    if base.last > MAX_PORT - 2:
        raise DbportsError(
            f"at most {MAX_PORT - 2} with replication, which needs TCP PORTBASE+2",
            code="out_of_range",
            path="port_base",
            value=written(base),
            fix="Give the server a lower PORTBASE, or a replication_port",
        )
    return PortRange(base.first + 2, base.last + 2)


def _check(server: Values) -> None:
    """Refuse what cannot be."""
    if server["minimum"]:
        for name in _BEYOND_MINIMUM:
            if server[name]:
                raise DbportsError(
                    "minimum means only TCP PORTBASE+1",
                    code="contradiction",
                    path=name,
                    value=written(server[name]),
                    fix=f"Remove minimum or {name}",
                )
    if server["tunnel_only"]:
        if not server["http_tunnel_port"]:
            raise DbportsError(
                "tunnel_only needs the port of the HTTP tunnel",
                code="missing",
                path="tunnel_only",
                value=True,
                fix="Set http_tunnel_port to HTTPTunnelPort (80 if it was not changed)",
            )
        for name in ("replication_partners", "udp_5001", *(() if _on_windows(server) else ("server_ip_addr",))):
            if server[name]:
                raise DbportsError(
                    "with tunnel_only, no port counted from PORTBASE is open",
                    code="contradiction",
                    path=name,
                    fix=f"Remove tunnel_only or {name}",
                )


def _check_ports(server: Values) -> None:
    """Refuse ports of the tunnel and the web interface that 602SQL has for something else."""
    base = server["port_base"].first
    taken = () if server["tunnel_only"] else (PortRange(base, base), PortRange(base + 1, base + 1))
    replication = (server["replication_at"],) if server["replication_partners"] else ()
    for name in ("http_tunnel_port", "web_port"):
        for port in (*taken, *replication):
            if server[name] == port:
                raise DbportsError(
                    "602SQL has this port for PORTBASE, PORTBASE+1 or replication",
                    code="contradiction",
                    path=name,
                    value=written(port),
                    fix="Give it a port of its own",
                )


_FILES = ("/etc/602sql", "/root/602sql", "/home/*/602sql")
SETTINGS = (
    Setting("port_base", _FILES, "IPPort"),
    Setting("http_tunnel_port", _FILES, "HTTPTunnelPort", usual=80),
    Setting("web_port", _FILES, "WebPort"),
)

ENGINE = Engine(
    name="sql602",
    title="602SQL",
    source=_DOC,
    options=OPTIONS,
    flows=FLOWS,
    settings=SETTINGS,
    normalize=normalize,
    normalized={
        "udp_port": "port",
        "udp_at_base": "bool",
        "udp_unused": "bool",
        "http_address": "address",
        "replication_at": "port",
    },
    one_socket=("http_tunnel_port", "web_port"),
    ipv4_only=True,
    notes=(
        "A running operation cannot be interrupted through the HTTP tunnel: UDP PORTBASE is not tunnelled.",
        "Clients need only TCP PORTBASE+1 to connect and work; UDP PORTBASE and the client's UDP 5002 are for "
        "searching and interrupting.",
        "602SQL uses IPv4 only: it listens on 0.0.0.0, and a break names an IPv4 address (observed on 602SQL 11.0.1).",
        "UDP PORTBASE is bound to all addresses, whatever ServerIPAddr says.",
        "If a partner's Direct IP address contains no port, 602SQL connects to PORTBASE+2 of its own PORTBASE: "
        "register partners with another PORTBASE as address:port.",
        "A break trusts the address inside the datagram, not its sender, so limiting UDP PORTBASE to known clients "
        "in the firewall is real protection.",
    ),
)
