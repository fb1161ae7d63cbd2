# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions that take a plan have in common: where it comes from, and where they run."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and attributes; see ``_action.PLAN_OPTIONS`` for the argument spec."""

    DOCUMENTATION = r"""
options:
  plan_dir:
    description:
      - The directory of a plan that M(dbports.firewall.plan) wrote, on the controller. A relative path is below the
        directory in which ansible-playbook was started.
    type: path
  plan_id:
    description:
      - The plan_id that was approved. With it, exactly that plan is taken out of O(plan_dir), and a plan that was
        changed, does not hold this host, or no longer fits the inventory is refused.
      - Without it the plan is computed from the inventory, once in a run.
    type: str
attributes:
  action:
    description: Runs on the controller.
    support: full
  platform:
    description: Target systems.
    support: full
    platforms: linux
"""
