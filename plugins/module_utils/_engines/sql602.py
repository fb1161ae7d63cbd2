# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""602SQL: what its documentation says of ports, and what a running 11.0.1 server was seen to do."""

from __future__ import annotations

import ipaddress

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    FlowSpec,
    GatewayBehaviour,
    Option,
    Values,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import MAX_PORT

_DOC = "602SQL documentation, Firewalls and Ports while Using the TCP/IP Protocol"
_SOURCE = "602SQL's published source"
_SEEN = "observed on 602SQL 11.0.1"
CLIENT_PORT = "5002"
"""The UDP port on which a client receives announcements, whatever PORTBASE is."""

_SEARCH = GatewayBehaviour(answered=False, untranslated="the announcement that answers it reaches nobody")

OPTIONS = (
    Option(
        "port_base",
        "port",
        "PORTBASE (IPPort): UDP PORTBASE is searched, clients connect to TCP PORTBASE+1.",
        5001,
        maximum=65534,
        why="clients connect to TCP PORTBASE+1, which must exist; 602SQL takes a random port instead",
    ),
    Option("http_tunnel_port", "port", "HTTPTunnelPort, where HTTP tunnelling is switched on; absent means off."),
    Option("web_port", "port", "WebPort, where WebServerEmulation is on; absent means off."),
    Option("search", "bool", "Clients search for the server (UDP PORTBASE, and a broadcast to 5001).", True),
    Option("interrupt", "bool", "Clients interrupt long operations (UDP PORTBASE).", True),
    Option("announcements", "bool", "The server answers searches with announcements to the client's UDP 5002.", True),
    Option("ping", "bool", "Clients verify the connection with an ICMP echo request.", False),
    Option(
        "tunnel_only",
        "bool",
        "TCPIPCommunication is 0: clients have the HTTP tunnel alone, neither PORTBASE nor PORTBASE+1 is open.",
        False,
    ),
    Option(
        "server_ip_addr",
        "address",
        "ServerIPAddr, the one address on which TCP PORTBASE+1 listens; UDP PORTBASE, "
        "the HTTP tunnel and the web interface are bound to all addresses all the same.",
    ),
    Option(
        "replication_partners",
        "clients",
        "Servers with which this one replicates directly by IP (TCP PORTBASE+2, "
        "both ways); a partner that is declared has its own PORTBASE.",
    ),
    Option("smtp_servers", "clients", "Addresses of mail servers to which the server sends (TCP 25)."),
    Option("pop3_servers", "clients", "Addresses of mail servers from which the server fetches (TCP 110)."),
    Option("dns_servers", "clients", "Addresses of the name servers that the server asks for that (port 53)."),
    Option("minimum", "bool", "Only TCP PORTBASE+1, which is enough to connect and work.", False),
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
        through=GatewayBehaviour(socks=True, counted_from="port_base"),
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
        "announcement",
        "udp",
        CLIENT_PORT,
        "The server announces itself to the client's UDP 5002",
        f"{_DOC}; from a new source port each time, so connection tracking never knows it: {_SEEN}",
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
        through=GatewayBehaviour(http=True),
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
        "The server asks for the addresses of mail servers",
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
        "The server asks again by TCP where an answer was too long",
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


def derive(server: Values, instances: list[Values]) -> list[str]:
    """Apply ``minimum`` and ``tunnel_only``, refuse what contradicts them and itself; see :class:`Engine`."""
    _check(server)
    if server["minimum"]:
        server.update(_OFF, ping=False)
    if server["tunnel_only"]:
        server.update(_OFF)
    warnings = []
    if server["search"] != server["announcements"]:
        warnings.append(
            "search and announcements work together: without both a client does not see the server in its list"
        )
    if server["search"] and server["port_base"] != 5001:
        warnings.append(
            f"a broadcast search goes to UDP 5001, never to PORTBASE {server['port_base']}: "
            "clients find this server only when it is registered by address"
        )
    return warnings


def _check(server: Values) -> None:
    """Refuse what cannot be."""
    if server["minimum"]:
        for name in _BEYOND_MINIMUM:
            if server[name]:
                raise DbportsError(
                    "minimum means TCP PORTBASE+1 alone", path=name, value=server[name], fix=f"Remove minimum or {name}"
                )
    if server["tunnel_only"]:
        if not server["http_tunnel_port"]:
            raise DbportsError(
                "a server with the tunnel alone needs its port",
                path="tunnel_only",
                value=True,
                fix="Set http_tunnel_port to HTTPTunnelPort (80 where it was not changed)",
            )
        for name in ("replication_partners", "server_ip_addr"):
            if server[name]:
                raise DbportsError(
                    "with the tunnel alone no port counted from PORTBASE is open",
                    path=name,
                    fix=f"Remove tunnel_only or {name}",
                )
    if server["replication_partners"] and server["port_base"] > MAX_PORT - 2:
        raise DbportsError(
            f"at most {MAX_PORT - 2} with replication: it needs TCP PORTBASE+2",
            path="port_base",
            value=server["port_base"],
            fix="Give the server a lower PORTBASE",
        )
    address = server["server_ip_addr"]
    if address and ipaddress.ip_address(address).is_loopback:
        raise DbportsError(
            "no other host reaches this address",
            path="server_ip_addr",
            value=address,
            fix="Set ServerIPAddr to an address of the network, and this to the same",
        )


ENGINE = Engine(
    name="sql602",
    title="602SQL",
    source=_DOC,
    options=OPTIONS,
    flows=FLOWS,
    derive=derive,
    notes=(
        "A running operation cannot be interrupted through the HTTP tunnel: UDP PORTBASE is not tunnelled.",
        "TCP PORTBASE+1 alone is enough to connect and work; UDP PORTBASE and the client's UDP 5002 serve searching "
        "and interrupting.",
        "UDP PORTBASE is bound to all addresses, whatever ServerIPAddr says.",
        "A break trusts the address inside the datagram, not its sender: limiting UDP PORTBASE to known clients "
        "in the firewall is real protection.",
    ),
)
