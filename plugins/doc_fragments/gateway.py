# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filters that write a gateway's rules have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The gateway."""

    DOCUMENTATION = r"""
options:
  _input:
    description:
      - The file C(gateways/NAME.json) of a plan, read with P(ansible.builtin.from_json#filter). Every value in it is
        checked. A gateway that was declared for another platform is refused.
    type: dict
    required: true
author:
  - dbports.firewall contributors (@dbports)
"""
