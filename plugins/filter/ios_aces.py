# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cisco IOS and IOS XE access lists of a gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ios_aces
short_description: Return the access lists of a gateway for cisco.ios.ios_acls
version_added: 0.2.0
description:
  - Returns what a gateway of a plan has to permit as the C(config) of C(cisco.ios.ios_acls), with the replies,
    because these lists do not track connections.
  - Ports are written as ranges, also single ones. Releases of cisco.ios before 11.5.1 write C(eq 5001) and C(eq 5002)
    with names that devices read as ports 15001 and 15002.
  - Remarks of IPv6 lists need cisco.ios 11.4.2 or later. The module has no name for ICMPv6 echo requests, which are
    an error here.
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
    msg: "{{ gateway | dbports.firewall.ios_aces('office-in', origin='office') }}"
  vars:
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/acl-1.json') | from_json }}"
# => [{"afi": "ipv4", "acls": [{"name": "office-in", "acl_type": "extended", "aces": [{"sequence": 50000, "remarks":
#    ["dbports icmp_error: Any router on the way says that a packet is too big: without it large answers ne"],
#    "grant": "permit", "protocol": "icmp", "source": {"any": true}, "destination": {"host": "198.51.100.10"},
#    "protocol_options": {"icmp": {"packet_too_big": true}}}, {"sequence": 50010, "remarks": ["dbports erp-db
#    mssql/MSSQLSERVER/tds request: Clients connect to instance MSSQLSERVER"], "grant": "permit", "protocol": "tcp",
#    "source": {"host": "192.0.2.21", "port_protocol": {"range": {"start": 32768, "end": 60999}}}, "destination":
#    {"host": "198.51.100.10", "port_protocol": {"range": {"start": 1433, "end": 1433}}}}]}]}]
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

FilterModule = filter_module("ios_aces", from_data(translator("ios_aces")))
