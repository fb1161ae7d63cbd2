# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of Dante for a SOCKS host of a plan."""

from __future__ import annotations

DOCUMENTATION = r"""
name: danted_conf
short_description: Return the danted.conf of a SOCKS host
version_added: 0.2.0
description:
  - Returns what a SOCKS host of a plan has to relay as the whole text of C(danted.conf), for those who bring it to the
    host themselves. M(dbports.firewall.socks) writes the same text, lets Dante's own parser read it first and brings
    the old one back if the server does not follow.
  - A running Dante ends when it is told to read a file that it refuses. Check the text with C(danted -V) before.
options:
  _input:
    description:
      - The file C(gateways/NAME.json) of a plan, read with P(ansible.builtin.from_json#filter), of a gateway of the
        kind V(socks) that does not run on another platform.
    type: dict
    required: true
seealso:
  - module: dbports.firewall.plan
  - module: dbports.firewall.socks
author:
  - dbports.firewall contributors (@dbports)
"""

EXAMPLES = r"""
- name: Show the rules of the SOCKS host
  ansible.builtin.debug:
    msg: "{{ (gateway | dbports.firewall.danted_conf).splitlines() | select('match', 'socks ') }}"
  vars:
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/socks-1.json') | from_json }}"
# => ["socks pass { from: 192.0.2.21/32 to: 198.51.100.10/32 port = 5002",
#    "socks block { from: 0.0.0.0/0 to: 0.0.0.0/0"]
"""

RETURN = r"""
_value:
  description:
    - The text.
  type: str
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.socks import danted_conf

FilterModule = filter_module("danted_conf", danted_conf)
