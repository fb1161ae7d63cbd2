# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions that write a host's rules have in common: how they do it."""

from __future__ import annotations


class ModuleDocFragment:
    """Options; see ``RULES_OPTIONS`` of these actions for the argument spec."""

    DOCUMENTATION = r"""
options:
  cut_live:
    description:
      - What to do when the new rules would cut established connections, see
        O(dbports.firewall.ruleset#module:cut_live).
    type: str
    choices: [allow, warn, refuse]
    default: warn
  persist:
    description: Whether the ruleset survives a reboot.
    type: bool
    default: true
  confirm_timeout:
    description:
      - A change is kept only if Ansible reaches the host over a new connection afterwards. Before the change, the host
        arms a rollback; after so many seconds without a confirmation, and after a restart in between, it restores its
        old rules by itself, whatever has become of the connection, of Ansible or of the controller.
      - V(0) turns this off.
    type: int
    default: 30
  backend:
    description: The firewall that carries the rules, see O(dbports.firewall.ruleset#module:backend).
    type: str
    choices: [auto, firewalld, ufw, nftables, iptables]
    default: auto
  chains:
    description:
      - Base chains of the host's own nftables table that are to call the rules, see
        O(dbports.firewall.ruleset#module:chains).
    type: list
    elements: str
    default: []
"""
