# Copyright: dbports.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWS security group of a gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
name: aws_security_group
short_description: Return the rules of a gateway for amazon.aws.ec2_security_group
version_added: 0.2.0
description:
  - Returns what a gateway of a plan has to permit as C(rules) and C(rules_egress) of C(amazon.aws.ec2_security_group),
    with C(purge_rules) and C(purge_rules_egress). Both are true if the module does not get them, and then remove all
    other rules.
  - Each rule has one network. AWS counts each network as a rule, for IPv4 and IPv6 and each direction apart.
  - The module adds a rule that permits all outgoing traffic if it does not get C(rules_egress). Pass the list, even
    if it is empty. A new group has this rule until C(purge_rules_egress) removes it.
  - Security groups track connections. A rule that is removed does not end the connections that it permitted.
positional: protects, members, mode, quota
options:
  quota:
    description:
      - The number of rules that the account permits in a group, in each direction and for IPv4 and IPv6 each.
    type: int
    default: 60
seealso:
  - plugin: dbports.firewall.aws_network_acl
    plugin_type: filter
  - module: dbports.firewall.plan
extends_documentation_fragment:
  - dbports.firewall.gateway
  - dbports.firewall.cloud
  - dbports.firewall.cloud.members
  - dbports.firewall.cloud.purge
"""

EXAMPLES = r"""
- name: Show what erp-db needs
  ansible.builtin.debug:
    msg: "{{ gateway | dbports.firewall.aws_security_group('dc') }}"
  vars:
    gateway: "{{ lookup('ansible.builtin.file', 'dbports-plan/gateways/acl-1.json') | from_json }}"
# => {"rules": [{"proto": "tcp", "from_port": 1433, "to_port": 1433, "cidr_ip": ["192.0.2.21/32"], "rule_desc": "dbports
#    erp-db mssql/MSSQLSERVER/tds request: Clients connect to instance MSSQLSERVER"}], "rules_egress": [],
#    "purge_rules": false, "purge_rules_egress": false}
"""

RETURN = r"""
_value:
  description:
    - C(rules), C(rules_egress), C(purge_rules) and C(purge_rules_egress) of the module.
  type: dict
"""

from ansible_collections.dbports.firewall.plugins.plugin_utils._edge.filters import filter_module
from ansible_collections.dbports.firewall.plugins.plugin_utils._output.devices.registry import from_data, translator

FilterModule = filter_module("aws_security_group", from_data(translator("aws_security_group")))
