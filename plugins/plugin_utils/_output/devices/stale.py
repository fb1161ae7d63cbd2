# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own rules in what a cloud shows that are no longer planned, as data that removes them and nothing else.

Own rules are known by what is written to them: the name on Azure, the description on AWS and OpenStack. Whether one is
planned is decided by its numbers. What a cloud shows is data from outside, so every value of it is checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._addresses import AddressRange
from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.entries import PREFIX
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import check_choice
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.one_sided import prefix
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.stale_policies import (
    stale_fortios,
    stale_panos,
)

Data = dict[str, Any]
_AZURE_NAME = re.compile(rf"{PREFIX}-(?:in|out)-[0-9]+", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
_AWS_SIDES = {
    "ip_ranges": ("cidr_ip", "cidr_ip"),
    "ipv6_ranges": ("cidr_ipv6", "cidr_ipv6"),
    "prefix_list_ids": ("prefix_list_id", "ip_prefix"),
    "user_id_group_pairs": ("group_id", "group_id"),
}
"""Where ec2_security_group_info has the other end of a rule, by which key, and the module's option for it."""


def stale_rules(wanted: Any, current: Any, platform: str) -> Data:
    """Return how to remove own rules that are no longer planned.

    :param wanted: what the filter of the platform returned.
    :param current: what the info module of the platform returned of the group, or of all policies.
    :returns: ``changed`` and ``remove``, and what else the module needs.
    :raises DbportsError: for what no info module returns, and for rules that the module could not remove or keep.
    """
    check_choice(platform, "platform", tuple(_PLATFORMS))
    try:
        return _PLATFORMS[platform](wanted, current)
    except DbportsError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DbportsError(
            "not what the filter and the info module of the platform return",
            code="wrong_type",
            path="current",
            value=current,
            fix="Pass one group of their lists, or the list of rules for OpenStack, PAN-OS and FortiOS",
        ) from None


def _azure(wanted: Any, current: Any) -> Data:
    """Return parameters of azure_rm_resource for each rule: azure_rm_securitygroup removes all other rules or none."""
    planned = {rule["name"] for rule in wanted["rules"]}
    group = _word(current["name"])
    names = [str(rule["name"]) for rule in current["rules"]]
    gone = [name for name in names if _AZURE_NAME.fullmatch(name) and name not in planned]
    where = {"provider": "Network", "resource_type": "networkSecurityGroups", "resource_name": group}
    found = [{**where, "subresource": [{"type": "securityRules", "name": name}], "state": "absent"} for name in gone]
    return {"changed": bool(found), "remove": found}


def _openstack(wanted: Any, current: Any) -> Data:
    """Return parameters of security_group_rule for each rule."""
    if not isinstance(current, (list, tuple)):
        raise TypeError
    planned = {_neutron_key(rule) for rule in wanted}
    found = []
    for rule in current:
        if rule.get("description") != PREFIX:
            continue
        key = _neutron_key(rule)
        if key in planned:
            continue
        if rule.get("remote_group_id") or rule.get("remote_address_group_id") or key[4] is None:
            raise _not_ours(rule.get("id"), "names a group, or any port")
        names = ("direction", "ether_type", "protocol", "remote_ip_prefix", "port_range_min", "port_range_max")
        values = zip(names, (*key[:3], prefix(key[3]), *key[4:]))
        kept = {name: value for name, value in values if value is not None}
        found.append(
            {"security_group": _word(rule["security_group_id"]), "description": PREFIX, **kept, "state": "absent"}
        )
    return {"changed": bool(found), "remove": found}


def _neutron_key(rule: Data) -> tuple[str, str, str, AddressRange, int | None, int | None]:
    ends = [None if rule.get(name) is None else int(rule[name]) for name in ("port_range_min", "port_range_max")]
    direction, family, protocol = (str(rule[name]) for name in ("direction", "ether_type", "protocol"))
    known = direction in ("ingress", "egress") and family in ("IPv4", "IPv6")
    if not known or protocol not in ("tcp", "udp", "icmp", "ipv6-icmp"):
        raise _not_ours(rule.get("id"), "has a protocol or direction that is never written")
    if not all(end is None or 0 <= end <= 65535 for end in ends):
        raise ValueError
    return direction, family, protocol, AddressRange.parse(rule["remote_ip_prefix"]), ends[0], ends[1]


def _aws(wanted: Any, current: Any) -> Data:
    """Return all rules but the stale ones: ec2_security_group removes what it is not given, or nothing."""
    found: Data = {"changed": False, "remove": []}
    for key, there in (("rules", "ip_permissions"), ("rules_egress", "ip_permissions_egress")):
        planned = {_aws_key(rule) for rule in wanted[key]}
        kept = []
        for permission in current[there]:
            for rule in _aws_rules(permission, str(current.get("owner_id") or "")):
                if not str(rule.get("rule_desc", "")).startswith(f"{PREFIX} "):
                    kept.append(rule)
                elif _aws_key(rule) not in planned:
                    found["remove"].append(rule)
        mine = {_aws_key(rule) for rule in kept}
        found[key] = kept + [rule for rule in wanted[key] if _aws_key(rule) not in mine]
    found["changed"] = bool(found["remove"])
    return {**found, "purge_rules": True, "purge_rules_egress": True}


def _aws_key(rule: Data) -> tuple[Any, ...]:
    """Return what a rule permits, by number; AWS takes nothing twice that has the same."""
    (side,) = (name for _key, name in _AWS_SIDES.values() if name in rule)
    (other,) = rule[side]
    first, last = (
        rule.get(name, rule.get(icmp)) for name, icmp in (("from_port", "icmp_type"), ("to_port", "icmp_code"))
    )
    where = AddressRange.parse(other) if side.startswith("cidr") else other
    return rule["proto"], first, last, side, where


def _aws_rules(permission: Data, owner: str) -> Iterator[Data]:
    """Yield a permission as rules of the module, one for each other end.

    :raises DbportsError: for one that the module would not write as it is.
    """
    protocol = str(permission["ip_protocol"])
    ports = {"-1": {}, "tcp": {"from_port", "to_port"}, "udp": {"from_port", "to_port"}}
    start: Data = {"proto": "all" if protocol == "-1" else protocol}
    if protocol in ("icmp", "icmpv6"):
        start.update(icmp_type=int(permission["from_port"]), icmp_code=int(permission["to_port"]))
    elif protocol in ports:
        start.update({name: int(permission[name]) for name in sorted(ports[protocol])})
    else:
        raise _cannot_keep(f"protocol {protocol}")
    for key, (name, option) in _AWS_SIDES.items():
        for other in permission.get(key) or []:
            if key == "user_id_group_pairs" and str(other.get("user_id")) != owner:
                raise _cannot_keep(f"a group of another account, {other.get(name)}")
            text = str(other[name])
            value = prefix(AddressRange.parse(text)) if option.startswith("cidr") else _word(text)
            said = other.get("description")
            yield {**start, option: [value], **({"rule_desc": str(said)} if said else {})}


def _word(value: Any) -> str:
    """Return a name or an id that cannot mean anything else."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError
    return str(value)


def _not_ours(rule: Any, why: str) -> DbportsError:
    return DbportsError(
        f"a rule described as ours {why}",
        code="not_ours",
        path="current",
        value=rule,
        fix="Remove this rule, or give it another description",
    )


def _cannot_keep(what: str) -> DbportsError:
    return DbportsError(
        f"the group has a rule for {what}, which the module cannot keep as it is",
        code="cannot_encode",
        path="current",
        fix="Remove stale rules by hand, or keep this rule in another group",
    )


_PLATFORMS: dict[str, Callable[[Any, Any], Data]] = {
    "aws_security_group": _aws,
    "azure": _azure,
    "openstack": _openstack,
    "panos": stale_panos,
    "fortios": stale_fortios,
}
