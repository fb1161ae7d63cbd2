#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Plan which ports every host needs
version_added: 0.1.0
description:
  - Computes from the whole inventory which ports the declared servers, their clients and the gateways between them
    need, prints a summary and, with O(plan_dir), writes the plan for review and for other jobs.
  - The plan depends only on the inventory, not on the play, so it is the same with and without C(--limit), with every
    strategy and with C(serial). Where a play, role or task sets one of its variables, it fails.
  - The plan is computed once per run. Later calls reuse it.
  - Prints what the plan opens and closes compared with the one that O(plan_dir) holds, and the command that applies
    exactly this plan.
  - The ids and counts are also set as the custom statistic C(dbports_plan), as M(ansible.builtin.set_stats) does, for
    later jobs of a workflow.
options:
  plan_dir:
    description:
      - The directory on the controller to write the plan to. M(dbports.firewall.apply) reads C(index.json) and
        C(hosts/), and C(plan.md) is for people. A relative path starts at the directory in which ansible-playbook was
        started.
      - A directory that is not empty has to hold a plan already. Only files of that plan are changed or removed, and
        symbolic links are refused.
      - If omitted, nothing is written.
    type: path
  plan_id:
    description:
      - The C(plan_id) of an approved plan in O(plan_dir). No new plan is computed, and the directory stays as it is.
      - The plan is checked as M(dbports.firewall.apply) does.
    type: str
  ask_hosts:
    description:
      - Whether to ask the host which established connections its part of the plan would cut. The call is that of
        M(dbports.firewall.apply) in check mode, and nothing is changed on the host.
      - The connections of all hosts are printed in one table. A host that cannot be asked is named there and does not
        fail. So a task that asks has no C(run_once).
    type: bool
    default: false
  backend:
    description: See M(dbports.firewall.apply). Only used with O(ask_hosts=true).
    type: str
    choices: [auto, firewalld, ufw, nftables, iptables]
    default: auto
  chains:
    description: See M(dbports.firewall.apply). Only used with O(ask_hosts=true).
    type: list
    elements: str
    default: []
  former_name:
    description: See M(dbports.firewall.apply). Only used with O(ask_hosts=true).
    type: str
    default: ""
extends_documentation_fragment: [dbports.firewall.attributes, dbports.firewall.action, dbports.firewall.plan_source]
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written. The result reports whether the plan in O(plan_dir) would change.
  diff_mode:
    support: full
seealso:
  - module: dbports.firewall.apply
  - module: dbports.firewall.explain
  - module: dbports.firewall.verify
  - module: dbports.firewall.report
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Write a plan for review
  hosts: all
  gather_facts: false
  tasks:
    - name: Write the plan
      dbports.firewall.plan:
        plan_dir: dbports-plan
      run_once: true

- name: List the established connections that the plan would cut
  hosts: all
  gather_facts: false
  tasks:
    - name: Plan, and ask every host
      dbports.firewall.plan:
        ask_hosts: true
"""

RETURN = r"""
plan_id:
  description: The digest of the plan.
  returned: always
  type: str
  sample: 4b5c0b0a2f0d1f7b8a5d3a7e9a0c1d2e3f405162738495a6b7c8d9eaf0b1c2d3
inputs_id:
  description: The digest of everything that the plan was computed from.
  returned: always
  type: str
counts:
  description: The number of hosts, servers, flows, warnings and conflicts in the plan.
  returned: always
  type: dict
  sample: {hosts: 3, servers: 2, flows: 9, warnings: 0, conflicts: 0}
plan_warnings:
  description: The warnings of the plan.
  returned: always
  type: list
  elements: str
conflicts:
  description: Ports of one host that more than one server needs.
  returned: always
  type: list
  elements: str
cut:
  description:
    - The established connections of the host that the plan would cut, with the same keys as
      RV(dbports.firewall.ruleset#module:cut).
    - Empty where the host could not be asked.
  returned: when O(ask_hosts=true)
  type: list
  elements: dict
plan_dir:
  description: The directory of the plan.
  returned: when O(plan_dir) is set
  type: str
"""
