#!/usr/bin/python
# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: socks
short_description: Let a SOCKS host relay exactly what the plan says
version_added: 0.2.0
description:
  - For a host that is a gateway of the kind C(socks) with the platform C(dante) or C(sshd) in C(dbports_gateways),
    writes what it has to relay, with one call of M(dbports.firewall.socks_config). On other hosts nothing is done.
  - 602SQL clients ask a SOCKS host for TCP connections only. What does not pass it (search, interrupt, announcements)
    is said again as a warning.
  - The host's own firewall guards the port on which it listens, by M(dbports.firewall.apply).
options:
  state:
    description:
      - V(present) applies the plan.
      - V(absent) brings back what was there before on any Linux host that has something of this collection. It needs no
        plan, and the gateway need not be declared any more.
    type: str
    choices: [present, absent]
    default: present
  user:
    description: The account of clients, see O(dbports.firewall.socks_config#module:user).
    type: str
    default: dbports-socks
  take_over:
    description:
      - Replace a configuration that this collection did not write, see
        O(dbports.firewall.socks_config#module:take_over).
    type: bool
    default: false
  allow_shrink:
    description: Allow clients to lose a server, see O(dbports.firewall.socks_config#module:allow_shrink).
    type: bool
    default: false
extends_documentation_fragment: [dbports.firewall.attributes, dbports.firewall.action, dbports.firewall.plan_source]
attributes:
  check_mode:
    support: full
    details:
      - The prediction includes a dry run of the program that relays.
  diff_mode:
    support: full
seealso:
  - module: dbports.firewall.apply
  - module: dbports.firewall.gateways
  - module: dbports.firewall.socks_config
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Let the SOCKS hosts of the inventory relay what it declares
  dbports.firewall.socks:

- name: Bring back what was there before
  dbports.firewall.socks:
    state: absent
"""

RETURN = r"""
gateway:
  description: The name of the gateway that the host is; empty if it is none.
  returned: with O(state=present)
  type: str
  sample: socks-1
plan_id:
  description: The digest of the plan.
  returned: with O(state=present)
  type: str
path:
  description: The file that holds the rules.
  returned: when the host is such a gateway, or with O(state=absent) on Linux
  type: str
  sample: /etc/danted.conf
"""
