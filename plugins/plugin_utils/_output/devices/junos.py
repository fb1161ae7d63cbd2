# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewall filters of Junos, as set commands for the config module: junos_acls knows no tcp-established, and up to
junipernetworks.junos 11.0.0 writes an empty source-port for a range, which then matches any port or is refused.

A condition on ports or flags does not imply its protocol (Juniper, Understanding How a Firewall Filter Tests a
Protocol), so each term names it. A term's name lasts as long as its meaning, and begins with dbports.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import BITS, AddressRange
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Family, GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.acl import (
    by_family,
    check_mode,
    names_of,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import (
    PREFIX,
    Entry,
    Meaning,
    entries_of,
    stable_name,
)
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import Limits, check_name

LIMITS = Limits(
    64,
    62,
    0,
    "Juniper Routing Policies, Firewall Filters, and Traffic Policers User Guide: names of filters and terms up to 64",
    (r"[A-Za-z][A-Za-z0-9_-]*", "letters, digits, hyphens and underscores, a letter first"),
)
FAMILY: dict[Family, str] = {"ipv4": "inet", "ipv6": "inet6"}
_END, _NEIGHBOURS = f"{PREFIX}-end", f"{PREFIX}-neighbor-discovery"
ENDS = frozenset({_END, _NEIGHBOURS})
"""The terms at the end of a whole filter."""


def terms(
    plan: GatewayPlan,
    name: str,
    ipv6_name: str | None = None,
    origin: str = "",
    target: str = "",
    mode: str = "entries",
    before: str | None = None,
    end: str | None = None,
) -> list[str]:
    """Return set commands: terms for an existing filter, moved before one of its own, or a whole filter."""
    names = names_of(LIMITS, name, ipv6_name)
    check_mode(mode, end)
    mark = None if before is None else check_name(LIMITS, before, "before")
    found: list[str] = []
    for family, entries in by_family(entries_of(plan, origin, target)).items():
        filter_ = f"firewall family {FAMILY[family]} filter {names[family]}"
        for entry in entries:
            term = f"{filter_} term {term_name(entry)}"
            found += [f"set {term} {words}" for words in _conditions(entry.meaning)]
            found.append(f"set {term} then accept")
            if mark:
                found.append(f"insert {term} before term {mark}")
        found += _end(filter_, family, end)
    return found


def term_name(entry: Entry) -> str:
    """Return the name of an entry's term."""
    return stable_name(entry.statement, entry.meaning, LIMITS.remark)


def _prefix(item: AddressRange) -> str:
    text = str(item)
    return text if "/" in text else f"{text}/{BITS[item.family]}"


def _conditions(item: Meaning) -> Iterator[str]:
    for side, network in (("source", item.source), ("destination", item.destination)):
        if network.last - network.first + 1 < 2 ** BITS[network.family]:
            yield f"from {side}-address {_prefix(network)}"
    protocol = ("icmp6" if item.family == "ipv6" else "icmp") if item.protocol == "icmp" else item.protocol
    yield f"from {'next-header' if item.family == 'ipv6' else 'protocol'} {protocol}"
    for side, ports in (("source", item.source_ports), ("destination", item.destination_ports)):
        if ports:
            yield f"from {side}-port {ports}"
    if item.established:
        yield "from tcp-established"
    if item.icmp_type is not None:
        yield f"from icmp-type {item.icmp_type}"
    if item.icmp_code is not None:
        yield f"from icmp-code {item.icmp_code}"


def _end(filter_: str, family: Family, end: str | None) -> Iterator[str]:
    """Yield the end of a whole filter; neighbor discovery (RFC 4861) passes a filter of IPv6 that refuses the rest."""
    if end == "deny" and family == "ipv6":
        term = f"{filter_} term {_NEIGHBOURS}"
        yield f"set {term} from next-header icmp6"
        yield f"set {term} from icmp-type 135"
        yield f"set {term} from icmp-type 136"
        yield f"set {term} then accept"
    if end:
        yield f"set {filter_} term {_END} then {'accept' if end == 'permit' else 'discard'}"
