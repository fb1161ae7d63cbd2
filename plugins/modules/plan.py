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
  - Computes from the whole inventory which ports the declared servers, their clients and the hosts between them
    need, prints a summary and, with O(plan_dir), writes the plan for people and other jobs.
  - The plan is the same with and without C(--limit), under every strategy and with C(serial), because it is a
    function of the inventory and not of the play. Variables of plays, roles and tasks, and facts that tasks set, are
    not read.
  - It is computed once in a run; calling it again costs nothing.
options:
  plan_dir:
    description:
      - Where to write the plan, on the controller. C(index.json) and C(hosts/) are what M(dbports.firewall.apply)
        reads, C(plan.md) is for readers. A relative path is below the directory in which ansible-playbook was started.
      - Without it nothing is written.
    type: path
attributes:
  action:
    description: Runs on the controller.
    support: full
  check_mode:
    description: Can run in check mode and tell what a real run tells.
    support: full
    details:
      - Nothing is written; whether the plan in O(plan_dir) would change is told.
  diff_mode:
    description: Tells what changed.
    support: full
  platform:
    description: Target systems.
    support: full
    platforms: linux
seealso:
  - module: dbports.firewall.apply
  - module: dbports.firewall.verify
  - module: dbports.firewall.report
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Plan, and leave the plan for a review
  hosts: all
  gather_facts: false
  tasks:
    - name: Write the plan
      dbports.firewall.plan:
        plan_dir: dbports-plan
      run_once: true
"""

RETURN = r"""
plan_id:
  description: The digest of the plan.
  returned: always
  type: str
  sample: 4b5c0b0a2f0d1f7b8a5d3a7e9a0c1d2e3f405162738495a6b7c8d9eaf0b1c2d3
inputs_id:
  description: The digest of all that the plan was made from.
  returned: always
  type: str
counts:
  description: How many hosts, servers, flows, warnings and conflicts the plan has.
  returned: always
  type: dict
  sample: {hosts: 3, servers: 2, flows: 9, warnings: 0, conflicts: 0}
plan_warnings:
  description: What the plan warns of.
  returned: always
  type: list
  elements: str
conflicts:
  description: Ports of one host that two servers want.
  returned: always
  type: list
  elements: str
plan_dir:
  description: Where the plan is.
  returned: when O(plan_dir) is set
  type: str
"""
