# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return the policies of a gateway for FortiOS."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fortios_policies
short_description: Return the policies of a gateway for FortiOS
version_added: 0.2.0
description:
  - Returns what a gateway of a plan has to permit as options of C(fortinet.fortios.fortios_firewall_address),
    C(fortinet.fortios.fortios_firewall_address6), C(fortinet.fortios.fortios_firewall_service_custom) and
    C(fortinet.fortios.fortios_firewall_policy). FortiOS tracks connections, so that replies need no policies.
  - Policies have numbers of a reserved block, in the order of the plan, so that a run with the same plan changes
    nothing. For the second plan and later ones use P(dbports.firewall.stale_rules#filter), which keeps the number
    of each policy and finds those that are no longer planned.
positional: interfaces, first
options:
  interfaces:
    description:
      - The interface or zone of each network that the gateway stands between, or a list of them.
    type: dict
    required: true
  first:
    description:
      - The first C(policyid) of the reserved block.
    type: int
    default: 50000
notes:
  - No device was used to test these data.
seealso:
  - module: dbports.firewall.plan
extends_documentation_fragment:
  - dbports.firewall.gateway
"""

EXAMPLES = r"""
- name: Show the rules between office and data centre
  ansible.builtin.debug:
    msg: "{{ gateway | dbports.firewall.fortios_policies({'office': 'port1', 'dc': 'port2'}) }}"
  vars:
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/acl-1.json') | from_json }}"
# => {"addresses": [{"name": "dbports-192.0.2.21", "type": "ipmask", "subnet": "192.0.2.21 255.255.255.255"},
#    {"name": "dbports-198.51.100.10", "type": "ipmask", "subnet": "198.51.100.10 255.255.255.255"}], "addresses6":
#    [], "services": [{"name": "dbports-tcp-1433", "protocol": "TCP/UDP/SCTP", "tcp_portrange": "1433"}], "policies":
#    [{"policyid": 50000, "name": "dbports-erp-db-mssql-m-eb28571c11d4", "srcintf": [{"name": "port1"}], "dstintf":
#    [{"name": "port2"}], "srcaddr": [{"name": "dbports-192.0.2.21"}], "dstaddr": [{"name":
#    "dbports-198.51.100.10"}], "service": [{"name": "dbports-tcp-1433"}], "action": "accept", "schedule": "always",
#    "comments": "dbports erp-db mssql/MSSQLSERVER/tds request: Clients connect to instance MSSQLSERVER"}]}
"""

RETURN = r"""
_value:
  description: Lists of the options of modules, one entry for each object.
  type: dict
  contains:
    addresses:
      description: For C(fortinet.fortios.fortios_firewall_address).
      type: list
      elements: dict
    addresses6:
      description: For C(fortinet.fortios.fortios_firewall_address6).
      type: list
      elements: dict
    services:
      description: For C(fortinet.fortios.fortios_firewall_service_custom).
      type: list
      elements: dict
    policies:
      description: For C(fortinet.fortios.fortios_firewall_policy).
      type: list
      elements: dict
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator

FilterModule = filter_module("fortios_policies", from_data(translator("fortios_policies")))
