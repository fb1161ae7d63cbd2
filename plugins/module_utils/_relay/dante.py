# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dante: its configuration in whole, written and read back, and its own parser."""

from __future__ import annotations

import ipaddress
import re
import socket
import tempfile
from collections.abc import Iterator

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, merge_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import Run, find, run, run_checked
from ansible_collections.dbports.firewall.plugins.module_utils._netstat.collect import collect
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.module_utils._relay.model import Permits, RelayRules, Target
from ansible_collections.dbports.firewall.plugins.module_utils._relay.server import Server

PROGRAM = "danted"
PATH = "/etc/danted.conf"
MARK = "# Written by the Ansible collection dbports.firewall for the gateway "

_PASS = re.compile(r"^socks pass \{ from: (\S+) to: (\S+) port = (\d+)(?: - (\d+))?$", re.MULTILINE | re.ASCII)
_SERVING = re.compile(r"^\s*internal\s*:", re.MULTILINE)

_SETTINGS = """\
logoutput: syslog
{addresses}
clientmethod: none
socksmethod: none
user.privileged: {user}
user.unprivileged: nobody
"""
"""Settings stand before rules. ``none``: a 602SQL client sends an empty user id, so that nothing else can work, and
without socksmethod Dante blocks everything (danted.conf(5)).
"""

_CLIENT = """\
client pass {{ from: {client} to: {internal} port = {port}
              log: error }}
"""
_RELAY = """\
socks pass {{ from: {client} to: {server} port = {ports}
             protocol: tcp
             command: connect
             proxyprotocol: socks_v4
             log: connect error }}
"""
_BLOCK = """\
socks block { from: 0.0.0.0/0 to: 0.0.0.0/0
              log: connect error }
"""
"""Without it a refusal is not logged, and the log is the only place where it differs from what the server refuses."""


def encode(rules: RelayRules) -> str:
    """Return danted.conf: who may ask, for what, and a block that logs the rest."""
    lines = [f"internal: {item} port = {rules.port}" for item in rules.internal]
    lines += [f"external: {item}" for item in rules.external]
    if len(rules.external) > 1:
        lines.append("external.rotation: route")  # else the first one is taken for every server
    # Ports below 1024 need root, danted.conf(5).
    user = "root" if rules.port < 1024 else "proxy"
    parts = [
        f"{MARK}{rules.gateway}; changes are overwritten\n",
        _SETTINGS.format(addresses="\n".join(lines), user=user),
    ]
    parts += [
        _CLIENT.format(client=client, internal=f"{internal}/32", port=rules.port)
        for client in _networks(rules.clients)
        for internal in rules.internal
    ]
    parts += [
        _RELAY.format(client=client, server=server, ports=_ports(target.ports))
        for target, clients in rules.permits.items()
        for client in _networks(clients)
        for server in _networks((target.servers,))
    ]
    return "".join([*parts, _BLOCK])


def decode(text: str) -> Permits:
    """Read back who may ask for what; only of a text that :func:`encode` wrote, also where it was edited since."""
    found: dict[Target, list[AddressRange]] = {}
    for client, server, first, last in _PASS.findall(text):
        target = Target(AddressRange.parse(server), PortRange(int(first), int(last or first)))
        found.setdefault(target, []).append(AddressRange.parse(client))
    return {target: merge_addresses(clients) for target, clients in sorted(found.items())}


def serves(text: str) -> bool:
    """Tell whether a configuration serves anyone; the file that the package brings does not."""
    return bool(_SERVING.search(text))


def check(text: str, rules: RelayRules | None, runner: Run = run) -> None:
    """Let Dante itself read a configuration: on a SIGHUP, one that it refuses would end the running server.

    :param rules: what it was written from; None for a foreign one.
    :raises DbportsError: with its words when it refuses the text, when it is not installed, and when the host lacks an
        address: Dante only warns of a missing internal one.
    """
    program = find(PROGRAM)
    if program is None:
        raise DbportsError(
            "Dante is not installed on this host",
            code="program_missing",
            path=PROGRAM,
            fix="Install dante-server; where the distribution has none, declare platform: sshd",
        )
    if rules:
        refuse_missing(rules)
    with tempfile.NamedTemporaryFile("w", encoding="ascii", prefix="dbports-danted-") as candidate:
        candidate.write(text)
        candidate.flush()
        run_checked([program, "-V", "-f", candidate.name], runner=runner)


def refuse_missing(rules: RelayRules) -> None:
    """Refuse addresses that the host does not have.

    :raises DbportsError: naming the first one.
    """
    for path, ranges in (("internal", rules.internal), ("external", rules.external)):
        for item in ranges:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
                try:
                    sock.bind((str(item), 0))
                except OSError as error:
                    raise DbportsError(
                        f"the host does not have the address {item} of the gateway {rules.gateway} ({error.strerror})",
                        code="no_address",
                        path=path,
                        value=str(item),
                        fix="Correct addresses of the gateway (dbports_gateways), or give the host this address",
                    ) from None


def listens(rules: RelayRules) -> bool:
    """Tell whether Dante listens at all of its internal addresses."""
    sockets = collect(ports=(PortRange(rules.port, rules.port),))[1]
    mine = {one.local_address for one in sockets if one.is_listener and one.protocol == "tcp" and one.is_of((PROGRAM,))}
    return all(str(item) in mine for item in rules.internal)


def prove(_rules: RelayRules) -> None:
    """Do nothing: the one file is all that Dante reads."""


def _networks(ranges: tuple[AddressRange, ...]) -> Iterator[str]:
    """Yield ranges as Dante writes them: networks with a length, also of one address."""
    for item in ranges:
        first, last = ipaddress.IPv4Address(item.first), ipaddress.IPv4Address(item.last)
        yield from map(str, ipaddress.summarize_address_range(first, last))


def _ports(ports: PortRange) -> str:
    return str(ports.first) if ports.first == ports.last else f"{ports.first} - {ports.last}"


SERVER = Server("dante", PATH, MARK, PROGRAM, "danted", True, encode, decode, serves, check, listens, prove)
