# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the objects of PAN-OS and FortiOS permit, as boxes: readers that know only the names in the policies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from acl_texts import all_of, interval
from intervals import ANY_FLAGS, NO_FLAGS, Box, Intervals

PINGS = {"ping": (4, 8), "ping6": (6, 128)}


def port_list(text: str, between: str) -> Intervals:
    """Return ports; what is not said is any."""
    parts = [part.partition("-") for part in text.split(between)] if text else [("1", "-", "65535")]
    return tuple((int(first), int(last or first)) for first, _dash, last in parts)


def networks(texts: list[str]) -> tuple[int, Intervals]:
    """Return the family of some networks, which all have the same, and their addresses."""
    (family,) = {ipaddress.ip_network(text).version for text in texts}
    return family, tuple(item for text in texts for item in interval(text))


def read_panos(data: dict[str, Any], zones: tuple[list[str], list[str]]) -> Iterator[Box]:
    """Yield what rules from one zone to another permit."""
    services = {item["name"]: item for item in data["services"]}
    assert len(services) == len(data["services"])
    for rule in data["rules"]:
        if (rule["source_zone"], rule["destination_zone"]) != zones:
            continue
        assert rule["action"] == "allow"
        (application,), (service,) = rule["application"], rule["service"]
        family, source = networks(rule["source_ip"])
        other, destination = networks(rule["destination_ip"])
        assert family == other
        if application in PINGS:
            assert service == "application-default"
            assert PINGS[application][0] == family
            kind = PINGS[application][1]
            yield Box(family, "icmp", source, ((kind, kind),), destination, ((0, 0),), NO_FLAGS)
            continue
        assert application == "any", "an application would not match a port that was moved"
        item = services[service]
        sport, dport = (port_list(item.get(key, ""), ",") for key in ("source_port", "destination_port"))
        flags = ANY_FLAGS if item["protocol"] == "tcp" else NO_FLAGS
        yield Box(family, item["protocol"], source, sport, destination, dport, flags)


def _services(item: dict[str, Any]) -> Iterator[tuple[str, Intervals, Intervals]]:
    if item["protocol"] in ("ICMP", "ICMP6"):
        code = ((item["icmpcode"],) * 2,) if "icmpcode" in item else ((0, 255),)
        yield "icmp", ((item["icmptype"],) * 2,), code
    for protocol in ("tcp", "udp"):
        for pair in item.get(f"{protocol}_portrange", "").split():
            there, _colon, here = pair.partition(":")
            yield protocol, port_list(here, ","), port_list(there, ",")


def read_fortios(data: dict[str, Any], interfaces: tuple[list[str], list[str]]) -> Iterator[Box]:
    """Yield what policies from one interface to another permit."""
    addresses: dict[str, Intervals] = {}
    for item in data["addresses"]:
        address, mask = item["subnet"].split()
        addresses[item["name"]] = interval(f"{address}/{mask}")
    addresses.update({item["name"]: interval(item["ip6"]) for item in data["addresses6"]})
    services = {item["name"]: item for item in data["services"]}
    assert len({policy["policyid"] for policy in data["policies"]}) == len(data["policies"])
    for policy in data["policies"]:
        if ([item["name"] for item in policy["srcintf"]], [item["name"] for item in policy["dstintf"]]) != interfaces:
            continue
        assert (policy["action"], policy["schedule"]) == ("accept", "always")
        family = 6 if "srcaddr6" in policy else 4
        key = "addr6" if family == 6 else "addr"
        sides = [
            tuple(
                item
                for entry in policy[f"{side}{key}"]
                for item in (all_of(family) if entry["name"] == "all" else addresses[entry["name"]])
            )
            for side in ("src", "dst")
        ]
        (service,) = policy["service"]
        for protocol, sport, dport in _services(services[service["name"]]):
            flags = ANY_FLAGS if protocol == "tcp" else NO_FLAGS
            yield Box(family, protocol, sides[0], sport, sides[1], dport, flags)
