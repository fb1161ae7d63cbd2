# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions that take a plan have in common: where it comes from, and their action group."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and attributes; see ``PLAN_OPTIONS`` of the actions for the argument spec."""

    DOCUMENTATION = r"""
options:
  plan_dir:
    description:
      - The directory on the controller to which M(dbports.firewall.plan) wrote the plan. A relative path starts at the
        directory in which ansible-playbook was started.
    type: path
  plan_id:
    description:
      - The C(plan_id) of an approved plan, 64 hexadecimal digits. Exactly that plan is then read from O(plan_dir). A
        plan that was changed, does not include this host or no longer matches the inventory is refused.
      - If omitted, the plan is computed from the inventory, once per run. An empty value is an error.
    type: str
notes:
  - An option that a task does not set is read from the variable of the host that the roles document for it, such as
    C(dbports_plan_dir) for O(plan_dir).
attributes:
  action_group:
    description: Use C(group/dbports.firewall.plan) in C(module_defaults) to set defaults for this module, such as
      O(plan_dir) for all modules that take a plan.
    support: full
    membership: [dbports.firewall.plan]
"""
