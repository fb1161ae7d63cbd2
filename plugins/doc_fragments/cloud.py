# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filters that write rules of clouds have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The network that is protected."""

    DOCUMENTATION = r"""
options:
  protects:
    description:
      - The network of C(dbports_networks) on whose side the rules are. Packets to it are ingress, packets from it
        are egress.
    type: str
    required: true
notes:
  - Limits are counted before anything is returned. Exceeding one is an error with both numbers.
  - The data are validated against the argument spec of the vendor's module and compared with the plan for every packet.
    No cloud was used. C(docs/clouds.md) has a play for each platform.
"""

    MEMBERS = r"""
options:
  members:
    description:
      - The addresses of the instances that the rules are attached to. If omitted, these are all addresses that
        the plan has on the protected side.
      - A rule names only the other end, and so holds for every member. If the plan permits something for only a
        part of the members, this is an error. Write a group for each set of hosts that need the same.
      - A rule does not know the source port. Where the plan names one, as for the announcements of 602SQL, the rule is
        wider by that.
    type: list
    elements: str
"""

    PURGE = r"""
options:
  mode:
    description:
      - V(entries) returns rules to add. All other rules stay, including those of an earlier plan.
      - V(whole) returns all rules of the group. The module removes the others.
    type: str
    default: entries
    choices: [entries, whole]
"""
