# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""602SQL: what its documentation says of ports, and what a running 11.0.1 server was seen to do."""

from __future__ import annotations

from ansible_collections.dbports.firewall.plugins.module_utils._engines.model import (
    Engine,
    FlowSpec,
    Option,
    Through,
    Values,
)
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError

_DOC = "602SQL documentation, Firewalls and Ports while Using the TCP/IP Protocol"
_SEEN = "observed on 602SQL 11.0.1"
CLIENT_PORT = "5002"
"""The UDP port on which a client receives announcements, whatever PORTBASE is."""

_SEARCH = Through(answered=False, untranslated="the announcement that answers it reaches nobody")

OPTIONS = (
    Option(
        "port_base", "port", "PORTBASE (IPPort): UDP PORTBASE is searched, clients connect to TCP PORTBASE+1.", 5001,
        maximum=65534, why="clients connect to TCP PORTBASE+1, which must exist; 602SQL takes a random port instead",
    ),
    Option("http_tunnel_port", "port", "HTTPTunnelPort, where HTTP tunnelling is switched on; absent means off."),
    Option("web_port", "port", "WebPort, where WebServerEmulation is on; absent means off."),
    Option("search", "bool", "Clients search for the server (UDP PORTBASE, and a broadcast to 5001).", True),
    Option("interrupt", "bool", "Clients interrupt long operations (UDP PORTBASE).", True),
    Option("announcements", "bool", "The server answers searches with announcements to the client's UDP 5002.", True),
    Option("ping", "bool", "Clients verify the connection with an ICMP echo request.", False),
    Option("minimum", "bool", "Only TCP PORTBASE+1, which is enough to connect and work.", False),
)

FLOWS = (
    FlowSpec(
        "connect", "tcp", "port_base+1", "Clients connect to TCP PORTBASE+1 and work", _DOC,
        process=("602sql*",), probe="sql602_connect", through=Through(socks=True, counted_from="port_base"),
    ),
    FlowSpec(
        "search", "udp", "port_base", "Clients search for the server on UDP PORTBASE", _DOC,
        when=("search",), need="optional", process=("602sql*",), probe="sql602_search", through=_SEARCH,
    ),
    FlowSpec(
        "interrupt", "udp", "port_base", "Clients interrupt a running operation on UDP PORTBASE", _DOC,
        when=("interrupt",), need="optional", process=("602sql*",),
        through=Through(answered=False, untranslated="a break names the client's own address, which the server knows "
                        "under another one"),
    ),
    FlowSpec(
        "search_broadcast", "udp", "5001",
        "Clients search by broadcast, always on UDP 5001", f"{_DOC}; always 5001 and never PORTBASE: {_SEEN}",
        when=("search", "port_base=5001"), need="optional", process=("602sql*",), broadcast=True,
        through=_SEARCH,
    ),
    FlowSpec(
        "announcement", "udp", CLIENT_PORT, "The server announces itself to the client's UDP 5002",
        f"{_DOC}; from a new source port each time, so connection tracking never knows it: {_SEEN}",
        initiator="server", responder="clients", when=("announcements",), need="optional",
        unsolicited=True, listens=False,
        through=Through(answered=False, untranslated="it goes to the address that the server saw, where nobody waits"),
    ),
    FlowSpec(
        "http_tunnel", "tcp", "http_tunnel_port", "Clients connect through the HTTP tunnel", _DOC,
        when=("http_tunnel_port",), process=("602sql*",), probe="http_tunnel", through=Through(http=True),
    ),
    FlowSpec(
        "web", "tcp", "web_port", "Browsers use the web interface", f"{_SEEN}: WebPort, all addresses",
        when=("web_port",), need="optional", process=("602sql*",), probe="tcp",
    ),
    FlowSpec(
        "ping", "icmp", "", "Clients verify the connection to the address with ICMP echo", _DOC,
        when=("ping",), need="optional", probe="icmp_echo",
    ),
)


def derive(server: Values, instances: list[Values]) -> list[str]:
    """Apply ``minimum`` and refuse what contradicts it; see :class:`Engine`."""
    warnings = []
    if server["minimum"]:
        for name in ("http_tunnel_port", "web_port"):
            if server[name]:
                raise DbportsError(
                    "minimum means TCP PORTBASE+1 alone", path=name, value=server[name],
                    fix=f"Remove minimum or {name}",
                )
        server.update(search=False, interrupt=False, announcements=False, ping=False)
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


ENGINE = Engine(
    name="sql602", title="602SQL", source=_DOC, options=OPTIONS, flows=FLOWS, derive=derive,
    notes=(
        "UDP PORTBASE is bound to all addresses, whatever ServerIPAddr says.",
        "A break trusts the address inside the datagram, not its sender: limiting UDP PORTBASE to known clients "
        "in the firewall is real protection.",
    ),
)
