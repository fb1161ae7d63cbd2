# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSSH's server as a relay: one account that may only forward, and only to named servers.

Clients run ``ssh -N -D``, which answers SOCKS 4 on their own loopback and asks the server for each connection.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange, merge_addresses
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._firewall.command import find, run_checked
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange
from ansible_collections.dbports.firewall.plugins.module_utils._relay.model import Permits, Ranges, RelayRules, Target
from ansible_collections.dbports.firewall.plugins.module_utils._relay.server import Server

MAIN = "/etc/ssh/sshd_config"
PATH = "/etc/ssh/sshd_config.d/00-dbports-socks.conf"
"""First by name: of several blocks that match an account, the first one counts (sshd_config(5))."""

MARK = "# Written by the Ansible collection dbports.firewall for the gateway "
MOST = 4096
"""PermitOpen names single addresses and ports: how many pairs of them one block may have."""

_CLOSED = (
    "AllowAgentForwarding no",
    "AllowStreamLocalForwarding no",
    "ForceCommand /usr/sbin/nologin",
    "GatewayPorts no",
    "PermitListen none",
    "PermitTTY no",
    "PermitTunnel no",
    "PermitUserRC no",
    "X11Forwarding no",
)
_ELSEWHERE = ("AllowTcpForwarding no", "PermitOpen none")
_BLOCK = re.compile(r"^Match User \S+ Address (\S+)\n((?:    .*\n)*)", re.MULTILINE | re.ASCII)
_OPEN = re.compile(r"^    PermitOpen (.*)$", re.MULTILINE | re.ASCII)
_INCLUDE = re.compile(r"^\s*include[\s=]+(.*)$", re.IGNORECASE)
_MATCH = re.compile(r"^\s*match\s", re.IGNORECASE)


def encode(rules: RelayRules) -> str:
    """Return the account's blocks: one for all clients that may ask for the same, and one for everyone else."""
    parts = [f"{MARK}{rules.gateway}; changes are overwritten\n"]
    for targets, clients in _pieces(rules.permits).items():
        opened = " ".join(_open(targets))
        parts.append(f"Match User {rules.user} Address {','.join(_networks(clients))}\n")
        parts += [f"    {line}\n" for line in ("AllowTcpForwarding local", f"PermitOpen {opened}", *_CLOSED)]
    parts.append(f"Match User {rules.user}\n")
    parts += [f"    {line}\n" for line in (*_ELSEWHERE, *_CLOSED)]
    return "".join([*parts, "Match all\n"])


def decode(text: str) -> Permits:
    """Read back who may ask for what; only of a text that :func:`encode` wrote, also where it was edited since."""
    found: dict[Target, list[AddressRange]] = {}
    for clients, block in _BLOCK.findall(text):
        for opened in _OPEN.findall(block):
            for word in opened.split():
                server, _colon, port = word.rpartition(":")
                target = Target(AddressRange.parse(server), PortRange.parse(port))
                found.setdefault(target, []).extend(map(AddressRange.parse, clients.split(",")))
    return {target: merge_addresses(clients) for target, clients in sorted(found.items())}


def serves(_text: str) -> bool:
    """Say that a foreign file of this name is in use."""
    return True


def check(text: str, rules: RelayRules | None) -> None:
    """Let sshd itself read the file together with the host's configuration, and say what it then allows.

    :raises DbportsError: with its words when it refuses the text, when the host's configuration does not include the
        file, and when other settings win.
    """
    program = _program()
    try:
        main = Path(MAIN).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise DbportsError(f"cannot be read: {error.strerror}", code="not_permitted", path=MAIN) from None
    if not included(main, PATH):
        raise DbportsError(
            f"{MAIN} does not include {Path(PATH).parent}",
            code="not_enforced",
            path=MAIN,
            fix=f"Add this as its first line: Include {Path(PATH).parent}/*.conf",
        )
    with tempfile.TemporaryDirectory(prefix="dbports-sshd-") as place:
        part, whole = Path(place, "part"), Path(place, "whole")
        part.write_text(text, encoding="ascii")
        whole.write_text(f"Include {part}\n{main}", encoding="utf-8", errors="surrogateescape")
        run_checked([program, "-t", "-f", str(whole)])
        if rules:
            _compare(program, str(whole), rules)


def listens(_rules: RelayRules) -> bool:
    """Say that nothing but its process shows whether sshd runs; without one, each connection reads the files."""
    return True


def prove(rules: RelayRules) -> None:
    """See that sshd lets the account do what the rules say, and nothing else, by the files as they are.

    :raises DbportsError: when foreign blocks win.
    """
    _compare(_program(), MAIN, rules)


def included(main: str, path: str) -> bool:
    """Tell whether sshd reads a file for everyone, by the text of its main configuration."""
    for line in main.splitlines():
        if _MATCH.match(line):
            return False
        found = _INCLUDE.match(line)
        words = found.group(1).split() if found else ()
        if any(fnmatch.fnmatchcase(path, str(Path("/etc/ssh", word.strip('"')))) for word in words):
            return True
    return False


def _compare(program: str, main: str, rules: RelayRules) -> None:
    """Compare what sshd allows the account with the rules, for a client of each block and for another host.

    :raises DbportsError: where it allows something else.
    """
    cases: list[tuple[Ranges, tuple[str, ...]]] = [
        (clients, ("AllowTcpForwarding local", f"PermitOpen {' '.join(_open(targets))}"))
        for targets, clients in _pieces(rules.permits).items()
    ]
    samples = [(str(AddressRange(4, clients[0].first, clients[0].first)), lines) for clients, lines in cases]
    for address, lines in [*samples, ("::1", _ELSEWHERE)]:
        said = run_checked([program, "-T", "-f", main, "-C", f"user={rules.user},host=client,addr={address}"])
        known = {name: value for name, _space, value in (line.partition(" ") for line in said.splitlines())}
        for line in (*lines, *_CLOSED):
            name, _space, value = line.partition(" ")
            if known.get(name.lower(), value) != value:
                raise DbportsError(
                    f"sshd allows {rules.user} from {address} something else than {PATH} says: {name.lower()} is "
                    f"{known[name.lower()]}",
                    code="not_enforced",
                    path=PATH,
                    fix="Remove what other files of sshd's configuration say of this account, or name another one",
                )


def _program() -> str:
    program = find("sshd")
    if program is None:
        raise DbportsError(
            "no OpenSSH server is installed on this host",
            code="program_missing",
            path="sshd",
            fix="Install openssh-server",
        )
    return program


def _pieces(permits: Permits) -> dict[tuple[Target, ...], Ranges]:
    """Return addresses by all that they may ask for, because only the first block that matches an address counts."""
    begins: dict[int, list[Target]] = {}
    ends: dict[int, list[Target]] = {}
    for target, clients in permits.items():
        for item in clients:
            begins.setdefault(item.first, []).append(target)
            ends.setdefault(item.last + 1, []).append(target)
    borders, active = sorted({*begins, *ends}), set[Target]()
    found: dict[tuple[Target, ...], list[AddressRange]] = {}
    for here, following in zip(borders, borders[1:]):
        active.difference_update(ends.get(here, ()))
        active.update(begins.get(here, ()))
        if active:
            found.setdefault(tuple(sorted(active)), []).append(AddressRange(4, here, following - 1))
    return {targets: merge_addresses(clients) for targets, clients in sorted(found.items())}


def _open(targets: tuple[Target, ...]) -> list[str]:
    """Return what PermitOpen names: single addresses and ports.

    :raises DbportsError: when these are too many.
    """
    count = sum(
        (item.servers.last - item.servers.first + 1) * (item.ports.last - item.ports.first + 1) for item in targets
    )
    if count > MOST:
        raise DbportsError(
            f"PermitOpen names single addresses and ports, and these are {count}",
            code="over_limit",
            path="rules",
            value=count,
            fix=f"Name at most {MOST}, or use Dante (platform: dante)",
        )
    return [
        f"{ipaddress.IPv4Address(number)}:{port}"
        for item in targets
        for number in range(item.servers.first, item.servers.last + 1)
        for port in range(item.ports.first, item.ports.last + 1)
    ]


def _networks(ranges: Ranges) -> Iterator[str]:
    """Yield ranges as networks."""
    for item in ranges:
        first, last = ipaddress.IPv4Address(item.first), ipaddress.IPv4Address(item.last)
        yield from map(str, ipaddress.summarize_address_range(first, last))


SERVER = Server("sshd", PATH, MARK, "sshd", "ssh", False, encode, decode, serves, check, listens, prove)
