# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Azure network security group of a gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
name: azure_rules
short_description: Return the rules of a gateway for azure.azcollection.azure_rm_securitygroup
version_added: 0.2.0
description:
  - Returns what a gateway of a plan has to permit as C(rules) of C(azure.azcollection.azure_rm_securitygroup), with
    C(purge_rules). A rule names both ends, so that a group can be attached to a whole subnet.
  - Names are made of the direction and the priority, so that a later plan replaces the rules of an earlier one.
    Where it has fewer, the last ones remain until O(mode=whole) or P(dbports.firewall.stale_rules#filter).
  - A rule permits all types of ICMP or none, so that ping is an error here.
positional: protects, mode, first
options:
  first:
    description:
      - The priority of the first rule in each direction, from 100. The last one is 4096 at most.
    type: int
    default: 1000
seealso:
  - module: dbports.firewall.plan
extends_documentation_fragment:
  - dbports.firewall.gateway
  - dbports.firewall.cloud
  - dbports.firewall.cloud.purge
"""

EXAMPLES = r"""
- name: Show what erp-db needs
  ansible.builtin.debug:
    msg: "{{ gateway | dbports.firewall.azure_rules('dc') }}"
  vars:
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/acl-1.json') | from_json }}"
# => {"rules": [{"name": "dbports-in-1000", "description": "dbports erp-db mssql/MSSQLSERVER/tds request: Clients
#    connect to instance MSSQLSERVER", "direction": "Inbound", "access": "Allow", "priority": 1000, "protocol": "Tcp",
#    "source_address_prefix": "192.0.2.21/32", "source_port_range": "*", "destination_address_prefix":
#    "198.51.100.10/32", "destination_port_range": "1433"}], "purge_rules": false}
"""

RETURN = r"""
_value:
  description:
    - C(rules) and C(purge_rules) of the module.
  type: dict
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator

FilterModule = filter_module("azure_rules", from_data(translator("azure_rules")))
