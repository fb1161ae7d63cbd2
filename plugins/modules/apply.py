#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
short_description: Apply a host's part of the plan to its firewall
version_added: 0.1.0
description:
  - Reads the host's port set from the plan and makes the host's own firewall follow it, with one call of
    M(dbports.firewall.ruleset).
  - Manages only the guarded ports of the plan. On these, the declared peers are allowed and everyone else is refused.
    All other ports and all foreign rules stay unchanged.
  - A host that the plan does not mention loses the rules of earlier plans.
  - Refuses rules that would drop the SSH connection through which the host is reached.
  - After a change, comes back over a new connection; else the host restores its old rules, see O(confirm_timeout).
  - Refuses C(delegate_to) another host, which would get the rules of this one, and C(run_once) with several hosts, of
    which only the first would get its rules.
options:
  state:
    description: V(present) applies the plan. V(absent) removes everything that this collection wrote to the host.
    type: str
    choices: [present, absent]
    default: present
  allow_shrink:
    description:
      - Allow the host to lose a guarded port altogether, or more than half of the addresses allowed on one.
      - By default this is refused, because a plan computed from an incomplete inventory looks valid and would lock
        out real clients.
    type: bool
    default: false
  former_name:
    description:
      - The former name of this host in the inventory, whose rules it takes over.
      - By default, rules that another name wrote are not changed, because two names of one machine would undo each
        other's work. The rules carry the name as a comment.
    type: str
  allow_empty_plan:
    description: Apply a plan without a single server. By default this is refused, because it guards nothing.
    type: bool
    default: false
  accept_conflicts:
    description:
      - The conflicts of the plan to apply all the same, by the names that M(dbports.firewall.plan) prints, such as
        V(db-1 tcp/5002).
      - A plan with any other conflict is refused, because only one of two programs can have a port.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - dbports.firewall.attributes
  - dbports.firewall.action
  - dbports.firewall.host_rules
  - dbports.firewall.plan_source
attributes:
  check_mode:
    support: full
    details:
      - The prediction includes a dry run of the firewall itself.
  diff_mode:
    support: full
  platform:
    platforms: linux, windows
seealso:
  - module: dbports.firewall.plan
  - module: dbports.firewall.guard
  - module: dbports.firewall.ruleset
  - module: dbports.firewall.verify
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Apply what the inventory declares
  dbports.firewall.apply:

- name: Apply exactly the reviewed plan
  dbports.firewall.apply:
    plan_dir: dbports-plan
    plan_id: "{{ approved_plan_id }}"

- name: Remove everything again
  dbports.firewall.apply:
    state: absent
"""

RETURN = r"""
confirmed:
  description: Whether the change was confirmed over a new connection.
  returned: when something changed and O(confirm_timeout) is not 0
  type: bool
plan_id:
  description: The digest of the plan.
  returned: when O(state=present)
  type: str
guarded:
  description: The guarded ports by protocol. See M(dbports.firewall.ruleset) for the other return values.
  returned: always
  type: dict
  sample: {tcp: "1433", udp: "1434"}
"""
