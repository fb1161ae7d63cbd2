# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS network ACLs, as ingress and egress of amazon.aws.ec2_vpc_nacl.

An entry names the network at the other end and destination ports: it holds for all hosts of its subnets, and for
replies from any source port. The module replaces both lists of an ACL, so that others' entries have to be in them.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.dbports.firewall.plugins.module_utils._errors import DbportsError
from ansible_collections.dbports.firewall.plugins.plugin_utils._model.statements import GatewayPlan
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.limits import Limits, check_count
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.one_sided import (
    Direction,
    Rule,
    number,
    permits_of,
    port_ends,
    prefix,
)

LIMITS = Limits(255, 0, 20, "Amazon VPC User Guide, Amazon VPC quotas: rules per network ACL, default deny included")
LAST = 32766
FIRST, STEP = 20000, 10
_MOST = 40


def lists(
    plan: GatewayPlan,
    protects: str,
    ingress: Any = (),
    egress: Any = (),
    first: int = FIRST,
    step: int = STEP,
    quota: int = LIMITS.entries,
) -> dict[str, list[list[Any]]]:
    """Return both lists of an ACL: others' entries, and from ``first`` on what the plan permits."""
    start, pace = number(first, "first", 1, LAST), number(step, "step", 1, LAST)
    most = number(quota, "quota", 1, _MOST)
    found = permits_of(plan, protects)
    both: dict[str, list[list[Any]]] = {}
    others: tuple[tuple[Direction, Any], ...] = (("ingress", ingress), ("egress", egress))
    for direction, given in others:
        mine = [item.rule for item in found if item.rule.direction == direction]
        last = start + (len(mine) - 1) * pace
        check_count(LAST, last, "is the last rule number", "first", "Choose a lower first or step")
        entries = [_entry(start + index * pace, rule) for index, rule in enumerate(mine)]
        kept = _kept(given, direction, start, max(last, start))
        together = sorted(kept + entries, key=lambda entry: int(entry[0]))
        families = {":" in str(entry[3]) for entry in together} | {False}
        check_count(most, len(together) + len(families), f"{direction} entries, default deny included", "quota")
        both[direction] = together
    return both


def _entry(sequence: int, rule: Rule) -> list[Any]:
    """Return one entry; the module takes it for ICMP only when it has six elements, and the type stands first.

    Its own example has the type and the code the other way round.
    """
    if rule.protocol == "icmp":
        protocol = "ipv6-icmp" if rule.family == "ipv6" else "icmp"
        code = -1 if rule.icmp_code is None else rule.icmp_code
        return [sequence, protocol, "allow", prefix(rule.remote), rule.icmp_type, code]
    return [sequence, rule.protocol, "allow", prefix(rule.remote), None, None, *port_ends(rule.ports)]


def _kept(given: Any, path: str, first: int, last: int) -> list[list[Any]]:
    """Return others' entries, in the form of the module.

    :raises DbportsError: for one that is no entry, and for one with a number of the block or of another.
    """
    seen = set()
    if not isinstance(given, (list, tuple)):
        raise DbportsError("expected a list of entries", code="wrong_type", path=path, value=given)
    for index, entry in enumerate(given):
        here = f"{path}[{index}]"
        if not isinstance(entry, (list, tuple)) or len(entry) not in (6, 8):
            fix = "Write for example [100, tcp, allow, 192.0.2.0/24, null, null, 22, 22]"
            raise DbportsError("not an entry of a network ACL", code="wrong_type", path=here, value=entry, fix=fix)
        value = number(entry[0], here, 1, LAST)
        if first <= value <= last or value in seen:
            why = f"entries {first} to {last} are those of the plan" if first <= value <= last else "given twice"
            raise DbportsError(why, code="duplicate", path=here, value=value, fix="Choose another number, or first")
        seen.add(value)
    return [[int(entry[0]), *entry[1:]] for entry in given]
