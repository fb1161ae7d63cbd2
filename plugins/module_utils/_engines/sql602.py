# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""602SQL: what its documentation says of ports, and what a running 11.0.1 server was seen to do."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    EngineWarning,
    FlowSpec,
    GatewayBehaviour,
    Option,
    Values,
    written,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT, PortRange

_DOC = "602SQL documentation, Firewalls and Ports while Using the TCP/IP Protocol"
_SOURCE = "602SQL's published source"
_SEEN = "observed on 602SQL 11.0.1"
CLIENT_PORT = "5002"
"""The UDP port on which a client receives announcements, whatever PORTBASE is."""

_SEARCHED = PortRange(5001, 5001)
_LOOPBACK = (AddressRange.parse("127.0.0.0/8"), AddressRange.parse("::1"))
_ONE_SOCKS_HOST = (
    "only one SOCKS host can stand between a client and a server (602SQL documentation, A Client - Server Connection "
    "over a SOCKS Firewall)"
)
_NO_HTTP = (
    "602SQL's tunnel does not survive a proxy that understands HTTP: its requests have no Host header, one request may "
    "get several responses, and the session is the connection"
)
_SEARCH = GatewayBehaviour(answered=False, untranslated="the announcement that answers it reaches nobody")

OPTIONS = (
    Option(
        "port_base",
        "port",
        "PORTBASE (IPPort). Clients search on UDP PORTBASE and connect to TCP PORTBASE+1.",
        5001,
        maximum=65534,
        why="clients connect to TCP PORTBASE+1, which must exist; 602SQL would use a random port instead",
    ),
    Option("http_tunnel_port", "port", "HTTPTunnelPort, if HTTP tunnelling is on. If omitted, it is off."),
    Option("web_port", "port", "WebPort, if WebServerEmulation is on. If omitted, it is off."),
    Option("search", "bool", "Clients search for the server (UDP PORTBASE, and a broadcast to UDP 5001).", True),
    Option("interrupt", "bool", "Clients interrupt long operations (UDP PORTBASE).", True),
    Option("announcements", "bool", "The server answers searches with announcements to the client's UDP 5002.", True),
    Option("ping", "bool", "Clients verify the connection with an ICMP echo request.", False),
    Option(
        "tunnel_only",
        "bool",
        "TCPIPCommunication is 0: clients can only use the HTTP tunnel, and neither PORTBASE nor PORTBASE+1 is open.",
        False,
    ),
    Option(
        "server_ip_addr",
        "address",
        "ServerIPAddr, the only address on which TCP PORTBASE+1 listens. UDP PORTBASE, the HTTP tunnel and the web "
        "interface are still bound to all addresses.",
    ),
    Option(
        "replication_partners",
        "clients",
        "Servers with which this one replicates directly by IP (TCP PORTBASE+2, both ways). A partner that is "
        "declared uses its own PORTBASE.",
    ),
    Option("smtp_servers", "clients", "Addresses of the mail servers that the server sends to (TCP 25)."),
    Option("pop3_servers", "clients", "Addresses of the mail servers that the server fetches from (TCP 110)."),
    Option("dns_servers", "clients", "Addresses of the name servers that the server asks for mail servers (port 53)."),
    Option(
        "minimum",
        "bool",
        "Admit clients only to TCP PORTBASE+1, which is enough to connect and work. UDP PORTBASE, where the server "
        "listens all the same, is guarded.",
        False,
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
        when=("search",),
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
        when=("interrupt",),
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
        when=("search", "port_base=5001"),
        need="optional",
        process=("602sql*",),
        broadcast=True,
        through=_SEARCH,
    ),
    FlowSpec(
        "unused_udp",
        "udp",
        "port_base",
        "No client searches or interrupts, and UDP PORTBASE still listens: anyone could interrupt queries",
        f"{_SEEN}: UDP PORTBASE is open unless TCPIPCommunication is 0, and a break trusts the address that it names",
        initiator="nobody",
        when=("!search", "!interrupt", "!tunnel_only"),
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
        when=("announcements",),
        need="optional",
        unsolicited=True,
        listens=False,
        through=GatewayBehaviour(
            answered=False, untranslated="it goes to the address that the server saw, where nobody waits"
        ),
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
        through=GatewayBehaviour(http=_NO_HTTP),
    ),
    FlowSpec(
        "web",
        "tcp",
        "web_port",
        "Browsers use the web interface",
        f"{_SEEN}: WebPort, all addresses",
        when=("web_port",),
        need="optional",
        process=("602sql*",),
        probe="tcp",
    ),
    FlowSpec(
        "replication",
        "tcp",
        "port_base+2",
        "Servers replicate directly by IP on TCP PORTBASE+2",
        f"{_SEEN}: TCP PORTBASE+2 with direct-IP replication, outbound to the partner's as well",
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
        need="optional",
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
        need="optional",
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
        need="optional",
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
        need="optional",
        probe="icmp_echo",
    ),
)


_BEYOND_MINIMUM = (
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
        server.update(_OFF, ping=False)
    if server["tunnel_only"]:
        server.update(_OFF)
    warnings = []
    if server["search"] != server["announcements"]:
        warnings.append(
            EngineWarning(
                "search_without_announcements",
                "search and announcements only work together: without both, a client does not list the server",
                "search",
            )
        )
    if server["search"] and server["port_base"] != _SEARCHED:
        warnings.append(
            EngineWarning(
                "search_beyond_broadcast",
                f"a broadcast search goes to UDP 5001, never to PORTBASE {server['port_base']}: "
                "clients find this server only if it is registered by address",
                "port_base",
            )
        )
    return warnings


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
        for name in ("replication_partners", "server_ip_addr"):
            if server[name]:
                raise DbportsError(
                    "with tunnel_only, no port counted from PORTBASE is open",
                    code="contradiction",
                    path=name,
                    fix=f"Remove tunnel_only or {name}",
                )
    if server["replication_partners"] and server["port_base"].last > MAX_PORT - 2:
        raise DbportsError(
            f"at most {MAX_PORT - 2} with replication, which needs TCP PORTBASE+2",
            code="out_of_range",
            path="port_base",
            value=written(server["port_base"]),
            fix="Give the server a lower PORTBASE",
        )
    address = server["server_ip_addr"]
    if address and any(address.overlaps(item) for item in _LOOPBACK):
        raise DbportsError(
            "no other host can reach this address",
            code="unreachable_address",
            path="server_ip_addr",
            value=written(address),
            fix="Set ServerIPAddr to an address that clients can reach, and server_ip_addr to the same",
        )


ENGINE = Engine(
    name="sql602",
    title="602SQL",
    source=_DOC,
    options=OPTIONS,
    flows=FLOWS,
    normalize=normalize,
    notes=(
        "A running operation cannot be interrupted through the HTTP tunnel: UDP PORTBASE is not tunnelled.",
        "TCP PORTBASE+1 alone is enough to connect and work; UDP PORTBASE and the client's UDP 5002 are for searching "
        "and interrupting.",
        "UDP PORTBASE is bound to all addresses, whatever ServerIPAddr says.",
        "A break trusts the address inside the datagram, not its sender, so limiting UDP PORTBASE to known clients "
        "in the firewall is real protection.",
    ),
)
