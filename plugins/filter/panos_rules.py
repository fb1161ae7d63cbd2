# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return the security rules of a gateway for PAN-OS."""

from __future__ import annotations

DOCUMENTATION = r"""
name: panos_rules
short_description: Return the security rules of a gateway for PAN-OS
version_added: 0.2.0
description:
  - Returns what a gateway of a plan has to permit as options of C(paloaltonetworks.panos.panos_service_object) and
    C(paloaltonetworks.panos.panos_security_rule). PAN-OS tracks connections, so that replies need no rules.
  - Each rule names its service and has the application C(any), so that a port that was moved is matched. Echo requests
    are the applications C(ping) and C(ping6).
  - The name of a rule begins with C(dbports) and depends on what the rule permits, also on the clients. The rule of an
    earlier plan stays, and lets in the same hosts, until it is removed, see P(dbports.firewall.stale_rules#filter). A
    commit is left to the user.
positional: zones
options:
  zones:
    description:
      - The zone of each network that the gateway stands between, or a list of zones.
    type: dict
    required: true
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
    msg: "{{ gateway | dbports.firewall.panos_rules({'office': 'trust', 'dc': 'servers'}) }}"
  vars:
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/acl-1.json') | from_json }}"
# => {"services": [{"name": "dbports-tcp-1433", "protocol": "tcp", "destination_port": "1433"}], "rules":
#    [{"rule_name": "dbports-erp-db-mssql-mssqlserver-tds-eb28571c11d4", "source_zone": ["trust"], "source_ip":
#    ["192.0.2.21"], "destination_zone": ["servers"], "destination_ip": ["198.51.100.10"], "application": ["any"],
#    "service": ["dbports-tcp-1433"], "action": "allow", "description": "dbports erp-db mssql/MSSQLSERVER/tds
#    request: Clients connect to instance MSSQLSERVER"}]}
"""

RETURN = r"""
_value:
  description: Lists of the options of modules, one entry for each object.
  type: dict
  contains:
    services:
      description: For C(paloaltonetworks.panos.panos_service_object).
      type: list
      elements: dict
    rules:
      description: For C(paloaltonetworks.panos.panos_security_rule).
      type: list
      elements: dict
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator

FilterModule = filter_module("panos_rules", from_data(translator("panos_rules")))
