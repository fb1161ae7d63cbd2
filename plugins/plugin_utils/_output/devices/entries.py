# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway's statements as single entries: what any list of rules, of a device or of a cloud, is made of."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._declare.networks import as_networks
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Family, GatewayPlan, Statement

PREFIX = "dbports"
"""Every remark and every name that is written to a device begins with it: by that they are known again."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._:/,()=+-]+")
_SPOKEN = re.compile(r"access-list|fragment-rules|ipv6|matches|permit|deny|remark|standard")
"""What the vendors' modules look for anywhere in a line that they read, also in a remark; only in lower case."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")
_DIGITS = 12


class Meaning(NamedTuple):
    """Which packets an entry permits; two entries with the same meaning are the same entry.

    :param source: one network or address, never another range; so ``destination``.
    :param source_ports: None for any, and where the protocol has none; so ``destination_ports``.
    :param established: only TCP packets with ACK or RST.
    :param icmp_type: and ``icmp_code``: of ICMP or ICMPv6, None for any.
    """

    family: Family
    protocol: Protocol
    source: AddressRange
    source_ports: PortRange | None
    destination: AddressRange
    destination_ports: PortRange | None
    established: bool
    icmp_type: int | None
    icmp_code: int | None


class Entry(NamedTuple):
    """One thing that is permitted, and the statement that says why.

    :param statement: where several statements need the same entry, the first of them.
    """

    meaning: Meaning
    statement: Statement


def statements_between(plan: GatewayPlan, origin: str = "", target: str = "") -> tuple[Statement, ...]:
    """Return the statements about packets from one network to another; an empty name is any network.

    :raises DbportsError: for a network that the gateway does not stand between.
    """
    for path, name in (("origin", origin), ("target", target)):
        if name and name not in plan.between:
            raise DbportsError(
                f"{plan.name} does not stand at this network",
                code="unknown_name",
                path=path,
                value=name,
                fix=f"Name one of its networks: {', '.join(plan.between)}",
            )
    return tuple(item for item in plan.statements if origin in ("", item.origin) and target in ("", item.target))


def entries_of(plan: GatewayPlan, origin: str = "", target: str = "") -> tuple[Entry, ...]:
    """Return the entries for packets from one network to another, in the order of the statements, each once.

    :raises DbportsError: see :func:`statements_between`.
    """
    found: dict[Meaning, Entry] = {}
    for statement in statements_between(plan, origin, target):
        for meaning in _meanings(statement):
            found.setdefault(meaning, Entry(meaning, statement))
    return tuple(found.values())


def _meanings(item: Statement) -> Iterator[Meaning]:
    ends = product(
        as_networks(item.source),
        item.source_ports or (None,),
        as_networks(item.destination),
        item.destination_ports or (None,),
    )
    for source, source_ports, destination, destination_ports in ends:
        yield Meaning(
            item.family,
            item.protocol,
            source,
            source_ports,
            destination,
            destination_ports,
            item.established,
            item.icmp_type,
            item.icmp_code,
        )


@lru_cache(maxsize=4096)
def remark(statement: Statement, length: int) -> str:
    """Return a statement in one line that any device takes as it is: host, endpoint, kind and reason.

    Only letters, digits and ``._:/,()=+-``: a question mark asks for help on a console; quotes, semicolons, bars and
    exclamation marks mean something on one device or another. Names come from inventories and can hold any of them.

    :param length: so many characters at most; the end is cut off.
    """
    words = (PREFIX, statement.host, statement.endpoint, f"{statement.kind}:", statement.reason)
    safe = (_UNSAFE.sub(" ", word).strip() for word in words)
    line = " ".join(" ".join(word for word in safe if word).split())[:length].rstrip()
    return _SPOKEN.sub(lambda found: found.group().capitalize(), line)


def stable_name(statement: Statement, meaning: object, length: int) -> str:
    """Return a name that says for what it is, and is the same for the same meaning in every plan.

    :param meaning: what the named thing permits: a :class:`Meaning`, or any tuple of such values.
    :param length: so many characters at most, at least 32; all of them letters, digits and hyphens, a letter first.
    """
    tail = f"-{hashlib.sha256(repr(meaning).encode()).hexdigest()[:_DIGITS]}"
    said = f"{statement.host}-{statement.endpoint}" if statement.host else statement.kind
    words = _NOT_IN_NAMES.sub("-", f"{PREFIX}-{said}").lower()
    return words[: length - len(tail)].rstrip("-") + tail
