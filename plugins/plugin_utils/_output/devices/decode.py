# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries as the acls modules of Cisco and Arista gather them, read back into what they mean.

Devices show some ports as names, and which ones varies with platform and release: a port is its number here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.module_utils._ports import PortRange, Protocol
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import Family
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import Meaning
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.port_names import port_number

_ICMP: dict[str, dict[str, tuple[int, int | None]]] = {
    "ipv4": {"echo": (8, 0), "echo_reply": (0, 0), "packet_too_big": (3, 4), "echo_request": (8, 0)},
    "ipv6": {
        "echo": (128, 0),
        "echo_request": (128, 0),
        "echo_reply": (129, 0),
        "packet_too_big": (2, None),
        "neighbor_solicitation": (135, None),
        "neighbor_advertisement": (136, None),
    },
}
_PROTOCOLS: dict[str, Protocol] = {
    "tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp", "icmp": "icmp", "1": "icmp", "icmpv6": "icmp", "icmp6": "icmp",
    "58": "icmp",
}  # fmt: skip
_KNOWN = frozenset({"sequence", "grant", "remark", "remarks", "protocol", "protocol_options", "source", "destination"})
_ANYONE = {"ipv4": AddressRange.parse("0.0.0.0/0"), "ipv6": AddressRange.parse("::/0")}


class Key(NamedTuple):
    """What an entry does.

    :param meaning: None for all packets of the family.
    """

    grant: str
    meaning: Meaning | None


def key_of(ace: dict[str, Any], family: Family) -> Key | None:
    """Return what an entry does, or None for one that does more or less than entries from here do.

    :raises DbportsError: for a name of a port that is not known.
    """
    if not set(ace) <= _KNOWN:
        return None
    options = ace.get("protocol_options") or {}
    word = str(ace.get("protocol") or next(iter(options), "")).lower()
    source, destination = ace.get("source") or {}, ace.get("destination") or {}
    try:
        if word in ("ip", "ipv4", "ipv6"):
            return Key(ace["grant"], None) if (source, destination) == ({"any": True}, {"any": True}) else None
        protocol = _PROTOCOLS[word]
        established, icmp_type, icmp_code = _options(protocol, family, options)
        destination, trailing = _without_flag(destination)
        meaning = Meaning(
            family,
            protocol,
            _network(source, family),
            _ports(source, protocol),
            _network(destination, family),
            _ports(destination, protocol),
            established or trailing,
            icmp_type,
            icmp_code,
        )
    except _OtherError:
        return None
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, DbportsError) and error.code == "unknown_name":
            raise
        return None
    return Key(ace["grant"], meaning)


class _OtherError(Exception):
    """An entry says something that entries from here never say."""


def _options(protocol: Protocol, family: Family, options: dict[str, Any]) -> tuple[bool, int | None, int | None]:
    inner = next(iter(options.values()), None) or {}
    said = {name for name, value in {**inner, **inner.get("flags", {})}.items() if value and name != "flags"}
    if protocol == "icmp":
        (name,) = said
        return (False, *_ICMP[family][name])
    if said - {"established"}:
        raise _OtherError
    return bool(said), None, None


def _without_flag(side: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a side without ``established`` behind its ports, where arista.eos reads it, and whether it was there."""
    for operator, value in (side.get("port_protocol") or {}).items():
        if isinstance(value, str) and value.endswith(" established"):
            return {**side, "port_protocol": {operator: value[: -len(" established")]}}, True
    return side, False


def _network(side: dict[str, Any], family: Family) -> AddressRange:
    known = {key: value for key, value in side.items() if key != "port_protocol" and value not in (None, False)}
    if known == {"any": True}:
        return _ANYONE[family]
    wildcard = known.pop("wildcard_bits", None)
    ((key, text),) = known.items()
    if key not in ("host", "address", "prefix", "subnet_address"):
        raise _OtherError
    if wildcard is None:
        return AddressRange.parse(text)
    address, bits = AddressRange.address(text), AddressRange.address(wildcard)
    if bits.first & (bits.first + 1) or address.first & bits.first:
        raise _OtherError
    return AddressRange(address.family, address.first, address.first | bits.first)


def _ports(side: dict[str, Any], protocol: Protocol) -> PortRange | None:
    said = {key: value for key, value in (side.get("port_protocol") or {}).items() if value is not None}
    if not said:
        return None
    ((operator, value),) = said.items()
    if operator == "eq":
        return PortRange(port_number(value, protocol), port_number(value, protocol))
    if operator != "range":
        raise _OtherError
    first, last = value.split() if isinstance(value, str) else (value["start"], value["end"])
    return PortRange(port_number(first, protocol), port_number(last, protocol))
