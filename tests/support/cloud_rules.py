# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the data for clouds permit, as boxes: a reader of each form, which refuses what it does not know.

It shares nothing with the code that writes the data. ``local`` is what the rules are attached to, by family.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any

from intervals import ANY_FLAGS, NO_FLAGS, Box, Intervals

ALL_PORTS = ((0, 65535),)
EVERYONE: dict[int, Intervals] = {4: ((0, 2**32 - 1),), 6: ((0, 2**128 - 1),)}


def one_sided(
    inward: bool, protocol: str, remotes: Iterable[str], what: tuple[Intervals, Intervals], local: dict[int, Intervals]
) -> Iterator[Box]:
    """Yield what a rule permits that names the other end."""
    for text in remotes:
        assert "/" in text, "a network has its prefix"
        network = ipaddress.ip_network(text)
        remote = ((int(network.network_address), int(network.broadcast_address)),)
        here = local.get(network.version, ())
        source, destination = (remote, here) if inward else (here, remote)
        flags = ANY_FLAGS if protocol == "tcp" else NO_FLAGS
        if here:
            yield Box(network.version, protocol, source, what[0], destination, what[1], flags)


def icmp(kind: int, code: int | None) -> tuple[Intervals, Intervals]:
    """Return a type and a code, where -1 and none are all codes."""
    return ((kind, kind),), ((0, 255),) if code in (None, -1) else ((code, code),)


def to_ports(first: int, last: int) -> tuple[Intervals, Intervals]:
    """Return any source port and these of the destination."""
    assert 0 <= first <= last <= 65535
    return ALL_PORTS, ((first, last),)


def texts(value: str | list[str]) -> Intervals:
    """Return ports as Azure and Google write them."""
    if value == "*":
        return ALL_PORTS
    parts = [part.partition("-") for part in ([value] if isinstance(value, str) else value)]
    return tuple((int(first), int(last or first)) for first, _dash, last in parts)


def read_aws_security_group(data: dict[str, Any], local: dict[int, Intervals]) -> Iterator[Box]:
    """Read rules and rules_egress."""
    for key in ("rules", "rules_egress"):
        for rule in data[key]:
            (peer,) = {"cidr_ip", "cidr_ipv6", "group_id", "group_name", "ip_prefix"} & set(rule)
            assert all((":" in text) == (peer == "cidr_ipv6") for text in rule[peer])
            protocol = rule["proto"]
            if protocol in ("icmp", "icmpv6"):
                assert (protocol == "icmpv6") == (peer == "cidr_ipv6")
                what, protocol = icmp(rule["icmp_type"], rule["icmp_code"]), "icmp"
            else:
                what = to_ports(rule["from_port"], rule["to_port"])
            yield from one_sided(key == "rules", protocol, rule[peer], what, local)


def read_aws_network_acl(data: dict[str, Any], local: dict[int, Intervals]) -> Iterator[Box]:
    """Read both lists, all of whose entries allow."""
    for key in ("ingress", "egress"):
        assert len({entry[0] for entry in data[key]}) == len(data[key])
        for entry in data[key]:
            assert entry[2] == "allow"
            assert 1 <= entry[0] <= 32766
            protocol = entry[1]
            if protocol in ("icmp", "ipv6-icmp"):
                assert len(entry) == 6
                assert (":" in entry[3]) == (protocol == "ipv6-icmp")
                what, protocol = icmp(entry[4], entry[5]), "icmp"
            else:
                assert entry[4:6] == [None, None]
                what = to_ports(*entry[6:])
            yield from one_sided(key == "ingress", protocol, [entry[3]], what, local)


def read_openstack(data: list[dict[str, Any]], local: dict[int, Intervals]) -> Iterator[Box]:
    """Read the parameters of rules."""
    for rule in data:
        assert (":" in rule["remote_ip_prefix"]) == (rule["ether_type"] == "IPv6")
        protocol = rule["protocol"]
        if protocol in ("icmp", "ipv6-icmp"):
            assert (protocol == "ipv6-icmp") == (rule["ether_type"] == "IPv6")
            what, protocol = icmp(rule["port_range_min"], rule.get("port_range_max")), "icmp"
        else:
            what = to_ports(rule["port_range_min"], rule["port_range_max"])
        yield from one_sided(rule["direction"] == "ingress", protocol, [rule["remote_ip_prefix"]], what, local)


def read_gcp(data: list[dict[str, Any]], local: dict[int, Intervals]) -> Iterator[Box]:
    """Read the parameters of rules; both families in one are refused, and a destination of ingress."""
    assert len({rule["name"] for rule in data}) == len(data)
    for rule in data:
        inward = rule["direction"] == "INGRESS"
        remotes = rule["source_ranges" if inward else "destination_ranges"]
        assert ("destination_ranges" if inward else "source_ranges") not in rule
        assert len({":" in text for text in remotes}) == 1
        for allowed in rule["allowed"]:
            assert allowed["ip_protocol"] in ("tcp", "udp")
            what = ALL_PORTS, texts(allowed.get("ports", "*"))
            yield from one_sided(inward, allowed["ip_protocol"], remotes, what, local)


def read_kubernetes(data: list[dict[str, Any]], local: dict[int, Intervals]) -> Iterator[Box]:
    """Read policies; what isolates a pod is what it has rules for."""
    for policy in data:
        (kind,) = policy["spec"]["policyTypes"]
        side = {"Ingress": "from", "Egress": "to"}[kind]
        for rule in policy["spec"][kind.lower()]:
            remotes = [peer["ipBlock"]["cidr"] for peer in rule[side]]
            for port in rule["ports"]:
                first = port.get("port", 0)
                last = port.get("endPort", port.get("port", 65535))
                yield from one_sided(kind == "Ingress", port["protocol"].lower(), remotes, to_ports(first, last), local)


def read_azure(data: dict[str, Any], local: dict[int, Intervals]) -> Iterator[Box]:
    """Read rules, which name both ends."""
    assert not local
    for key in ("name", "priority"):
        assert len({(rule["direction"], rule[key]) for rule in data["rules"]}) == len(data["rules"])
    for rule in data["rules"]:
        assert rule["access"] == "Allow"
        protocol = {"Tcp": "tcp", "Udp": "udp"}[rule["protocol"]]
        sides = []
        for side in ("source", "destination"):
            value = rule[f"{side}_address_prefix"]
            sides.append([ipaddress.ip_network(text) for text in ([value] if isinstance(value, str) else value)])
        (family,) = {network.version for networks in sides for network in networks}
        source, destination = (
            tuple((int(item.network_address), int(item.broadcast_address)) for item in networks) for networks in sides
        )
        ports = [texts(rule[f"{side}_port_range"]) for side in ("source", "destination")]
        flags = ANY_FLAGS if protocol == "tcp" else NO_FLAGS
        yield Box(family, protocol, source, ports[0], destination, ports[1], flags)


READERS = {
    "aws_security_group": read_aws_security_group,
    "aws_network_acl": read_aws_network_acl,
    "azure": read_azure,
    "gcp": read_gcp,
    "openstack": read_openstack,
    "kubernetes": read_kubernetes,
}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "aws_security_group": ("aws_security_group", {"quota": 1000}),
    "aws_network_acl": ("aws_network_acl", {"quota": 40}),
    "azure": ("azure_rules", {}),
    "gcp": ("gcp_rules", {"name": "dbports", "target_tags": ["db"]}),
    "openstack": ("openstack_rules", {"security_group": "db", "quota": 1000}),
    "kubernetes": ("kubernetes_policies", {"name": "db", "namespace": "prod", "pod_selector": {}}),
}
"""The filter of each platform, and what it needs besides the network; the largest quotas."""

GROUPS = ("aws_security_group", "gcp", "openstack", "kubernetes")
NO_ICMP = ("azure", "gcp", "kubernetes")
