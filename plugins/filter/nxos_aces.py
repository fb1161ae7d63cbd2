# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cisco NX-OS access lists of a gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nxos_aces
short_description: Return the access lists of a gateway for cisco.nxos.nxos_acls
version_added: 0.2.0
description:
  - Returns what a gateway of a plan has to permit as the C(config) of C(cisco.nxos.nxos_acls), with the
    replies, because these lists do not track connections.
  - Ports that the module writes with the name of another port are an error. These are the ports 12, 13 and 14, and
    UDP ports that it gives a name of TCP, for example 80.
positional: name, ipv6_name, origin, target, mode, first, step, end
seealso:
  - module: dbports.firewall.plan
extends_documentation_fragment:
  - dbports.firewall.gateway
  - dbports.firewall.acl
  - dbports.firewall.acl.list
  - dbports.firewall.acl.end
  - dbports.firewall.acl.ipv6
  - dbports.firewall.acl.sequences
"""

EXAMPLES = r"""
- name: Show what packets from the office need
  ansible.builtin.debug:
    msg: "{{ gateway | dbports.firewall.nxos_aces('office-in', origin='office') }}"
  vars:
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/acl-1.json') | from_json }}"
# => [{"afi": "ipv4", "acls": [{"name": "office-in", "aces": [{"sequence": 50000, "remark": "dbports icmp_error: Any
#    router on the way says that a packet is too big: without it large answers ne"}, {"sequence": 50010, "grant":
#    "permit", "protocol": "icmp", "source": {"any": true}, "destination": {"host": "198.51.100.10"},
#    "protocol_options": {"icmp": {"packet_too_big": true}}}, {"sequence": 50020, "remark": "dbports erp-db
#    mssql/MSSQLSERVER/tds request: Clients connect to instance MSSQLSERVER"}, {"sequence": 50030, "grant": "permit",
#    "protocol": "tcp", "source": {"host": "192.0.2.21", "port_protocol": {"range": {"start": "32768", "end":
#    "60999"}}}, "destination": {"host": "198.51.100.10", "port_protocol": {"eq": "1433"}}}]}]}]
"""

RETURN = r"""
_value:
  description:
    - The C(config) of the module. Empty if nothing has to be permitted.
  type: list
  elements: dict
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator

FilterModule = filter_module("nxos_aces", from_data(translator("nxos_aces")))
