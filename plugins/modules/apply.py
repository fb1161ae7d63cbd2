#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
short_description: Give a host the ruleset of its part of the plan
version_added: 0.1.0
description:
  - Takes the host's port set out of the plan and makes the host's own firewall follow it, with one call of
    M(dbports.firewall.ruleset). On the ports of the plan the declared peers get in and everyone else is refused; every
    other port and every foreign rule stays as it was.
  - A host that the plan says nothing of loses the rules that an earlier plan gave it.
  - It refuses to guard the port through which Ansible itself reaches the host by ssh.
options:
  state:
    description: V(absent) takes everything away that this collection ever wrote on the host.
    type: str
    choices: [present, absent]
    default: present
  allow_shrink:
    description:
      - Allow that the host loses a guarded port altogether, or more than half of the addresses allowed on one.
      - The worst plan is one from half an inventory, which looks valid and shuts real clients out; so it needs a word.
    type: bool
    default: false
  persist:
    description: Make the ruleset survive a reboot.
    type: bool
    default: true
extends_documentation_fragment: [dbports.firewall.plan_source]
attributes:
  check_mode:
    description: Can run in check mode and tell what a real run tells.
    support: full
    details:
      - It tells exactly what a run would change, after a dry run of the firewall itself.
  diff_mode:
    description: Tells what changed.
    support: full
seealso:
  - module: dbports.firewall.plan
  - module: dbports.firewall.ruleset
  - module: dbports.firewall.verify
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Apply what the inventory declares
  dbports.firewall.apply:

- name: Apply exactly the plan that was reviewed
  dbports.firewall.apply:
    plan_dir: dbports-plan
    plan_id: "{{ approved_plan_id }}"

- name: Take everything away again
  dbports.firewall.apply:
    state: absent
"""

RETURN = r"""
plan_id:
  description: The digest of the plan.
  returned: when O(state=present)
  type: str
guarded:
  description: The guarded ports by protocol; more is returned, see M(dbports.firewall.ruleset).
  returned: always
  type: dict
  sample: {tcp: "1433", udp: "1434"}
"""
